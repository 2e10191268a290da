"""The application in waitress (extra `[serve]`): limits for what clients may take, and an end that answers first."""

import errno
import logging
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from trm_np.extras import ExtraMissing, needs_extra
from trm_np.serve.batching import Overloaded
from trm_np.serve.http import HTTPError
from trm_np.serve.log import say
from trm_np.serve.question import BODY_BYTES
from trm_np.serve.wsgi import Application, busy
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
SMALL = 2000  # bytes of a body with a few profiles, which takes about as long to refuse as to answer
PIECE, MOST_DISCARDED = 2**16, 2**22  # bytes read at a time, and at most, of a body to discard
ROOM = 50  # connections that are closed at a time
FILES_KEPT = 64  # descriptors for all else that a server opens
OUT_OF_FILES, REST = (errno.EMFILE, errno.ENFILE), 0.05  # seconds
IN_MEMORY = 2**40  # bytes: all bodies and answers, which have limits of their own
ADJUSTMENTS: dict[str, Any] = {
    "threads": 16,  # most of them wait for the model, which answers all that wait together
    "connection_limit": 500,
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
    """A response that closes its connection if the server is draining."""

    def build_response_header(self) -> bytes:
        if self.channel.server.whole.draining and len(self.channel.requests) == 1:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class Connection(HTTPChannel):  # type: ignore[misc]
    parser_class = Request
    task_class = Answer
    error_task_class = Refusal
    last_activity: float
    queued = 0.0  # time of `time.monotonic` at which its request began to wait for a thread

    def handle_close(self) -> None:
        """Read what has come before closing: otherwise a client that still sends may lose the answer."""
        if self.socket is None:  # closed already: both threads and errors close
            return
        with suppress(OSError):
            for _ in range(MOST_DISCARDED // PIECE):
                if not self.socket.recv(PIECE):
                    break
        super().handle_close()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or an answer is left to be read."""
        return bool(self.requests or self.total_outbufs_len or self.close_when_flushed)

    @property
    def idle(self) -> bool:
        """Whether the server is idle, and no request has begun to arrive."""
        return not self.busy and self.request is None


class Threads(task.ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that answer requests in the order of their arrival, and one more for what cannot wait for them.

    Once the first in the queue has waited for LONGEST_QUEUED, the additional thread refuses each further request for
    many recommendations, and answers what asks for none. Of that only /health needs the model, after requests that
    failed. A request for a few recommendations is never refused here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quick = task.ThreadedTaskDispatcher()

    def set_thread_count(self, count: int) -> None:
        super().set_thread_count(count)
        self.quick.set_thread_count(min(count, 1))

    def add_task(self, channel: Connection) -> None:
        channel.queued = time.monotonic()
        with self.lock:
            is_late = self.queue and channel.queued - self.queue[0].queued > LONGEST_QUEUED
        request = channel.requests[0]
        recommends = request.error is None and (request.command, request.path) == ("POST", "/recommend")
        if not is_late or (recommends and request.content_length <= SMALL):
            super().add_task(channel)
            return
        if recommends:
            request.error = busy(Overloaded)
        self.quick.add_task(channel)


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """waitress on one socket of a server."""

    channel_class = Connection

    def readable(self) -> bool:
        self.whole.make_room()
        return bool(super().readable())

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            if error.errno in OUT_OF_FILES:
                self.whole.out_of_files()
            raise

    def __init__(self, server: "Server", application: Application, listening: socket.socket) -> None:
        self.whole = server
        sockinfo = (listening.family, listening.type, listening.proto, listening.getsockname())
        shared = {"dispatcher": server.dispatcher, "adj": server.adjustments}
        super().__init__(
            application, server.map, _sock=listening, bind_socket=False, sockinfo=sockinfo, **shared
        )


class Server:
    """waitress on sockets that listen; `drain` ends it."""

    def __init__(self, application: Application, listening: Sequence[socket.socket]) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is no fault
        self.metrics = application.metrics
        self.draining = self.warned = False
        self.ending = threading.RLock()  # a signal may arrive while its own thread holds it
        self.map: dict[int, Any] = {}
        self.adjustments = Adjustments(sockets=list(listening), **ADJUSTMENTS)
        files = most_files()
        if files is not None:
            most = min(self.adjustments.connection_limit, max(files - FILES_KEPT, 2 * ROOM))
            self.adjustments.connection_limit = most
        self.dispatcher = Threads()
        self.dispatcher.set_thread_count(self.adjustments.threads)
        self.listeners = [Listener(self, application, each) for each in listening]

    def drain(self) -> None:
        """Have `run` come to its end; may be called by a signal handler, by another thread, and again."""
        with self.ending:  # or the trigger is closed, and its descriptor another file's, before it is pulled
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
        with self.ending:
            for listener in self.listeners:
                listener.trigger.close()
        self.dispatcher.set_thread_count(0)
        return unanswered

    def stop_listening(self) -> None:
        """Take in what clients have sent already, and then no more connections."""
        waiting = -1
        while waiting != len(self.channels()):
            waiting = len(self.channels())
            for listener in self.listeners:
                listener.handle_accept()
        self.poll(0.0)
        for listener in self.listeners:
            wasyncore.dispatcher.close(listener)
        self.close_idle()

    def close_idle(self) -> None:
        for channel in self.channels():
            if channel.idle:
                channel.handle_close()

    def make_room(self) -> None:
        """Close those without a whole request that were silent longest, when there are nearly as many as allowed."""
        if len(self.map) >= self.adjustments.connection_limit - ROOM:
            waiting = [channel for channel in self.channels() if not channel.busy]
            for channel in sorted(waiting, key=lambda channel: channel.last_activity)[:ROOM]:
                channel.handle_close()

    def out_of_files(self) -> None:
        """Say, once, that this process may open no more files; until it may, let the loop rest."""
        if not self.warned:
            self.warned = True
            say("Warning: no more files can be opened (ulimit -n), so that connections wait")
        self.make_room()
        time.sleep(REST)

    def channels(self) -> list[Connection]:
        return [channel for listener in self.listeners for channel in list(listener.active_channels.values())]

    def poll(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self.map, count=1)
