"""A plugin of pytest that tells how long the tests of each room keep a processor busy: `-p tests.processor_time`."""

import os
from collections import Counter
from collections.abc import Generator
from pathlib import PurePosixPath

import pytest

rooms: Counter[str] = Counter()
before = 0.0


def used() -> float:
    """Seconds of processors that this process and the processes it waited for have used."""
    return sum(os.times()[:4])


def pytest_collection_finish() -> None:
    global before
    before = used()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report of setting up, calling or tearing down what was used since the report before."""
    global before
    report, now = (yield), used()
    report.processor_seconds, before = now - before, now
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    folder = PurePosixPath(report.nodeid.partition("::")[0]).parent
    rooms["/".join(folder.parts[:2])] += getattr(report, "processor_seconds", 0.0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("seconds of processors")
    for room, seconds in rooms.most_common():
        terminalreporter.write_line(f"{seconds:6.1f}  {room}")
    terminalreporter.write_line(f"{sum(rooms.values()):6.1f}  in all")
