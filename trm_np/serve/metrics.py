"""Counters of the server, as text that Prometheus reads (exposition format 0.0.4)."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

from trm_np.serve.forking import after_fork

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
INF = float("inf")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, INF)  # seconds, upper bounds


class Metrics:
    """Counts that may be added to by any thread."""

    def __init__(self) -> None:
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        """Set all counters to zero; each process counts for itself."""
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._durations: Counter[float] = Counter()  # by each bucket that holds them
        self._seconds = 0.0
        self._profiles = self._reloads = self._refusals = 0
        self._started = time.time()

    def count_request(self, path: str, status: int) -> None:
        """A request that was answered; `path` is one of few, or the text would grow with every one tried."""
        with self._lock:
            self._requests[path, status] += 1

    def count_answer(self, profiles: int, seconds: float) -> None:
        """An answer to so many profiles, and how long it took."""
        with self._lock:
            self._profiles += profiles
            self._seconds += seconds
            self._durations.update([bound for bound in BUCKETS if seconds <= bound])

    def count_model(self, refused: bool) -> None:
        """A model file that was loaded in place of another, or refused."""
        with self._lock:
            self._refusals += refused
            self._reloads += not refused

    def text(self) -> str:
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        requests = sorted(self._requests.items())
        yield from family("trm_requests_total", "counter", "Requests answered, by path and status.")
        for (path, status), number in requests:
            yield f'trm_requests_total{{path="{path}",status="{status}"}} {number}'
        yield from family("trm_errors_total", "counter", "Requests refused (4xx) and failed (5xx).")
        for name, first in (("refused", 4), ("failed", 5)):
            number = sum(number for (_, status), number in requests if status // 100 == first)
            yield f'trm_errors_total{{kind="{name}"}} {number}'
        yield from family("trm_recommend_seconds", "histogram", "Seconds that an answer of /recommend took.")
        for bound in BUCKETS:
            le = str(bound).replace("inf", "+Inf")
            yield f'trm_recommend_seconds_bucket{{le="{le}"}} {self._durations[bound]}'
        yield f"trm_recommend_seconds_sum {self._seconds!r}"
        yield f"trm_recommend_seconds_count {self._durations[BUCKETS[-1]]}"
        for name, what, value in (
            ("trm_profiles_total", "Profiles answered.", self._profiles),
            ("trm_model_reloads_total", "Models loaded in place of another.", self._reloads),
            ("trm_model_refusals_total", "Model files refused while another model served.", self._refusals),
        ):
            yield from family(name, "counter", what)
            yield f"{name} {value}"
        yield from family("trm_start_time_seconds", "gauge", "When the server started, since 1970.")
        yield f"trm_start_time_seconds {self._started!r}"


def family(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
