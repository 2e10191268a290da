"""Measurements that the benchmarks share: time and resident memory, in a new process for each."""

import resource
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def in_own_process(measure: Callable[..., Any], *arguments: object) -> Any:
    """Call a module-level function in a new interpreter. Returns its result."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def timed(work: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
    """Call `work`. Returns its result and the seconds it took."""
    started = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - started


def peak() -> float:
    """The largest resident memory of this process so far, in MB. Linux counts in KB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def memory_of(process: int) -> float:
    """The resident memory of a process and its children, in MB. Works on Linux only."""

    def status(each: int) -> dict[str, str]:
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def family(each: int) -> list[int]:
        below = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        return [each, *(one for child in below for one in family(int(child)))]

    return sum(int(status(each)["VmRSS"].split()[0]) for each in family(process)) * 1024 / 1e6
