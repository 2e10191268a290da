"""The training itself: what one step does, who draws which dice, and what stops it."""

import math
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest

import trm_np.training.trainer as train_module
from tests.training.small_run import small, trainer
from trm_np.config import ConfigError, resolve
from trm_np.evaluation.predict import evaluation_loss, predict
from trm_np.model.groups import parameter_groups
from trm_np.model.losses import TERMS
from trm_np.model.new import Generators
from trm_np.training.batches import draw_picked
from trm_np.training.divergence import Diverged
from trm_np.training.trainer import Interrupted


@pytest.mark.parametrize("preset", ["tiny", pytest.param("report", marks=pytest.mark.slow)])
def test_every_parameter_learns_within_three_steps_and_is_in_one_group(preset: str) -> None:
    # Many masked tokens, so that even two profiles have something for the LM head to guess.
    t = trainer(resolve(preset, settings={"training.mask_probability": "0.5", "training.imagined": "0"}))
    seen: set[str] = set()
    step = t.optimizer.step

    def watched_step(scale: float) -> None:
        for name, parameter in t.model.named_parameters():
            if parameter.grad is not None and np.any(parameter.grad):
                seen.add(name)
        step(scale)

    t.optimizer.step = watched_step  # type: ignore[method-assign]
    t.learn(t.draw_batch(np.array([0, 7])))

    names = [name for name, _ in t.model.named_parameters()]
    assert set(t.optimizer.steps) == {3}
    assert [name for name in names if name not in seen] == []
    assert sorted(t.optimized_names()) == sorted(names)
    assert sum(len(group["params"]) for group in parameter_groups(t.model, t.config)) == len(names)


def test_the_report_preset_has_the_parameters_of_the_report() -> None:
    t = trainer(resolve("report"))
    assert sum(parameter.size for parameter in t.parameters) == 14_456_244


def test_an_epoch_sees_every_scenario_once_in_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(small(training__batch_size=10, training__epochs=2, training__evaluate_every=9))
    monkeypatch.setattr(t, "evaluate", lambda epoch: ({}, False))
    seen: list[list[int]] = []
    draw = t.draw_batch
    monkeypatch.setattr(t, "draw_batch", lambda rows: seen.append(rows.tolist()) or draw(rows))
    list(t.epochs())
    assert [len(rows) for rows in seen] == [10, 10, 5, 10, 10, 5]
    first, second = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(first) == sorted(second) == list(range(25))
    assert first != second


def test_switching_augmentation_off_moves_no_other_dice() -> None:
    on, off = trainer(small()), trainer(small("data_augmentation"))
    rows = np.arange(16)
    for _ in range(2):
        told, plain = on.draw_batch(rows), off.draw_batch(rows)
        assert np.array_equal(told.picked, plain.picked)
        hidden = [batch.inputs.masked_targets >= 0 for batch in (told, plain)]
        assert np.array_equal(*hidden)
        assert not np.array_equal(told.inputs.age, plain.inputs.age)


def test_the_generators_differ_from_one_another_and_from_seed_to_seed() -> None:
    draws = [dice.random() for seed in (0, 1) for dice in vars(Generators.from_seed(seed)).values()]
    assert len(set(draws)) == 2 * 10


def test_lists_of_none_one_or_two_gifts_are_drawn_equally_often() -> None:
    picked = draw_picked(3000, 7, np.random.default_rng(0))
    share = np.bincount(picked.sum(axis=1)) / len(picked)
    assert share == pytest.approx([1 / 3] * 3, abs=0.03)
    assert picked.mean(axis=0) == pytest.approx([1 / 7] * 7, abs=0.03)


def weights(t: Any) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in t.model.state_dict().items()}


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    t = trainer(small())
    t.model.tool_selection.score.bias.data[0] = math.nan
    before = weights(t)
    with pytest.raises(Diverged, match=r"loss tool is nan in epoch 1, step 1"):
        list(t.epochs())
    assert weights(t) == before


def test_a_gradient_that_is_not_finite_stops_before_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(small())
    before = weights(t)
    monkeypatch.setattr(train_module, "global_norm", lambda gradients: math.inf)
    with pytest.raises(Diverged, match="gradient norm is inf in epoch 1, step 1"):
        list(t.epochs())
    assert weights(t) == before


@pytest.mark.parametrize("rate", ["1e3", "1e30", "1e300"])
def test_a_learning_rate_far_too_high_ends_in_one_exception(rate: str) -> None:
    rates = {f"learning_rate.{name}": rate for name in vars(small().learning_rate)}
    with pytest.raises(Diverged):
        list(trainer(small(training__epochs=40, **rates)).epochs())


def test_gradients_are_clipped_to_the_norm_set(monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(small(training__clip_norm=1e-3))
    norms: list[float] = []
    step = t.optimizer.step

    def watched_step(scale: float) -> None:
        squares = [float(np.vdot(p.grad, p.grad)) for p in t.parameters if p.grad is not None]
        norms.append(scale * math.sqrt(sum(squares)))
        step(scale)

    monkeypatch.setattr(t.optimizer, "step", watched_step)
    t.learn(t.draw_batch(np.arange(16)))
    assert norms == pytest.approx([1e-3] * 2, rel=1e-2)


def test_interruption_is_looked_for_before_every_batch() -> None:
    t = trainer(small(training__batch_size=10))
    answers = iter([False, False, True])
    with pytest.raises(Interrupted):
        list(t.epochs(lambda: next(answers)))
    assert (t.progress.epochs, t.progress.batches, t.progress.steps) == (0, 2, 4)


def test_a_model_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError("more than there is")

    monkeypatch.setattr("trm_np.model.build.TRM", too_large)
    with pytest.raises(ConfigError, match="no model can be built with these settings: more than there is"):
        trainer(small())


def test_training_believes_the_labels_less_than_they_say() -> None:
    """Cross-entropy is linear in its labels: with 0.4 of them spread, it lies 0.4 of the way to all spread."""

    def first_step(smoothing: float) -> dict[str, float]:
        t = trainer(small(model__supervision_steps=1, loss__smoothing=smoothing))
        t.learn(t.draw_batch(np.arange(25)))
        return t.progress.sums

    none, some, all_spread = (first_step(smoothing) for smoothing in (0, 0.4, 1))
    for name in ("category", "tool"):
        assert abs(none[name] - all_spread[name]) > 1e-3
        assert some[name] == pytest.approx(0.6 * none[name] + 0.4 * all_spread[name], rel=1e-5)
    same = set(TERMS) - {"category", "tool"}
    assert {name: some[name] for name in same} == {name: none[name] for name in same}


def test_evaluation_judges_by_the_labels_as_they_are() -> None:
    t = trainer(small())
    split, loss = t.task.validation, t.config.loss
    plain, smooth = (
        evaluation_loss(t.model, split, t.task, replace(loss, smoothing=smoothing)) for smoothing in (0, 0.9)
    )
    assert plain == smooth
    scores = predict(t.model, split.profiles, t.task)
    for name, logits, labels in (
        ("category", scores.category_scores, split.labels.categories),
        ("tool", scores.tool_scores, split.labels.tools),
    ):
        entropy = np.logaddexp(0, logits) - labels * logits
        assert smooth[name] == pytest.approx(entropy.mean(), rel=1e-5), name


@pytest.mark.slow  # tests/training/test_learning_from_choices.py has a quick one
def test_training_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    t = trainer(resolve("tiny", settings={"training.epochs": "8"}))
    monkeypatch.setattr(t, "evaluate", lambda epoch: ({}, False))
    totals = [record["total"] for record in t.epochs()]
    assert totals[-1] < 0.9 * totals[0]
