"""Refusals of `trm lab` before anything is run, and its documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from trm_np.cli import trm
from trm_np.cli.lab import Base, combinations


def lab(*args: str | Path) -> Result:
    return CliRunner().invoke(trm, ["lab", *map(str, args)])


@pytest.mark.parametrize(
    "options",
    [
        ["--set", "training.epochs=1", "--set", "training.epochs=2"],
        ["--epochs", "1", "--set", "training.epochs=1,2"],
    ],
)
def test_a_setting_given_twice_is_refused_and_no_value_of_it_dropped(
    options: list[str], tmp_path: Path
) -> None:
    result = lab("sweep", "--seeds", "1", "--set", "training.scenario_limit=2", *options, "--out", tmp_path)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: training.epochs is given twice; all its values belong into one --set training.epochs=V1,V2\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_combinations_are_all_and_named_by_what_varies() -> None:
    settings = ("training.patience=none,5", "training.augment=true,false", "loss.tool=1")
    configs = combinations(Base("tiny", "report", epochs=None, settings=settings))
    assert {name: (c.training.patience, c.training.augment, c.loss.tool) for name, c in configs.items()} == {
        "training.patience=none, training.augment=true": (None, True, 1.0),
        "training.patience=none, training.augment=false": (None, False, 1.0),
        "training.patience=5, training.augment=true": (5, True, 1.0),
        "training.patience=5, training.augment=false": (5, False, 1.0),
    }


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def test_the_document_of_one_seed_has_no_interval_and_is_json(tmp_path: Path) -> None:
    quick = ["--seeds", "1", "--epochs", "1", "--set", "training.scenario_limit=2"]
    result = lab("ablate", *quick, "--json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout, parse_constant=refuse)
    assert {(each["low"], each["high"], each["seeds"]) for each in found} == {(None, None, 1)}
    assert len({(each["switch"], each["among"]) for each in found}) == 16
