"""From predictions to the figures that are reported, each a mean over the scenarios given."""

from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Bools, Floats, GiftTable, Ints, LabelTable, ProfileTable
from trm_np.world.reward import best_lists, list_reward, reward

TOP_CATEGORIES = 3
TOP_TOOLS = 2
TOP_GIFTS = 3


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model or a baseline says about N scenarios.

    Scores (N, C) and (N, K) on any scale, recommended gifts (N, 3) best first, expected rewards (N, G).
    """

    category_scores: Floats
    tool_scores: Floats
    choices: Ints
    predicted_reward: Floats


def evaluate_predictions(
    predictions: Predictions, labels: LabelTable, profiles: ProfileTable, gifts: GiftTable, implied: Bools
) -> dict[str, float]:
    """Every metric by name, all in [0, 1] but the Spearman correlation and the two counts in use.

    Equal scores are ranked by index. Raises `ValueError` for NaN among the scores, or for lists of gifts that
    `list_reward` refuses.
    """
    categories = _ranking("category_scores", predictions.category_scores, labels.categories)
    tools = _ranking("tool_scores", predictions.tool_scores, labels.tools)
    category_hits = np.take_along_axis(labels.categories, categories, axis=1)
    tool_hits = np.take_along_axis(labels.tools, tools, axis=1)
    top_hits = category_hits[:, :TOP_CATEGORIES]

    category_match_rate = top_hits.any(axis=1).mean()
    average_reward = list_reward(profiles, gifts, implied, predictions.choices).mean()
    _, best = best_lists(profiles, gifts, implied, predictions.choices.shape[1])
    true_reward = reward(profiles, gifts, implied)
    metrics = {
        "category_match_rate": category_match_rate,
        "tool_match_rate": tool_hits[:, :TOP_TOOLS].any(axis=1).mean(),
        "average_reward": average_reward,
        "recommendation_quality": (category_match_rate + average_reward) / 2,
        "category_recall_at_3": (top_hits.sum(axis=1) / labels.categories.sum(axis=1)).mean(),
        "category_precision_at_3": top_hits.sum(axis=1).mean() / TOP_CATEGORIES,
        "category_ndcg_at_3": _ndcg(top_hits, labels.categories.sum(axis=1)).mean(),
        "tool_exact_rate": _all_first(tool_hits).mean(),
        "reward_vs_best": average_reward / best.mean(),
        "reward_spearman": _rank_correlation(predictions.predicted_reward, true_reward).mean(),
        "categories_in_use": len(np.unique(categories[:, :TOP_CATEGORIES])),
        "tools_in_use": len(np.unique(tools[:, :TOP_TOOLS])),
    }
    return {name: float(value) for name, value in metrics.items()}


def _ranking(name: str, scores: Floats, labels: Floats) -> Ints:
    """The columns of each row, highest score first, equal scores by index."""
    if scores.shape != labels.shape:
        raise ValueError(f"{name} must have shape {labels.shape} like the labels, found {scores.shape}")
    _refuse_nan(name, scores)
    order: Ints = np.argsort(-scores, axis=1, kind="stable")
    return order


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
    """Whether everything expected stands before everything else, in hits (N, K) that are in rank order."""
    in_order: Bools = np.all(hits[:, :-1] >= hits[:, 1:], axis=1)
    return in_order


def _rank_correlation(predicted: Floats, true: Floats) -> Floats:
    """Spearman's correlation (N,) of two tables (N, G), row by row; 0 where either row is constant."""
    if predicted.shape != true.shape:
        raise ValueError(f"predicted_reward must have shape {true.shape}, found {predicted.shape}")
    _refuse_nan("predicted_reward", predicted)
    a, b = (np.array([_ranks(row) for row in table]) for table in (predicted, true))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    correlation: Floats = np.divide((a * b).sum(axis=1), scale, out=np.zeros_like(scale), where=scale > 0)
    return correlation


def _ranks(values: Floats) -> Floats:
    """Ranks from 1 up; equal values share the mean of their ranks."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(size) - (size - 1) / 2)[group]
    return ranks
