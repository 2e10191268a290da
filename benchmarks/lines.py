#!/usr/bin/env python3
"""Time `trm recommend` on many lines of JSON, and watch whether its memory grows.

python benchmarks/lines.py MODEL                                  100,000 lines: about five minutes
python benchmarks/lines.py MODEL --count 1000000 --processes 2
"""

import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import IO

import click
from measuring import memory_of

sys.path.append(str(Path(__file__).resolve().parent.parent))

ROOT = Path(__file__).resolve().parent.parent
MARKS = 20  # lines printed in a run


@click.command()
@click.argument("model")
@click.option("--count", default=100_000, show_default=True)
@click.option("--processes", type=int, help="Handed on to the command.")
def main(model: str, count: int, processes: int | None) -> None:
    """Write lines into `trm recommend MODEL --profile -`, read the recommendations, and print progress."""
    from people import lines

    def write(to: IO[bytes]) -> None:
        to.writelines(lines(count))
        to.close()

    spread = [] if processes is None else ["--processes", str(processes)]
    command = [sys.executable, str(ROOT / "bin" / "trm"), "recommend", model, "--profile", "-", *spread]
    click.echo(f"{'answered':>10} {'seconds':>9} {'per second':>11} {'MB now':>8}")
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin and running.stdout
        Thread(target=write, args=(running.stdin,), daemon=True).start()
        answered = errors = 0
        for answer in running.stdout:
            answered += 1
            errors += b'"error"' in answer[:40]
            if answered % max(count // MARKS, 1) == 0:
                seconds = time.perf_counter() - started
                memory = memory_of(running.pid)
                click.echo(f"{answered:>10,} {seconds:>9.1f} {answered / seconds:>11.1f} {memory:>8.1f}")
    click.echo(f"{answered:,} of {count:,} answered, {errors} errors, exit code {running.returncode}")


if __name__ == "__main__":
    main()
