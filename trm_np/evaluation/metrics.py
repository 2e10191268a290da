"""Metrics of predictions, each a mean over the scenarios given."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from trm_np.data.tables import Bools, Floats, Ints
from trm_np.data.task import Split, Task
from trm_np.world.reward import best_lists, list_reward, reward

ROUNDING = 1e-9  # far above the rounding error of a mean
TOP_CATEGORIES = 3
TOP_TOOLS = 2
TOP_GIFTS = 3


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a model or a baseline for N scenarios.

    Scores (N, C) and (N, K) on any scale, recommended gifts (N, 3) best first, expected rewards (N, G).
    """

    category_scores: Floats
    tool_scores: Floats
    choices: Ints
    predicted_reward: Floats


def evaluate_predictions(predictions: Predictions, split: Split, task: Task) -> dict[str, float]:
    """Every metric by name, all in [0, 1] except the Spearman correlation and the two counts in use.

    Each is a mean over the scenarios with the labels that it needs, and absent if none has them. Equal scores are
    ranked by index. Raises `ValueError` for NaN among the scores, or for lists of gifts that `list_reward` refuses.
    """
    return metrics_of(predictions, scenario_values(predictions, split, task))


def metrics_of(predictions: Predictions, values: Mapping[str, Floats]) -> dict[str, float]:
    """Every metric of predictions, from their `scenario_values`."""
    metrics: dict[str, Any] = averages(values)
    if not np.isnan(values["category_match"]).all():
        metrics["categories_in_use"] = len(np.unique(top_categories(predictions.category_scores)))
    if not np.isnan(values["tool_match"]).all():
        metrics["tools_in_use"] = len(np.unique(selected_tools(predictions.tool_scores)))
    return {name: float(value) for name, value in metrics.items()}


def scenario_values(predictions: Predictions, split: Split, task: Task) -> dict[str, Floats]:
    """Values (N,) of each scenario whose means are the metrics, nan where its label is not given.

    Raises `ValueError` as `evaluate_predictions` does.
    """
    labels, world = split.labels, (split.profiles, task.gifts, task.implied)
    _refuse_scores("category_scores", predictions.category_scores, labels.categories)
    _refuse_scores("tool_scores", predictions.tool_scores, labels.tools)
    top_hits = np.take_along_axis(labels.categories, top_categories(predictions.category_scores), axis=1)
    tool_hits = np.take_along_axis(labels.tools, ranking(predictions.tool_scores), axis=1)
    expected = np.maximum(labels.categories.sum(axis=1), 1)
    with_categories = np.where(labels.categories.any(axis=1), 1.0, np.nan)
    with_tools = np.where(labels.tools.any(axis=1), 1.0, np.nan)
    return {
        "category_match": top_hits.any(axis=1) * with_categories,
        "tool_match": tool_hits[:, :TOP_TOOLS].any(axis=1) * with_tools,
        "reward": list_reward(*world, predictions.choices),
        "best_reward": best_rewards(split, task),
        "category_recall": top_hits.sum(axis=1) / expected * with_categories,
        "category_hits": top_hits.sum(axis=1) * with_categories,
        "category_ndcg": _ndcg(top_hits, expected) * with_categories,
        "tool_exact": _all_first(tool_hits) * with_tools,
        "reward_spearman": _rank_correlation(predictions.predicted_reward, reward(*world)),
    }


@lru_cache(maxsize=4)
def best_rewards(split: Split, task: Task) -> Floats:
    """Reward (N,) of the best possible lists, cached because it is the same for every model."""
    return best_lists(split.profiles, task.gifts, task.implied, TOP_GIFTS)[1]


def scenario_quality(values: Mapping[str, Floats]) -> Floats:
    """Values (N,) whose mean is `recommendation_quality`, from `scenario_values`.

    A scenario without categories counts with the mean category match of the others.
    """
    match, reward = values["category_match"], values["reward"]
    unknown = np.isnan(match)
    if unknown.all():
        return reward
    quality: Floats = (np.where(unknown, _mean_of_known(match), match) + reward) / 2
    return quality


def averages(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """Metrics that are means over scenarios of `scenario_values` (N,), or over resamples of them (..., N).

    Without expected categories, recommendation_quality is the average reward.
    """
    mean = {name: _mean_of_known(value) for name, value in values.items()}
    matched = not np.isnan(mean["category_match"]).all()
    metrics = {
        "category_match_rate": mean["category_match"],
        "tool_match_rate": mean["tool_match"],
        "average_reward": mean["reward"],
        "recommendation_quality": (mean["category_match"] + mean["reward"]) / 2
        if matched
        else mean["reward"],
        "category_recall_at_3": mean["category_recall"],
        "category_precision_at_3": mean["category_hits"] / TOP_CATEGORIES,
        "category_ndcg_at_3": mean["category_ndcg"],
        "tool_exact_rate": mean["tool_exact"],
        "reward_vs_best": mean["reward"] / mean["best_reward"],
        "reward_spearman": mean["reward_spearman"],
    }
    return {name: value for name, value in metrics.items() if not np.isnan(value).all()}


def _mean_of_known(values: Floats) -> Floats:
    """Mean over the last axis of the values that are not nan; nan if there are none."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    mean: Floats = np.where(known, values, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)
    return mean


def top_categories(scores: Floats) -> Ints:
    """The three categories (N, 3) with the highest scores (N, C), best first."""
    return ranking(scores)[:, :TOP_CATEGORIES]


def selected_tools(scores: Floats) -> Ints:
    """The two tools (N, 2) with the highest scores (N, K), best first."""
    return ranking(scores)[:, :TOP_TOOLS]


def ranking(scores: Floats) -> Ints:
    """The columns of each row, highest score first, equal scores by index."""
    order: Ints = np.argsort(-scores, axis=1, kind="stable")
    return order


def _refuse_scores(name: str, scores: Floats, labels: Floats) -> None:
    if scores.shape != labels.shape:
        raise ValueError(f"{name} must have shape {labels.shape} like the labels, found {scores.shape}")
    _refuse_nan(name, scores)


def _refuse_nan(name: str, values: Floats) -> None:
    if np.isnan(values).any():
        raise ValueError(f"{name} holds NaN in row {int(np.isnan(values).any(axis=1).argmax())}")


def _ndcg(hits: Floats, expected: Floats) -> Floats:
    """Normalized discounted cumulative gain (N,) of hits (N, 3) in rank order, for binary relevance.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    discount = 1.0 / np.log2(np.arange(hits.shape[1]) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(expected.astype(np.int64), len(discount)) - 1]
    gain: Floats = (hits * discount).sum(axis=1) / ideal
    return gain


def _all_first(hits: Floats) -> Bools:
    """Marks (N,) of rows whose hits (N, K), in rank order, come before all misses."""
    in_order: Bools = np.all(hits[:, :-1] >= hits[:, 1:], axis=1)
    return in_order


def _rank_correlation(predicted: Floats, true: Floats) -> Floats:
    """Spearman correlation (N,) of the rows of two tables (N, G); 0 if either row is constant."""
    if predicted.shape != true.shape:
        raise ValueError(f"predicted_reward must have shape {true.shape}, found {predicted.shape}")
    _refuse_nan("predicted_reward", predicted)
    a, b = (np.array([_ranks(row) for row in table]) for table in (predicted, true))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    correlation: Floats = np.divide((a * b).sum(axis=1), scale, out=np.zeros_like(scale), where=scale > 0)
    return correlation


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values get the mean of their ranks."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(size) - (size - 1) / 2)[group]
    return ranks


def exceeds_its_error(differences: Floats) -> bool:
    """Whether the mean of paired differences (N,) is larger than its standard error, s / √N.

    For a single scenario any rise counts. If only one of several scenarios rises, mean and error are equal, and
    rounding must not decide.
    """
    count = len(differences)
    error = differences.std(ddof=1) / count**0.5 if count > 1 else 0.0
    return bool(differences.mean() > error * (1 + ROUNDING))
