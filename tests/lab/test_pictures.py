"""The pictures of the lessons: each can be drawn from the rows of its experiments."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from docs.figures.__main__ import figures
from docs.figures.experiments import BATCHES, EXPERIMENTS, SIZES, of_sizes
from tests.lab.small_trials import made_up
from trm_np.autograd import Tensor, optim
from trm_np.autograd.schedule import ReduceLROnPlateau
from trm_np.config import resolve
from trm_np.data.augment import augment
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile
from trm_np.data.tables import budget_tier, profile_table
from trm_np.lab.trial import data_digest

pytest.importorskip("matplotlib", reason="needs pip install -e '.[plots]'")

from docs.figures.comparison import intervals
from docs.figures.drawings import crossing, curve, difference_error, improvements
from docs.figures.pictures import PICTURES

DATASET = load_dataset()
FOUND = {name: made_up(experiment, "") for name, experiment in EXPERIMENTS.items()}


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in ("recursion_steps", "graph")])
def test_a_picture_is_drawn_from_its_experiments(name: str, tmp_path: Path) -> None:
    picture = PICTURES[name]
    found = {experiment: FOUND[experiment] for experiment in picture.experiments}
    written = picture.draw(found, tmp_path / name)
    assert [path.name for path in written] == [f"{name}.svg", f"{name}.png"]
    assert "nan" not in re.findall(r' d="([^"]*)"', written[0].read_text())[0]


def test_every_experiment_is_in_a_picture_and_every_picture_in_a_lesson() -> None:
    assert {name for picture in PICTURES.values() for name in picture.experiments} == set(EXPERIMENTS)
    lessons = Path(__file__).resolve().parents[2] / "docs" / "lessons"
    text = "".join(page.read_text(encoding="utf-8") for page in lessons.glob("*.md"))
    assert {name for name in PICTURES if f"(../figures/{name}.svg)" in text} == set(PICTURES)


def test_the_command_draws_without_repeating_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    experiment = EXPERIMENTS["dropout"]
    rows = made_up(experiment, data_digest(DATASET))
    (tmp_path / "rows" / "dropout.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = CliRunner().invoke(figures, ["dropout", "--out", "rows", "--figures", "drawn"])
    assert result.exit_code == 0, result.output
    assert "rows/dropout.jsonl: 0 of 30 runs made" in result.stderr
    assert result.stdout.splitlines()[-2:] == ["drawn/dropout.svg", "drawn/dropout.png"]
    mean = np.mean([row["test"]["reward_spearman"] for row in rows if row["name"] == "0.3"])
    assert re.search(rf"^0\.3 .* {mean:.3f} ±", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("missing", "code", "told"),
    [
        ("a model", 65, "checkpoints/integrated_enhanced/best.npz: no such file; trm-train makes one"),
        ("a folder", 73, "drawn: cannot be made (File exists)"),
        ("matplotlib", 74, "plots need the extra [plots]: "),
    ],
)
def test_missing_requirements_are_reported_before_any_run(
    missing: str, code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = made_up(EXPERIMENTS["dropout"], data_digest(DATASET))
    (tmp_path / "dropout.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if missing == "matplotlib":
        monkeypatch.setitem(sys.modules, "matplotlib", None)
    if missing == "a folder":
        (tmp_path / "drawn").touch()
    pictures = ["dropout", "recursion_steps"]
    result = CliRunner().invoke(figures, [*pictures, "--out", ".", "--figures", "drawn"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"Error: {told}") and result.stderr.count("\n") == 1


def test_an_unknown_picture_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    result = CliRunner().invoke(figures, ["dropuot", "--out", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: no picture named 'dropuot'; did you mean dropout?\n",
    )


# ---------------------------------------------------------------------------------------- what they say


def test_each_size_of_data_gets_the_same_number_of_batches() -> None:
    for size, config in zip(SIZES, of_sizes(SIZES).values(), strict=True):
        batches = config.training.epochs * -(-size // config.training.batch_size)
        assert BATCHES * 0.9 < batches <= BATCHES


def test_only_training_scenarios_are_simulated() -> None:
    simulated = EXPERIMENTS["simulated_scenarios"].dataset(DATASET)
    assert len(simulated.train) == max(SIZES)
    assert (simulated.validation, simulated.test, simulated.gifts) == (
        DATASET.validation,
        DATASET.test,
        DATASET.gifts,
    )


@given(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=30))
def test_improvements_are_those_of_the_scheduler(losses: list[float]) -> None:
    scheduler = ReduceLROnPlateau(optim.AdamW([Tensor([0.0], requires_grad=True)], lr=1.0), patience=100)
    counted = []
    for loss in losses:
        scheduler.step(loss)
        counted.append(scheduler.state.bad_evaluations == 0)
    assert improvements(losses) == counted


@pytest.mark.parametrize("budget", [45.0, 70.0, 78.0, 80.0, 93.0, 150.0, 160.0, 249.0])
def test_the_probability_of_crossing_agrees_with_augmentation(budget: float) -> None:
    people = [Profile(age=30.0, hobbies=(), relationship=None, budget=budget, occasion=None, preferences=())]
    told = profile_table(people * 20_000, DATASET.vocabulary)
    moved = augment(told, np.random.default_rng(0))
    share = float(np.mean(budget_tier(moved.budget) != budget_tier(told.budget)))
    assert crossing(budget) == pytest.approx(share, abs=0.015)


def test_a_difference_is_best_in_the_middle_and_never_passes_a_wrong_vjp() -> None:
    errors = [difference_error(np.float64, step, 1.0) for step in (1e-12, 1e-5, 1e-1)]
    assert errors[1] < 1e-9 < 1e-6 < min(errors[0], errors[2])
    assert all(difference_error(np.float64, step, 1.001) > 1e-4 for step in (1e-10, 1e-7, 1e-5, 1e-3))


def test_curves_and_intervals_agree_with_the_rows() -> None:
    rows = FOUND["dropout"]
    epochs, values = curve(rows, "0.2", "validation", "losses", "total")
    ours = [row for row in rows if row["name"] == "0.2"]
    assert epochs == [5, 10, 15] and values.shape == (5, 3)
    assert values[3, 1] == ours[3]["curve"][1]["validation"]["losses"]["total"]
    (mean, low, high), *_ = intervals(rows, ["0.2"], "tool_exact_rate")
    assert mean == pytest.approx(np.mean([row["test"]["tool_exact_rate"] for row in ours]))
    assert low < mean < high


def test_experiments_match_their_names() -> None:
    assert EXPERIMENTS["recursion"].configs["T = 3"].model.cycles == 3
    assert EXPERIMENTS["learning_rates"].configs["core × 30"].learning_rate.core == pytest.approx(3e-3)
    assert EXPERIMENTS["tool_heads"].configs["softmax, weight 1.0"].loss.tool == 1.0
    shipped = resolve("tiny").training
    assert EXPERIMENTS["patience"].configs["patience 15, standard error"].training == shipped
    for name in ("written_scenarios", "simulated_scenarios", "tool_heads"):
        assert {config.training.imagined for config in EXPERIMENTS[name].configs.values()} == {0}
