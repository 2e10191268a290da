"""Weight of the learned categories in the ranking of gifts, where nobody's choices are known.

A gift is ranked by its predicted reward and a share of the probability of its category
(`EncodedUser.category_probability`). Choices have shares of their own (`predict.fit_shares`).
"""

from typing import Any

import numpy as np

from trm_np.data.tables import Floats
from trm_np.data.task import Split, Task
from trm_np.evaluation.metrics import exceeds_its_error
from trm_np.evaluation.predict import Inferred, best_rewards, infer_split, predict
from trm_np.model.trm import TRM
from trm_np.world.reward import list_reward

CATEGORY_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)


def fit_category_share(model: TRM, split: Split, task: Task) -> float:
    """The share that makes the lists of three best for the scenarios of a split that expect categories.

    The quality of a list is the mean of two figures: its true reward over the best possible, and the part of its gifts
    in expected categories. Shares are tried from 0 upward; a larger one replaces the one before only if it is better by
    more than may be chance. It is 0 for a model that learned from choices, and where no categories are expected.
    """
    rows = np.flatnonzero(split.labels.categories.any(axis=1))
    if model.experience is not None or not len(rows):
        return 0.0
    inferred = infer_split(model, split, task)
    best, kept, quality = best_rewards(split, task), 0.0, np.empty(0)
    for share in CATEGORY_SHARES:
        reward, expected = list_values(model, split, task, inferred, share)
        found = ((reward / best + expected) / 2)[rows]
        if share == 0 or exceeds_its_error(found - quality):
            kept, quality = share, found
    return kept


def list_values(
    model: TRM, split: Split, task: Task, inferred: Inferred, share: float
) -> tuple[Floats, Floats]:
    """True reward (N,) of the lists of three at this share, and the part (N,) of their gifts in expected categories.

    The part is from 0 to 1.
    """
    lists = predict(model, split.profiles, task, inferred, share).choices
    expected = np.take_along_axis(split.labels.categories, task.gifts.category[lists], axis=1)
    return list_reward(split.profiles, task.gifts, task.implied, lists), expected.mean(axis=1)


def ranking_figures(model: TRM, task: Task, share: float) -> dict[str, Any]:
    """Effect of the share on the lists of the validation and test scenarios: two figures each, without and with it."""
    found: dict[str, Any] = {"category_share": share}
    for name, split in (("validation", task.validation), ("test", task.test)):
        inferred, best = infer_split(model, split, task), best_rewards(split, task).mean()
        rows = np.flatnonzero(split.labels.categories.any(axis=1))
        for key, counted in (("by_reward", 0.0), ("with_categories", share)):
            reward, expected = list_values(model, split, task, inferred, counted)
            figures = {"reward_vs_best": float(reward.mean() / best)}
            if len(rows):
                figures["gifts_in_expected_categories"] = float(expected[rows].mean())
            found.setdefault(name, {})[key] = figures
    return found
