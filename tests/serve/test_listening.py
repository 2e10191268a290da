"""A server listens at every address of its host that this machine has."""

import http.client
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.asking import new_application
from tests.waiting import HANG
from trm_np.cli.serve import address_line
from trm_np.serve.listening import ListenError, addresses, in_words, listen

NOT_OURS = "192.0.2.1"  # of TEST-NET-1, which nobody has
Known = Callable[..., None]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    """Has every host the addresses given."""

    def resolve(*hosts: str) -> None:
        def found(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
            families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in hosts]
            return [
                (family, socket.SOCK_STREAM, 6, "", (host, port, 0, 0) if ":" in host else (host, port))
                for family, host in zip(families, hosts, strict=True)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return resolve


def places(listening: list[socket.socket]) -> list[tuple[str, int]]:
    found = [each.getsockname()[:2] for each in listening]
    for each in listening:
        each.close()
    return found


@pytest.fixture
def two_hosts() -> tuple[str, str]:
    """Two addresses of this machine: of IPv4 and, if it has that, of IPv6."""
    for other in ("::1", "127.0.0.2"):
        try:
            socket.create_server(
                (other, 0), family=socket.AF_INET6 if ":" in other else socket.AF_INET
            ).close()
        except OSError:
            continue
        return other, "127.0.0.1"
    pytest.skip("this machine has one address")


def test_an_address_that_this_machine_has_not_is_left_out(known: Known) -> None:
    known(NOT_OURS, "127.0.0.1", "127.0.0.1")
    ((host, port),) = places(listen("localhost", 0))
    assert host == "127.0.0.1" and port > 0
    assert len(addresses("localhost", 0)) == 2


def test_all_others_are_listened_at_on_one_port(known: Known, two_hosts: tuple[str, str]) -> None:
    known(two_hosts[0], NOT_OURS, two_hosts[1])
    found = places(listen("localhost", 0))
    assert [host for host, _ in found] == list(two_hosts)
    assert len({port for _, port in found}) == 1


def test_if_there_is_none_or_another_has_one_it_is_said_and_nothing_is_left_open(known: Known) -> None:
    known(NOT_OURS)
    with pytest.raises(ListenError, match=rf"^{NOT_OURS}:80: cannot listen there \(Cannot assign"):
        listen("localhost", 80)
    known()
    with pytest.raises(ListenError, match=r"^localhost: no such host$"):
        listen("localhost", 80)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        known("127.0.0.1")
        with pytest.raises(
            ListenError, match=rf"^127\.0\.0\.1:{port}: cannot listen there \(Address already"
        ):
            listen("localhost", port)


def test_addresses_are_written_as_in_a_browser() -> None:
    assert in_words(("::1", 8000, 0, 0)) == "[::1]:8000"
    assert in_words(("127.0.0.1", 8000)) == "127.0.0.1:8000"


def test_each_address_is_answered_at_and_said(known: Known, two_hosts: tuple[str, str]) -> None:
    pytest.importorskip("waitress", reason="the extra [serve] is not installed")
    from trm_np.serve.on_waitress import Server

    known(*two_hosts)
    application, listening = new_application(), listen("localhost", 0)
    where = [each.getsockname()[:2] for each in listening]
    assert address_line(application.served, listening).endswith(
        " at " + " and ".join(f"http://{in_words(each)}/" for each in where)
    )
    server = Server(application, listening)
    answering = threading.Thread(target=server.run)
    answering.start()
    try:
        for host, port in where * 2:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            connection = http.client.HTTPConnection(host, port, timeout=HANG)
            connection.sock = socket.socket(family)  # no name is looked up
            connection.sock.settimeout(HANG)
            connection.sock.connect((host, port))
            connection.request("GET", "/health", headers={"Connection": "close"})
            assert connection.getresponse().status == 200
            connection.close()
    finally:
        server.drain()
        answering.join()
    assert {each.fileno() for each in listening} == {-1}
