"""A plugin of pytest that runs only what has not passed before: `-p tests.left_over --passed=FILE`.

Tests that FILE lists are left out, and those that pass are added to it. So where more packages are installed, the tests
that were skipped without them run, and the others are not repeated.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

passed: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--passed", required=True, metavar="FILE", help="a test of each line has passed")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse `--passed FILE`: pytest looks for its configuration beside a file that an argument names."""
    if config.inipath is None:
        raise pytest.UsageError("no configuration of pytest was found; allowed: --passed=FILE, with =")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    file = Path(config.getoption("passed"))
    before = set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in before])
    items[:] = [item for item in items if item.nodeid not in before]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        passed.add(report.nodeid)
    elif report.failed:  # in its teardown too
        passed.discard(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    if not hasattr(session.config, "workerinput"):  # the process that has the reports of all others
        with Path(session.config.getoption("passed")).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in sorted(passed))
