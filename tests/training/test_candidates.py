"""Training and judging where the catalogue is larger than what one loss is taken over, or than fits at a time."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trm_np.evaluation.predict as evaluate_module
from tests.training.small_run import small, trainer
from trm_np.config import ConfigError
from trm_np.data.encode import ProfileInputs, encode_gifts, encode_profiles
from trm_np.data.load import load_dataset
from trm_np.data.task import task_from
from trm_np.evaluation.predict import evaluating, evaluation_loss, predict
from trm_np.model.losses import targets_of
from trm_np.model.new import Generators
from trm_np.model.reward_prediction import RewardPrediction
from trm_np.model.trm import TRM
from trm_np.training.batches import draw_candidates
from trm_np.training.trainer import Trainer


@cache
def shipped() -> Trainer:
    """A small model that has learnt for one epoch on the shipped 45 gifts."""
    config = small(training__epochs=1, training__evaluate_every=9)
    t = Trainer(config, task_from(load_dataset(), config.model.gift_features), 0)
    t.evaluate = lambda epoch: ({}, False)  # type: ignore[method-assign]
    list(t.epochs())
    return t


# ------------------------------------------------------------------------------------------ training


@given(st.integers(1, 300), st.integers(1, 64), st.integers(0, 99))
def test_candidates_are_different_gifts_in_order_and_all_of_a_small_catalogue(
    gifts: int, most: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    drawn = draw_candidates(gifts, most, rng)
    assert len(drawn) == min(gifts, most)
    assert (np.diff(drawn) > 0).all() and drawn[0] >= 0 and drawn[-1] < gifts
    untouched = rng.random() == np.random.default_rng(seed).random()
    assert untouched == (gifts <= most)


def test_every_gift_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    counts = sum(np.bincount(draw_candidates(20, 5, rng), minlength=20) for _ in range(4000))
    assert counts / 4000 == pytest.approx([0.25] * 20, abs=0.03)


def test_a_batch_is_about_its_candidates_only() -> None:
    t = trainer(small("data_augmentation", loss__candidates=5, training__mask_probability=0))
    task, rows = t.task, np.arange(4)
    batch = t.draw_batch(rows)
    gifts = task.gifts.take(draw_candidates(len(task.gifts), 5, Generators.from_seed(0).candidates))
    expected = encode_gifts(gifts, task.vocabulary, t.model.gift_features)
    for field in fields(expected):
        np.testing.assert_array_equal(getattr(batch.gifts, field.name), getattr(expected, field.name))
    told = task.train.take(rows)
    targets = targets_of(told.profiles, told.labels, gifts, task.implied, batch.picked)
    for field in fields(targets):
        np.testing.assert_array_equal(getattr(batch.targets, field.name), getattr(targets, field.name))


def test_the_candidates_change_from_batch_to_batch() -> None:
    t = trainer(small(loss__candidates=5))
    first, second = (t.draw_batch(np.arange(4)).gifts.features for _ in range(2))
    assert not np.array_equal(first, second)


def test_a_catalogue_no_larger_than_the_candidates_is_trained_on_whole() -> None:
    runs = [trainer(small(loss__candidates=most, training__epochs=1)) for most in (13, 500)]
    assert len(runs[0].task.gifts) == 13
    for t in runs:
        list(t.epochs())
    first, second = (t.model.state_dict() for t in runs)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("most", [0, 2])
def test_fewer_candidates_than_a_recommendation_are_refused(most: int) -> None:
    with pytest.raises(ConfigError, match=f"loss.candidates={most}: must be at least 3"):
        small(loss__candidates=most)


# ------------------------------------------------------------------------------------------- judging


def test_the_loss_of_an_evaluation_is_that_of_gifts_evenly_spaced() -> None:
    task, model, config = shipped().task, shipped().model, shipped().config
    spaced = [0, 11, 22, 33, 44]
    fewer = replace(task, gifts=task.gifts.take(spaced), gift_inputs=task.gift_inputs.take(spaced))
    loss = replace(config.loss, candidates=5)
    found = evaluation_loss(model, task.test, task, loss)
    assert found == evaluation_loss(model, task.test, fewer, config.loss)
    assert found != evaluation_loss(model, task.test, task, config.loss)


@pytest.mark.parametrize(("cells", "profiles"), [(1, 64), (45 * 7, 4), (2**12, 29)])
def test_judging_some_profiles_at_a_time_is_judging_all_at_once(
    cells: int, profiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, model, config = shipped().task, shipped().model, shipped().config
    whole, loss = (
        predict(model, task.test.profiles, task),
        evaluation_loss(model, task.test, task, config.loss),
    )
    monkeypatch.setattr(evaluate_module, "CELLS", cells)
    monkeypatch.setattr(evaluate_module, "PROFILES", profiles)
    parts = predict(model, task.test.profiles, task)
    np.testing.assert_array_equal(parts.choices, whole.choices)
    for name in ("category_scores", "tool_scores", "predicted_reward"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-4, atol=1e-5)
    assert evaluation_loss(model, task.test, task, config.loss) == pytest.approx(loss, rel=1e-4)


def test_no_more_than_so_many_cells_are_judged_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    task, model, config = shipped().task, shipped().model, shipped().config
    seen: list[tuple[int, ...]] = []
    inferred: list[tuple[int, ...]] = []
    monkeypatch.setattr(evaluate_module, "CELLS", 100)
    monkeypatch.setattr(evaluate_module, "PROFILES", 12)
    monkeypatch.setattr(RewardPrediction, "fuse", noted(RewardPrediction.fuse, seen))
    monkeypatch.setattr(TRM, "infer", noted(TRM.infer, inferred))
    predict(model, task.test.profiles, task)
    evaluation_loss(model, task.test, task, replace(config.loss, candidates=20))
    assert {shape[:2] for shape in seen} == {(2, 45), (5, 20)}
    assert [shape[0] for shape in inferred] == [12, 12, 6] * 2


def noted(method: Callable[..., Any], shapes: list[tuple[int, ...]]) -> Callable[..., Any]:
    """The method, which notes the shape of what it is given."""

    def noting(self: object, given: Any) -> Any:
        shapes.append(given.tokens.shape if isinstance(given, ProfileInputs) else given.shape)
        return method(self, given)

    return noting


@pytest.mark.parametrize("with_picked", [False, True])
def test_gifts_encoded_once_are_judged_as_they_are_read(with_picked: bool) -> None:
    task, model = shipped().task, shipped().model
    inputs = encode_profiles(task.test.profiles, task.vocabulary)
    picked = np.eye(len(task.test), len(task.gifts), dtype=bool) if with_picked else None
    with evaluating(model):
        h, _ = model.infer(inputs)
        outputs = model.decode(h, inputs, task.gift_inputs, picked)
        user = model.encode_user(h, inputs)
        gifts = model.encode_gifts(task.gift_inputs)
        components, reward = model.score_gifts(model.pair_logits(user, gifts), gifts, picked)
    np.testing.assert_array_equal(components.data, outputs.components.data)
    np.testing.assert_array_equal(reward.data, outputs.reward.data)
    np.testing.assert_array_equal(user.category_logits.data, outputs.category_logits.data)
    np.testing.assert_array_equal(user.tool_logits.data, outputs.tool_logits.data)
