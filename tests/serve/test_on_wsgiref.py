"""The application in the server of the standard library: what clients have sent before it ends is answered."""

import http.client

import pytest

from tests.serve.asking import new_application
from tests.serve.processes import post, reply
from tests.waiting import HANG
from trm_np.serve.listening import listen
from trm_np.serve.on_wsgiref import Handler, Server


def test_all_that_have_connected_are_answered_and_none_waits_for_what_is_half_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.1)
    listening = listen("127.0.0.1", 0)
    server = Server(new_application(), listening)
    first, half_sent, last = (
        http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=HANG) for _ in range(3)
    )
    post(first, {"age": 34})
    half_sent.putrequest("POST", "/recommend")
    half_sent.putheader("Content-Type", "application/json")
    half_sent.putheader("Content-Length", "2")
    half_sent.endheaders(b"{")
    post(last, [{"age": 34}])
    server.drain()
    assert server.run() == 0
    assert [reply(client)[0] for client in (first, half_sent, last)] == [200, 408, 200]
    for client in (first, half_sent, last):
        client.close()
    assert [each.fileno() for each in listening] == [-1]
