"""The WSGI application (PEP 3333) and its paths."""

import base64
import hashlib
import re
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from importlib import resources
from typing import Any
from urllib.parse import quote

from trm_np.data.lenient import CheckedProfile
from trm_np.data.problems import DataError
from trm_np.deadline import TooLate, require_time, until
from trm_np.recommend.outputs import ModelError
from trm_np.serve.batching import PORTION, Batches, Overloaded
from trm_np.serve.http import HTTPError, Response, to_json
from trm_np.serve.log import say
from trm_np.serve.metrics import CONTENT_TYPE, Metrics
from trm_np.serve.question import SECONDS, Question, read_profiles, read_question, require_few, require_modest
from trm_np.serve.served import ServedModel, Snapshot
from trm_np.text import printable, shown

RETRY_AFTER = 5  # seconds
MOST_PROBLEMS = 5  # of a profile that are named
ARRIVED = "trm_np.arrived"  # in the environment: `time.monotonic()` when a request began to wait for a thread
BUSY: dict[type[Exception], str] = {
    TooLate: f"time: found more than {SECONDS:g} seconds; allowed: fewer profiles, or a smaller k",
    Overloaded: "load: found more requests than can be answered in time; allowed: the same again, later",
}
FAILURES, HEALTH_SECONDS = 3, 2.0  # in a row without an answer, before /health asks a question of its own
PATHS = ("/", "/recommend", "/health", "/model", "/metrics", "/openapi.json")
METHODS = dict.fromkeys(PATHS, "GET") | {"/recommend": "POST"}

LOOPBACK = re.compile(r"(.+\.)?localhost|127(\.\d{1,3}){3}|\[::1\]")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Application:
    """Answers requests with the model that is served when they begin."""

    def __init__(self, served: ServedModel, metrics: Metrics, hosts: Collection[str] | None = None) -> None:
        """`hosts` are the allowed names in Host, besides those of this machine; `None` allows any name."""
        self.hosts = hosts
        self.served = served
        self.metrics = metrics
        self.batches = Batches()
        self.page = page()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        response = self.respond(path, environ)
        self.metrics.count_request(path if path in METHODS else "other", response.status)
        start_response(response.status_line, response.all_headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else response.body

    def respond(self, path: str, environ: Environ) -> Response:
        try:
            require_host(environ.get("HTTP_HOST", ""), self.hosts)
            require_method(path, environ["REQUEST_METHOD"])
            return self.answer_to(path, environ)
        except HTTPError as error:
            return error.response()
        except ModelError as error:
            return HTTPError(500, str(error)).response()
        except Exception:  # a bug, which must end neither the server nor in silence
            say(traceback.format_exc().rstrip(), environ["wsgi.errors"])
            return HTTPError(500, "a bug in the server: its log says more").response()

    def answer_to(self, path: str, environ: Environ) -> Response:
        """The answer of one of the paths; raises HTTPError."""
        now = self.served.now
        prefix = quote(environ.get("SCRIPT_NAME", "").rstrip("/"), encoding="latin-1")
        match path:
            case "/recommend":
                return self.recommend(now, environ)
            case "/model":
                return Response(200, [now.description])
            case "/openapi.json":
                return Response(200, [to_json(now.openapi | {"servers": [{"url": prefix or "/"}]})])
            case "/health":
                return self.health(now)
            case "/metrics":
                return Response(200, [self.metrics.text().encode()], CONTENT_TYPE)
        if prefix and not environ.get("PATH_INFO"):  # all else is beside the page, which ends in a slash
            return Response(308, [], "text/plain", (("Location", f"{prefix.rpartition('/')[2]}/"),))
        return self.page

    def recommend(self, now: Snapshot, environ: Environ) -> Response:
        """The answers to the profiles in the body, as JSON; raises HTTPError."""
        began = environ.get(ARRIVED, time.monotonic())
        question = read_question(environ.get("QUERY_STRING", ""))
        values, many = read_profiles(environ)
        require_few(len(values), min(question.terms.k, len(now.recommender.gifts)))
        pieces: list[bytes] = []
        try:
            with self.batches.admit(len(values)), until(began + SECONDS):
                profiles = checked(now, values, many, question)
                for first in range(0, len(profiles), PORTION):
                    require_time()
                    portion = profiles[first : first + PORTION]
                    pieces += [b", ", self.recommendations(now, portion, question, began + SECONDS)]
        except (TooLate, Overloaded) as error:
            raise busy(type(error)) from None
        self.metrics.count_answer(len(profiles), time.monotonic() - began)
        return Response(200, [b"[", *pieces[1:], b"]"] if many else pieces[1:])

    def recommendations(
        self, now: Snapshot, profiles: list[CheckedProfile], question: Question, deadline: float
    ) -> bytes:
        """Answers to a few profiles, in JSON, joined by commas; raises TooLate."""
        found = self.batches.recommend(now.recommender, profiles, question.terms, deadline)
        return b", ".join(to_json(each.to_dict()) for each in found)

    def health(self, now: Snapshot) -> Response:
        """Reply of /health; 503 if the last requests had no answer, and a small question has none now."""
        reply: dict[str, Any] = dict(now.health)
        if self.served.refused:
            reply["refused"] = self.served.refused
        if self.served.looked is not None:
            reply["seconds_since_look"] = round(time.monotonic() - self.served.looked, 1)
        if self.batches.failures >= FAILURES:
            try:
                with until(time.monotonic() + HEALTH_SECONDS):
                    now.recommender.try_out()
                self.batches.failures = 0
            except Exception as error:
                reason = "no answer in time" if isinstance(error, TooLate) else repr(error)
                return Response(503, [to_json({"status": "failing", "reason": printable(reason)} | reply)])
        return Response(200, [to_json({"status": "ok"} | reply)])


def require_host(host: str, hosts: Collection[str] | None) -> None:
    """Raise HTTPError for a name in Host that is not allowed, as in an attack by DNS rebinding."""
    name = re.sub(r":\d*$", "", host).lower().rstrip(".")
    if hosts is not None and host and name not in hosts and not LOOPBACK.fullmatch(name):
        allowed = "localhost, and the names given as --allow-host or TRM_ALLOW_HOST"
        raise HTTPError(400, f"Host: found {shown(host)}; allowed: {allowed}")


def require_method(path: str, method: str) -> None:
    """Raise HTTPError for an unknown path, or a method that the path does not have."""
    if path not in METHODS:
        raise HTTPError(404, f"path: found {shown(path)}; allowed: {', '.join(METHODS)}")
    allowed = "GET, HEAD" if METHODS[path] == "GET" else METHODS[path]
    if method not in allowed.split(", "):
        message = f"method: found {shown(method)}; allowed for {path}: {allowed}"
        raise HTTPError(405, message, (("Allow", allowed),))


def busy(reason: type[Exception]) -> HTTPError:
    return HTTPError(503, BUSY[reason], (("Retry-After", str(RETRY_AFTER)),))


def checked(now: Snapshot, values: list[Any], many: bool, question: Question) -> list[CheckedProfile]:
    """The profiles, each checked; raises HTTPError for the first that is refused, and TooLate."""
    profiles = []
    for index, value in enumerate(values):
        require_time()
        place = f"[{index}]" if many else ""
        try:
            require_modest(value, place)
            profile, warnings, notes = now.recommender.check(value, question.strict, "body", place)
            profiles.append(CheckedProfile(profile, (*question.warnings, *warnings), notes))
        except DataError as error:
            raise HTTPError(422, "; ".join(map(str, error.problems[:MOST_PROBLEMS]))) from None
    return profiles


def page() -> Response:
    """page.html, and a policy that lets it run its own script, ask this server, and nothing else."""
    text = resources.files("trm_np.serve").joinpath("page.html").read_bytes()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes(text, b'script')}",
            f"style-src {hashes(text, b'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = (("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer"))
    return Response(200, [text], "text/html; charset=utf-8", headers)


def hashes(text: bytes, element: bytes) -> str:
    """Sources of a Content-Security-Policy for the inline elements of this name, or 'none'."""
    found = re.findall(rb"<%b>(.*?)</%b>" % (element, element), text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each).digest()).decode() for each in found]
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
