"""Judging a model: its predictions, without randomness, and the baselines that it is compared with."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.small_run import small, trainer
from trm_np.config import LossConfig
from trm_np.data.encode import encode_profiles
from trm_np.evaluation.metrics import evaluate_predictions
from trm_np.evaluation.predict import evaluate_model, evaluating, evaluation_loss, predict
from trm_np.model.losses import TERMS
from trm_np.model.trm import state_vector
from trm_np.training.trainer import Trainer
from trm_np.world.reward import reward


@pytest.fixture(scope="module")
def trained() -> Trainer:
    """A model that has learnt a little, left in training mode."""
    t = trainer(small(training__epochs=4, training__evaluate_every=4))
    list(t.epochs())
    t.model.train()
    return t


@pytest.mark.parametrize("mode", [True, False])
def test_evaluating_is_without_dropout_and_gradients_and_ends_as_it_began(
    trained: Trainer, mode: bool
) -> None:
    model = trained.model
    inputs = encode_profiles(trained.task.test.profiles, trained.task.vocabulary)
    model.train(mode)
    try:
        with pytest.raises(ZeroDivisionError), evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not model.user_profiling(inputs).u.requires_grad
            raise ZeroDivisionError
        assert {module.training for module in model.modules()} == {mode}
        assert model.user_profiling(inputs).u.requires_grad
    finally:
        model.train()


def test_gifts_are_chosen_one_by_one_each_the_best_expected_after_those_before(trained: Trainer) -> None:
    task, model = trained.task, trained.model
    predictions = predict(model, task.test.profiles, task)
    for row in range(len(task.test)):
        inputs = encode_profiles(task.test.profiles.take([row]), task.vocabulary)
        chosen: list[int] = []
        with evaluating(model):
            h, _ = model.infer(inputs)
            for _ in range(3):
                picked = np.isin(np.arange(len(task.gifts)), chosen)[None]
                expected = model.decode(h, inputs, task.gift_inputs, picked).reward.data[0]
                left = [gift for gift in range(len(task.gifts)) if gift not in chosen]
                chosen.append(max(left, key=expected.__getitem__))
        assert predictions.choices[row].tolist() == chosen
        assert len(set(chosen)) == 3


def test_what_is_predicted_is_what_is_said_before_anything_is_picked(trained: Trainer) -> None:
    task, model = trained.task, trained.model
    predictions = predict(model, task.test.profiles, task)
    inputs = encode_profiles(task.test.profiles, task.vocabulary)
    with evaluating(model):
        outputs = model.decode(model.infer(inputs)[0], inputs, task.gift_inputs)
    np.testing.assert_array_equal(predictions.category_scores, outputs.category_logits.data)
    np.testing.assert_array_equal(predictions.tool_scores, outputs.tool_logits.data)
    np.testing.assert_array_equal(predictions.predicted_reward, outputs.reward.data)


def test_the_loss_of_an_evaluation_is_left_to_no_chance_and_sums_up(trained: Trainer) -> None:
    task, loss = trained.task, trained.config.loss
    first, second = (evaluation_loss(trained.model, task.test, task, loss) for _ in range(2))
    assert first == second
    assert list(first) == [*TERMS, "total"]
    assert first["masked_tokens"] == 0
    weighted = sum(getattr(loss, name) * first[name] for name in TERMS)
    assert first["total"] == pytest.approx(weighted, rel=1e-6)


def test_the_loss_of_an_evaluation_is_that_of_the_answer_given_where_thought_ends_early(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, model = trained.task, trained.model
    monkeypatch.setattr(model.core.halt_head.bias, "data", np.array([-100, 100], np.float32))
    inputs = encode_profiles(task.test.profiles, task.vocabulary)
    with evaluating(model):
        first = last = model.step(inputs)
        for _ in range(model.config.supervision_steps - 1):
            last = model.step(inputs, last)
        after_first, after_last = (
            model.decode(state_vector(carry), inputs, task.gift_inputs).value.data for carry in (first, last)
        )
    true = np.sort(reward(task.test.profiles, task.gifts, task.implied), axis=1)[:, -3:].mean(axis=1)
    loss = evaluation_loss(model, task.test, task, trained.config.loss)["value"]
    assert loss == pytest.approx(np.square(after_first - true).mean(), rel=1e-5)
    assert loss != pytest.approx(np.square(after_last - true).mean(), rel=1e-4)


def test_metrics_are_those_of_the_predictions_and_the_gap_is_between_the_two_losses(trained: Trainer) -> None:
    task, model, loss = trained.task, trained.model, trained.config.loss
    metrics, held_out, _ = evaluate_model(model, task.test, task, loss)
    assert held_out == evaluation_loss(model, task.test, task, loss)
    training = evaluation_loss(model, task.train, task, loss)
    assert metrics.pop("generalization_gap") == abs(training["total"] - held_out["total"]) > 0
    predictions = predict(model, task.test.profiles, task)
    assert metrics == evaluate_predictions(predictions, task.test, task)


def test_the_gap_is_no_less_where_training_is_the_harder(trained: Trainer) -> None:
    swapped = replace(trained.task, train=trained.task.test)
    there, *_ = evaluate_model(trained.model, trained.task.test, trained.task, LossConfig())
    back, *_ = evaluate_model(trained.model, trained.task.train, swapped, LossConfig())
    assert there["generalization_gap"] == back["generalization_gap"]
