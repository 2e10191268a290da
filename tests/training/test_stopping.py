"""Early stopping: what is kept and when it stops, against a definition that looks at the whole history."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats  # type: ignore[import-untyped]

from tests.training.small_run import new_run, records, small, trainer, written
from trm_np.autograd import nn
from trm_np.evaluation.metrics import exceeds_its_error
from trm_np.storage.checkpoint import load_model
from trm_np.training.stopping import EarlyStopping
from trm_np.training.trainer import Interrupted

QUALITIES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan]), min_size=1, max_size=20)


def one_weight() -> nn.Linear:
    return nn.Linear(1, 1, bias=False, rng=np.random.default_rng(0))


def follow(stopping: EarlyStopping, evaluations: list[Any]) -> int:
    """Evaluate epoch after epoch, the model's weight being the epoch; returns the last epoch."""
    model = one_weight()
    for epoch, quality in enumerate(evaluations, start=1):
        model.weight.data[...] = epoch
        if stopping.step(np.atleast_1d(np.array(quality, float)), epoch, model):
            return epoch
    return len(evaluations)


def kept(stopping: EarlyStopping) -> int:
    model = one_weight()
    model.weight.data[...] = 0
    stopping.restore(model)
    return int(model.weight.data.item())


def test_a_worked_example() -> None:
    stopping = EarlyStopping(patience=2)
    # Two bad evaluations are allowed, the next one stops: 0.5 and the tie at 0.6 and 0.4 are bad.
    assert follow(stopping, [0.3, 0.6, 0.5, 0.6, 0.4, 0.9]) == 5
    assert stopping.state.best == 0.6
    assert kept(stopping) == stopping.state.best_epoch == 2


def test_one_scenario_that_rises_may_be_chance_and_many_are_not() -> None:
    before, lucky = [0.5] * 4, [0.5, 0.5, 0.5, 0.9]
    # The mean rises by 0.1 with a standard error of 0.1: no more than chance.
    stopping = EarlyStopping(patience=5)
    follow(stopping, [before, lucky])
    assert kept(stopping) == 1
    # By 0.05, with an error of 0.017.
    stopping = EarlyStopping(patience=5)
    follow(stopping, [before, [0.5, 0.55, 0.55, 0.6]])
    assert kept(stopping) == 2


def test_it_is_the_best_that_is_compared_with_and_not_the_one_before() -> None:
    stopping = EarlyStopping(patience=5)
    # The third rises above the second in every scenario, and is below the first.
    follow(stopping, [[0.5, 0.6], [0.1, 0.2], [0.4, 0.5]])
    assert (kept(stopping), stopping.state.bad_evaluations) == (1, 2)
    assert stopping.state.best_values == [0.5, 0.6]


@given(hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1, width=32)))
def test_a_difference_exceeds_its_error_as_the_paired_t_says(differences: np.ndarray) -> None:
    error = stats.sem(differences)
    if not math.isclose(differences.mean(), error, rel_tol=1e-9, abs_tol=1e-12):
        assert exceeds_its_error(differences) == (differences.mean() > error)


@given(st.integers(2, 60), st.floats(1e-6, 1), st.data())
def test_a_scenario_that_rises_alone_never_counts(count: int, rise: float, data: st.DataObject) -> None:
    differences = np.zeros(count)
    differences[data.draw(st.integers(0, count - 1))] = rise
    assert not exceeds_its_error(differences)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1, 1)))
def test_no_evaluation_is_better_than_one_just_as_good(values: np.ndarray) -> None:
    assert not exceeds_its_error(values - values)
    assert not exceeds_its_error(np.full_like(values, math.nan))


def test_a_rise_within_the_threshold_is_no_improvement() -> None:
    stopping = EarlyStopping(patience=2, threshold=0.02)
    # 0.81 is 1.25 % above 0.80, 0.82 is 2.5 %: the first is bad, the second is kept, 0.83 is bad again.
    assert follow(stopping, [0.80, 0.81, 0.82, 0.83]) == 4
    assert (kept(stopping), stopping.state.bad_evaluations) == (3, 1)


def test_a_run_counts_only_improvements_of_the_configured_share() -> None:
    assert trainer(small()).stopping.threshold is None
    assert trainer(small(training__improvement=0)).stopping.threshold == 0


def test_a_run_compares_the_quality_of_each_validation_scenario() -> None:
    t = trainer(small(training__epochs=1))
    record = next(t.epochs())
    assert len(t.stopping.state.best_values) == len(t.task.validation)
    assert np.mean(t.stopping.state.best_values) == pytest.approx(
        record["validation"]["recommendation_quality"]
    )


@pytest.mark.slow
def test_what_is_compared_with_survives_an_interruption(tmp_path: Path) -> None:
    config = small(training__epochs=8, training__evaluate_every=1, training__improvement="none")
    new_run(tmp_path / "whole", config).train()
    answers = iter([False] * 7)
    with pytest.raises(Interrupted):
        new_run(tmp_path / "parts", config).train(lambda: next(answers, True))
    new_run(tmp_path / "parts", config, resume=True).train()
    assert written(tmp_path / "parts") == written(tmp_path / "whole")
    assert len(records(tmp_path / "parts")) == 8
    values = load_model(tmp_path / "parts" / "last.npz", "training").header["training"]["stopping"][
        "best_values"
    ]
    assert json.loads(json.dumps(values)) == values and len(values) == 6


@given(QUALITIES, st.integers(0, 4))
def test_it_keeps_the_first_best_and_stops_after_patience_bad_ones(
    qualities: list[float], patience: int
) -> None:
    def first_best(history: list[float]) -> int:
        known = [quality for quality in history if not math.isnan(quality)]
        return history.index(max(known)) + 1 if known else 0

    stops = [n for n in range(1, len(qualities) + 1) if n - first_best(qualities[:n]) > patience]
    last = min([*stops, len(qualities)])
    stopping = EarlyStopping(patience)
    assert follow(stopping, qualities) == last
    assert kept(stopping) == stopping.state.best_epoch == first_best(qualities[:last])


@given(QUALITIES)
def test_without_patience_it_never_stops_and_keeps_the_newest(qualities: list[float]) -> None:
    stopping = EarlyStopping(patience=None)
    assert follow(stopping, qualities) == len(qualities)
    numbers = [epoch for epoch, quality in enumerate(qualities, start=1) if not math.isnan(quality)]
    assert kept(stopping) == max(numbers, default=0)


def test_what_is_kept_is_a_copy() -> None:
    stopping, model = EarlyStopping(patience=1), one_weight()
    before = model.weight.data.copy()
    stopping.step(np.array([0.5]), 1, model)
    model.weight.data += 1
    stopping.restore(model)
    assert model.weight.data == pytest.approx(before)
