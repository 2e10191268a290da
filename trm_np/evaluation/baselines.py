"""Predictions without the model: random, by popularity, by nearest neighbours, and perfect ones."""

import numpy as np

from trm_np.data.encode import encode_profiles, plain_features
from trm_np.data.tables import Floats, ProfileTable, labelled, portions
from trm_np.data.task import Split, Task
from trm_np.data.vocabulary import Vocabulary
from trm_np.evaluation.metrics import TOP_GIFTS, Predictions, evaluate_predictions, ranking
from trm_np.world.reward import best_lists, reward

# Chosen by leaving out one of the 25 training scenarios at a time: category recall@3 0.51, tool exact rate 0.44, reward
# vs best 0.77. A single neighbour reaches 0.40, 0.20 and 0.72; from 6 to 24 neighbours little changes.
NEIGHBOURS = 6

CELLS = 2**20  # profiles × gifts in a batch


def random_predictions(
    rng: np.random.Generator, n_profiles: int, n_categories: int, n_tools: int, n_gifts: int
) -> Predictions:
    """Uniform random scores and rewards in [0, 1), and three different random gifts."""
    return Predictions(
        category_scores=rng.random((n_profiles, n_categories)),
        tool_scores=rng.random((n_profiles, n_tools)),
        choices=ranking(rng.random((n_profiles, n_gifts)))[:, :TOP_GIFTS],
        predicted_reward=rng.random((n_profiles, n_gifts)),
    )


def random_metrics(rng: np.random.Generator, split: Split, task: Task, draws: int = 20) -> dict[str, float]:
    """Metrics of `random_predictions`, averaged over `draws`."""
    labels = split.labels
    shape = (len(split), labels.categories.shape[1], labels.tools.shape[1], len(task.gifts))
    results = [evaluate_predictions(random_predictions(rng, *shape), split, task) for _ in range(draws)]
    return {name: sum(result[name] for result in results) / draws for name in results[0]}


def popularity_predictions(n_profiles: int, task: Task) -> Predictions:
    """The same predictions for all n_profiles: the base rate of each label, and the mean reward of each gift."""
    train, gifts = task.train, task.gifts
    total = np.zeros(len(gifts))
    for rows in portions(len(train), len(gifts), CELLS):
        total += reward(train.profiles.take(rows), gifts, task.implied).sum(axis=0)
    mean_reward = _repeated(total / len(train), n_profiles)
    return Predictions(
        category_scores=_repeated(labelled(train.labels.categories).mean(axis=0), n_profiles),
        tool_scores=_repeated(labelled(train.labels.tools).mean(axis=0), n_profiles),
        choices=ranking(mean_reward)[:, :TOP_GIFTS],
        predicted_reward=mean_reward,
    )


def nearest_neighbour_predictions(profiles: ProfileTable, task: Task) -> Predictions:
    """Means of labels and rewards over the most similar training scenarios, weighted by similarity.

    Similarity is the cosine of `profile_features`. Labels come from the most similar scenarios with labels.
    """
    train, gifts = task.train, task.gifts
    features, train_features = (
        profile_features(each, task.vocabulary) for each in (profiles, train.profiles)
    )
    weights = neighbour_weights(features, train_features, NEIGHBOURS)

    def scores(labels: Floats) -> Floats:
        given = labels.any(axis=1)
        if given.all() or not given.any():
            return weights @ labels
        return neighbour_weights(features, train_features[given], NEIGHBOURS) @ labels[given]

    predicted = np.empty((len(profiles), len(gifts)))
    for row, weight in enumerate(weights):
        nearest = np.flatnonzero(weight)
        predicted[row] = weight[nearest] @ reward(train.profiles.take(nearest), gifts, task.implied)
    return Predictions(
        category_scores=scores(train.labels.categories),
        tool_scores=scores(train.labels.tools),
        choices=ranking(predicted)[:, :TOP_GIFTS],
        predicted_reward=predicted,
    )


def neighbour_weights(features: Floats, train_features: Floats, neighbours: int) -> Floats:
    """Weights (N, M) of the training scenarios for each profile, proportional to the cosine of the nearest ones.

    A profile with no similar scenario weights all of them equally.
    """
    cosine = _unit(features) @ _unit(train_features).T
    weights = np.zeros_like(cosine)
    nearest = ranking(cosine)[:, :neighbours]
    np.put_along_axis(weights, nearest, np.maximum(np.take_along_axis(cosine, nearest, axis=1), 0), axis=1)
    weights[~weights.any(axis=1)] = 1.0
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def profile_features(profiles: ProfileTable, vocabulary: Vocabulary) -> Floats:
    """Features (N, F) of profiles in float64: `plain_features`."""
    return plain_features(encode_profiles(profiles, vocabulary)).astype(np.float64)


def oracle_predictions(split: Split, task: Task) -> Predictions:
    """Perfect predictions: the labels as scores, the best possible lists, and the true reward."""
    world = (split.profiles, task.gifts, task.implied)
    choices, _ = best_lists(*world, TOP_GIFTS)
    return Predictions(split.labels.categories, split.labels.tools, choices, reward(*world))


def _repeated(row: Floats, n_profiles: int) -> Floats:
    return np.tile(row, (n_profiles, 1))


def _unit(rows: Floats) -> Floats:
    """Each row divided by its length; a row of zeros stays so."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
