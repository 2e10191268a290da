"""Category share: the weight of predicted categories in the ranking of a model that did not learn from choices.

A gift is ranked by its predicted reward and a share of the probability of its category
(`EncodedUser.category_probability`). Choices have shares of their own (`predict.fit_shares`).
"""

from typing import Any

import numpy as np

from trm_np.data.tables import Floats
from trm_np.data.task import Split, Task
from trm_np.evaluation.metrics import best_rewards, exceeds_its_error
from trm_np.evaluation.predict import Inferred, infer_split, predict
from trm_np.model.trm import TRM
from trm_np.world.reward import list_reward

CATEGORY_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)


def fit_category_share(model: TRM, split: Split, task: Task) -> float:
    """Fit the category share to the lists of three of the scenarios of a split that expect categories.

    The quality of a list is the mean of its reward vs best and of the part of its gifts in expected categories. Shares
    are tried from 0 upward. A larger share must be better by more than the standard error of the difference. The share
    is 0 for a model that learned from choices, or without expected categories.
    """
    rows = np.flatnonzero(split.labels.categories.any(axis=1))
    if model.experience is not None or not len(rows):
        return 0.0
    inferred = infer_split(model, split, task)
    best, kept, quality = best_rewards(split, task), 0.0, np.empty(0)
    for share in CATEGORY_SHARES:
        reward, expected = list_values(model, split, task, inferred, share)
        values = ((reward / best + expected) / 2)[rows]
        if share == 0 or exceeds_its_error(values - quality):
            kept, quality = share, values
    return kept


def list_values(
    model: TRM, split: Split, task: Task, inferred: Inferred, share: float
) -> tuple[Floats, Floats]:
    """True reward (N,) of the lists of three at this share, and the part (N,) of their gifts in expected categories."""
    lists = predict(model, split.profiles, task, inferred, share).choices
    expected = np.take_along_axis(split.labels.categories, task.gifts.category[lists], axis=1)
    return list_reward(split.profiles, task.gifts, task.implied, lists), expected.mean(axis=1)


def ranking_figures(model: TRM, task: Task, share: float) -> dict[str, Any]:
    """Metrics of the lists for validation and test scenarios, by reward alone and with the category share."""
    metrics: dict[str, Any] = {"category_share": share}
    for name, split in (("validation", task.validation), ("test", task.test)):
        inferred, best = infer_split(model, split, task), best_rewards(split, task).mean()
        rows = np.flatnonzero(split.labels.categories.any(axis=1))
        for key, counted in (("by_reward", 0.0), ("with_categories", share)):
            reward, expected = list_values(model, split, task, inferred, counted)
            figures = {"reward_vs_best": float(reward.mean() / best)}
            if len(rows):
                figures["gifts_in_expected_categories"] = float(expected[rows].mean())
            metrics.setdefault(name, {})[key] = figures
    return metrics
