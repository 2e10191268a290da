"""Judging a model: its predictions, their metrics, and its loss with dropout, augmentation and masking off."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from trm_np.autograd import nn, no_grad
from trm_np.config import LossConfig
from trm_np.data.encode import encode_profiles
from trm_np.data.tables import ProfileTable
from trm_np.data.task import Split, Task
from trm_np.losses import loss_terms, targets_of, weighted_total
from trm_np.model.trm import TRM
from trm_np.world.baselines import popularity_predictions, random_metrics
from trm_np.world.metrics import TOP_GIFTS, Predictions, evaluate_predictions

RANDOM_BASELINE_SEED = 0  # of the random baseline alone; its figures are means over its draws


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients; the mode before is restored."""
    before = module.training
    module.eval()
    try:
        with no_grad():
            yield
    finally:
        module.train(before)


def predict(model: TRM, profiles: ProfileTable, task: Task) -> Predictions:
    """What the model says of N profiles, each thought about until it halts.

    Gifts are picked one by one, since the reward of the next depends on those before.
    """
    inputs = encode_profiles(profiles, task.vocabulary)
    picked = np.zeros((len(profiles), len(task.gifts)), bool)
    choices = np.zeros((len(profiles), TOP_GIFTS), np.int64)
    with evaluating(model):
        h, _ = model.answer(inputs)
        for place in range(TOP_GIFTS):
            outputs = model.read(h, inputs, task.gift_inputs, picked)
            if place == 0:
                first = outputs
            scores = np.where(picked, -np.inf, outputs.reward.data)
            choices[:, place] = scores.argmax(axis=1)
            picked[np.arange(len(profiles)), choices[:, place]] = True
    return Predictions(
        category_scores=first.category_logits.data.astype(np.float64),
        tool_scores=first.tool_logits.data.astype(np.float64),
        choices=choices,
        predicted_reward=first.reward.data.astype(np.float64),
    )


def evaluation_loss(model: TRM, split: Split, task: Task, loss: LossConfig) -> dict[str, float]:
    """Every loss term of the answer given, and their weighted "total"; nothing is drawn by chance."""
    inputs = encode_profiles(split.profiles, task.vocabulary)
    targets = targets_of(split.profiles, split.labels, task.gifts, task.implied)
    with evaluating(model):
        h, _ = model.answer(inputs)
        outputs = model.read(h, inputs, task.gift_inputs)
        terms = loss_terms(model, h, None, inputs.answers, outputs, targets, loss)
        total = weighted_total(terms, loss)
    return {**{name: term.item() for name, term in terms.items()}, "total": total.item()}


def evaluate_model(
    model: TRM, split: Split, task: Task, loss: LossConfig
) -> tuple[dict[str, float], dict[str, float]]:
    """All metrics of the model on a split, and its loss terms there."""
    predictions = predict(model, split.profiles, task)
    metrics = evaluate_predictions(predictions, split.labels, split.profiles, task.gifts, task.implied)
    held_out = evaluation_loss(model, split, task, loss)
    training = evaluation_loss(model, task.train, task, loss)
    metrics["generalization_gap"] = abs(training["total"] - held_out["total"])
    return metrics, held_out


def evaluate_baselines(split: Split, task: Task) -> dict[str, dict[str, float]]:
    """The same metrics of predictions that never look at the profile: random, and popular in training."""
    world = (split.labels, split.profiles, task.gifts, task.implied)
    popular = popularity_predictions(
        task.train.labels, task.train.profiles, task.gifts, task.implied, len(split)
    )
    return {
        "random": random_metrics(np.random.default_rng(RANDOM_BASELINE_SEED), *world),
        "popularity": evaluate_predictions(popular, *world),
    }
