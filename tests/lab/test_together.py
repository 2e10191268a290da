"""Trials trained together have exactly the rows of separate runs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.lab.small_trials import run_trial, small
from trm_np.config import Config
from trm_np.data.load import load_dataset
from trm_np.lab.grid import grid
from trm_np.lab.together import groups, leading, run_together
from trm_np.lab.trial import Trial, with_seeds
from trm_np.training.trainer import Trainer

DATASET = load_dataset()
FASTER = {
    "training__imagined": 0.5,
    "training__epochs": 7,
    "training__evaluate_every": 2,
    "learning_rate__core": 0.003,
}
READING: dict[str, dict[str, Any]] = {
    "never stops": {"training__patience": "none"},
    "stops at once": {"training__patience": 0},
    "waits": {"training__patience": 1},
    "any rise": {"training__patience": 1, "training__improvement": 0},
}
SPARSE = {f"{name}, every third": {**given, "training__evaluate_every": 3} for name, given in READING.items()}


def config(plateau: bool, **given: Any) -> Config:
    return small(**{**FASTER, **given, "training__plateau": str(plateau).lower()})


def trials(plateau: bool) -> list[Trial]:
    chosen = READING if plateau else {**READING, **SPARSE}
    return [Trial(name, config(plateau, **given), 3) for name, given in chosen.items()]


@pytest.mark.slow
@pytest.mark.parametrize("plateau", [True, False])
def test_training_together_gives_the_bits_of_separate_runs(plateau: bool) -> None:
    chosen = trials(plateau)
    assert groups(chosen) == [list(range(len(chosen)))]
    rows = run_together(chosen, DATASET)
    assert json.dumps(rows) == json.dumps([run_trial(trial, DATASET) for trial in chosen])
    assert {row["stopped_by"] for row in rows} == {"epochs", "early_stopping"}


def test_trials_whose_scheduler_acts_on_evaluations_are_trained_separately() -> None:
    every_two, every_three = ({"training__evaluate_every": every} for every in (2, 3))
    with_scheduler = [Trial("", config(True, **given), 0) for given in (every_two, every_three)]
    without = [Trial("", config(False, **given), 0) for given in (every_two, every_three)]
    assert groups(with_scheduler) == [[0], [1]]
    assert groups(without) == [[0, 1]]
    assert groups([without[0], replace(without[1], seed=1)]) == [[0], [1]]
    assert leading([trial.config for trial in without]).training.evaluate_every == 1


def test_the_full_grid_takes_96_trainings_instead_of_256() -> None:
    found = groups(with_seeds(grid("tiny", {}, full=True), 2))
    assert len(found) == 2 * 96
    assert sorted(place for places in found for place in places) == list(range(2 * 256))


@pytest.mark.slow
def test_after_a_divergence_finished_trials_keep_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [Trial(name, config(True, **READING[name]), 3) for name in ("never stops", "stops at once")]
    plain = run_trial(chosen[1], DATASET)
    require_finite = Trainer.require_finite

    def too_much_later(trainer: Trainer, kind: str, named: Any) -> None:
        if trainer.progress.epochs >= plain["epochs_run"]:
            raise trainer.diverged("loss total", float("nan"))
        require_finite(trainer, kind, named)

    monkeypatch.setattr(Trainer, "require_finite", too_much_later)
    lost, kept = run_together(chosen, DATASET)
    assert lost["error"].startswith("Diverged: training diverged: loss total is nan")
    assert kept == plain
