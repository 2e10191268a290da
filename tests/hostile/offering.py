"""Offer model files to a server, one after the other, while a client asks it without pause."""

import json
import signal
import threading
import time
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.serve.processes import ServerProcess, post, serving
from trm_np.storage.files import atomic_write

PROFILE = {"age": 30, "hobbies": ["reading"], "budget": 80}
PAUSE = 0.01  # seconds between two requests, and between two looks at the counters
COUNTERS = ("trm_model_reloads_total", "trm_model_refusals_total")


class Response(NamedTuple):
    """A response of the server: when its request was sent, how long it took, and its status."""

    at: float
    seconds: float
    status: int


class Offering:
    """A server of the model file `path`, and a client; `responses` has what the client got while it ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.responses: list[Response] = []
        self.failed: Exception | None = None

    def __enter__(self) -> "Offering":
        with ExitStack() as ends:
            self.server: ServerProcess = ends.enter_context(serving(self.path, module="trm_np"))
            self.counting = self.server.connect()
            stderr = self.server.process.stderr
            assert stderr
            log = threading.Thread(target=lambda: [*stderr], daemon=True)  # or its pipe fills up
            self.ended = threading.Event()
            client = threading.Thread(target=self.ask, daemon=True)
            for thread in (log, client):
                thread.start()
            ends.callback(log.join)
            ends.callback(self.server.process.kill)
            ends.callback(client.join)
            ends.callback(self.ended.set)
            self.ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ends.close()

    def ask(self) -> None:
        """Ask again and again, as one client that keeps its connection; an exception is kept in `failed`."""
        connection = self.server.connect()
        try:
            while not self.ended.wait(PAUSE):
                at = time.monotonic()
                post(connection, PROFILE)
                response = connection.getresponse()
                response.read()
                self.responses.append(Response(at, time.monotonic() - at, response.status))
        except (OSError, HTTPException) as error:
            self.failed = error

    def takes(self, data: bytes) -> bool:
        """Whether the server loads this file in place of the model before, or refuses it."""
        before = self.counters()
        atomic_write(self.path, data)
        self.server.process.send_signal(signal.SIGHUP)
        while (now := self.counters()) == before:
            assert self.server.process.poll() is None and not self.failed, (
                "the server or its client has ended"
            )
            time.sleep(PAUSE)
        return now[0] > before[0]

    def counters(self) -> list[float]:
        lines = dict(
            line.rsplit(" ", 1) for line in self.get("/metrics").decode().splitlines() if line[0] != "#"
        )
        return [float(lines[name]) for name in COUNTERS]

    def served(self) -> str:
        """The digest of the model that the server says it has."""
        return str(json.loads(self.get("/model"))["sha256"])

    def get(self, path: str) -> bytes:
        self.counting.request("GET", path)
        return self.counting.getresponse().read()
