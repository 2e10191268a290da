"""Limits on the contents of a file, and the cost of reading it."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.data import sample_files
from tests.some_quick import some_quick
from trm_np.data import schema
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError, Place
from trm_np.data.strict_json import MAX_FILE_BYTES


def scenarios(count: int) -> list[dict[str, Any]]:
    return [sample_files.scenario(f"person {number}") for number in range(count)]


def gifts(count: int) -> list[dict[str, Any]]:
    categories = sample_files.VOCABULARY.categories
    return [
        sample_files.gift(f"gift_{number}", categories[number % 3], 20, ["garden"]) for number in range(count)
    ]


def write(folder: Path, **documents: Any) -> dict[str, Path]:
    """Write the sample files, some of them replaced."""
    sample = {
        "scenarios": sample_files.training(),
        "held_out": sample_files.held_out(),
        "catalogue": sample_files.catalogue(),
    }
    return sample_files.write(folder, **sample | documents)


def with_scenarios(count: int) -> dict[str, Any]:
    return {"scenarios": sample_files.training() | {"scenarios": scenarios(count)}}


def with_names(count: int) -> dict[str, Any]:
    """A training file with `number` hobbies and as many scenarios, each with the last hobby."""
    document = sample_files.training() | {"scenarios": scenarios(count)}
    names = [f"hobby {number}" for number in range(count)]
    document["vocabulary"]["hobbies"] += names
    document["vocabulary"]["categories"] += names
    for scenario in document["scenarios"]:
        scenario["profile"]["hobbies"] = names[-1:]
    return {"scenarios": document}


def with_choices(count: int) -> dict[str, Any]:
    """Files with `number` gifts and as many scenarios, each with four gifts."""
    document = sample_files.training() | {"scenarios": scenarios(count)}
    for number, scenario in enumerate(document["scenarios"]):
        chosen, rejected, had, other = (f"gift_{(number + place) % count}" for place in range(4))
        scenario |= {"chosen": {chosen: 2}, "rejected": [rejected]}
        scenario["profile"]["history"] = [had, other]
    return {"scenarios": document, "catalogue": {"gifts": gifts(count)}}


def with_unknown_choices(count: int) -> dict[str, Any]:
    documents = with_choices(count)
    for number, scenario in enumerate(documents["scenarios"]["scenarios"]):
        scenario["chosen"] = [f"gift {number}", "gift_0", "gift_0"]
    return documents


def with_unknown_names(count: int) -> dict[str, Any]:
    document = with_names(count)["scenarios"]
    for number, scenario in enumerate(document["scenarios"]):
        scenario["profile"]["hobbies"] = [f"habit {number}"]
    return {"scenarios": document}


SIZES: dict[str, Callable[[int], dict[str, Any]]] = {
    "scenarios": with_scenarios,
    "held-out scenarios": lambda count: {"held_out": {"scenarios": scenarios(count)}},
    "gifts": lambda count: {"catalogue": {"gifts": gifts(count)}},
    "names": with_names,
    "unknown names": with_unknown_names,
    "unknown keys": lambda count: {"catalogue": {f"key {number}": 0 for number in range(count)}},
    "choices": with_choices,
    "unknown choices": with_unknown_choices,
    "repeated names": lambda count: {"catalogue": {"gifts": gifts(3) * (count // 3)}},
}


def calls(work: Callable[[], object]) -> int:
    """The number of function calls of the work, including those of built-in functions."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def attempt(paths: dict[str, Path]) -> None:
    try:
        load_dataset(**paths)
    except DataError as error:
        assert str(error)


@pytest.mark.parametrize("what", some_quick(SIZES, {"gifts", "unknown names", "choices"}.__contains__))
def test_the_cost_of_loading_is_linear(what: str, tmp_path: Path) -> None:
    few, twice, four_times = (
        calls(partial(attempt, write(tmp_path, **SIZES[what](count)))) for count in (100, 200, 400)
    )
    assert four_times - twice < 2.2 * (twice - few)


class Counted(str):
    """A name that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, str(other))


def test_a_name_is_found_in_a_large_vocabulary_without_comparing_it_with_each() -> None:
    names = tuple(f"name {number}" for number in range(5000))
    checks = (schema.name(names), schema.expected_category(names, set(names[1:])))
    Counted.compared = 0
    for check in checks:
        assert list(check(Counted(names[-1]), Place("f"))) == []
    assert 0 < Counted.compared < 10


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_scenarios_are_refused_and_two_are_taken(count: int, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"scenarios: found a list of {count}; allowed: a list of at least 2$"
    ):
        load_dataset(**write(tmp_path, **with_scenarios(count)))
    assert len(load_dataset(**write(tmp_path, **with_scenarios(2))).train) == 2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_gifts_are_refused_and_three_are_taken(count: int, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load_dataset(**write(tmp_path, catalogue={"gifts": gifts(count)}))
    last = refused.value.problems[-1]
    assert (last.place, last.found) == ("gifts", f"a list of {count}")
    assert len(load_dataset(**write(tmp_path, catalogue={"gifts": gifts(3)})).gifts) == 3


@pytest.mark.parametrize(
    ("field", "lowest", "highest", "beyond"),
    [
        ("age", 0, 120, (-1e-9, 120.0000001, -1, 121)),
        ("budget", 0.01, 1_000_000_000, (0.009999, 1e-9, 5e-324, 0, 1_000_000_000.1, 1e15)),
    ],
)
def test_ranges_include_their_ends(
    field: str, lowest: float, highest: float, beyond: tuple[float, ...], tmp_path: Path
) -> None:
    for value in (lowest, highest, *beyond):
        document = sample_files.training()
        document["scenarios"][0]["profile"][field] = value
        paths = write(tmp_path, scenarios=document)
        if value not in beyond:
            assert getattr(load_dataset(**paths).train[0].profile, field) == value
            continue
        allowed = f"found {json.dumps(value)}; allowed: a number from {lowest} to {highest}$"
        with pytest.raises(DataError, match=allowed):
            load_dataset(**paths)


def test_the_limits_are_those_of_the_documentation() -> None:
    readme = (Path(__file__).resolve().parents[2] / "scenarios" / "README.md").read_text(encoding="utf-8")
    assert f"{MAX_FILE_BYTES // 2**20} MB" in readme and MAX_FILE_BYTES % 2**20 == 0
    assert f"{schema.LEAST_MONEY} to {schema.MOST_MONEY:,}" in readme
    assert f"0 to {schema.LARGEST_COUNT:,}" in readme
    assert f"at least {schema.FEWEST_TRAINING_SCENARIOS}" in readme
    assert f"at least {schema.FEWEST_GIFTS}" in readme
