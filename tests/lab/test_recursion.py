"""`trm lab recursion`: its variants, their arithmetic, and the summary of their rows."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.lab.recursion_rows import PUZZLES as ALIKE
from tests.lab.recursion_rows import made_up
from tests.puzzles.small_puzzles import TASK, small
from trm_np.autograd import Tensor
from trm_np.cli import trm
from trm_np.config import flatten
from trm_np.lab import recursion
from trm_np.lab.recursion import (
    DEEPEST,
    MODELS,
    ONCE,
    PUZZLES,
    SHIPPED,
    STEPS,
    LastStep,
    RandomStart,
    Unmasked,
    Variant,
    completed_last,
    run,
    summarize,
    variants,
)
from trm_np.lab.results import complete, read_rows
from trm_np.lab.trial import Trial
from trm_np.model.core import Carry
from trm_np.puzzles.compare import rivals, work
from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig, PuzzleTrainingConfig
from trm_np.puzzles.model import PuzzleModel
from trm_np.puzzles.run import PuzzleRun
from trm_np.puzzles.sets import make_held_out, make_puzzles

LITTLE = small(training__epochs=2, training__updates=3)


def parts(config: PuzzleConfig) -> tuple[PuzzleModelConfig, PuzzleTrainingConfig]:
    """The settings of a variant, without its class."""
    return config.model, config.training


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of sets that 4 × 4 has enough puzzles for."""
    monkeypatch.setattr("trm_np.puzzles.sets.TEST", 8)
    monkeypatch.setattr("trm_np.puzzles.sets.VALIDATION", 4)
    monkeypatch.setattr(recursion, "COUNT", 12)


# ------------------------------------------------------------------------------------------------- variants


def test_every_variant_has_the_arithmetic_of_the_shipped_model() -> None:
    found = variants({})
    shipped = found[SHIPPED]
    assert parts(shipped) == parts(PuzzleConfig())
    for name, variant in found.items():
        each = (
            work(variant.model)
            if variant.variant != LastStep.__name__
            else work(replace(shipped.model, latent_steps=2))
        )
        total = variant.training.epochs * each
        assert abs(total - shipped.training.epochs * work(shipped.model)) <= each / 2, name


def test_no_two_variants_are_the_same_run() -> None:
    found = variants({"training.epochs": 3})
    assert len({json.dumps(flatten(each)) for each in found.values()}) == len(found)
    assert found[SHIPPED].training.epochs == 3


def test_the_rivals_are_those_of_training_with_compare() -> None:
    found = variants({})
    ours = [parts(found[name]) for name in (ONCE, DEEPEST)]
    assert ours == [parts(config) for _, config in rivals(PuzzleConfig())]


def made(model: type[PuzzleModel], **settings: Any) -> PuzzleModel:
    return model(small(**settings).model, TASK, np.random.default_rng(0))


def puzzles(count: int = 3) -> np.ndarray:
    return make_puzzles(TASK, count, np.random.default_rng(1)).questions


def drawn(count: int = 3) -> Carry:
    y, z = np.random.default_rng(2).normal(size=(2, count, 16, 8)).astype(np.float32)
    return Carry(Tensor(y), Tensor(z))


def test_a_random_start_is_the_same_for_all_cells_and_puzzles() -> None:
    start = made(RandomStart).initial_carry(3)
    for each in (start.y.data, start.z.data):
        assert (each == each[0, 0]).all()
        assert 0.3 < each.std() < 3
    assert (start.y.data != start.z.data).all()


def test_the_last_step_alone_has_a_gradient_and_the_same_values() -> None:
    whole, last = made(PuzzleModel, model__latent_steps=2), made(LastStep)
    gradients = []
    for model in (whole, last):
        after = model(puzzles(), drawn())
        after.y.sum().backward()
        gradients.append(model.core.token_embedding.weight.grad)
        assert np.allclose(after.y.data, whole(puzzles(), drawn()).y.data, atol=1e-5)
    assert not np.allclose(*gradients)


def test_without_masks_cells_differ_only_by_their_vectors() -> None:
    model = made(Unmasked)
    order = np.random.default_rng(3).permutation(16)
    before, carry = model(puzzles(), model.initial_carry(3)).y.data, model.initial_carry(3)
    assert not np.allclose(model(puzzles()[:, order], carry).y.data, before[:, order], atol=1e-3)
    model.places.weight.data[...] = model.places.weight.data[order]
    assert np.allclose(model(puzzles()[:, order], carry).y.data, before[:, order], atol=1e-5)
    changed = puzzles()
    changed[:, 0] = (changed[:, 0] + 1) % 5
    model.places.weight.data[...] = model.places.weight.data[np.argsort(order)]
    assert (model(changed, carry).y.data != before).any(axis=2).all()  # every cell sees the first


# ----------------------------------------------------------------------------------------------------- rows


@pytest.mark.usefixtures("few")
def test_a_row_equals_the_results_of_a_run_in_a_folder(tmp_path: Path) -> None:
    trial = Trial("small", Variant(*parts(LITTLE)), 3)
    row = run(trial, TASK)
    apart = make_held_out(TASK, 3, 0)
    learnt = make_puzzles(TASK, 12, np.random.default_rng(3), 0, set(apart.known))
    summary = PuzzleRun(LITTLE, TASK, learnt, apart.validation, apart.test, 3, tmp_path).train()
    for name in ("solved", "cells", "halting", "singles_only"):
        assert row["test"][name] == summary[name]
    shares = list(row["test"]["solved_by_steps"].values())
    assert len(shares) == STEPS
    assert shares[:3] == list(summary["solved_by_steps"].values())
    assert (row["updates"], row["parameters"]) == (6, summary["parameters"])
    assert sum(each["puzzles"] for each in row["by_rounds"]) == 8
    counts = np.sum([each["solved"] for each in row["by_rounds"]], axis=0) / 8
    assert counts.tolist() == shares
    assert row["settings"]["variant"] == "PuzzleModel"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_trained(model: str) -> None:
    assert run(Trial(model, Variant(*parts(LITTLE), model), 0), TASK)["test"]["puzzles"] == 8


@pytest.mark.usefixtures("few")
def test_finished_runs_are_not_repeated_and_a_failure_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    fine = Trial("fine", Variant(*parts(LITTLE)), 0)
    diverging = replace(small(training__learning_rate=1.0, training__warmup=0, training__clip_norm=1000.0))
    wrong = Trial("wrong", Variant(*parts(diverging), "no such model"), 0)
    with ThreadPoolExecutor(1) as executor:
        first = complete(path, [fine], TASK, executor, kind=PUZZLES)
        arrived: list[Any] = []
        both = complete(path, [fine, wrong], TASK, executor, arrived.append, PUZZLES)
    assert both[0] == first[0]
    assert [row["name"] for row in arrived] == ["wrong"]
    assert both[1]["error"] == "KeyError: 'no such model'"
    assert read_rows(path) == both


# ------------------------------------------------------------------------------------------ what they show


def test_means_intervals_and_rounds_of_two_seeds() -> None:
    rows = made_up(2)
    shipped = [row for row in rows if row["name"] == SHIPPED]
    found = summarize(rows)
    assert [each["name"] for each in found] == list(variants({}))
    at_four = [row["test"]["solved_by_steps"]["4"] for row in shipped]
    shown = found[0]["solved_by_steps"]["4"]
    assert shown["mean"] == pytest.approx(np.mean(at_four))
    half = 12.7062 * np.std(at_four, ddof=1) / 2**0.5  # Student's t of one degree of freedom
    assert shown["high"] - shown["mean"] == pytest.approx(half, rel=1e-4)
    hard = [row["by_rounds"][2]["solved"][-1] / ALIKE for row in shipped]
    assert found[0]["hard"]["mean"] == pytest.approx(np.mean(hard))
    assert [each["rounds"] for each in found[0]["by_rounds"]] == ["to 4", "5", "7 and more"]
    (three, *_) = found[0]["by_rounds"]
    assert three["puzzles"] == 2 * ALIKE
    both = [row["by_rounds"][0]["solved"][0] for row in shipped]
    assert three["solved"][0] == sum(both) / (2 * ALIKE)


def test_rows_of_other_settings_or_versions_are_left_out() -> None:
    rows = made_up(1)
    others = [{**rows[0], "version": "0.0.1"}, {**rows[0], "settings": {"training.epochs": 2}}]
    assert completed_last([*rows, *others]) == rows


def lab(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(trm, ["lab", "recursion", "--out", str(folder), *options])


def test_the_command_prints_the_table_of_stored_rows(tmp_path: Path) -> None:
    (tmp_path / "thinking.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up(2)))
    result = lab(tmp_path, "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert f"0 of {2 * len(variants({}))} runs made" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[-7:] == ["1", "2", "4", "8", "16", "hard", "halting"]
    assert lines[1].startswith(f"{SHIPPED}  ")
    assert [line.split("  ")[0] for line in lines[-3:]] == ["to 4", "5", "7 and more"]
    found = json.loads(lab(tmp_path, "--seeds", "1", "--json").stdout)
    assert found[0]["name"] == SHIPPED
    assert found[0]["hard"]["low"] is None


def test_the_picture_shows_the_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs pip install -e '.[plots]'")
    (tmp_path / "thinking.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up(2)))
    drawn = tmp_path / "drawn"
    result = lab(tmp_path, "--seeds", "2", "--figures", str(drawn))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-2:] == [str(drawn / "thinking.svg"), str(drawn / "thinking.png")]
    again = lab(tmp_path, "--seeds", "2", "--figures", str(tmp_path / "again"))
    assert again.exit_code == 0
    assert (drawn / "thinking.svg").read_bytes() == (tmp_path / "again" / "thinking.svg").read_bytes()
    assert lab(tmp_path, "--seeds", "1", "--figures", str(drawn)).exit_code == 0  # no interval, and no band
