"""The linear baseline: a logistic regression for each label, and a ridge regression for rewards of pairs."""

from functools import partial

import numpy as np

from trm_np.data.tables import Floats, ProfileTable
from trm_np.data.task import Task
from trm_np.evaluation.baselines import profile_features
from trm_np.evaluation.metrics import TOP_GIFTS, Predictions, ranking
from trm_np.model.regression import (
    fit_best,
    log_loss,
    logistic_weights,
    ridge_weights,
    squared_error,
    with_constant,
)
from trm_np.world.reward import reward

MOST_GIFTS = 1000  # evenly spaced gifts of a large catalogue, enough to learn the reward


def linear_predictions(profiles: ProfileTable, task: Task) -> Predictions:
    """Predictions of linear models on the model's own inputs: `profile_features`, and the features of gifts.

    Each label has a logistic regression, one against the rest. Gifts are ranked by predicted reward, a ridge regression
    on all products of a profile feature and a gift feature. Cross-validation over the training scenarios, or over those
    with labels, chooses the strength of each penalty.
    """
    train, gifts = task.train, task.gifts
    train_features = with_constant(profile_features(train.profiles, task.vocabulary))
    features = with_constant(profile_features(profiles, task.vocabulary))
    described = with_constant(task.gift_inputs.features.astype(np.float64))
    some = np.linspace(0, len(gifts) - 1, min(len(gifts), MOST_GIFTS)).astype(np.int64)
    rewards = reward(train.profiles, gifts.take(some), task.implied)

    ridge, error = partial(ridge_weights, described[some]), partial(squared_error, described[some])
    predicted = features @ fit_best(ridge, error, train_features, rewards) @ described.T

    def scores(labels: Floats) -> Floats:
        given = labels.any(axis=1)
        if not given.any():
            return np.zeros((len(features), labels.shape[1]))
        return features @ fit_best(logistic_weights, log_loss, train_features[given], labels[given])

    return Predictions(
        category_scores=scores(train.labels.categories),
        tool_scores=scores(train.labels.tools),
        choices=ranking(predicted)[:, :TOP_GIFTS],
        predicted_reward=predicted,
    )
