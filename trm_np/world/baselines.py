"""Predictions without a model: those that never look at the profile, and the perfect ones."""

import numpy as np

from trm_np.data.tables import Bools, Floats, GiftTable, Ints, LabelTable, ProfileTable
from trm_np.world.metrics import TOP_GIFTS, Predictions, evaluate_predictions
from trm_np.world.reward import best_lists, reward


def random_predictions(
    rng: np.random.Generator, n_profiles: int, n_categories: int, n_tools: int, n_gifts: int
) -> Predictions:
    """Scores and rewards drawn from [0, 1), and three different gifts drawn at random."""
    return Predictions(
        category_scores=rng.random((n_profiles, n_categories)),
        tool_scores=rng.random((n_profiles, n_tools)),
        choices=_best_first(rng.random((n_profiles, n_gifts)))[:, :TOP_GIFTS],
        predicted_reward=rng.random((n_profiles, n_gifts)),
    )


def random_metrics(
    rng: np.random.Generator,
    labels: LabelTable,
    profiles: ProfileTable,
    gifts: GiftTable,
    implied: Bools,
    draws: int = 20,
) -> dict[str, float]:
    """The metrics of `random_predictions`, averaged over so many draws."""
    shape = (len(profiles), labels.categories.shape[1], labels.tools.shape[1], len(gifts))
    results = [
        evaluate_predictions(random_predictions(rng, *shape), labels, profiles, gifts, implied)
        for _ in range(draws)
    ]
    return {name: sum(result[name] for result in results) / draws for name in results[0]}


def popularity_predictions(
    train_labels: LabelTable, train_profiles: ProfileTable, gifts: GiftTable, implied: Bools, n_profiles: int
) -> Predictions:
    """The same for all n_profiles: label frequencies and the mean reward of each gift, both in training."""
    mean_reward = reward(train_profiles, gifts, implied).mean(axis=0)
    return Predictions(
        category_scores=_for_everyone(train_labels.categories.mean(axis=0), n_profiles),
        tool_scores=_for_everyone(train_labels.tools.mean(axis=0), n_profiles),
        choices=_best_first(_for_everyone(mean_reward, n_profiles))[:, :TOP_GIFTS],
        predicted_reward=_for_everyone(mean_reward, n_profiles),
    )


def oracle_predictions(
    labels: LabelTable, profiles: ProfileTable, gifts: GiftTable, implied: Bools
) -> Predictions:
    """The labels as scores, the best lists that exist, and the true reward: no model can do better."""
    choices, _ = best_lists(profiles, gifts, implied, TOP_GIFTS)
    return Predictions(labels.categories, labels.tools, choices, reward(profiles, gifts, implied))


def _for_everyone(row: Floats, n_profiles: int) -> Floats:
    return np.tile(row, (n_profiles, 1))


def _best_first(scores: Floats) -> Ints:
    return np.argsort(-scores, axis=1, kind="stable")
