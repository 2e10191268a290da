"""A server from its start to its end, in a process of its own: what ends it, and what it does before it ends."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.asking import model_file
from tests.serve.processes import ServerProcess, get, post, reply, serving
from trm_np.serve.on_waitress import ADJUSTMENTS

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
        clients = [server.connect() for _ in range(24)]  # more than there are threads
        for client in clients:
            post(client, [PERSON] * 20)
        server.process.send_signal(number)
        answers = [reply(client) for client in clients]
        half_sent.send(b"}")
        answers.append(reply(half_sent))
        assert server.wait() == (0, "")
    assert [status for status, _ in answers] == [200] * 25
    assert {len(value) for _, value in answers[:-1]} == {20}


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
        while True:
            try:
                socket.create_connection(("127.0.0.1", server.port)).close()
            except ConnectionRefusedError:
                break
        slow.send(b"}")
        response = slow.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "close")
        assert server.wait() == (0, "")
