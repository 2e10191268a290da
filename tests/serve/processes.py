"""`trm serve` in a process of its own, and plain connections to it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import HANG

ROOT = Path(__file__).resolve().parents[2]


class ServerProcess:
    """The process, and what it has said on stderr when it began to serve."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self.connections: list[http.client.HTTPConnection] = []
        assert process.stderr is not None
        while not (found := re.search(r" at http://127\.0\.0\.1:(\d+)/$", "".join(self.said[-1:]))):
            line = process.stderr.readline()
            assert line, f"it ended before it served: {self.said}"
            self.said.append(line)
        self.port = int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is closed in the end."""
        self.connections.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG))
        return self.connections[-1]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code after a signal, and what it said from the beginning of serving on."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=HANG)
        return self.process.returncode, said


@contextmanager
def serving(model: Path, *options: str, module: str = "tests.serve.unhurried") -> Iterator[ServerProcess]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", str(model), "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with ExitStack() as ends:
        ends.callback(process.communicate)
        ends.callback(process.kill)
        server = ServerProcess(process)
        ends.callback(lambda: [connection.close() for connection in server.connections])
        yield server


def reply(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    """Status and value of the answer to the request that was sent."""
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def post(connection: http.client.HTTPConnection, value: Any, query: str = "") -> None:
    """Send a value to /recommend, and do not wait for the answer."""
    body = json.dumps(value).encode()
    connection.request("POST", f"/recommend{query}", body, {"Content-Type": "application/json"})


def get(server: ServerProcess, path: str) -> tuple[int, Any]:
    with closing(server.connect()) as connection:
        connection.request("GET", path)
        return reply(connection)
