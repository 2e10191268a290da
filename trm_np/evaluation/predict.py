"""Predictions of a model, its metrics and its loss, with dropout, augmentation and masking off."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import product, starmap
from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import logistic
from trm_np.config import LossConfig
from trm_np.data.choices import choices_among, padded
from trm_np.data.encode import ProfileInputs, encode_profiles
from trm_np.data.tables import Floats, Ints, ProfileTable, portions
from trm_np.data.task import Split, Task
from trm_np.evaluation.choices import choice_values, top_gifts, wanted_of
from trm_np.evaluation.metrics import TOP_GIFTS, Predictions, metrics_of, scenario_quality, scenario_values
from trm_np.model.experience import Shares
from trm_np.model.losses import choice_loss, loss_terms, targets_of, weighted_total
from trm_np.model.trm import TRM, EncodedGifts, Outputs

PROFILES = 64  # in a batch of the core
CELLS = 2**12  # profiles × gifts in a batch of the heads
SHARES = (0.0, 0.1, 0.2, 0.4, 0.8)
CHOICE_CELLS = 2**20  # profiles × gifts in a batch of one matrix product


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode without gradients, and restore the mode at the end."""
    before = module.training
    module.eval()
    try:
        with no_grad():
            yield
    finally:
        module.train(before)


class Inferred(NamedTuple):
    """Inputs of N profiles, and the state vectors h (N, D) that the model inferred from them."""

    inputs: ProfileInputs
    h: Tensor


def infer_profiles(model: TRM, profiles: ProfileTable, task: Task, history: Ints | None = None) -> Inferred:
    """Run the core on N profiles, with their history (N, H) if given, until each halts."""
    inputs = encode_profiles(profiles, task.vocabulary, history=history)
    with evaluating(model):
        parts = [model.infer(inputs.take(rows))[0] for rows in portions(len(profiles), 1, PROFILES)]
        return Inferred(inputs, F.concatenate(parts, axis=0))


def predict(
    model: TRM,
    profiles: ProfileTable,
    task: Task,
    inferred: Inferred | None = None,
    category_share: float = 0.0,
) -> Predictions:
    """Predict for N profiles; `inferred` is the result of `infer_profiles`, if that has run already.

    Gifts are picked one by one, because the reward of each depends on the picks before it. The metrics rank gifts by
    predicted reward alone; a `category_share` adds the probability of a gift's category (ranking.py).
    """
    inputs, h = infer_profiles(model, profiles, task) if inferred is None else inferred
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = [
            _predict(model, h[rows], inputs.take(rows), gifts, category_share, task.gifts.category)
            for rows in portions(len(profiles), len(task.gifts), CELLS)
        ]
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Predictions))
    return Predictions(*map(np.concatenate, columns))


def choice_scores(
    model: TRM, split: Split, task: Task, inferred: Inferred | None = None, category_share: float = 0.0
) -> Floats:
    """Scores (N, G) that rank the gifts for each profile of a split; `inferred` as in `predict`.

    A model that did not learn from choices ranks by predicted reward plus `category_share` times the probability of
    the category.
    """
    inferred = infer_split(model, split, task) if inferred is None else inferred
    if model.experience is None:
        predictions = predict(model, split.profiles, task, inferred)
        probability = logistic(predictions.category_scores)[:, task.gifts.category]
        scores: Floats = predictions.predicted_reward + category_share * probability
        return scores
    *logits, reward = choice_sources(model, task, inferred)
    shares = model.experience.fitted_shares()
    return shares.value(shares.liking(*logits), reward)


def choice_sources(model: TRM, task: Task, inferred: Inferred) -> tuple[Floats, Floats, Floats]:
    """Logits by experience and by content, and the predicted reward: (N, G) each."""
    inputs, h = inferred
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = []
        for rows in portions(len(h.data), len(task.gifts), CELLS):
            user = model.encode_user(h[rows], inputs.take(rows))
            _, reward = model.score_gifts(model.pair_logits(user, gifts), gifts)
            parts.append(reward.data)
    return *choice_logits(model, task, inferred), np.concatenate(parts).astype(np.float64)


def choice_logits(model: TRM, task: Task, inferred: Inferred) -> tuple[Floats, Floats]:
    """Logits (N, G) of choosing each gift, by experience and by content."""
    inputs, h = inferred
    places = np.arange(len(task.gifts))
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = []
        for rows in portions(len(h.data), 1, PROFILES):
            batch = inputs.take(rows)
            user = model.encode_user(h[rows], batch)
            parts.append([x.data for x in model.choice_logits(user, batch, gifts, places)])
    experience, content = (np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True))
    return experience, content


def fit_shares(model: TRM, split: Split, task: Task, inferred: Inferred) -> None:
    """Set the weights of content and reward beside experience to those that rank the choices of a split best.

    The measure is NDCG at 10, and the smaller weights win a tie. Nothing changes if the split has no choices, or if a
    source is not finite.
    """
    assert model.experience is not None
    experience, content, reward = sources = choice_sources(model, task, inferred)
    _, with_choices = wanted_of(split.chosen, split.history)
    if len(with_choices) and all(np.isfinite(source).all() for source in sources):
        model.experience.shares.data[...] = max(
            starmap(Shares, product(SHARES, SHARES)),
            key=lambda shares: choice_quality(
                shares.value(shares.liking(experience, content), reward), split
            ).mean(),
        )


def choice_quality(scores: Floats, split: Split) -> Floats:
    """NDCG at 10 (M,) of ranking by scores (N, G), for each of the M profiles of the split with choices."""
    lists = top_gifts(scores.__getitem__, split.history)
    return choice_values(lists, split.chosen, split.history)["ndcg_at_10"]


def infer_split(model: TRM, split: Split, task: Task) -> Inferred:
    """Run `infer_profiles` on a split, with the histories if the model reads them."""
    return infer_profiles(
        model, split.profiles, task, None if model.experience is None else padded(split.history)
    )


def all_choices_loss(model: TRM, split: Split, task: Task, inferred: Inferred) -> float:
    """Listwise loss of the choices with every gift as a candidate, a mean over the profiles with choices."""
    total, with_choices = 0.0, np.flatnonzero(np.diff(split.chosen.indptr))
    _, scores = choice_logits(model, task, inferred)
    for rows in portions(len(with_choices), len(task.gifts), CHOICE_CELLS):
        part = split.take(with_choices[rows])
        choices = choices_among(part.chosen, part.rejected, part.history, np.zeros(len(part), np.bool_), None)
        logits = Tensor(scores[with_choices[rows]], dtype=np.float32)
        total += choice_loss(logits, choices).item() * len(part)
    return total / max(len(with_choices), 1)


def _predict(
    model: TRM, h: Tensor, inputs: ProfileInputs, gifts: EncodedGifts, category_share: float, category: Ints
) -> Predictions:
    """Predict for a few profiles from their state vectors h (B, D)."""
    user = model.encode_user(h, inputs)
    pairs = model.pair_logits(user, gifts)
    liking = category_share * user.category_probability(category)
    rows = np.arange(h.shape[0])
    picked = np.zeros((len(rows), gifts.embedding.shape[0]), bool)
    choices = np.zeros((len(rows), TOP_GIFTS), np.int64)
    for place in range(TOP_GIFTS):
        reward = model.score_gifts(pairs, gifts, picked)[1].data
        if place == 0:
            first = reward
        choices[:, place] = np.where(picked, -np.inf, reward + liking).argmax(axis=1)
        picked[rows, choices[:, place]] = True
    return Predictions(
        category_scores=user.category_logits.data.astype(np.float64),
        tool_scores=user.tool_logits.data.astype(np.float64),
        choices=choices,
        predicted_reward=first.astype(np.float64),
    )


def evaluation_loss(
    model: TRM, split: Split, task: Task, loss: LossConfig, inferred: Inferred | None = None
) -> dict[str, float]:
    """Every loss term of the inferred outputs, and their weighted "total"; nothing here is random.

    From a catalogue larger than `loss.candidates`, that many gifts are taken at even spacing. They are the same each
    time, so that losses can be compared between evaluations. `inferred` as in `predict`.
    """
    count = min(loss.candidates, len(task.gifts))
    spaced = np.linspace(0, len(task.gifts) - 1, count).round().astype(np.int64)
    gifts = task.gift_inputs.take(spaced)
    targets = targets_of(split.profiles, split.labels, task.gifts.take(spaced), task.implied)
    inputs, h = inferred = infer_split(model, split, task) if inferred is None else inferred
    with evaluating(model):
        parts = [
            model.decode(h[rows], inputs.take(rows), gifts) for rows in portions(len(split), count, CELLS)
        ]
        columns = ([getattr(part, field.name) for part in parts] for field in fields(Outputs))
        outputs = Outputs(*(F.concatenate(column, axis=0) for column in columns))
        terms = loss_terms(model, outputs, targets, loss)
        if model.experience is not None:
            terms["choice"] = Tensor(all_choices_loss(model, split, task, inferred))
        total = weighted_total(terms, loss)
    return {**{name: term.item() for name, term in terms.items()}, "total": total.item()}


class Evaluation(NamedTuple):
    """Metrics of a model on a split of N scenarios, its loss terms there, and the quality (N,) of each scenario.

    The quality of a scenario with choices is the NDCG at 10 of its gifts, averaged with the NDCG at 3 of its
    categories if some are expected. The quality of any other scenario is the recommendation quality of the report.
    """

    metrics: dict[str, float]
    losses: dict[str, float]
    quality: Floats


def evaluate_model(
    model: TRM,
    split: Split,
    task: Task,
    loss: LossConfig,
    inferred: Inferred | None = None,
    training_loss: float | None = None,
) -> Evaluation:
    """Evaluate a model on a split; if the loss is not finite, there are no metrics, because NaN cannot be ranked.

    `inferred` as in `predict`. The generalization gap is the distance to `training_loss`, computed if not given.
    """
    inferred = infer_split(model, split, task) if inferred is None else inferred
    held_out = evaluation_loss(model, split, task, loss, inferred)
    if not math.isfinite(held_out["total"]):
        return Evaluation({}, held_out, np.full(len(split), np.nan))
    predictions = predict(model, split.profiles, task, inferred)
    values = scenario_values(predictions, split, task)
    metrics = metrics_of(predictions, values)
    if training_loss is None:
        training_loss = evaluation_loss(model, task.train, task, loss)["total"]
    metrics["generalization_gap"] = abs(training_loss - held_out["total"])
    quality = scenario_quality(values)
    if model.experience is not None:
        _, with_choices = wanted_of(split.chosen, split.history)
        gift_ndcg = choice_quality(choice_scores(model, split, task, inferred), split)
        category_ndcg = values["category_ndcg"][with_choices]
        quality[with_choices] = np.where(np.isnan(category_ndcg), gift_ndcg, (category_ndcg + gift_ndcg) / 2)
    return Evaluation(metrics, held_out, quality)
