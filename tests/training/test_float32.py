"""No float64 creeps into training: every array that a step makes is watched as it is made."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.training.small_run import dataset
from trm_np.autograd.ops import Array, Rule
from trm_np.autograd.tensor import metered
from trm_np.config import resolve
from trm_np.data.task import task_from
from trm_np.training.batches import Batch
from trm_np.training.trainer import Trainer


class Watched(np.ndarray):
    """An array that passes itself on to all that is computed from it, and notes what of that is in float64."""

    made: ClassVar[int] = 0
    float64: ClassVar[list[tuple[int, ...]]] = []

    def __array_finalize__(self, origin: object) -> None:
        Watched.made += 1
        if self.dtype == np.float64 and self.size > 1:
            Watched.float64.append(self.shape)


def watched(value: Any) -> Any:
    return value.view(Watched) if isinstance(value, np.ndarray) else value


def watching(rule: Rule) -> Rule:
    """The rule with its arguments, settings and cotangents watched; what it gives back is looked at too."""

    def run(*arrays: Array, **settings: Any) -> Any:
        value, vjp = rule(*map(watched, arrays), **{name: watched(x) for name, x in settings.items()})
        watched(value)

        def watched_vjp(g: Array) -> Sequence[Array]:
            return [np.asarray(gradient) for gradient in map(watched, vjp(watched(g)))]

        return np.asarray(value), watched_vjp

    run.__name__ = rule.__name__
    return run


def watched_batch(batch: Batch) -> Batch:
    for part in (batch.inputs, batch.gifts, batch.targets):
        for name, value in vars(part).items():
            object.__setattr__(part, name, watched(value))
    return batch


def watched_step(preset: str) -> None:
    """A batch learnt, not the first, from the loss terms' targets to the optimizer's moments."""
    config = resolve(preset)
    trainer = Trainer(config, task_from(dataset(), config.model.gift_features), seed=0)
    batch = trainer.draw_batch(np.arange(16))
    trainer.learn(batch)
    for name in ("weights", "gradient", "first_moment", "second_moment"):
        setattr(trainer.optimizer, name, watched(getattr(trainer.optimizer, name)))
    Watched.made, Watched.float64 = 0, []
    with metered(watching):
        trainer.learn(watched_batch(batch))


@pytest.mark.parametrize("preset", ["tiny", pytest.param("report", marks=pytest.mark.slow)])
def test_a_training_step_makes_no_array_of_float64(preset: str) -> None:
    watched_step(preset)
    assert Watched.made > 1000
    assert Watched.float64 == []


def test_one_that_does_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from trm_np.autograd import ops

    def logistic(a: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(-a * np.ones(1))), a.dtype)

    monkeypatch.setattr(ops, "logistic", logistic)
    watched_step("tiny")
    assert Watched.float64
