"""Counts of what a step and an answer cost: what is counted, and which changes are refused."""

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import counts


def cost(source: str) -> tuple[Any, int, int]:
    """The value of `x` after this source has run rewritten, and the calls and bytes that were counted."""
    tree = ast.fix_missing_locations(counts.Rewriting().visit(ast.parse(source)))
    names = {name: getattr(counts, name) for name in ("_computed", "_item", "_written", "_result")}
    calls, made = counts.made.calls, counts.made.bytes
    names |= {"np": np, "a": np.arange(6.0).reshape(2, 3), "d": {"k": np.ones(2)}}
    exec(compile(tree, "source", "exec"), names)
    return names.get("x"), counts.made.calls - calls, counts.made.bytes - made


@pytest.mark.parametrize(
    ("source", "calls", "made"),
    [
        ("x = a + a * 2", 2, 96),
        ("x = -a < 0", 2, 48 + 6),
        ("x = a[0]", 1, 0),
        ("x = a[:, 1:] @ a[[0, 1], 1:]", 3, 32 + 32),
        ("x = np.add(a, 1, out=a)", 1, 0),
        ("x = a.T.reshape(-1)", 1, 48),
        ("x = np.add.reduce(a)", 1, 24),
        ("x = np.split(a, 2)", 1, 0),
        ("a += 1; x = a", 1, 0),
        ("a[0] = 5; x = a", 1, 0),
        ("x = [row.sum() for row in a]", 2, 0),
        ("x = d['k']", 0, 0),
        ("d['n'] = a; x = len(d) + 1", 0, 0),
        ("x = sorted([3, 1])[::-1]", 0, 0),
        ("def f(n):\n  return n * 2\nx = f(a)", 1, 48),
        ("class A:\n  def f(s): return 1\nclass B(A):\n  def f(s): return super().f()\nx = B().f()", 0, 0),
    ],
)
def test_what_numpy_does_is_counted_and_nothing_else(source: str, calls: int, made: int) -> None:
    plain: dict[str, Any] = {"np": np, "a": np.arange(6.0).reshape(2, 3), "d": {"k": np.ones(2)}}
    exec(source, plain)
    x, *counted = cost(source)
    np.testing.assert_array_equal(x, plain["x"])
    assert counted == [calls, made]


def test_growth_beyond_a_twentieth_is_refused_and_a_fall_is_told() -> None:
    kept = {"step": {"nodes": 100, "calls": 100, "MB made": 1.0}, "answer": {"nodes": 0}}
    found = {"step": {"nodes": 106, "calls": 94, "MB made": 1.04}, "answer": {"nodes": 1}}
    assert counts.changes(found, kept) == (
        ["step: nodes from 100 to 106", "answer: nodes from 0 to 1"],
        ["step: calls from 100 to 94"],
    )
    assert counts.changes(kept, kept) == ([], [])


def test_work_without_a_number_in_the_file_is_refused_and_a_number_without_work() -> None:
    worse, _ = counts.changes({"new": {"nodes": 1}}, {"old": {"nodes": 1}})
    assert worse == ["old: only in counts.json", "new: not in counts.json"]
