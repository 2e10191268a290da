"""The application in the server of the standard library."""

import http.client
from typing import Any

from tests.serve.asking import new_application
from trm_np.serve.listening import listen
from trm_np.serve.on_wsgiref import Server


def test_those_who_wait_when_it_ends_are_answered() -> None:
    listening = listen("127.0.0.1", 0)
    port = listening[0].getsockname()[1]
    server: Any = Server(new_application(), listening)
    clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(3)]
    for client in clients:
        client.request("GET", "/health")
    server.drain()
    assert server.run() == 0
    for client in clients:
        assert client.getresponse().status == 200
        client.close()
    assert listening[0].fileno() == -1
