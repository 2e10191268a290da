"""The application in the server of the standard library: for trying out, where waitress is not installed."""

import socket
from collections.abc import Sequence
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from socketserver import BaseServer
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from trm_np.serve.listening import BACKLOG
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
    """One request at a time, on sockets that listen; `drain` ends it."""

    def __init__(self, application: Application, listening: Sequence[socket.socket]) -> None:
        address = listening[0].getsockname()
        BaseServer.__init__(self, address, Handler)
        self.listening = listening
        self.server_name, self.server_port = address[:2]
        self.timeout = LOOK_EVERY
        self.setup_environ()
        self.set_app(application)
        self.draining = False

    def drain(self) -> None:
        self.draining = True

    def run(self) -> int:
        """Answer until `drain`, then those who wait to be; returns 0, how many requests had no answer."""
        with DefaultSelector() as selector:
            for each in self.listening:
                selector.register(each, EVENT_READ)
            while not self.draining:
                self.answer_ready(selector, LOOK_EVERY)
            for _ in range(BACKLOG):  # and no more, or clients that keep coming would keep it
                if not self.answer_ready(selector, 0.0):
                    break
        for each in self.listening:
            each.close()
        return 0

    def answer_ready(self, selector: BaseSelector, seconds: float) -> bool:
        """Answer a client at each socket that has one within so many seconds; whether there was any."""
        ready = selector.select(seconds)
        for key, _ in ready:
            self.socket = cast(socket.socket, key.fileobj)
            self.handle_request()
        return bool(ready)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: a client that goes away, or takes too long, is no error of the server."""
