"""No clock decides in a test: what waits, waits for an event, and gives up only on what hangs.

Found in the sources: a Hypothesis deadline, a sleep, a clock that is read, and any limit of time other than HANG.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "thread_time"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS}
# Calls whose first argument, where it is a number, is a limit of time.
LIMITED = {"wait", "join", "result", "settimeout", "setdefaulttimeout", "alarm", "setitimer"}
LIMITED |= {"implicitly_wait", "set_script_timeout", "set_page_load_timeout"}
SETTINGS = {"deadline", "suppress_health_check", "timeout"}
# What may be found where: none of it decides whether a test passes.
ALLOWED = {
    ("waiting.py", "sleep"),  # between two looks for an event
    ("waiting.py", "clock"),  # which gives up after HANG
    ("reliability/held.py", "sleep"),  # between two looks for a signal
    ("reliability/kills.py", "sleep"),  # a run is ended at any moment
    ("reliability/kills.py", "limit"),
    ("serve/abuses.py", "sleep"),  # clients that are slow
    ("serve/abuses.py", "limit"),  # answers that need not come are not waited for
    ("serve/abuses.py", "clock"),  # told in the table
    ("campaign.py", "clock"),  # told in its table
    ("hostile/offering.py", "clock"),  # told by campaign.py, which alone offers
    ("hostile/offering.py", "sleep"),  # between two looks at the server
    ("hostile/offering.py", "limit"),  # between two questions
    ("hostile/content.py", "clock"),  # told by campaign.py, and no test looks at it
    ("hostile/watched_load.py", "clock"),  # told by campaign.py
}


def found(source: str) -> Iterator[tuple[int, str]]:
    """The line and kind of whatever may let a clock decide."""
    tree = ast.parse(source)
    numbers = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and is_number(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if is_clock(node):
            yield node.lineno, "clock"
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, kind) for kind in found_in(node, numbers))


def is_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in CLOCKS and ast.unparse(node.value) == "time"
    return isinstance(node, ast.ImportFrom) and node.module == "time"


def found_in(call: ast.Call, numbers: set[str]) -> Iterator[str]:
    """The kinds in one call; `numbers` are the names of the file's own numbers."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg in SETTINGS}
    if name == "sleep":
        yield "sleep"
    if name in ("settings", "register_profile"):
        if given.get("deadline", "None") != "None":
            yield "deadline"
        if "HealthCheck.too_slow" not in given.get("suppress_health_check", "HealthCheck.too_slow"):
            yield "health check"
    if given.get("timeout", "HANG") not in ("HANG", "timeout"):
        yield "limit"
    if name in LIMITED and any(is_number(argument, numbers) for argument in call.args[:2]):
        yield "limit"
    if name == "WebDriverWait" and ast.unparse(call.args[1]) != "HANG":
        yield "limit"


def is_number(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.IfExp):
        return is_number(node.body, names) or is_number(node.orelse, names)
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def test_no_clock_decides() -> None:
    everywhere = {
        (path.relative_to(TESTS).as_posix(), kind): line
        for path in TESTS.rglob("*.py")
        for line, kind in found(path.read_text(encoding="utf-8"))
    }
    assert {where: line for where, line in everywhere.items() if where not in ALLOWED} == {}
    assert everywhere.keys() >= ALLOWED, "allowed, but not there any more"


def test_examples_may_take_as_long_as_they_do() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("@settings(deadline=200)\ndef test(): ...", ["deadline"]),
        ("Machine.settings = hypothesis.settings(deadline=timedelta(seconds=9))", ["deadline"]),
        ("settings.register_profile('all', deadline=None)", []),
        ("settings(suppress_health_check=[HealthCheck.filter_too_much])", ["health check"]),
        ("settings(suppress_health_check=[HealthCheck.too_slow])", []),
        ("time.sleep(0.1)", ["sleep"]),
        ("from time import sleep as pause", ["clock"]),
        ("began = time.perf_counter_ns()", ["clock"]),
        ("monkeypatch.setattr('time.time', lambda: 0)", []),
        ("process.communicate(timeout=60)", ["limit"]),
        ("LONGEST = 60\nthread.join(LONGEST)", ["limit"]),
        ("event.wait(5)", ["limit"]),
        ("connection.settimeout(HANG if due else 0.2)", ["limit"]),
        ("thread.join(HANG)\nevent.wait(timeout=HANG)\n', '.join(names)", []),
        ("executor.submit(time.sleep, HANG)", []),
        ("WebDriverWait(browser, 20).until(shown)", ["limit"]),
    ],
)
def test_what_would_let_a_clock_decide_is_found(source: str, kinds: list[str]) -> None:
    assert [kind for _, kind in found(source)] == kinds
