"""ReduceLROnPlateau, traced step by step."""

from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor
from trm_np.autograd.optim import AdamW
from trm_np.autograd.schedule import PlateauState, ReduceLROnPlateau


def optimizer(*rates: float) -> AdamW:
    return AdamW([{"params": [Tensor(np.ones(1), requires_grad=True)], "lr": lr} for lr in rates])


def rates_after_each(scheduler: ReduceLROnPlateau, metrics: list[float]) -> list[float]:
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    return rates


def test_patience_and_cooldown_traced() -> None:
    """Patience 2: two bad evaluations are allowed, the third acts; then two are not counted."""
    scheduler = ReduceLROnPlateau(optimizer(1.0), factor=0.5, patience=2, cooldown=2, threshold=0.0)
    trace = [
        (5.0, 1.0),  # the first value is always the best so far
        (4.0, 1.0),  # better
        (4.0, 1.0),  # bad: 1 (equal is no improvement)
        (3.0, 1.0),  # better: the count starts anew
        (3.5, 1.0),  # bad: 1
        (3.5, 1.0),  # bad: 2, as many as are allowed
        (3.5, 0.5),  # bad: 3, acts
        (3.5, 0.5),  # cooldown
        (3.5, 0.5),  # cooldown
        (3.5, 0.5),  # bad: 1
        (3.5, 0.5),  # bad: 2
        (3.5, 0.25),  # bad: 3, acts
    ]
    assert rates_after_each(scheduler, [metric for metric, _ in trace]) == [rate for _, rate in trace]
    assert scheduler.state == PlateauState(best=3.0, bad_evaluations=0, cooldown_left=2)


def test_no_patience_acts_on_the_first_bad_evaluation() -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0), factor=0.1, patience=0)
    assert rates_after_each(scheduler, [1.0, 1.0, 0.5]) == [1.0, 0.1, 0.1]


def test_no_rate_falls_below_its_floor_and_tiny_changes_are_not_made() -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0, 1.0), factor=0.5, patience=0, min_lr=[0.3, 0.0], eps=0.2)
    seen = []
    for metric in [1.0] * 5:
        scheduler.step(metric)
        seen.append([group["lr"] for group in scheduler.optimizer.param_groups])
    # The first group stops at 0.5, as 0.5 to its floor 0.3 is no more than eps; the second as 0.125 is less.
    assert seen == [[1.0, 1.0], [0.5, 0.5], [0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]


def test_one_floor_holds_for_all_groups() -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0, 0.1), factor=0.1, patience=0, min_lr=0.05)
    for metric in [1.0] * 3:
        scheduler.step(metric)
    assert [group["lr"] for group in scheduler.optimizer.param_groups] == [0.05, 0.05]


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "best", "enough", "too_little"),
    [
        ("min", "rel", 10.0, 8.9, 9.1),
        ("min", "abs", 10.0, 9.8, 9.95),
        ("max", "rel", 10.0, 11.1, 10.9),
        ("max", "abs", 10.0, 10.2, 10.05),
    ],
)
def test_an_improvement_must_exceed_the_threshold(
    mode: str, threshold_mode: str, best: float, enough: float, too_little: float
) -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0), mode=mode, threshold=0.1, threshold_mode=threshold_mode)
    scheduler.step(best)
    assert scheduler.improves(enough) and not scheduler.improves(too_little) and not scheduler.improves(best)


def test_a_metric_that_is_not_a_number_is_a_bad_evaluation() -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0), factor=0.5, patience=1)
    assert rates_after_each(scheduler, [1.0, float("nan"), float("nan")]) == [1.0, 1.0, 0.5]
    assert scheduler.state.best == 1.0


def test_a_float32_metric_is_compared_with_all_its_digits() -> None:
    scheduler = ReduceLROnPlateau(optimizer(1.0), threshold=1e-9)
    scheduler.step(np.float32(1.0))  # type: ignore[arg-type]
    assert not scheduler.improves(1 - 1e-10) and scheduler.improves(1 - 1e-8)
    assert type(scheduler.state.best) is float


def test_a_loss_is_taken_as_it_is_and_a_floor_may_be_any_number() -> None:
    """A loss may come from NumPy, or be a tensor of one element, as in PyTorch."""
    p = Tensor([1.0], requires_grad=True)
    scheduler = ReduceLROnPlateau(AdamW([p], lr=1.0), patience=0, factor=0.5, min_lr=np.float32(0.25))
    for _ in range(4):
        scheduler.step((p * 2).sum())
    assert scheduler.state.best == 2.0 and scheduler.optimizer.param_groups[0]["lr"] == 0.25


def test_a_saved_state_goes_on_where_it_stopped() -> None:
    metrics = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    whole = ReduceLROnPlateau(optimizer(1.0), factor=0.5, patience=1, cooldown=1)
    expected = rates_after_each(whole, metrics)
    first = ReduceLROnPlateau(optimizer(1.0), factor=0.5, patience=1, cooldown=1)
    seen = rates_after_each(first, metrics[:4])
    second = ReduceLROnPlateau(optimizer(seen[-1]), factor=0.5, patience=1, cooldown=1)
    second.state = first.state
    assert seen + rates_after_each(second, metrics[4:]) == expected
    assert len(set(expected)) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "least"}, "mode is 'least'"),
        ({"threshold_mode": "relative"}, "threshold_mode is 'relative'"),
        ({"factor": 1.0}, "factor is 1.0"),
        ({"factor": 0.0}, "factor is 0.0"),
        ({"factor": float("nan")}, "factor is nan"),
        ({"min_lr": [0.0, 0.0]}, "2 values of min_lr for 1 parameter groups"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReduceLROnPlateau(optimizer(1.0), **arguments)
