"""The core matters: its answer reaches every output, and one more step changes the answer."""

from dataclasses import fields

import numpy as np
import pytest

from trm_np.autograd import Tensor, no_grad
from trm_np.config import resolve
from trm_np.data.encode import encode_profiles
from trm_np.data.load import load_dataset
from trm_np.data.task import task_from
from trm_np.evaluation.predict import evaluating
from trm_np.model.trm import Outputs, state_vector
from trm_np.training.trainer import Trainer


@pytest.fixture(scope="module")
def trained() -> Trainer:
    config = resolve("tiny", settings={"training.epochs": "3", "training.evaluate_every": "3"})
    trainer = Trainer(config, task_from(load_dataset(), config.model.gift_features), seed=0)
    list(trainer.epochs())
    return trainer


def thought(trainer: Trainer, steps: int) -> Tensor:
    """The core's answer for the test profiles after so many supervision steps."""
    inputs = encode_profiles(trainer.task.test.profiles, trainer.task.vocabulary)
    carry = None
    with no_grad():
        for _ in range(steps):
            carry = trainer.model.step(inputs, carry)
    assert carry is not None
    return state_vector(carry)


def said(trainer: Trainer, h: Tensor) -> Outputs:
    inputs = encode_profiles(trainer.task.test.profiles, trainer.task.vocabulary)
    with evaluating(trainer.model):
        return trainer.model.decode(h, inputs, trainer.task.gift_inputs)


@pytest.mark.parametrize("output", [field.name for field in fields(Outputs)])
def test_cutting_the_answer_latent_changes_every_output(trained: Trainer, output: str) -> None:
    h = thought(trained, steps=3)
    with_h = getattr(said(trained, h), output).data
    without = getattr(said(trained, Tensor(np.zeros_like(h.data))), output).data
    changed = np.abs(with_h - without).reshape(len(h), -1).max(axis=1)
    assert np.median(changed) > 1e-3
    # A single number may by chance be nearly the same again; float32 would round by less than this.
    assert (changed > 1e-6).all()


def test_thinking_once_and_three_times_gives_different_answers(trained: Trainer) -> None:
    once, three_times = (said(trained, thought(trained, steps)) for steps in (1, 3))
    for field in fields(Outputs):
        first, third = (getattr(answer, field.name).data for answer in (once, three_times))
        assert not np.allclose(first, third, atol=1e-4)
