"""A server from its start to its end, in a process of its own: what ends it, and what it does before it ends."""

import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.serve.asking import model_file, other_model_file
from tests.serve.processes import ServerProcess, get, post, reply, serving
from tests.waiting import wait_until
from trm_np.cli import trm
from trm_np.extras import needs_extra

pytest.importorskip("waitress", reason="the extra [serve] is not installed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent with os.kill")

PERSON = {"age": 34, "hobbies": ["cooking"]}


def counted(server: ServerProcess, name: str) -> float:
    """A metric without labels."""
    connection = server.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_request_that_was_received_is_answered_before_the_end(number: int) -> None:
    with serving(model_file()) as server:
        idle, half_sent = server.connect(), server.connect()
        idle.connect()
        half_sent.putrequest("POST", "/recommend")
        half_sent.putheader("Content-Type", "application/json")
        half_sent.putheader("Content-Length", "2")
        half_sent.endheaders(b"{")
        clients = [server.connect() for _ in range(80)]  # more than there are threads
        for client in clients:
            post(client, [PERSON] * 3)
        server.process.send_signal(number)
        answers = [reply(client) for client in clients]
        half_sent.send(b"}")
        answers.append(reply(half_sent))
        assert server.wait() == (0, "")
    assert [status for status, _ in answers] == [200] * 81
    assert {len(value) for _, value in answers[:-1]} == {3}


def test_while_it_ends_no_new_connection_is_accepted_and_clients_are_told_to_close() -> None:
    with serving(model_file()) as server:
        slow, kept = server.connect(), server.connect()
        kept.request("GET", "/health")
        kept.getresponse().read()
        slow.putrequest("POST", "/recommend")
        slow.putheader("Content-Type", "application/json")
        slow.putheader("Content-Length", "2")
        slow.endheaders(b"{")
        get(server, "/health")  # after which the half of a request has been read
        server.process.send_signal(signal.SIGTERM)
        while True:  # one request at a time: connections that only open would reach their limit of 500
            try:
                get(server, "/health")
            except ConnectionRefusedError:
                break
            except ConnectionError:
                continue  # it was let go while it waited
        slow.send(b"}")
        response = slow.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "close")
        assert server.wait() == (0, "")


class Load:
    """Clients that ask, each on one connection, until they are stopped; what they were answered."""

    def __init__(self, server: ServerProcess, clients: int) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.stopped = threading.Event()
        self.threads = [
            threading.Thread(target=self.ask, args=(server.connect(),), daemon=True) for _ in range(clients)
        ]

    def ask(self, connection: Any) -> None:
        while not self.stopped.is_set():
            post(connection, PERSON, "?k=1")
            self.answers.append(reply(connection))

    def models(self) -> set[str]:
        """Models that have answered."""
        ids = [value["gifts"][0]["id"] for status, value in self.answers if status == 200]
        return {"other" if each.startswith("other") else "trained" for each in ids}

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A model file that may be replaced."""
    return Path(shutil.copy(model_file(), tmp_path / "best.npz"))


def replace(path: Path, content: bytes) -> None:
    """Put other content in the place of a file, by a rename."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.rename(path)


def test_a_model_is_swapped_and_a_broken_one_refused_without_losing_a_request(own_file: Path) -> None:
    content, other = own_file.read_bytes(), other_model_file().read_bytes()
    with serving(own_file) as server:
        with Load(server, clients=6) as load:
            replace(own_file, content[:-1])
            wait_until(lambda: "refused" in get(server, "/health")[1])
            assert get(server, "/model")[1]["seed"] == 0
            replace(own_file, other)
            wait_until(lambda: get(server, "/model")[1]["seed"] == 1)
            assert "refused" not in get(server, "/health")[1]
            wait_until(lambda: load.models() == {"trained", "other"})
            own_file.write_bytes(content)  # in place
            wait_until(lambda: get(server, "/model")[1]["seed"] == 0)
            wait_until(lambda: counted(server, "trm_model_reloads_total") == 2)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: counted(server, "trm_model_reloads_total") == 3)
        assert counted(server, "trm_model_refusals_total") >= 1
        code, said = server.end()
    assert {status for status, _ in load.answers} == {200}
    lines = said.splitlines()
    assert code == 0
    loaded = f"Loaded: {own_file} (tiny, "
    assert all(
        line.startswith((f"Refused, and the model before it stays: {own_file}: ", loaded)) for line in lines
    )
    assert sum(line.startswith(loaded) for line in lines) == 3


def test_a_server_that_cannot_start_says_why_in_one_line(own_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, code, said in (
            (["--port", port], 74, f"127.0.0.1:{port}: cannot listen there (Address already in use); choose"),
            (
                ["--host", "192.0.2.1"],
                74,
                "192.0.2.1:8000: cannot listen there (Cannot assign requested address)",
            ),
            (["--host", "no such host"], 74, "no such host: no such host"),
            (["--host", ""], 2, "an empty name"),
            (["--port", "70000"], 2, "70000"),
            (["--catalogue", "nothing.json"], 65, "nothing.json: found no such file"),
        ):
            result = CliRunner().invoke(trm, ["serve", str(own_file), *options])
            assert (result.exit_code, result.stdout) == (code, "")
            assert len(result.stderr.splitlines()) == 1 and said in result.stderr
    own_file.write_bytes(own_file.read_bytes()[:-1])
    result = CliRunner().invoke(trm, ["serve", str(own_file)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (65, 1)
    assert "not a whole .npz file" in result.stderr


def test_without_waitress_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "trm_np.serve.on_waitress", raising=False)
    monkeypatch.setitem(sys.modules, "waitress", None)
    result = CliRunner().invoke(trm, ["serve", "nothing.npz"])
    assert (result.exit_code, result.stdout) == (74, "")
    assert result.stderr == f"Error: {needs_extra('trm serve needs', 'serve')}\n"
