"""The application in the server of the standard library: for trying out, where waitress is not installed."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from socketserver import BaseServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from trm_np.serve.wsgi import Application

CLIENT_SECONDS = 5.0  # that one which does not go on may hold up all others
LOOK_EVERY = 0.2  # seconds


class Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS
    server_version = "trm"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """No log: /metrics counts."""


class Server(WSGIServer):
    """One request at a time, on a socket that listens; `drain` ends it."""

    def __init__(self, application: Application, listening: socket.socket) -> None:
        BaseServer.__init__(self, listening.getsockname(), Handler)
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()[:2]
        self.timeout = LOOK_EVERY
        self.setup_environ()
        self.set_app(application)
        self.draining = False

    def drain(self) -> None:
        self.draining = True

    def run(self) -> int:
        """Answer until `drain`, then all that have connected by then; returns 0, how many requests had no answer."""
        while not self.draining:
            self.handle_request()
        connected = list(self.connected())
        self.server_close()
        for client, address in connected:
            try:
                self.process_request(client, address)
            except Exception:
                self.handle_error(client, address)
                self.shutdown_request(client)
        return 0

    def connected(self) -> Iterator[tuple[socket.socket, Any]]:
        """Clients that wait to be accepted, each with its address."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                yield self.get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away, or takes too long, is no error of the server."""
