#!/usr/bin/env python3
"""Measure the cost of loading data files of many sizes, and of refusing a hostile one of 31 MB.

python benchmarks/loading.py        two tables, two minutes on one core

Each measurement runs in a new process. It has the CPU time, and the increase of the largest resident memory by reading
the files. The data are simulated (`trm simulate`) with seed 0. A hostile file replaces the catalogue.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from measuring import in_own_process, peak

sys.path.append(str(Path(__file__).resolve().parent.parent))

SIZES = ((1000, 1000), (10_000, 1000), (100_000, 1000), (1000, 10_000), (1000, 60_000), (1000, 100_000))
HELD_OUT = 100
FILES = ("scenarios.json", "held_out_scenarios.json", "gift_catalog.json")
MB31 = 31_000_000
HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing but spaces": lambda: b" " * MB31,
    "one text": lambda: b'{"gifts": "' + b"x" * MB31 + b'"}',
    "one whole number": lambda: b'{"gifts": ' + b"9" * MB31 + b"}",
    "one decimal fraction": lambda: b'{"gifts": 0.' + b"9" * MB31 + b"}",
    "lists within lists": lambda: b"[" * MB31,
    "a list of numbers": lambda: b'{"gifts": [' + b"1," * (MB31 // 2) + b"1]}",
    "a list of empty objects": lambda: b'{"gifts": [' + b"{}," * (MB31 // 3) + b"{}]}",
    "different unknown keys": lambda: b"{" + b"".join(b'"%x": 0,' % i for i in range(MB31 // 12)) + b'"": 0}',
    "one key again and again": lambda: b"{" + b'"gifts": [],' * (MB31 // 12) + b'"gifts": []}',
    "not closed": lambda: b'{"gifts": [' + b'{"id": "a"},' * (MB31 // 12),
}


def main() -> None:
    """Measure and print both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        click.echo(f"{'scenarios':>9} {'gifts':>8} {'file MB':>8} {'CPU s':>7} {'MB':>6}")
        for scenarios, gifts in SIZES:
            in_own_process(write, folder, scenarios, gifts)
            size = sum((folder / file).stat().st_size for file in FILES) / 1e6
            _, seconds, megabytes = in_own_process(load, folder)
            click.echo(f"{scenarios:>9,} {gifts:>8,} {size:>8.1f} {seconds:>7.2f} {megabytes:>6.0f}")
        click.echo(f"\n{'31 MB of':<26} {'CPU s':>8} {'MB':>6}  first of the problems")
        for title in HOSTILE:
            in_own_process(write_hostile, folder, title)
            problems, seconds, megabytes = in_own_process(load, folder)
            message = problems[0].partition(": ")[2]
            click.echo(
                f"{title:<26} {seconds:>8.2f} {megabytes:>6.0f}  {message[:60]} ({len(problems)} in all)"
            )


# ------------------------------------------------------------------------- run in separate processes


def write(folder: Path, scenarios: int, gifts: int) -> None:
    """Simulate the three files."""
    import numpy as np

    from trm_np.data.load import load_dataset
    from trm_np.data.simulation import documents, simulate

    data = simulate(load_dataset(), scenarios, HELD_OUT, gifts, np.random.default_rng(0))
    for name, content in documents(data).items():
        (folder / name).write_bytes(content)


def write_hostile(folder: Path, title: str) -> None:
    (folder / FILES[2]).write_bytes(HOSTILE[title]())


def load(folder: Path) -> tuple[list[str], float, float]:
    """Load or refuse the files. Returns the problems found, CPU seconds and megabytes."""
    from trm_np.data.load import load_dataset
    from trm_np.data.problems import DataError

    memory, started = peak(), time.process_time()
    problems: list[str] = []
    try:
        load_dataset(*(folder / file for file in FILES))
    except DataError as error:
        problems = [str(problem) for problem in error.problems]
    return problems, time.process_time() - started, peak() - memory


if __name__ == "__main__":
    main()
