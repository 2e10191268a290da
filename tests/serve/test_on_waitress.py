"""The application in waitress, over sockets: what is no HTTP is refused in JSON, and slow clients stop no other."""

import errno
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("waitress", reason="the extra [serve] is not installed")

from tests.serve.asking import new_application
from tests.waiting import HANG, wait_until
from trm_np.serve import on_waitress
from trm_np.serve.listening import listen
from trm_np.serve.metrics import Metrics
from trm_np.serve.on_waitress import ADJUSTMENTS, Connection, Server

POST = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
QUESTION = POST + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
IN_CHUNKS = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


class Running:
    """A server in a thread, and the connections to it; `end` drains it."""

    def __init__(self, application: Any) -> None:
        listening = listen("127.0.0.1", 0)
        self.server = Server(application, listening)
        self.port = int(listening[0].getsockname()[1])
        self.unanswered = -1
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.sockets: list[socket.socket] = []

    def run(self) -> None:
        self.unanswered = self.server.run()

    def send(self, data: bytes) -> socket.socket:
        self.sockets.append(socket.create_connection(("127.0.0.1", self.port), timeout=HANG))
        self.sockets[-1].sendall(data)
        return self.sockets[-1]

    def ask(self, data: bytes) -> bytes:
        """All that is answered on a connection until it is closed."""
        return read_all(self.send(data))

    def connections(self, number: int) -> list[Connection]:
        """Those that there are, once there are so many."""
        wait_until(lambda: len(self.server.channels()) == number)
        return self.server.channels()

    def end(self) -> int:
        """Number of requests left without an answer."""
        try:
            self.server.drain()
            self.thread.join(HANG)
        finally:
            for each in self.sockets:
                each.close()
        return self.unanswered


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(2**16), b""))


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("DRAIN_SECONDS", "LONGEST_QUEUED", "LONGEST_WITH_SMALL", "LINGER_SECONDS"):
        monkeypatch.setattr(on_waitress, name, HANG)
    monkeypatch.setitem(ADJUSTMENTS, "channel_timeout", HANG)
    found = Running(new_application())
    yield found
    found.end()


def status_and_value(answer: bytes) -> tuple[bytes, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ")[1], json.loads(body)


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"nonsense\r\n\r\n", b"400", "request: Bad Request: "),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400", "request: Bad Request: "),
        (b"GET / HTTP/1.1\r\nX: \x1b\rb\r\n\r\n", b"400", "request: Bad Request: Bare CR or LF found"),
        (b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 20_000), b"431", "request: Request Header Fields"),
        (POST + b"Content-Length: 3000000\r\n\r\n", b"413", "request: Request Entity Too Large: "),
        (
            POST + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000),
            b"400",
            "request: Bad Request: Exceeds the limit",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", b"400", "request: Bad Request: 0 times Host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", b"400", "request: Bad Request: 2 times Host"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", b"400", "request: Bad Request: 2 times Host"),
        (
            POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"400",
            "request: Bad Request: Content-Length and Transfer-Encoding",
        ),
        (b"GET http://[::1/ HTTP/1.1\r\n\r\n", b"400", "request: Bad Request: Invalid IPv6 URL"),
        (POST + b"Content-Length: many\r\n\r\n", b"400", "request: Bad Request: Content-Length is invalid"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", b"400", "request: Not Implemented: "),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
            b"400",
            "request: Bad Request: Invalid chunk size",
        ),
    ],
    ids=str,
)
def test_what_is_no_request_is_refused_in_json_and_counted(
    running: Running, data: bytes, status: bytes, said: str
) -> None:
    answer = running.ask(data)
    found, value = status_and_value(answer)
    assert found == status
    assert list(value) == ["error"] and value["error"].startswith(said)
    assert value["error"].isprintable()
    assert b"Content-Type: application/json\r\n" in answer and b"Server: " not in answer
    counted = f'trm_requests_total{{path="other",status="{status.decode()}"}} 1\n'
    assert counted in running.server.metrics.text()


def test_a_body_in_chunks_is_a_body(running: Running) -> None:
    assert status_and_value(running.ask(IN_CHUNKS + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"))[0] == b"200"
    large = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    assert status_and_value(running.ask(IN_CHUNKS + large + b"2\r\n{}\r\n0\r\n\r\n")) == (
        b"413",
        {"error": "body: found 1,048,578 bytes; allowed: at most 1,048,576 bytes"},
    )


def test_a_client_that_waits_to_be_told_to_go_on_is_told(running: Running) -> None:
    client = running.send(POST + b"Connection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"{}")
    assert status_and_value(read_all(client))[0] == b"200"


def test_half_requests_time_out(running: Running) -> None:
    half_sent = [running.send(HALF) for _ in range(3 * ADJUSTMENTS["threads"])]
    assert b"200 OK" in running.ask(b"GET /health HTTP/1.0\r\n\r\n")
    wait_until(lambda: all(each.request for each in running.connections(len(half_sent))))
    (listener,) = running.server.listeners
    last = max(each.last_activity for each in running.connections(len(half_sent)))
    listener.maintenance(last + ADJUSTMENTS["channel_timeout"] + 1)
    listener.pull_trigger()
    assert [read_all(client) for client in half_sent] == [b""] * len(half_sent)


class Large:
    """An application whose every answer is larger than what any socket takes in at once."""

    metrics = Metrics()
    body = b"x" * 2**25

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = self.body if environ["PATH_INFO"] == "/large" else b""
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


def test_clients_that_do_not_read_stop_no_other_and_are_counted_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(on_waitress, "DRAIN_SECONDS", 0.5)
    monkeypatch.setitem(ADJUSTMENTS, "threads", 2)
    running = Running(Large())
    for _ in range(3):
        running.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
    assert b"200 OK" in running.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert running.end() == 3


class Slow:
    """An application that answers `/recommend` once it is `released`; it has `begun` so many answers."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.released = threading.Event()
        self.begun = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/recommend":
            self.begun += 1
            self.released.wait(HANG)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


def test_what_no_thread_can_take_in_time_is_refused_at_once_and_all_else_is_answered(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(on_waitress, "LONGEST_QUEUED", 0.0)
    monkeypatch.setattr(on_waitress, "LONGEST_WITH_SMALL", HANG)
    monkeypatch.setattr(on_waitress, "SMALL", 1)
    monkeypatch.setitem(ADJUSTMENTS, "threads", 2)
    slow = Slow()
    running = Running(slow)
    request.addfinalizer(running.end)
    request.addfinalizer(slow.released.set)  # which comes first
    small = POST + b"Connection: close\r\nContent-Length: 1\r\n\r\n0"
    accepted = []
    for number in range(
        4
    ):  # two that are being answered, and two that wait for a thread, the last a small one
        accepted.append(running.send(QUESTION if number < 3 else small))
        wait_until(lambda number=number: slow.begun + len(running.server.dispatcher.queue) == number + 1)
    for large in (QUESTION, QUESTION, IN_CHUNKS + b"2\r\n{}\r\n0\r\n\r\n"):
        refused = running.ask(large)
        status, value = status_and_value(refused)
        assert status == b"503" and b"\r\nRetry-After: " in refused
        assert value["error"].startswith("load: found more requests than can be answered in time")
        assert running.ask(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 OK")
    monkeypatch.setattr(on_waitress, "LONGEST_WITH_SMALL", 0.0)
    assert running.ask(small).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert 'trm_requests_total{path="/recommend",status="503"} 4\n' in slow.metrics.text()
    slow.released.set()
    assert [read_all(client).split(b" ")[1] for client in accepted] == [b"200"] * 4
    assert running.end() == 0


def test_what_came_in_one_piece_is_answered_to_the_last_before_the_end(running: Running) -> None:
    client = running.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    running.server.drain()
    answers = read_all(client)
    assert answers.count(b"200 OK") == 50
    running.thread.join(HANG)
    running.server.drain()  # once more, when all is over
    assert running.end() == 0


def test_the_trigger_is_pulled_and_closed_by_one_thread_at_a_time(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listener,) = running.server.listeners
    free: list[bool] = []  # whether a third thread could have pulled or closed it meanwhile

    def watched(work: Callable[[], None]) -> Callable[[], None]:
        def third() -> None:
            free.append(running.server.ending.acquire(blocking=False))

        def watched_work() -> None:
            thread = threading.Thread(target=third)
            thread.start()
            thread.join(HANG)
            work()

        return watched_work

    monkeypatch.setattr(listener.trigger, "pull_trigger", watched(listener.trigger.pull_trigger))
    monkeypatch.setattr(listener.trigger, "close", watched(listener.trigger.close))
    assert running.end() == 0
    assert free == [False, False]
    listener.pull_trigger()  # by a thread that ends later


def test_large_bodies_and_answers_need_no_temporary_folder(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_folder(*_: object, **__: object) -> None:
        raise FileNotFoundError("no usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", no_folder)
    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.newfile", no_folder)
    body = json.dumps([{"age": 30}] * 40 + [{}] * 10).encode() + b" " * 300_000
    head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    status, value = status_and_value(running.ask(head + body))
    assert status == b"200" and len(value) == 50


@pytest.mark.parametrize("begun", [b"", HALF], ids=["nothing", "half a request"])
def test_connections_without_a_whole_request_make_room_for_one_with_it(
    running: Running, begun: bytes
) -> None:
    limit = running.server.most_channels
    clients = [running.send(begun) for _ in range(limit + 100)]
    assert b"200 OK" in running.ask(b"GET /health HTTP/1.0\r\n\r\n")
    assert len(running.server.channels()) <= limit
    longest_silent = clients[60]  # of those turned away since, none had to be closed before it had read
    status, value = status_and_value(read_all(longest_silent))
    assert status == b"503" and value["error"].startswith("load: found more requests than can be answered")
    for client in clients:  # or the end waits for the other halves
        client.close()


def test_a_new_connection_gets_no_event_of_one_that_made_room_for_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.server.most_channels = 2
    old = [running.send(HALF) for _ in range(2)]
    wait_until(lambda: all(each.request for each in running.connections(2)))
    (listener,) = running.server.listeners
    readable, all_sent = listener.readable, threading.Event()
    passes = []  # of the loop

    def readable_once_all_is_sent() -> bool:
        passes.append(len(passes))
        all_sent.wait(HANG)
        return bool(readable())

    monkeypatch.setattr(listener, "readable", readable_once_all_is_sent)
    listener.pull_trigger()
    wait_until(lambda: passes)
    new = [running.send(b"") for _ in range(2)]
    for client in old:
        client.sendall(b"X: y\r\n")
    all_sent.set()
    wait_until(lambda: len(passes) > 1)
    assert [status_and_value(read_all(client))[0] for client in old] == [b"503"] * 2
    for client in new:
        client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
    assert [status_and_value(read_all(client))[0] for client in new] == [b"200"] * 2


def test_a_connection_that_has_had_its_answers_makes_room_without_another(running: Running) -> None:
    running.server.most_channels = 1
    client = running.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: all(each.queued and each.idle for each in running.connections(1)))
    assert b"200 OK" in running.ask(b"GET /health HTTP/1.0\r\n\r\n")
    answers = read_all(client)
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n") and answers.count(b"HTTP/1.1 ") == 1
    assert 'status="503"' not in running.server.metrics.text()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Running:
    """A server with room for two connections, each of which waits for an answer until the server's end."""
    for name in ("LONGEST_QUEUED", "LONGEST_WITH_SMALL", "LINGER_SECONDS"):
        monkeypatch.setattr(on_waitress, name, HANG)
    slow = Slow()
    running = Running(slow)
    request.addfinalizer(running.end)
    request.addfinalizer(slow.released.set)  # which comes first
    running.server.most_channels = 2
    for number in range(2):
        running.send(QUESTION)
        wait_until(lambda number=number: slow.begun == number + 1)
    return running


def test_beyond_the_last_connection_a_client_is_turned_away_and_reads_why(full: Running) -> None:
    answer = full.ask(POST + b"Content-Length: 400000\r\n\r\n" + b" " * 400_000)  # more than a socket buffers
    status, value = status_and_value(answer)
    assert status == b"503" and value["error"].startswith("load: found more requests than can be answered")
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert {b"Retry-After: 5", b"Connection: close", b"Content-Type: application/json"} <= set(head)
    assert 'trm_requests_total{path="other",status="503"} 1\n' in full.server.metrics.text()


def test_a_client_that_is_turned_away_may_send_after_the_response_has_come(full: Running) -> None:
    client = full.send(b"")
    received = b""
    while b"\r\n\r\n{" not in received:
        received = client.recv(2**16, socket.MSG_PEEK)
        assert received, "closed without a response"
    for _ in range(10):
        client.sendall(QUESTION)
    assert status_and_value(read_all(client))[0] == b"503"


class Failing(socket.socket):
    """A socket by which nothing can be sent or received, for a reason that a test may give."""

    reason = errno.ETIMEDOUT

    def send(self, *_: Any) -> int:
        raise OSError(self.reason, os.strerror(self.reason))

    def recv(self, *_: Any) -> bytes:
        raise OSError(self.reason, os.strerror(self.reason))


@pytest.mark.parametrize(
    ("reason", "closed"), [(errno.EAGAIN, False), (errno.ECONNRESET, True), (errno.ETIMEDOUT, True)]
)
def test_a_client_that_is_turned_away_may_fail_for_any_reason(reason: int, closed: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs, Failing(fileno=ours.detach()) as failing:
        turned_away = on_waitress.TurnedAway(failing, b"response", {})
        failing.reason = reason
        turned_away.handle_read()
        assert (turned_away.socket is None) == closed


def test_few_connections_linger(full: Running) -> None:
    full.server.most_turned_away = 3
    for _ in range(10):  # clients that stay
        assert status_and_value(read_all(full.send(b"")))[0] == b"503"
    wait_until(lambda: len(full.server.turned_away) == 3)
    assert [each.socket is None for each in full.server.turned_away] == [False] * 3


def test_connections_linger_for_a_time(full: Running) -> None:
    assert status_and_value(read_all(full.send(b"")))[0] == b"503"
    wait_until(lambda: full.server.turned_away)
    full.server.turned_away[0].until = 0.0
    (listener,) = full.server.listeners
    wait_until(lambda: not listener.pull_trigger() and not full.server.turned_away)


def test_clients_that_go_at_once_leave_nothing_behind(full: Running) -> None:
    for _ in range(20):
        client = full.send(b"x")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets it
        client.close()
    wait_until(lambda: full.server.metrics.text().count('path="other",status="503"} 20'))
    files = full.server.map
    wait_until(lambda: not any(isinstance(each, on_waitress.TurnedAway) for each in list(files.values())))


def test_at_the_end_those_that_wait_for_a_place_are_told_too(
    full: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_waitress, "ACCEPTED", 1)
    (listener,) = full.server.listeners
    sent = threading.Event()
    monkeypatch.setattr(listener, "readable", lambda: sent.wait(HANG))
    clients = [full.send(QUESTION) for _ in range(5)]
    full.server.drain()
    sent.set()
    assert [status_and_value(read_all(client))[0] for client in clients] == [b"503"] * 5


def test_while_requests_wait_too_long_the_loop_rests_between_two_looks(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    without_sleep = SimpleNamespace(**vars(on_waitress.time) | {"sleep": rests.append})
    monkeypatch.setattr(on_waitress, "time", without_sleep)
    running.ask(b"GET /health HTTP/1.0\r\n\r\n")
    assert rests == []
    monkeypatch.setattr(running.server.dispatcher, "longest_queued", lambda: on_waitress.LONGEST_QUEUED + 0.1)
    assert running.ask(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 OK")
    assert set(rests) == {on_waitress.PAUSE}
    rests.clear()
    answer = running.ask(POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 1_000_000)
    assert answer.startswith(b"HTTP/1.1 503 ") and len(rests) < 100  # a large body takes few looks


def test_when_no_more_files_can_be_opened_it_is_said_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(on_waitress, "say", said.append)
    (listener,) = running.server.listeners

    def no_more(_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr("trm_np.serve.on_waitress.TcpWSGIServer.accept", no_more)
        waiting = running.send(b"GET /health HTTP/1.0\r\n\r\n")
        wait_until(lambda: said)
        listener.accept_some()
    assert said == ["Warning: no more files can be opened (ulimit -n), so that connections wait"]
    assert b"200 OK" in read_all(waiting)
