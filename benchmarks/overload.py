#!/usr/bin/env python3
"""Send the server more than it can handle, and report what becomes of the requests, and of its memory.

python benchmarks/overload.py MODEL
python benchmarks/overload.py MODEL --times 8 --seconds 30

The server is `trm serve` on a free local port. First 4 clients, each of which waits for its response before it asks
again, show the most requests a second that the server can handle. Then requests arrive at several times that rate,
whether the ones before have been answered or not, each on a connection of its own. At last one client asks beside
2,000 connections that send nothing.
"""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import click
from load import served
from measuring import memory_of
from people import lines

CLIENTS, SILENT = 4, 2000
Response = tuple[int, float]  # status, and seconds from the connection to the last byte


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--profiles", default=20, show_default=True, help="Profiles in each request.")
@click.option("--times", default=4.0, show_default=True, help="Arrivals, as a multiple of the best rate.")
@click.option("--seconds", default=10.0, show_default=True, help="Seconds of each part.")
def main(model: Path, profiles: int, times: float, seconds: float) -> None:
    """Measure the best rate, an overload, and one client beside many silent connections."""
    body = json.dumps([json.loads(line) for line in lines(profiles)]).encode()
    with served(str(model)) as (process, address):
        port = urlsplit(address).port
        assert port
        asyncio.run(waiting_clients(port, body, 2.0))  # the server learns its pace
        found = asyncio.run(waiting_clients(port, body, seconds))
        best = sum(status == 200 for status, _ in found) / max(seconds, *(taken for _, taken in found))
        click.echo(f"best rate: {best:.1f} requests a second, each with {profiles} profiles")
        before, began = memory_of(process.pid), time.monotonic()
        found = asyncio.run(arrivals(port, body, times * best, seconds))
        rate = sum(status == 200 for status, _ in found) / (time.monotonic() - began)
        answered = [taken for status, taken in found if status == 200]
        refused = [taken for status, taken in found if status not in (0, 200)]
        unanswered = sum(status == 0 for status, _ in found)
        click.echo(
            f"{times:g} times as many for {seconds:g} s: {dict(Counter(status for status, _ in found))}"
        )
        click.echo(
            f"  answered: {rate / best:.2f} of the best rate until the last response; {slowest(answered)}"
        )
        click.echo(f"  refused, with a status: {len(refused)}; {slowest(refused)}")
        click.echo(f"  closed without a response: {unanswered}")
        click.echo(f"  memory: {before:.0f} MB before, {memory_of(process.pid):.0f} MB after")
        taken = asyncio.run(beside_silent_ones(port, body))
        click.echo(f"beside {SILENT:,} silent connections: status {taken[0]} after {taken[1]:.2f} s")


def slowest(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"{len(seconds)} of them"
    return f"99 % within {quantiles(seconds, n=100)[98]:.2f} s, all within {max(seconds):.2f} s"


async def ask(port: int, body: bytes) -> Response:
    """Ask on a new connection; status 0 if the server closed it without a response."""
    began = time.monotonic()
    head = (
        f"POST /recommend HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        text = await reader.read()
        writer.close()
    except OSError:
        text = b""
    return int(text.split(b" ", 2)[1]) if text else 0, time.monotonic() - began


async def waiting_clients(port: int, body: bytes, seconds: float) -> list[Response]:
    """Responses to clients that each ask again as soon as they have one."""
    end = time.monotonic() + seconds

    async def client() -> list[Response]:
        found = []
        while time.monotonic() < end:
            found.append(await ask(port, body))
        return found

    return [each for found in await asyncio.gather(*(client() for _ in range(CLIENTS))) for each in found]


async def arrivals(port: int, body: bytes, rate: float, seconds: float) -> list[Response]:
    """Responses to requests that arrive at this rate."""
    began, tasks = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(ask(port, body)))
    return await asyncio.gather(*tasks)


async def beside_silent_ones(port: int, body: bytes) -> Response:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT)]
    response = await ask(port, body)
    for _, writer in silent:
        writer.close()
    return response


if __name__ == "__main__":
    main()
