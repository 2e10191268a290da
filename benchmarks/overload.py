#!/usr/bin/env python3
"""Send the server more than it can handle, and report what becomes of the requests, and of its memory.

python benchmarks/overload.py MODEL
python benchmarks/overload.py MODEL --times 8 --seconds 30

The server is `trm serve` on a free local port. First 4, 16 and 64 clients, each of which waits for its response before
it asks again, show the most requests a second that the server can handle. Then requests arrive at several times that
rate, whether the ones before have been answered or not, each on a connection of its own. At last one client asks
beside 2,000 connections that send nothing.
"""

import json
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import click
from load import served
from measuring import memory_of
from people import lines

from trm_np.systems import most_files

CLIENTS, SILENT = (4, 16, 64), 2000
Response = tuple[int, float]  # status, or 0 without one, and seconds from the connection to the last byte
# How many more requests are to begin now, by how many have begun and how many of these are unanswered; None once no
# more will begin.
Due = Callable[[int, int], int | None]


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--profiles", default=20, show_default=True, help="Profiles in each request.")
@click.option("--times", default=4.0, show_default=True, help="Arrivals, as a multiple of the best rate.")
@click.option("--seconds", default=10.0, show_default=True, help="Seconds of each part.")
def main(model: Path, profiles: int, times: float, seconds: float) -> None:
    """Measure the best rate, an overload, and one client beside many silent connections."""
    files = most_files()
    if files is not None and files < 2 * SILENT:
        raise click.ClickException(f"{files} open files are too few; allow {2 * SILENT} (ulimit -n)")
    request = post(json.dumps([json.loads(line) for line in lines(profiles)]).encode())
    with served(str(model)) as (process, address):
        port = urlsplit(address).port
        assert port
        ask(port, request, waiting(CLIENTS[0], 2.0))  # the server learns its pace
        best = 0.0
        for clients in CLIENTS:
            rate, _ = measured(port, request, waiting(clients, seconds))
            click.echo(f"{clients} clients: {rate:.1f} requests a second, each with {profiles} profiles")
            best = max(best, rate)
        before = memory_of(process.pid)
        rate, found = measured(port, request, arriving(times * best, seconds))
        answered = [taken for status, taken in found if status == 200]
        refused = [taken for status, taken in found if status not in (0, 200)]
        unanswered = sum(status == 0 for status, _ in found)
        click.echo(
            f"{times:g} times the best rate for {seconds:g} s: {dict(Counter(status for status, _ in found))}"
        )
        click.echo(
            f"  answered: {rate / best:.2f} of the best rate until the last response; {slowest(answered)}"
        )
        click.echo(f"  refused, with a status: {len(refused)}; {slowest(refused)}")
        click.echo(f"  closed without a response: {unanswered}")
        click.echo(f"  memory: {before:.0f} MB before, {memory_of(process.pid):.0f} MB after")
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(SILENT)]
        ((status, taken),) = ask(port, request, lambda begun, _: None if begun else 1)
        click.echo(f"beside {len(silent):,} silent connections: status {status} after {taken:.2f} s")


def post(body: bytes) -> bytes:
    head = "POST /recommend HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"
    return "\r\n".join([*head, "Content-Type: application/json", "", ""]).encode() + body


def measured(port: int, request: bytes, due: Due) -> tuple[float, list[Response]]:
    """The rate of answers until the last response, and all responses."""
    began = time.monotonic()
    found = ask(port, request, due)
    return sum(status == 200 for status, _ in found) / (time.monotonic() - began), found


def slowest(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"{len(seconds)} of them"
    return f"99 % within {quantiles(seconds, n=100)[98]:.2f} s, all within {max(seconds):.2f} s"


def ask(port: int, request: bytes, due: Due) -> list[Response]:
    """Responses to the same request, each on a connection of its own."""
    found: list[Response] = []
    begun = 0
    with selectors.DefaultSelector() as selector:
        while (more := due(begun, begun - len(found))) is not None or len(found) < begun:
            for _ in range(more or 0):
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
                selector.register(connection, selectors.EVENT_WRITE, (time.monotonic(), bytearray()))
                begun += 1
            for key, _ in selector.select(0.001):
                connection, (began, text) = key.fileobj, key.data
                try:
                    if key.events == selectors.EVENT_WRITE:
                        connection.sendall(request)
                        selector.modify(connection, selectors.EVENT_READ, key.data)
                        continue
                    piece = connection.recv(2**16)
                except OSError:
                    piece = b""
                text += piece
                if not piece:
                    selector.unregister(connection)
                    connection.close()
                    found.append((int(text.split(b" ", 2)[1]) if text else 0, time.monotonic() - began))
    return found


def waiting(clients: int, seconds: float) -> Due:
    """So many clients, each of which asks again as soon as it has a response."""
    end = time.monotonic() + seconds
    return lambda _, unanswered: clients - unanswered if time.monotonic() < end else None


def arriving(rate: float, seconds: float) -> Due:
    """Requests at this rate, whether those before have been answered or not."""
    began, count = time.monotonic(), int(rate * seconds)

    def due(begun: int, _: int) -> int | None:
        arrived = int(rate * (time.monotonic() - began)) + 1
        return min(arrived, count) - begun if begun < count else None

    return due


if __name__ == "__main__":
    main()
