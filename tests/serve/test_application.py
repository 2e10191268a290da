"""The application as any WSGI server meets it: paths, methods, limits, and one line for whatever is refused."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest

from tests.hostile.forging import smallest_config, untrained
from tests.serve.asking import ask, model_file, new_application, recommend
from tests.waiting import HANG
from tests.world.small_world import VOCABULARY, gift
from trm_np import Recommender, __version__
from trm_np.config import flatten, from_flat
from trm_np.deadline import TooLate
from trm_np.serve import question, wsgi
from trm_np.serve.http import to_json
from trm_np.serve.metrics import Metrics
from trm_np.serve.question import BODY_BYTES
from trm_np.serve.served import ServedModel
from trm_np.serve.wsgi import FAILURES, Application
from trm_np.storage.checkpoint import CheckpointError

PERSON = {"age": 34, "hobbies": ["cooking"], "budget": 120}


@pytest.fixture(scope="module")
def application() -> Application:
    return new_application()


# ------------------------------------------------------------------------------------------ answers


def test_an_answer_is_that_of_the_recommender(application: Application) -> None:
    found = Recommender.load(model_file()).recommend(PERSON, k=5, days_left=2)
    assert recommend(application, PERSON, "?k=5&days_left=2").json == found.to_dict()
    terms: dict[str, Any] = {
        "allow": ["late", "sold_out"],
        "any_age": True,
        "exclude": ["7", "pocket_poetry"],
    }
    found = Recommender.load(model_file()).recommend(PERSON, k=50, **terms)
    query = "?k=50&allow=late,sold_out&any_age=true&exclude=7,pocket_poetry"
    assert recommend(application, PERSON, query).json == found.to_dict()


def test_a_request_is_answered_with_so_many_gifts_at_most(application: Application) -> None:
    with patch.object(question, "GIFTS", 100):
        assert recommend(application, [{"age": 3}] * 2, "?k=45").status == 200
        refused = recommend(application, [{"age": 3}] * 3, "?k=45")
    assert (refused.status, refused.json["error"]) == (
        413,
        "body: found 135 gifts, for 3 profiles; allowed: at most 100 in all answers",
    )


def test_a_list_is_answered_in_its_order_across_portions(application: Application) -> None:
    budgets = [50 + index for index in range(2 * wsgi.PORTION + 1)]
    answers = recommend(application, [{"budget": budget} for budget in budgets], "?k=1").json
    assert [answer["profile"]["budget"] for answer in answers] == budgets
    assert recommend(application, [PERSON]).json == [recommend(application, PERSON).json]


@pytest.mark.parametrize(
    "query",
    ["?k=2&", "?&&k=2", "?k=%32", "?k=02&strict=false", "?k=2&any_age=false&allow=&exclude="],
)
def test_a_query_is_taken_however_a_program_has_joined_it(application: Application, query: str) -> None:
    assert recommend(application, PERSON, query).json == recommend(application, PERSON, "?k=2").json
    assert recommend(application, PERSON, "?").json == recommend(application, PERSON).json


@pytest.mark.parametrize(
    "environ",
    [
        {"CONTENT_TYPE": "Application/JSON ;Charset=UTF-8"},
        {"CONTENT_TYPE": 'application/json;\tcharset="utf8";'},
        {"CONTENT_TYPE": "application/json; charset=us-ascii; profile=x"},
        {"HTTP_CONTENT_ENCODING": ""},
        {"HTTP_CONTENT_ENCODING": "Identity "},
        {"HTTP_ACCEPT": "text/html", "HTTP_ACCEPT_CHARSET": "latin-1"},
    ],
    ids=str,
)
def test_headers_are_taken_as_clients_write_them(application: Application, environ: dict[str, Any]) -> None:
    assert recommend(application, PERSON, **environ).json == recommend(application, PERSON).json


def test_a_byte_order_mark_before_the_json_is_none_of_it(application: Application) -> None:
    assert ask(application, "/recommend", b"\xef\xbb\xbf {}\r\n").json == recommend(application, {}).json


def test_an_unknown_name_is_a_warning_or_with_strict_an_error(application: Application) -> None:
    person = {"hobbies": ["fishing\u202e"]}
    (warning,) = recommend(application, person).json["warnings"]
    assert "is not known and counts as missing" in warning
    refused = recommend(application, person, "?strict=true")
    assert refused.status == 422
    assert refused.json["error"].startswith(
        'body: hobbies[0]: found "fishing\\u202e"; allowed: one of gardening'
    )


def test_what_is_served_is_described(application: Application) -> None:
    model = ask(application, "/model").json
    assert (model["version"], model["preset"], model["seed"], model["gifts"]) == (__version__, "tiny", 0, 45)
    assert model["parameters"] == 299_388 and model["most_steps"] == 3
    assert len(model["vocabulary"]["hobbies"]) == 18
    assert (model["limits"]["body_bytes"], model["limits"]["profiles"]) == (1_048_576, 1000)
    assert model["sha256"].encode() in model_file().read_bytes()
    served = {"model": str(model_file()), "sha256": model["sha256"], "loaded_at": model["loaded_at"]}
    assert ask(application, "/health").json == {"status": "ok"} | served


def test_the_page_may_run_its_own_script_and_nothing_else(application: Application) -> None:
    page = ask(application, "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src ")
    # Of the specification, Content Security Policy Level 3, section 1.2: a script and its hash.
    script = b"<p><script>alert('Hello, world.');</script><style></style><script>\n</script>"
    first, second = wsgi.hashes(script, b"script").split()
    assert first == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    assert second != first and wsgi.hashes(script, b"link") == "'none'"


@pytest.mark.parametrize(
    ("prefix", "location"),
    [
        ("/gifts", "gifts/"),
        ("/shop/gifts", "gifts/"),
        ("/caf\u00c3\u00a9", "caf%C3%A9/"),
        ("/a:b\r\nX: y", "a%3Ab%0D%0AX%3A%20y/"),
    ],
)
def test_at_a_prefix_everything_is_beside_the_page(
    application: Application, prefix: str, location: str
) -> None:
    under: dict[str, Any] = {"SCRIPT_NAME": prefix}
    for method in ("GET", "HEAD"):
        reply = ask(application, "", method=method, **under)
        assert (reply.status, reply.headers["Location"]) == (308, location)
    page = ask(application, "/", **under)
    assert page == ask(application, "/")
    assert re.findall(rb'(?:href|src|action)="(?!data:)', page.body) == []
    assert ask(application, "", b"{}", **under).status == 405
    assert recommend(application, PERSON, **under).json == recommend(application, PERSON).json
    assert ask(application, "/openapi.json", **under).json["servers"] == [
        {"url": quote(prefix, encoding="latin-1")}
    ]
    assert ask(application, "/openapi.json").json["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("path", wsgi.METHODS)
def test_head_is_get_without_its_body(application: Application, path: str) -> None:
    head = ask(application, path, method="HEAD")
    if wsgi.METHODS[path] == "POST":
        assert (head.status, head.headers["Allow"]) == (405, "POST")
    else:
        assert (head.status, head.body) == (200, b"") and int(head.headers["Content-Length"]) > 0


def test_every_answer_says_how_long_it_is_and_that_it_is_what_it_says(application: Application) -> None:
    for reply in (
        recommend(application, PERSON),
        recommend(application, [PERSON] * 3),
        recommend(application, 3),
        *(ask(application, path) for path in (*wsgi.METHODS, "/nothing")),
    ):
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


# ----------------------------------------------------------------------------------------- refusals

AS_FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
REFUSED: list[tuple[int, str, bytes, dict[str, Any], str]] = [
    (400, "?k=0", b"{}", {}, "query: k: found 0; allowed: an integer from 1 to 100000"),
    (400, "?k=100001", b"{}", {}, "query: k: found 100001; allowed: an integer from 1 to 100000"),
    (400, "?k=%D9%A3", b"{}", {}, 'query: k: found "٣"; allowed: an integer from 1 to 100000'),
    (400, f"?k={'9' * 5000}", b"{}", {}, f'query: k: found "{"9" * 56}...; allowed: an integer'),
    (400, "?k=-1", b"{}", {}, 'query: k: found "-1"; allowed: an integer from 1 to 100000'),
    (400, "?k=", b"{}", {}, 'query: k: found ""; allowed: an integer from 1 to 100000'),
    (400, "?k=true", b"{}", {}, "query: k: found true; allowed: an integer from 1 to 100000"),
    (400, "?days_left=1.5", b"{}", {}, 'query: days_left: found "1.5"; allowed: an integer from 0 to 36500'),
    (400, "?strict=yes", b"{}", {}, 'query: strict: found "yes"; allowed: true or false'),
    (400, "?strict=1", b"{}", {}, "query: strict: found 1; allowed: true or false"),
    (400, "?any_age=7", b"{}", {}, "query: any_age: found 7; allowed: true or false"),
    (
        400,
        "?allow=late,age",
        b"{}",
        {},
        'query: allow[1]: found "age"; allowed: one of sold_out, late, over_budget',
    ),
    (400, "?k=1&k=2", b"{}", {}, 'query: found the key "k" more than once; allowed: each key once'),
    (
        400,
        "?day_left=1",
        b"{}",
        {},
        'query: found the unknown key "day_left"; allowed: k, days_left, strict, allow, any_age, exclude; did you mean',
    ),
    (400, "?%00%0d%0aX=1", b"{}", {}, 'query: found the unknown key "\\u0000\\r\\nX"; allowed: k, days_left'),
    (400, "?k", b"{}", {}, 'query: k: found ""; allowed: an integer from 1 to 100000'),
    (
        400,
        "?days_left=1&gifts",
        b"{}",
        {},
        'query: found the unknown key "gifts"; allowed: k, days_left, strict',
    ),
    (400, "?%ff=1", b"{}", {}, "query: found text that is not UTF-8; allowed: k, days_left, strict"),
    (400, "", b"", {}, "body: found nothing; allowed: a profile in JSON, or a list of 1 to 1,000 of them"),
    (400, "", b"{", {}, "body: line 1 column 2: found text that is not JSON"),
    (400, "", b"\xff", {}, "body: byte 0: found text that is not UTF-8; allowed: UTF-8"),
    (400, "", '"\u00fc"'.encode("utf-16"), {}, "body: byte 0: found text that is not UTF-8"),
    (400, "", b"[" * 100_000, {}, "body: found lists or objects nested too deeply"),
    (400, "", b"{}", {"CONTENT_LENGTH": "3"}, "body: found 2 bytes; allowed: 3, as Content-Length says"),
    (400, "", b"{}", {"CONTENT_LENGTH": "+2"}, 'Content-Length: found "+2"; allowed: a number of bytes'),
    (400, "", b"{}", {"CONTENT_LENGTH": "٢"}, 'Content-Length: found "٢"; allowed: a number of bytes'),
    (411, "", b"{}", {"CONTENT_LENGTH": None}, "Content-Length: found none; allowed: a number of bytes"),
    (
        413,
        "",
        b"{}",
        {"CONTENT_LENGTH": "1048577"},
        "body: found 1,048,577 bytes; allowed: at most 1,048,576",
    ),
    (413, "", b"{}", {"CONTENT_LENGTH": "9" * 4000}, "body: found a number of more than 20 digits"),
    (413, "", b"[" + b"{}," * 1000 + b"{}]", {}, "body: found a list of 1,001; allowed: a profile in JSON"),
    (
        415,
        "",
        b"age=3",
        AS_FORM,
        'Content-Type: found "application/x-www-form-urlencoded"; allowed: application',
    ),
    (415, "", b"{}", {"CONTENT_TYPE": None}, 'Content-Type: found ""; allowed: application/json, in UTF-8'),
    (415, "", b"{}", {"CONTENT_TYPE": "application/json; charset=latin-1"}, "Content-Type: found"),
    (415, "", b"{}", {"CONTENT_TYPE": "application/json;\tCharset='utf-16'"}, "Content-Type: found"),
    (415, "", b"{}", {"HTTP_CONTENT_ENCODING": "gzip"}, 'Content-Encoding: found "gzip"; allowed: identity'),
    (422, "", b"[]", {}, "body: found a list of 0; allowed: a profile in JSON, or a list of 1 to 1,000"),
    (422, "", b"3", {}, "body: found 3; allowed: an object with age, hobbies"),
    (422, "", b"[{}, null]", {}, "body: [1]: found null; allowed: an object with age, hobbies"),
    (422, "", b'[{}, {"age": NaN}]', {}, "body: [1].age: found NaN; allowed: a number from 0 to 120"),
    (
        422,
        "",
        b'{"age": 1, "age": 1}',
        {},
        'body: found the key "age" more than once; allowed: each key once',
    ),
    (
        422,
        "",
        b'{"age": %b}' % (b"9" * 10_000),
        {},
        "body: age: found Infinity; allowed: a number from 0 to 120",
    ),
    (422, "", b'{"agee": 1}', {}, 'body: found the unknown key "agee"; allowed: age, hobbies'),
    (
        422,
        "",
        b'{"age": 300, "budget": -1}',
        {},
        "body: age: found 300; allowed: a number from 0 to 120; body: budget: found -1; allowed: ",
    ),
    (
        422,
        "",
        b'{"hobbies": [%b1]}' % (b"1," * 100),
        {},
        "body: hobbies: found a list of 101; allowed: a list of at most 100",
    ),
    (422, "", b'{"occasion": "%b"}' % (b"x" * 1001), {}, "body: occasion: found a name of 1,001 characters"),
    (422, "", b'{"hobbies": ["%b"]}' % (b"x" * 1001), {}, "body: hobbies: found a name of 1,001 characters"),
]


@pytest.mark.parametrize(
    ("status", "query", "body", "environ", "said"), REFUSED, ids=[row[4] for row in REFUSED]
)
def test_what_is_refused_is_told_in_one_line(
    application: Application, status: int, query: str, body: bytes, environ: dict[str, Any], said: str
) -> None:
    reply = ask(application, f"/recommend{query}", body, **environ)
    assert reply.status == status, reply
    assert reply.headers["Content-Type"] == "application/json"
    assert list(reply.json) == ["error"]
    assert reply.json["error"].startswith(said)
    assert "\n" not in reply.json["error"] and len(reply.json["error"]) < 1000


def test_one_bad_profile_refuses_the_list_with_the_line_of_the_command(application: Application) -> None:
    reply = recommend(application, [PERSON, {"age": 300}, {"age": -1}])
    assert (reply.status, reply.json["error"]) == (
        422,
        "body: [1].age: found 300; allowed: a number from 0 to 120",
    )


def test_a_body_of_all_that_is_allowed_is_read_and_one_byte_more_is_not(application: Application) -> None:
    assert ask(application, "/recommend", b"{}".ljust(BODY_BYTES)).status == 200
    assert ask(application, "/recommend", b"{}".ljust(BODY_BYTES + 1)).status == 413


def test_a_body_that_ends_by_itself_needs_no_length(application: Application) -> None:
    ends = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    assert ask(application, "/recommend", b"{}", **ends).status == 200
    assert ask(application, "/recommend", b"{}".ljust(BODY_BYTES + 1), **ends).status == 413


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError()], ids=repr)
def test_a_client_that_does_not_go_on_is_refused(application: Application, error: OSError) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise error

    broken: dict[str, Any] = {"wsgi.input": Broken()}
    said = "body: found fewer bytes; allowed: 2, as Content-Length says"
    assert ask(application, "/recommend", b"{}", **broken)[::2] == (400, to_json({"error": said}))
    in_chunks = broken | {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    said = "body: found fewer bytes; allowed: all to the end"
    assert ask(application, "/recommend", b"{}", **in_chunks)[::2] == (400, to_json({"error": said}))


@pytest.mark.parametrize("path", ["/nothing", "/recommend/", "//", "/\r\nx", "/" + "x" * 5000, "/%2e%2e"])
def test_a_path_that_is_none_is_not_found(application: Application, path: str) -> None:
    reply = ask(application, path)
    assert reply.status == 404 and reply.json["error"].startswith('path: found "/')
    assert not re.search(r"[\r\n]", reply.json["error"])


@pytest.mark.parametrize("path", wsgi.METHODS)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "GET", "POST"])
def test_another_method_is_refused_with_those_that_are_allowed(
    application: Application, path: str, method: str
) -> None:
    if method == wsgi.METHODS[path]:
        return
    reply = ask(application, path, method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST" if path == "/recommend" else "GET, HEAD")


def test_what_takes_too_long_is_given_up_between_two_portions(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi, "SECONDS", 10.0)
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr("trm_np.serve.wsgi.time.monotonic", lambda: next(clock))
    reply = recommend(application, [PERSON] * 10)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
    assert reply.json["error"] == "time: found more than 10 seconds; allowed: fewer profiles, or a smaller k"


def test_a_bug_is_told_to_the_log_and_not_to_the_client(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(wsgi, "checked", broken)
    log = io.StringIO()
    reply = recommend(application, PERSON, **{"wsgi.errors": log})
    assert (reply.status, reply.json) == (500, {"error": "a bug in the server: its log says more"})
    assert "ZeroDivisionError: secret" in log.getvalue()
    assert ask(application, "/health").status == 200


def test_a_request_ends_on_the_model_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    application = new_application()
    before = application.served.now
    recommendations = application.recommendations

    def swapped_meanwhile(now: Any, *question: Any) -> bytes:
        assert now is before
        application.served.look(requested=True)
        return recommendations(now, *question)

    monkeypatch.setattr(application, "recommendations", swapped_meanwhile)
    assert len(recommend(application, [PERSON] * (wsgi.PORTION + 1)).json) == wsgi.PORTION + 1
    assert application.served.now is not before


# ------------------------------------------------------------------------------------------ figures


def test_requests_errors_and_durations_are_counted() -> None:
    application = new_application()
    recommend(application, PERSON)
    recommend(application, [PERSON] * 3)
    recommend(application, 3)
    for path in ("/health", "/nothing", "/\n"):
        ask(application, path)
    reply = ask(application, "/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = reply.body.decode()
    line = r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+'
    assert all(re.fullmatch(rf"# (HELP|TYPE) .*|{line}", each) for each in text.splitlines())
    for expected in (
        'trm_requests_total{path="/recommend",status="200"} 2',
        'trm_requests_total{path="/recommend",status="422"} 1',
        'trm_requests_total{path="other",status="404"} 2',
        'trm_errors_total{kind="refused"} 3',
        'trm_errors_total{kind="failed"} 0',
        "trm_profiles_total 4",
        "trm_recommend_seconds_count 2",
        'trm_recommend_seconds_bucket{le="+Inf"} 2',
    ):
        assert expected in text.splitlines()


# ---------------------------------------------------------------------------------- its environment


@pytest.fixture
def of_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Application]]:
    """The application that other servers find by its name, with these variables set."""
    import trm_np.serve

    def found(**variables: str) -> Application:
        for name in ("TRM_MODEL", "TRM_TRUST", "TRM_ALLOW_HOST"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        trm_np.serve.application_of_environment.cache_clear()
        return trm_np.serve.application

    yield found
    trm_np.serve.application_of_environment.cache_clear()


def test_other_servers_find_the_application_by_name(of_environment: Callable[..., Application]) -> None:
    import trm_np.serve

    application = of_environment(TRM_MODEL=str(model_file()))
    assert application is trm_np.serve.application
    health = ask(application, "/health", HTTP_HOST="gifts.example")
    assert health.json["model"] == str(model_file())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "TRM_MODEL: not set"),
        ({"TRM_MODEL": "nothing.npz"}, "nothing.npz: no such file"),
        ({"TRM_MODEL": "best.npz", "TRM_TRUST": "yes"}, 'TRM_TRUST: found "yes"; allowed: 1'),
    ],
    ids=str,
)
def test_without_a_model_there_is_no_application(
    of_environment: Callable[..., Application], variables: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        of_environment(**variables)


def test_the_environment_says_which_hosts_are_answered(of_environment: Callable[..., Application]) -> None:
    application = of_environment(TRM_MODEL=str(model_file()), TRM_ALLOW_HOST="gifts.example, Other.example")
    hosts = ("localhost:8000", "gifts.example", "other.example:80", "evil.example")
    assert [ask(application, "/health", HTTP_HOST=host).status for host in hosts] == [200, 200, 200, 400]


def test_the_environment_says_whether_the_model_is_trusted(
    of_environment: Callable[..., Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.model.cost.MOST_WORK", 1)  # so that an answer of any model costs too much
    path = str(model_file())
    for variables in ({}, {"TRM_TRUST": "0"}):
        with pytest.raises(CheckpointError, match="--trust"):
            of_environment(TRM_MODEL=path, **variables)
    application = of_environment(TRM_MODEL=path, TRM_TRUST="1")
    assert recommend(application, PERSON).status == 200 and application.served.trust


def test_the_old_names_of_parameters_are_accepted_for_one_version() -> None:
    application = new_application()
    old, new = (recommend(application, PERSON, query) for query in ("?top=2&days=3", "?k=2&days_left=3"))
    said = [
        f"{name} is now {now}; the old name works until version 0.2"
        for name, now in (("top", "k"), ("days", "days_left"))
    ]
    assert (old.status, old.json) == (200, new.json | {"warnings": [*said, *new.json["warnings"]]})
    both = recommend(application, PERSON, "?top=2&k=2")
    assert both.status == 400 and 'the key "k" more than once' in both.json["error"]


def test_health_fails_while_nothing_can_be_answered_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    application = new_application()
    recommender = application.served.now.recommender
    answer = recommender.recommend_checked

    def too_late(*_: object) -> None:
        raise TooLate

    monkeypatch.setattr(recommender, "recommend_checked", too_late)
    application.batches.failures = FAILURES - 1
    assert ask(application, "/health").json["status"] == "ok"
    application.batches.failures = FAILURES
    failing = ask(application, "/health")
    assert failing.status == 503 and failing.json["status"] == "failing"
    assert failing.json["reason"] == "no answer in time"
    monkeypatch.setattr("trm_np.serve.wsgi.HEALTH_SECONDS", HANG)
    monkeypatch.setattr(recommender, "recommend_checked", answer)
    assert ask(application, "/health").json["status"] == "ok"
    assert application.batches.failures == 0


def test_a_server_does_not_begin_with_a_model_that_has_no_answer_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.npz"
    sizes = {f"model.{name}": 10_000 for name in ("latent_steps", "cycles", "supervision_steps")}
    config = from_flat(flatten(smallest_config()) | sizes)
    path.write_bytes(untrained(config, VOCABULARY, [gift(id=f"gift{index}") for index in range(3)]))
    monkeypatch.setattr("trm_np.serve.served.SECONDS", 0.0)
    with pytest.raises(CheckpointError, match="no answer within 0 seconds"):
        ServedModel(str(path), None, Metrics(), trust=True)


def test_requests_without_an_answer_are_counted_until_one_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    application = new_application()
    recommender = application.served.now.recommender
    answer = recommender.recommend_checked

    def too_late(*_: object) -> None:
        raise TooLate

    monkeypatch.setattr(recommender, "recommend_checked", too_late)
    assert [recommend(application, {"age": 30}).status for _ in range(2)] == [503, 503]
    assert application.batches.failures == 2
    monkeypatch.setattr(recommender, "recommend_checked", answer)
    assert recommend(application, {"age": 30}).status == 200
    assert application.batches.failures == 0


OWN = ["127.0.0.1:8000", "localhost", "LOCALHOST.:80", "a.localhost", "[::1]:8000", "gifts.example:1"]


@pytest.mark.parametrize("host", OWN)
def test_a_server_for_this_machine_is_asked_by_its_names(host: str) -> None:
    served = new_application().served
    application = Application(served, served.metrics, hosts={"gifts.example"})
    assert ask(application, "/health", HTTP_HOST=host).status == 200


FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "a,localhost",
    "10.0.0.1",
    "[::2]:80",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str) -> None:
    served = new_application().served
    refused = ask(Application(served, served.metrics, hosts=()), "/health", HTTP_HOST=host)
    assert refused.status == 400 and refused.json["error"].startswith(
        f'Host: found "{host}"; allowed: localhost'
    )
    assert ask(Application(served, served.metrics), "/health", HTTP_HOST=host).status == 200


def test_a_body_with_two_lengths_is_refused(application: Application) -> None:
    refused = recommend(application, PERSON, HTTP_TRANSFER_ENCODING="chunked")
    assert refused.status == 400 and "Transfer-Encoding" in refused.json["error"]
