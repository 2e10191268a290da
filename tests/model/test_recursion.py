"""The core matters: its answer reaches every output, and one more step changes the answer."""

from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest

from tests.recommend import stored_models
from trm_np.autograd import Tensor, no_grad
from trm_np.data.encode import encode_profiles
from trm_np.data.load import load_dataset
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import evaluating
from trm_np.model.trm import TRM, Outputs, state_vector


class Trained(NamedTuple):
    model: TRM
    task: Task


@pytest.fixture(scope="module")
def trained() -> Trained:
    stored = stored_models.trained()
    return Trained(stored.model, task_from(load_dataset(), stored.config.model.gift_features))


def thought(trained: Trained, steps: int) -> Tensor:
    """The core's answer for the test profiles after so many supervision steps."""
    inputs = encode_profiles(trained.task.test.profiles, trained.task.vocabulary)
    carry = None
    with no_grad():
        for _ in range(steps):
            carry = trained.model.step(inputs, carry)
    assert carry is not None
    return state_vector(carry)


def said(trained: Trained, h: Tensor) -> Outputs:
    inputs = encode_profiles(trained.task.test.profiles, trained.task.vocabulary)
    with evaluating(trained.model):
        return trained.model.decode(h, inputs, trained.task.gift_inputs)


@pytest.mark.parametrize("output", [field.name for field in fields(Outputs)])
def test_cutting_the_answer_latent_changes_every_output(trained: Trained, output: str) -> None:
    h = thought(trained, steps=3)
    with_h = getattr(said(trained, h), output).data
    without = getattr(said(trained, Tensor(np.zeros_like(h.data))), output).data
    changed = np.abs(with_h - without).reshape(len(h), -1).max(axis=1)
    assert np.median(changed) > 1e-3
    # A single number may by chance be nearly the same again; float32 would round by less than this.
    assert (changed > 1e-6).all()


def test_thinking_once_and_three_times_gives_different_answers(trained: Trained) -> None:
    once, three_times = (said(trained, thought(trained, steps)) for steps in (1, 3))
    for field in fields(Outputs):
        first, third = (getattr(answer, field.name).data for answer in (once, three_times))
        assert not np.allclose(first, third, atol=1e-4)
