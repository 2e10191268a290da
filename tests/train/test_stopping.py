"""Early stopping: what is kept and when it stops, against a definition that looks at the whole history."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.small_run import small, trainer
from trm_np.autograd import nn
from trm_np.stopping import EarlyStopping

QUALITIES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan]), min_size=1, max_size=20)


def one_weight() -> nn.Linear:
    return nn.Linear(1, 1, bias=False, rng=np.random.default_rng(0))


def follow(stopping: EarlyStopping, qualities: list[float]) -> int:
    """Evaluate epoch after epoch, the model's weight being the epoch; returns the last epoch."""
    model = one_weight()
    for epoch, quality in enumerate(qualities, start=1):
        model.weight.data[...] = epoch
        if stopping.step(quality, epoch, model):
            return epoch
    return len(qualities)


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


def test_a_rise_within_the_threshold_is_no_improvement() -> None:
    stopping = EarlyStopping(patience=2, threshold=0.02)
    # 0.81 is 1.25 % above 0.80, 0.82 is 2.5 %: the first is bad, the second is kept, 0.83 is bad again.
    assert follow(stopping, [0.80, 0.81, 0.82, 0.83]) == 4
    assert (kept(stopping), stopping.state.bad_evaluations) == (3, 1)


def test_a_run_counts_only_improvements_of_the_configured_share() -> None:
    assert trainer(small()).stopping.threshold == 0.03
    assert trainer(small(training__improvement=0)).stopping.threshold == 0


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
    stopping.step(0.5, 1, model)
    model.weight.data += 1
    stopping.restore(model)
    assert model.weight.data == pytest.approx(before)
