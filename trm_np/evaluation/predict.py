"""Predictions of a model, its metrics and its loss, with dropout, augmentation and masking off."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
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
from trm_np.world.reward import best_lists

PROFILES = 64  # that the core thinks about at a time
CELLS = 2**12  # profiles × gifts that are judged at a time
SHARES = (0.0, 0.1, 0.2, 0.4, 0.8)
CHOICE_CELLS = 2**20  # the same where a product is all that is to be worked out


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


class Answers(NamedTuple):
    """N profiles as the model reads them, and the core's answers h (N, D) to them."""

    inputs: ProfileInputs
    h: Tensor


def answers_to(model: TRM, profiles: ProfileTable, task: Task, history: Ints | None = None) -> Answers:
    """Each profile, with its history (N, H), thought about until it halts, so many of them at a time."""
    inputs = encode_profiles(profiles, task.vocabulary, history=history)
    with evaluating(model):
        parts = [model.infer(inputs.take(rows))[0] for rows in portions(len(profiles), 1, PROFILES)]
        return Answers(inputs, F.concatenate(parts, axis=0))


def predict(
    model: TRM,
    profiles: ProfileTable,
    task: Task,
    answers: Answers | None = None,
    category_share: float = 0.0,
) -> Predictions:
    """Predictions of the model for N profiles; give `answers` if they are known already.

    Gifts are picked one by one, because the reward of the next depends on those picked before. The metrics judge picks
    by reward alone. With a `category_share`, the probability of a gift's category counts too (ranking.py).
    """
    inputs, h = answers_to(model, profiles, task) if answers is None else answers
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = [
            _predict(model, h[rows], inputs.take(rows), gifts, category_share, task.gifts.category)
            for rows in portions(len(profiles), len(task.gifts), CELLS)
        ]
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Predictions))
    return Predictions(*map(np.concatenate, columns))


def choice_scores(
    model: TRM, split: Split, task: Task, answers: Answers | None = None, category_share: float = 0.0
) -> Floats:
    """The scores (N, G) by which gifts are ranked for the people of a split.

    A model that did not learn from choices ranks by predicted reward, and by categories as far as the share says.
    `answers` as in `predict`.
    """
    answers = answers_of(model, split, task) if answers is None else answers
    if model.experience is None:
        said = predict(model, split.profiles, task, answers)
        likely = logistic(said.category_scores)[:, task.gifts.category]
        scores: Floats = said.predicted_reward + category_share * likely
        return scores
    *logits, reward = sources_of_choices(model, task, answers)
    shares = model.experience.fitted_shares()
    return shares.value(shares.liking(*logits), reward)


def sources_of_choices(model: TRM, task: Task, answers: Answers) -> tuple[Floats, Floats, Floats]:
    """Logits by experience and by content, and the predicted reward: (N, G) each."""
    inputs, h = answers
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = []
        for rows in portions(len(h.data), len(task.gifts), CELLS):
            user = model.encode_user(h[rows], inputs.take(rows))
            _, reward = model.score_gifts(model.pair_logits(user, gifts), gifts)
            parts.append(reward.data)
    return *chosen_logits(model, task, answers), np.concatenate(parts).astype(np.float64)


def chosen_logits(model: TRM, task: Task, answers: Answers) -> tuple[Floats, Floats]:
    """The logits (N, G) that each gift was chosen, by experience and by content."""
    inputs, h = answers
    places = np.arange(len(task.gifts))
    with evaluating(model):
        gifts = model.encode_gifts(task.gift_inputs)
        parts = []
        for rows in portions(len(h.data), 1, PROFILES):
            asked = inputs.take(rows)
            slots = model.slot_scores(model.encode_user(h[rows], asked), gifts)
            parts.append([x.data for x in model.choice_logits(slots, asked, gifts.embedding, places)])
    experience, content = (np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True))
    return experience, content


def fit_shares(model: TRM, split: Split, task: Task, answers: Answers) -> None:
    """Set how much content and reward count beside experience: as ranks best what the people of a split chose.

    The measure is NDCG at 10; of equal ones the smaller shares. They stay as they are where nobody chose, and where a
    source is not finite.
    """
    assert model.experience is not None
    experience, content, reward = sources = sources_of_choices(model, task, answers)
    _, people = wanted_of(split.chosen, split.history)
    if len(people) and all(np.isfinite(source).all() for source in sources):
        model.experience.shares.data[...] = max(
            starmap(Shares, product(SHARES, SHARES)),
            key=lambda shares: choice_quality(
                shares.value(shares.liking(experience, content), reward), split
            ).mean(),
        )


def choice_quality(scores: Floats, split: Split) -> Floats:
    """Quality of ranking people's choices by scores (N, G): NDCG at 10 (M,) of each of the M people who chose."""
    lists = top_gifts(scores.__getitem__, split.history)
    return choice_values(lists, split.chosen, split.history)["ndcg_at_10"]


def answers_of(model: TRM, split: Split, task: Task) -> Answers:
    """`answers_to` the people of a split, with their histories where the model reads them."""
    return answers_to(
        model, split.profiles, task, None if model.experience is None else padded(split.history)
    )


def choice_loss_of(model: TRM, split: Split, task: Task, answers: Answers) -> float:
    """The listwise loss of choices, a mean over those who chose, with every gift as a candidate."""
    total, people = 0.0, np.flatnonzero(np.diff(split.chosen.indptr))
    _, scores = chosen_logits(model, task, answers)
    for rows in portions(len(people), len(task.gifts), CHOICE_CELLS):
        one = split.take(people[rows])
        choices = choices_among(one.chosen, one.rejected, one.history, np.zeros(len(one), np.bool_), None)
        logits = Tensor(scores[people[rows]], dtype=np.float32)
        total += choice_loss(logits, choices).item() * len(one)
    return total / max(len(people), 1)


def _predict(
    model: TRM, h: Tensor, inputs: ProfileInputs, gifts: EncodedGifts, category_share: float, category: Ints
) -> Predictions:
    """The predictions for a few profiles, from the core's answers h (B, D)."""
    user = model.encode_user(h, inputs)
    pairs = model.pair_logits(user, gifts)
    liking = category_share * user.category_probability(category)
    everyone = np.arange(h.shape[0])
    picked = np.zeros((len(everyone), gifts.embedding.shape[0]), bool)
    choices = np.zeros((len(everyone), TOP_GIFTS), np.int64)
    for place in range(TOP_GIFTS):
        reward = model.score_gifts(pairs, gifts, picked)[1].data
        if place == 0:
            first = reward
        choices[:, place] = np.where(picked, -np.inf, reward + liking).argmax(axis=1)
        picked[everyone, choices[:, place]] = True
    return Predictions(
        category_scores=user.category_logits.data.astype(np.float64),
        tool_scores=user.tool_logits.data.astype(np.float64),
        choices=choices,
        predicted_reward=first.astype(np.float64),
    )


def evaluation_loss(
    model: TRM, split: Split, task: Task, loss: LossConfig, answers: Answers | None = None
) -> dict[str, float]:
    """Every loss term of the answer given, and their weighted "total"; nothing is drawn by chance.

    A catalogue larger than `loss.candidates` is reduced to so many gifts, evenly spaced in its order. They are the
    same each time, so that losses of evaluations can be compared. `answers` as in `predict`.
    """
    count = min(loss.candidates, len(task.gifts))
    spaced = np.linspace(0, len(task.gifts) - 1, count).round().astype(np.int64)
    gifts = task.gift_inputs.take(spaced)
    targets = targets_of(split.profiles, split.labels, task.gifts.take(spaced), task.implied)
    inputs, h = found = answers_of(model, split, task) if answers is None else answers
    with evaluating(model):
        parts = [
            model.decode(h[rows], inputs.take(rows), gifts) for rows in portions(len(split), count, CELLS)
        ]
        columns = ([getattr(part, field.name) for part in parts] for field in fields(Outputs))
        outputs = Outputs(*(F.concatenate(column, axis=0) for column in columns))
        terms = loss_terms(model, h, None, inputs.masked_targets, outputs, targets, loss)
        if model.experience is not None:
            terms["choice"] = Tensor(choice_loss_of(model, split, task, found))
        total = weighted_total(terms, loss)
    return {**{name: term.item() for name, term in terms.items()}, "total": total.item()}


@lru_cache(maxsize=4)
def best_rewards(split: Split, task: Task) -> Floats:
    """The reward (N,) of the best lists there are, the same for every model: searched for once."""
    return best_lists(split.profiles, task.gifts, task.implied, TOP_GIFTS)[1]


class Evaluation(NamedTuple):
    """All metrics of a model on a split of N scenarios, its loss terms there, and the quality (N,) of each scenario.

    Where gifts were chosen, the quality is how well they are ranked, NDCG at 10, and by the same measure at 3 how well
    the categories are, if some are expected; elsewhere it is that of the report.
    """

    metrics: dict[str, float]
    losses: dict[str, float]
    quality: Floats


def evaluate_model(
    model: TRM,
    split: Split,
    task: Task,
    loss: LossConfig,
    answers: Answers | None = None,
    training_loss: float | None = None,
) -> Evaluation:
    """Evaluate a model on a split. If the loss is not finite there are no metrics: NaN cannot be ranked.

    `answers` as in `predict`; the `training_loss`, from which the gap is, is to be given where it is known already.
    """
    answers = answers_of(model, split, task) if answers is None else answers
    held_out = evaluation_loss(model, split, task, loss, answers)
    if not math.isfinite(held_out["total"]):
        return Evaluation({}, held_out, np.full(len(split), np.nan))
    predictions = predict(model, split.profiles, task, answers)
    world = (split.labels, split.profiles, task.gifts, task.implied)
    values = scenario_values(predictions, *world, best_rewards(split, task))
    metrics = metrics_of(predictions, values)
    if training_loss is None:
        training_loss = evaluation_loss(model, task.train, task, loss)["total"]
    metrics["generalization_gap"] = abs(training_loss - held_out["total"])
    quality = scenario_quality(values)
    if model.experience is not None:
        _, people = wanted_of(split.chosen, split.history)
        ranked = choice_quality(choice_scores(model, split, task, answers), split)
        named = values["category_ndcg"][people]
        quality[people] = np.where(np.isnan(named), ranked, (named + ranked) / 2)
    return Evaluation(metrics, held_out, quality)
