"""`trm evaluate` as a user meets it: sections that fit a terminal, one JSON document, cross-validation on request."""

import io
import json
import re
import sys
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.training.small_run import SET
from trm_np.cli import trm
from trm_np.cli.progress import progress
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.evaluation.diagnostics import FIELDS
from trm_np.evaluation.diagnostics_text import (
    categories_text,
    cross_validation_text,
    evaluation_text,
    scenario_text,
    tools_text,
)

SECTIONS = [
    "The model on 30 held-out scenarios, with 95 % intervals, and the baselines",
    "One field hidden from the model at a time",
    "Calibration: predicted and true values",
    "Tools: expected (rows) and chosen (columns)",
    "Categories: expected, among the first three, and chosen in place of a missed one",
    "The worst scenarios, 10 of 30",
]
METRIC = r"^category recall@3 +"
FIGURE = r"-?\d\.\d{3}"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained"))


def train(folder: Path, *options: str) -> Path:
    result = run("train", *SET, "--epochs", "1", *options, "--out", folder, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    return folder / "best.npz"


@pytest.fixture(scope="module")
def judged(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("evaluate", model, "--json").stdout)
    return found


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(trm, [str(arg) for arg in args])


# ----------------------------------------------------------------------------------------------- sections


def test_the_sections_come_in_order_and_fit_the_terminal(model: Path, judged: dict[str, Any]) -> None:
    result = run("evaluate", model)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    heads = [line for line, below in pairwise(lines) if below and not below.strip("-")]
    assert heads == SECTIONS
    assert max(map(len, lines)) <= 110
    assert result.stdout == evaluation_text(judged) + "\n"


def test_every_metric_has_its_interval_and_six_baselines(judged: dict[str, Any]) -> None:
    text = evaluation_text(judged)
    row = rf"{METRIC}({FIGURE}) +(\d\.\d\d)–(\d\.\d\d)((?: +{FIGURE}){{6}})$"
    (found,) = re.findall(row, text, re.MULTILINE)
    figure, low, high, others = found
    assert float(low) - 0.005 <= float(figure) <= float(high) + 0.005
    names = ["random", "popularity", "nearest_neighbour", "linear", "oracle", "untrained"]
    assert list(judged["baselines"]) == names
    shown = [f"{judged['baselines'][name]['category_recall_at_3']:.3f}" for name in names]
    assert others.split() == shown
    without = {"generalization_gap", "categories_in_use", "tools_in_use"}
    assert set(judged["test"]) - set(judged["intervals"]) == without


def held_out(folder: Path, *scenarios: Any) -> Path:
    path = folder / "held_out.json"
    path.write_text(json.dumps({"scenarios": scenarios}), encoding="utf-8")
    return path


def shipped(name: str) -> Any:
    return json.loads(resources.files("trm_np.scenarios").joinpath(name).read_text(encoding="utf-8"))


def test_scenarios_that_were_trained_on_are_warned_of(
    model: Path, judged: dict[str, Any], tmp_path: Path
) -> None:
    seen = shipped("realistic_user_scenarios.json")["scenarios"]
    new = shipped("held_out_scenarios.json")["test"]
    for scenarios, said in (
        (seen, "25 of these 25 scenarios were trained on: the metrics say nothing about new profiles"),
        (
            [seen[0], *new[:2]],
            "1 of these 3 scenarios was trained on: the metrics say less about new profiles",
        ),
        (
            [*seen[:2], new[0]],
            "2 of these 3 scenarios were trained on: the metrics say less about new profiles",
        ),
    ):
        assert f"\n{said}\n\n" in run("evaluate", model, "--held-out", held_out(tmp_path, *scenarios)).stdout
    assert judged["trained_on"] == 0
    assert "were trained on" not in evaluation_text(judged)


def test_one_scenario_in_one_list(model: Path, tmp_path: Path) -> None:
    """One in number, without intervals; and the list did not choose the epoch of a model trained before."""
    one = shipped("held_out_scenarios.json")["test"][0]
    result = run("evaluate", model, "--held-out", held_out(tmp_path, one))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("The model on 1 held-out scenario, with")
    assert "\none list serves as validation and as test\n" in result.stdout
    assert "chose the epoch" not in result.stdout


def test_an_interval_without_width_at_0_or_1_is_not_shown(judged: dict[str, Any]) -> None:
    bounds = {"category_match_rate": [1.0, 1.0], "tool_match_rate": [0.0, 0.0], "average_reward": [0.6, 0.6]}
    text = evaluation_text({**judged, "intervals": judged["intervals"] | bounds})
    for name, shown in zip(bounds, ("-", "-", "0.60–0.60"), strict=True):
        row = next(line for line in text.splitlines() if line.startswith(name.replace("_", " ")))
        assert re.search(rf"(?:met|missed) +{shown}  ", row), row


def test_the_tables_of_confusion_are_explained_above_them(judged: dict[str, Any]) -> None:
    lines = evaluation_text(judged).splitlines()
    for head, said in ((SECTIONS[3], "counts in four cells"), (SECTIONS[4], "instead: the categories")):
        note, blank = lines[lines.index(head) + 2 : lines.index(head) + 4]
        assert said in note and blank == ""


@pytest.mark.parametrize("options", [(), ("--cross-validate",)])
def test_a_model_of_other_names_asks_for_held_out_scenarios(options: tuple[str, ...], tmp_path: Path) -> None:
    assert run("init", tmp_path / "mine").exit_code == 0
    data = ("--scenarios", "scenarios"), ("--held-out", "held_out_scenarios"), ("--catalogue", "gift_catalog")
    words = [word for option, name in data for word in (option, str(tmp_path / "mine" / f"{name}.json"))]
    result = run("evaluate", train(tmp_path / "model", *words), *options)
    assert (result.exit_code, result.stdout) == (65, "")
    assert result.stderr.startswith("Error: held_out_scenarios.json (shipped): found a vocabulary other than")
    assert "give --held-out" in result.stderr and result.stderr.count("\n") == 1


def test_hidden_fields_stand_beside_nothing_hidden_and_popularity(judged: dict[str, Any]) -> None:
    values, drops = evaluation_text(judged).split(SECTIONS[1])[1].split(SECTIONS[2])[0].strip().split("\n\n")
    assert values.splitlines()[1].split() == ["hidden", "nothing", *FIELDS, "popular"]
    assert drops.splitlines()[0].split() == ["lost", "by", "hiding", *FIELDS]
    (row,) = re.findall(rf"{METRIC}(.*)$", values, re.MULTILINE)
    (lost,) = re.findall(rf"{METRIC}(.*)$", drops, re.MULTILINE)
    seen, *hidden, popular = map(float, row.split())
    assert seen == pytest.approx(judged["test"]["category_recall_at_3"], abs=5e-4)
    assert popular == pytest.approx(judged["baselines"]["popularity"]["category_recall_at_3"], abs=5e-4)
    assert [seen - value for value in hidden] == pytest.approx(list(map(float, lost.split())), abs=2e-3)
    assert list(judged["hidden"]) == list(FIELDS)


def test_calibration_is_shown_bin_by_bin_and_in_one_figure(judged: dict[str, Any]) -> None:
    text = evaluation_text(judged)
    for name, found in judged["calibration"].items():
        error = found["expected_calibration_error"]
        assert f"expected calibration error of {name}: {error:.3f}" in text
        count = sum(row["count"] for row in found["bins"])
        weighted = sum(row["count"] * abs(row["predicted"] - row["true"]) for row in found["bins"])
        assert error == pytest.approx(weighted / count)
    assert list(judged["calibration"]) == ["categories", "tools", "reward"]


def test_all_scenarios_are_in_the_document_and_the_ten_worst_in_the_text(judged: dict[str, Any]) -> None:
    text = evaluation_text(judged)
    names = [scenario["name"] for scenario in judged["scenarios"]]
    assert len(set(names)) == 30
    assert [name for name in names if f"  {name}\n" in text] == names[:10]


def test_confusion_and_scenarios_worked_by_hand() -> None:
    confusion = {
        "names": ["art", "books", "food"],
        "expected": [4, 2, 0],
        "chosen": [1, 3, 2],
        "counts": [[1, 1, 2], [0, 2, 0], [0, 0, 0]],
    }
    assert tools_text(confusion).splitlines() == [
        "         1  2  3  expected  chosen",
        "1 art    1  1  2         4       1",
        "2 books  0  2  0         2       3",
        "3 food   0  0  0         0       2",
    ]
    assert categories_text(confusion).splitlines() == [
        "       expected  chosen  both  instead",
        "art           4       1     1  food 2, books 1",
        "books         2       3     2",
        "food          0       2     0",
    ]
    scenario = {
        "name": "a friend",
        "score": 0.6,
        "expected_categories": ["art", "books"],
        "categories": ["books", "food", "home"],
        "expected_tools": ["trend"],
        "tools": ["trend", "review"],
        "gifts": ["g1", "g2", "g3"],
        "reward": 0.7,
        "best_reward": 0.8,
    }
    assert scenario_text(scenario).splitlines() == [
        "0.60  a friend",
        "      categories 1 of 2: expected art, books; chosen books, food, home",
        "      tools 1 of 1: expected trend; chosen trend, review",
        "      reward 0.70 of 0.80: g1, g2, g3",
    ]


# --------------------------------------------------------------------------------------- cross-validation


def test_cross_validation_prints_its_figures_beside_the_baselines(model: Path) -> None:
    result = run("evaluate", model, "--cross-validate", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["seeds"], found["folds"], found["scenarios"]) == ([0], 5, 25)
    text = cross_validation_text(found)
    (row,) = re.findall(rf"{METRIC}(.*)$", text, re.MULTILINE)
    mean, least, most, _, spread, popular, nearest, linear = row.split()
    recall = found["pooled"][0]["category_recall_at_3"]
    assert mean == least == most == f"{recall:.3f}"
    singles = [fold["category_recall_at_3"] for fold in found["by_fold"][0]]
    variance = sum((single - sum(singles) / 5) ** 2 for single in singles) / 5
    assert float(spread) == pytest.approx(variance**0.5, abs=5e-4)
    baselines = [found["baselines"][name] for name in ("popularity", "nearest_neighbour", "linear")]
    assert [popular, nearest, linear] == [f"{metrics['category_recall_at_3']:.3f}" for metrics in baselines]
    assert max(map(len, text.splitlines())) <= 110


def test_seeds_are_for_cross_validation_and_there_must_be_scenarios_enough(
    model: Path, tmp_path: Path
) -> None:
    refused = run("evaluate", model, "--seeds", "2")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "Error: --seeds: only with --cross-validate, which trains\n"
    few = run("evaluate", train(tmp_path, "--without", "data_diversity"), "--cross-validate")
    assert (few.exit_code, few.stdout) == (2, "")
    assert few.stderr == "Error: cross-validation needs at least 5 training scenarios; the model has 2\n"


def test_folds_are_counted_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("folds", 2) as done:
        done()
        done()
    assert re.search(r"folds.* 50%.* 100%", terminal.getvalue(), re.DOTALL)
