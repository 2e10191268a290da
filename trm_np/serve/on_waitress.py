"""The application in waitress (extra `[serve]`): limits for what clients may take, and an end that answers first."""

import errno
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from trm_np.extras import ExtraMissing, needs_extra
from trm_np.serve.batching import Overloaded
from trm_np.serve.http import HTTPError
from trm_np.serve.log import say
from trm_np.serve.question import BODY_BYTES
from trm_np.serve.wsgi import ARRIVED, Application, busy
from trm_np.systems import most_files

try:
    from waitress import parser, task, wasyncore  # type: ignore[import-untyped, import-not-found, unused-ignore]
    from waitress.adjustments import Adjustments  # type: ignore[import-untyped, import-not-found, unused-ignore]
    from waitress.channel import HTTPChannel  # type: ignore[import-untyped, import-not-found, unused-ignore]
    from waitress.server import TcpWSGIServer  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError as error:
    raise ExtraMissing(needs_extra("trm serve needs", "serve")) from error

DRAIN_SECONDS = 10.0
LONGEST_QUEUED = 0.3  # seconds that the first in the queue may wait for a thread; the last may wait longer
LONGEST_WITH_SMALL = 1.0  # the same before small requests are refused, of which threads answer many together
PAUSE = 0.05  # seconds between two looks at all connections, once the first in the queue waits too long
SMALL = 2000  # bytes of a body with a few profiles
PIECE, MOST_DISCARDED = 2**16, 2**22  # bytes read at a time, and at most, of a body to discard
CONNECTIONS = 500  # with those turned away; select(), on systems without poll(), takes 512 sockets
TURNED_AWAY = 0.2  # the largest share of them that waits for clients to read that they are turned away
LINGER_SECONDS = 2.0  # in which a client that is turned away may send its request and read the response
ACCEPTED = 100  # connections accepted at a time at most, and no more than may be turned away
ROOM = 50  # connections that are closed at a time when no file can be opened
LEAST_CONNECTIONS = 100  # however few files may be opened
FILES_KEPT = 64  # descriptors for all else that a server opens
OUT_OF_FILES, REST = (errno.EMFILE, errno.ENFILE), 0.05  # seconds
IN_MEMORY = 2**40  # bytes: all bodies and answers, which have limits of their own
ADJUSTMENTS: dict[str, Any] = {
    "threads": 16,  # most of them wait for the model, which answers all that wait together
    "connection_limit": 2**31,  # a server turns connections away instead of letting them wait
    "recv_bytes": PIECE,
    "channel_timeout": 30,  # seconds without a byte from or to a client
    "cleanup_interval": 5,  # seconds between looks for connections that have timed out
    "max_request_header_size": 2**14,
    "max_request_body_size": 2 * BODY_BYTES,  # with the framing of chunks; the application counts without
    "inbuf_overflow": IN_MEMORY,  # else in a file, for which there may be no folder
    "outbuf_overflow": IN_MEMORY,
    "outbuf_high_watermark": 2**40,  # no thread waits for a client to read
    "channel_request_lookahead": 0,
    "asyncore_use_poll": True,  # select() knows no more than 1,024 files
    "log_socket_errors": False,  # a client that goes away is none
    "expose_tracebacks": False,
    "ident": None,
}


class Request(parser.HTTPRequestParser):  # type: ignore[misc]
    """A request whose head is refused for any fault; some faults waitress would take for a bug of its own."""

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of an address, or of a number with too many digits
            raise parser.ParsingError(str(error)) from error
        first, *fields = header_plus.split(b"\r\n")
        names = [field.partition(b":")[0].strip().lower() for field in fields]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise parser.ParsingError("Content-Length and Transfer-Encoding, of which one may be given")
        if names.count(b"host") != 1 and not (first.endswith(b"HTTP/1.0") and b"host" not in names):
            raise parser.ParsingError(f"{names.count(b'host')} times Host, which is to be given once")


class Refusal(task.ErrorTask):  # type: ignore[misc]
    """Reply to a request that the application does not get: an error in JSON, as the application's are."""

    def execute(self) -> None:
        error = self.request.error
        if not isinstance(error, HTTPError):  # but waitress's, of a malformed or too large request
            # A transfer coding of which this server knows nothing.
            status = 400 if error.code == 501 else error.code
            error = HTTPError(status, f"request: {error.reason}: {error.body}")
        response = error.response()
        self.status = response.status_line
        self.response_headers.extend(response.all_headers())
        self.set_close_on_finish()
        path = "/recommend" if isinstance(self.request.error, HTTPError) else "other"
        self.channel.server.whole.metrics.count_request(path, response.status)
        self.content_length = sum(map(len, response.body))
        self.write(b"".join(response.body))


class Answer(task.WSGITask):  # type: ignore[misc]
    """A response of the application; it closes its connection if the server is draining."""

    def get_environment(self) -> dict[str, Any]:
        return {**super().get_environment(), ARRIVED: self.channel.queued}

    def build_response_header(self) -> bytes:
        if self.channel.server.whole.draining and len(self.channel.requests) == 1:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


def recommends(request: Request) -> bool:
    """Whether it is a whole request for recommendations."""
    return request.error is None and (request.command, request.path) == ("POST", "/recommend")


def discard_received(connection: socket.socket) -> None:
    """Read what has come before closing: otherwise a client that still sends may lose the answer."""
    with suppress(OSError):
        for _ in range(MOST_DISCARDED // PIECE):
            if not connection.recv(PIECE):
                break


class Connection(HTTPChannel):  # type: ignore[misc]
    parser_class = Request
    task_class = Answer
    error_task_class = Refusal
    last_activity: float
    queued = 0.0  # time of `time.monotonic` at which its last request began to wait for a thread

    def handle_close(self) -> None:
        if self.socket is None:  # closed already: both threads and errors close
            return
        discard_received(self.socket)
        super().handle_close()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or an answer is left to be read."""
        return bool(self.requests or self.total_outbufs_len or self.close_when_flushed)

    @property
    def idle(self) -> bool:
        """Whether the server is idle, and no request has begun to arrive."""
        return not self.busy and self.request is None


class TurnedAway(wasyncore.dispatcher):  # type: ignore[misc]
    """A connection that gets a response before its request, and no thread.

    It stays open until its client closes it, for about LINGER_SECONDS, and what the client sends is discarded.
    """

    def __init__(self, connection: socket.socket, response: bytes, files: dict[int, Any]) -> None:
        super().__init__(connection, files)
        self.until = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):  # the client has gone
            self.send(response)
            if self.socket is not None:
                self.socket.shutdown(socket.SHUT_WR)

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        try:
            self.recv(PIECE)
        except BlockingIOError:
            pass
        except OSError:
            self.handle_close()

    def handle_close(self) -> None:
        if self.socket is not None:
            discard_received(self.socket)
        self.close()


class Threads(task.ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that answer requests in the order of their arrival, and one more for what cannot wait for them.

    Once the first in the queue has waited for LONGEST_QUEUED, the additional thread refuses each further request for
    many recommendations, and answers what asks for none. Of that only /health needs the model, after requests that
    failed. Once it has waited for LONGEST_WITH_SMALL, requests for a few recommendations are refused too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quick = task.ThreadedTaskDispatcher()

    def set_thread_count(self, count: int) -> None:
        super().set_thread_count(count)
        self.quick.set_thread_count(min(count, 1))

    def add_task(self, channel: Connection) -> None:
        channel.queued = time.monotonic()
        request = channel.requests[0]
        # `request.content_length` is 0 if the body comes in chunks; this is set once all have come.
        is_small = recommends(request) and int(request.headers.get("CONTENT_LENGTH", 0)) <= SMALL
        if self.longest_queued() <= (LONGEST_WITH_SMALL if is_small else LONGEST_QUEUED):
            super().add_task(channel)
            return
        if recommends(request):
            request.error = busy(Overloaded)
        self.quick.add_task(channel)

    def longest_queued(self) -> float:
        """Seconds that the first in the queue has waited."""
        with self.lock:
            return time.monotonic() - self.queue[0].queued if self.queue else 0.0


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """waitress on one socket of a server."""

    channel_class = Connection

    def __init__(self, server: "Server", application: Application, listening: socket.socket) -> None:
        self.whole = server
        self.some_wait = False
        sockinfo = (listening.family, listening.type, listening.proto, listening.getsockname())
        shared = {"dispatcher": server.dispatcher, "adj": server.adjustments}
        super().__init__(
            application, server.map, _sock=listening, bind_socket=False, sockinfo=sockinfo, **shared
        )

    def pull_trigger(self) -> None:
        """Have the loop look at the connections again; may be called by any thread, and after the end."""
        # Without the lock, the trigger's descriptor might be closed, and another file's, before it is used.
        with self.whole.ending:
            if not self.whole.ended:
                super().pull_trigger()

    def handle_accept(self) -> None:
        """Leave it to `Server.poll` to accept.

        A new connection may get the descriptor of one that is closed to make room, and in the same pass of wasyncore
        it would also get its events.
        """
        self.some_wait = True

    def accept_some(self) -> None:
        """Take in some of the connections that wait; `some_wait` tells whether there may be more."""
        self.whole.replaceable = deque(self.whole.silent())
        for _ in range(min(ACCEPTED, self.whole.most_turned_away)):
            self.some_wait = False
            super().handle_accept()
            if not self.some_wait:
                break

    def accept(self) -> Any:
        """The next connection, with its address; None if there is none, or none that may stay."""
        try:
            accepted = super().accept()
        except OSError as error:
            if error.errno in OUT_OF_FILES:
                self.whole.out_of_files()
            raise
        self.some_wait = accepted is not None
        return accepted if accepted and self.whole.has_room_for(accepted[0]) else None


class Server:
    """waitress on sockets that listen; `drain` ends it."""

    def __init__(self, application: Application, listening: Sequence[socket.socket]) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is no fault
        self.metrics = application.metrics
        self.draining = self.ended = self.warned = False
        self.ending = threading.RLock()  # a signal may arrive while its own thread holds it
        self.map: dict[int, Any] = {}
        self.adjustments = Adjustments(sockets=list(listening), **ADJUSTMENTS)
        files = most_files()
        most = CONNECTIONS if files is None else min(CONNECTIONS, max(files - FILES_KEPT, LEAST_CONNECTIONS))
        self.most_turned_away = int(TURNED_AWAY * most)
        self.most_channels = most - self.most_turned_away
        self.turned_away: deque[TurnedAway] = deque()
        self.replaceable: deque[Connection] = deque()
        self.refusal = refusal()
        self.dispatcher = Threads()
        self.dispatcher.set_thread_count(self.adjustments.threads)
        self.listeners = [Listener(self, application, each) for each in listening]

    def drain(self) -> None:
        """Have `run` come to its end; may be called by a signal handler, by another thread, and again."""
        if not self.draining:
            self.draining = True
            self.listeners[0].pull_trigger()

    def run(self) -> int:
        """Answer until `drain`, then all that has been received; returns how many requests had no answer in time."""
        while not self.draining:
            self.poll(self.adjustments.asyncore_loop_timeout)
        deadline = time.monotonic() + DRAIN_SECONDS
        self.stop_listening()
        while time.monotonic() < deadline and any(not channel.idle for channel in self.channels()):
            self.poll(0.1)
            self.close_idle()
        unanswered = sum(channel.busy for channel in self.channels())
        for channel in self.channels():
            channel.handle_close()
        self.close_turned_away(0)
        with self.ending:
            self.ended = True
            for listener in self.listeners:
                listener.trigger.close()
        self.dispatcher.set_thread_count(0)
        return unanswered

    def stop_listening(self) -> None:
        """Take in what clients have sent already, and then no more connections."""
        for listener in self.listeners:
            listener.accept_some()
            while listener.some_wait:
                listener.accept_some()
            wasyncore.dispatcher.close(listener)
        self.poll(0.0)
        self.close_idle()

    def close_idle(self) -> None:
        for channel in self.channels():
            if channel.idle:
                channel.handle_close()

    def has_room_for(self, accepted: socket.socket) -> bool:
        """Whether a new connection may stay, in place of the one that is silent longest if there are too many.

        The new one is turned away if each of them has sent a whole request. The silent one gets a response too, unless
        its requests have been answered and no further one has begun.
        """
        if sum(len(each.active_channels) for each in self.listeners) < self.most_channels:
            return True
        if self.replaceable:
            channel = self.replaceable.popleft()
            connection = channel.socket  # None if a thread has closed it
            if connection is not None and (channel.request or not channel.queued):
                with suppress(OSError):  # no file can be opened, or a thread has just closed it
                    self.turn_away(connection.dup())
            channel.handle_close()
            return True
        self.turn_away(accepted)
        return False

    def turn_away(self, connection: socket.socket) -> None:
        """Send 503 on a connection and leave the client a moment to read it."""
        self.close_turned_away(self.most_turned_away - 1)
        self.metrics.count_request("other", 503)
        self.turned_away.append(TurnedAway(connection, self.refusal, self.map))

    def close_turned_away(self, most: int) -> None:
        """Close those whose time is over, and then the first until at most so many are left."""
        now = time.monotonic()
        while self.turned_away and (
            len(self.turned_away) > most
            or self.turned_away[0].socket is None
            or self.turned_away[0].until < now
        ):
            self.turned_away.popleft().handle_close()

    def out_of_files(self) -> None:
        """Say, once, that this process may open no more files; until it may, let the loop rest."""
        if not self.warned:
            self.warned = True
            say("Warning: no more files can be opened (ulimit -n), so that connections wait")
        self.close_turned_away(0)
        for channel in self.silent()[:ROOM]:
            channel.handle_close()
        time.sleep(REST)

    def silent(self) -> list[Connection]:
        """Those without a whole request, the one that is silent longest first."""
        silent = [channel for channel in self.channels() if not channel.busy]
        return sorted(silent, key=lambda channel: channel.last_activity)

    def channels(self) -> list[Connection]:
        return [channel for listener in self.listeners for channel in list(listener.active_channels.values())]

    def poll(self, timeout: float) -> None:
        """Take in what has come, and send what can be sent.

        Each time costs the threads that answer some of their time, however little has come.
        """
        if not self.draining and self.dispatcher.longest_queued() > LONGEST_QUEUED:
            time.sleep(PAUSE)
        self.close_turned_away(self.most_turned_away)
        wasyncore.loop(timeout=timeout, use_poll=True, map=self.map, count=1)
        for listener in self.listeners:
            if listener.some_wait:
                listener.accept_some()


def refusal() -> bytes:
    """The response to a connection for which there is no room, to be sent before its request has come."""
    response = busy(Overloaded).response()
    fields = [*response.all_headers(), ("Connection", "close")]
    head = [f"HTTP/1.1 {response.status_line}", *(f"{name}: {value}" for name, value in fields)]
    return b"\r\n".join([*(line.encode() for line in head), b"", *response.body])
