"""The application in waitress (extra `[serve]`): limits for what clients may take, and an end that answers first."""

import logging
import socket
import time
from contextlib import suppress
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped, import-not-found, unused-ignore]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped, import-not-found, unused-ignore]
from waitress.parser import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    HTTPRequestParser,
    ParsingError,
)
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped, import-not-found, unused-ignore]
from waitress.task import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    ErrorTask,
    WSGITask,
)

from trm_np.serve.http import HTTPError
from trm_np.serve.question import BODY_BYTES
from trm_np.serve.wsgi import Application

DRAIN_SECONDS = 10.0
PIECE, MOST_DISCARDED = 2**16, 2**22  # bytes read at a time, and at most, of what nobody looks at
ADJUSTMENTS: dict[str, Any] = {
    "threads": 16,  # most of them wait for the model, which answers all that wait together
    "connection_limit": 500,
    "channel_timeout": 30,  # seconds for a request to arrive, or for an answer to be read
    "cleanup_interval": 5,  # seconds between looks for connections that have timed out
    "max_request_header_size": 2**14,
    "max_request_body_size": 2 * BODY_BYTES,  # with the framing of chunks; the application counts without
    "inbuf_overflow": 2**16,  # a larger body, and a larger answer that is not read, is kept in a file
    "outbuf_overflow": 2**16,
    "outbuf_high_watermark": 2**40,  # no thread waits for a client to read
    "channel_request_lookahead": 0,
    "asyncore_use_poll": True,  # select() knows no more than 1,024 files
    "log_socket_errors": False,  # a client that goes away is none
    "expose_tracebacks": False,
    "ident": None,
}


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request whose head is refused whatever is wrong with it: some of that waitress takes for a bug of its own."""

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of an address, or of a number with too many digits
            raise ParsingError(str(error)) from error


class Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request, or too large a one: an error in JSON, as the application's are."""

    def execute(self) -> None:
        error = self.request.error
        status = (
            400 if error.code == 501 else error.code
        )  # a transfer coding of which this server knows nothing
        response = HTTPError(status, f"request: {error.reason}: {error.body}").response()
        self.status = response.status_line
        self.response_headers.extend(response.all_headers())
        self.set_close_on_finish()
        self.channel.server.refused(response.status)
        self.content_length = sum(map(len, response.body))
        self.write(b"".join(response.body))


class Answer(WSGITask):  # type: ignore[misc]
    """An answer that tells its client, once the server ends, that it is the last on this connection."""

    def build_response_header(self) -> bytes:
        if self.channel.server.draining and len(self.channel.requests) == 1:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that times out unless a request arrives whole: a byte now and then does not keep it."""

    parser_class = Request
    task_class = Answer
    error_task_class = Refusal
    last_activity: float
    began = 0.0  # when the first bytes of a request came that is not there yet

    def handle_read(self) -> None:
        unfinished = self.request
        super().handle_read()
        if self.request is None:
            return
        if self.request is not unfinished:
            self.began = self.last_activity
        self.last_activity = self.began

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
        """Whether nothing is going on, and no request has begun to arrive."""
        return not self.busy and self.request is None


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress on a socket that listens; `drain` ends it."""

    channel_class = Connection

    def __init__(self, application: Application, listening: socket.socket) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is no fault
        self.metrics = application.metrics
        self.draining = False
        sockinfo = (listening.family, listening.type, listening.proto, listening.getsockname())
        adjustments = {"sockets": [listening], **ADJUSTMENTS}
        super().__init__(
            application, {}, _sock=listening, bind_socket=False, sockinfo=sockinfo, **adjustments
        )

    def refused(self, status: int) -> None:
        self.metrics.count_request("other", status)

    def drain(self) -> None:
        """Have `run` come to its end; may be called by a signal handler."""
        self.draining = True
        self.pull_trigger()

    def run(self) -> int:
        """Answer until `drain`, then all that has been received; returns how many requests had no answer in time."""
        while not self.draining:
            self.poll(self.adj.asyncore_loop_timeout)
        deadline = time.monotonic() + DRAIN_SECONDS
        self.stop_listening()
        while time.monotonic() < deadline and any(not channel.idle for channel in self.channels()):
            self.poll(0.1)
            self.close_idle()
        unanswered = sum(channel.busy for channel in self.channels())
        for channel in self.channels():
            channel.handle_close()
        self.trigger.close()
        self.task_dispatcher.set_thread_count(0)
        return unanswered

    def stop_listening(self) -> None:
        """Take in what clients have sent already, and then no more connections."""
        waiting = -1
        while waiting != len(self.active_channels):
            waiting = len(self.active_channels)
            self.handle_accept()
        self.poll(0.0)
        wasyncore.dispatcher.close(self)
        self.close_idle()

    def close_idle(self) -> None:
        for channel in self.channels():
            if channel.idle:
                channel.handle_close()

    def channels(self) -> list[Connection]:
        return list(self.active_channels.values())

    def poll(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)
