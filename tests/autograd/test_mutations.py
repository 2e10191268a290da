"""Bugs planted in the rules are caught by the gradient checks; a looser check lets many of them pass."""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from tests.mutations import FOLDER, PARTS, WANTED, Judged, bugs, campaign, judged, main, share_caught, table

PYTORCH = {"rtol": 1e-3, "atol": 1e-5}  # the tolerances of torch.autograd.gradcheck


slow = pytest.mark.slow  # each plants a hundred bugs or more


@pytest.fixture(scope="module", autouse=True)
def planted_once() -> Iterator[None]:
    """Later campaigns find the verdicts of earlier ones on the same bugs."""
    with patch("tests.mutations.judged", cache(judged)):
        yield


@pytest.fixture(scope="module")
def results(planted_once: None) -> Sequence[Judged]:
    return list(campaign(120, seed=0))


@slow
@pytest.mark.parametrize("part", PARTS)
def test_the_checks_catch_what_is_planted(results: Sequence[Judged], part: str) -> None:
    survivors = [str(each.bug) for each in results if each.verdict == "survived"]
    assert sum(each.part == part for each in results) > 30
    assert share_caught(results, part) >= WANTED, survivors


@slow
def test_few_are_set_aside(results: Sequence[Judged]) -> None:
    aside = [each for each in results if each.verdict in ("equivalent", "another function")]
    assert len(aside) < 0.15 * len(results)
    assert all(each.part == "value" for each in results if each.verdict == "another function")


@slow
def test_pytorchs_tolerances_would_let_constants_that_are_slightly_off_pass() -> None:
    slightly_off = [bug for bug in bugs() if bug.kind == "off by 1e-5"][::6]
    assert max(share_caught([judged(bug, **PYTORCH) for bug in slightly_off], part) for part in PARTS) < 0.5
    looser = campaign(120, seed=0, **PYTORCH)
    assert {each.bug.kind for each in looser if each.verdict == "survived"} == {"off by 1e-5"}


def test_every_kind_is_planted_in_every_function_that_reckons() -> None:
    assert {bug.kind for bug in bugs()} == {
        *("sign", "operator", "off by 1e-5", "missing term", "missing factor", "missing step"),
        *("axis", "swapped arguments", "stale cache"),
    }
    assert len({(bug.module, bug.function) for bug in bugs()}) > 60


@pytest.mark.parametrize(
    ("change", "part", "verdict"),
    [
        ("sign: -g  ->  g", "backward", "caught"),
        ("off by 1e-5: g * (exponent * a ** (exponent - 1))  ->  ", "backward", "caught"),
        ("stale cache: ends  ->  first_seen", "backward", "error"),
        ("swapped arguments: np.vecdot(g, p)  ->  np.vecdot(p, g)", "backward", "equivalent"),
        ("operator: x - target  ->  x + target", "value", "another function"),
        ("operator: a - b  ->  a + b", "value", "caught"),
    ],
)
def test_the_verdict_on_one_bug(change: str, part: str, verdict: str) -> None:
    found = next(bug for bug in bugs() if change in str(bug))
    assert (judged(found).part, judged(found).verdict) == (part, verdict)


def test_planting_leaves_the_engine_as_it_was() -> None:
    sources = {path.name: path.read_bytes() for path in FOLDER.glob("*.py")}
    planted = [str(bug) for bug in bugs()]
    judged(bugs()[0])
    assert {path.name: path.read_bytes() for path in FOLDER.glob("*.py")} == sources
    assert [str(bug) for bug in bugs()] == planted
    assert not [name for name in sys.modules if name.startswith("planted")]


@slow
def test_the_table_adds_up(results: Sequence[Judged]) -> None:
    rows = [line.split()[-5:] for line in table(results) if ", all" in line]
    planted, caught, _, survived, aside = (sum(map(int, column)) for column in zip(*rows, strict=True))
    assert planted + aside == len(results)
    assert caught + survived == planted


@slow
@pytest.mark.parametrize(("tolerances", "code"), [("", 0), ("--rtol 1e-3 --atol 1e-5", 1)])
def test_the_command_names_the_survivors_and_fails_if_there_are_many(tolerances: str, code: int) -> None:
    result = CliRunner().invoke(main, ["--count", "120", *tolerances.split()])
    assert result.exit_code == code
    assert (
        bool(re.search(r"^survived +\w+ +autograd/\w+\.py:\d+  off by 1e-5: ", result.stdout, re.M)) == code
    )
