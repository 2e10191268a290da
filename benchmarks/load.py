#!/usr/bin/env python3
"""Load the server with many clients, and report latency, errors and memory for each minute.

python benchmarks/load.py MODEL                  50 clients, a minute
python benchmarks/load.py MODEL --minutes 10

It needs wrk (the Debian package of that name). The server is `trm serve` on a free local port. Each client asks for one
of a thousand profiles, and asks again as soon as it has the recommendation.
"""

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from measuring import memory_of

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
PEOPLE = 1000
SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local next_body = 0
request = function()
  next_body = next_body %% #bodies + 1
  return wrk.format("POST", "/recommend", {["Content-Type"] = "application/json"}, bodies[next_body])
end
"""


@click.command()
@click.argument("model")
@click.option("--clients", default=50, show_default=True)
@click.option("--minutes", default=1, show_default=True)
def main(model: str, clients: int, minutes: int) -> None:
    """Start the server and the clients, print a line each minute, and at the end the counts of wrk."""
    from people import lines

    with tempfile.TemporaryDirectory() as folder, served(model) as (process, address):
        people, script = Path(folder, "people.jsonl"), Path(folder, "ask.lua")
        people.write_bytes(b"".join(lines(PEOPLE)))
        script.write_text(SCRIPT % people)
        ask = [
            "wrk",
            "-t",
            "1",
            "-c",
            str(clients),
            "-d",
            f"{minutes * 60}s",
            "--timeout",
            "10s",
            "--latency",
        ]
        click.echo(f"{'minute':>6} {'answered':>9} {'MB':>7}")
        with subprocess.Popen(
            [*ask, "-s", str(script), address], stdout=subprocess.PIPE, text=True
        ) as asking:
            for minute in range(minutes):
                time.sleep(50 if minute == 0 else 60)  # the last line comes before the end
                counted = figures(f"{address}metrics")
                click.echo(
                    f"{minute + 1:>6} {counted['trm_profiles_total']:>9,.0f} {memory_of(process.pid):>7.1f}"
                )
            click.echo(asking.communicate()[0])
        counted = figures(f"{address}metrics")
        refused, failed = (counted[f'trm_errors_total{{kind="{kind}"}}'] for kind in ("refused", "failed"))
        click.echo(
            f"{counted['trm_profiles_total']:,.0f} answered, {refused:.0f} refused, {failed:.0f} failed"
        )


@contextmanager
def served(model: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server. Yields it and its address."""
    command = [sys.executable, str(ROOT / "bin" / "trm"), "serve", model, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            line = process.stderr.readline()
            found = re.search(r"http://\S+", line)
            if not found:
                raise RuntimeError(line + process.stderr.read())
            yield process, found[0]
        finally:
            process.terminate()


def figures(address: str) -> dict[str, float]:
    """The counters of the server by name."""
    with urllib.request.urlopen(address) as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


if __name__ == "__main__":
    main()
