"""Initial weights of learning from choices, solved by linear algebra.

With a few hundred profiles, gradient descent learns a table of gifts worse than a decomposition (docs/choices.md). So
each part starts at the solution of a least-squares problem. Y (M, G) is 1 where a gift was chosen for a profile, or is
in its history and was not rejected.

- The embeddings are the leading right singular vectors E (G, U) of Y (Cremonesi et al. 2010, "Performance of
  recommender algorithms on top-n recommendation tasks").
- A ridge regression predicts (Y - mean) E from the profile, and another predicts the residual from the history.
- The bias of a gift is the share of profiles without it for which it was chosen.
- A logistic regression predicts the expected categories from the taste.
"""

from typing import TYPE_CHECKING

import numpy as np

from trm_np.autograd.ops import Array
from trm_np.data.choices import padded
from trm_np.data.encode import encode_profiles, plain_features, plain_width
from trm_np.data.sizes import are_few
from trm_np.data.tables import portions
from trm_np.data.task import Split, Task
from trm_np.model.category_matching import CategoryMatching
from trm_np.model.experience import BESIDE_HISTORY, REWARD_SCALE, Experience
from trm_np.model.regression import fit_best, log_loss, logistic_weights, with_constant
from trm_np.model.trm import TRM
from trm_np.model.word_start import linear_layers, zero_

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # of the penalty on squared weights
FOLDS = 5
CATEGORY_STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # the same, from tastes to categories
PROFILES = 64  # in a batch
CELLS = 2**22  # profiles × gifts that choose a strength, at most


def initialize_from_choices(model: TRM, task: Task) -> None:
    """Set the parameters of a new model's experience, and of the categories that follow from it."""
    assert model.experience is not None
    initialize_experience(model.experience, task)
    initialize_categories(model.category_matching, model.experience, task)


def initialize_categories(matching: CategoryMatching, experience: Experience, task: Task) -> None:
    """Start the category logits at a logistic regression from the taste, and the matching of words at zero.

    If too few scenarios have categories to tell words apart, the taste starts at zero instead.
    """
    assert matching.from_taste.bias is not None
    matching.from_taste.weight.data[...] = matching.from_taste.bias.data[...] = 0
    train, labels = task.train, task.train.labels.categories
    given = np.flatnonzero(labels.any(axis=1))
    if are_few(len(given), plain_width(task.vocabulary)):
        return
    tastes = [
        taste_of(experience, train.take(given[rows]), task) for rows in portions(len(given), 1, PROFILES)
    ]
    features = with_constant(np.concatenate(tastes).astype(np.float64))
    weights = fit_best(logistic_weights, log_loss, features, labels[given], CATEGORY_STRENGTHS)
    matching.from_taste.bias.data[...] = weights[0]
    matching.from_taste.weight.data[...] = weights[1:].T
    zero_(linear_layers(matching.score)[-1])


def taste_of(experience: Experience, split: Split, task: Task) -> Array:
    """Tastes (B, U) of the profiles of a split with their histories."""
    inputs = encode_profiles(split.profiles, task.vocabulary, history=padded(split.history))
    return experience.taste(inputs).data


def initialize_experience(experience: Experience, task: Task) -> None:
    """Set the parameters of a new model's experience."""
    from scipy.sparse import csr_array

    assert experience.from_profile.bias is not None
    train = task.train
    disliked = train.history.multiply(train.rejected > 0)
    taken = csr_array(train.chosen + train.history - disliked > 0).astype(np.float64)
    mean = taken.sum(axis=0) / len(train)
    table = leading_directions(taken, experience.embedding.weight.shape[1])
    targets = taken @ table - mean @ table

    profiles = plain_features(encode_profiles(train.profiles, task.vocabulary)).astype(np.float64)
    centre = profiles.mean(axis=0)
    profile = ridge(profiles - centre, targets, table, mean, taken, train.history * 0)
    predicted = BESIDE_HISTORY * (profiles - centre) @ profile
    history = ridge(
        at_unit_length(train.history) @ table,
        targets - predicted,
        table,
        mean,
        train.chosen,
        train.history,
        predicted,
    )

    gain = REWARD_SCALE**0.5
    for parameter in experience.parameters():
        parameter.data[...] = 0
    experience.embedding.weight.data[:, : table.shape[1]] = gain * table
    experience.bias.weight.data[:, 0] = REWARD_SCALE * relative_popularity(train, taken)
    for layer, weight in ((experience.from_profile, gain * profile), (experience.from_history, history)):
        layer.weight.data[: weight.shape[1], : weight.shape[0]] = weight.T
    experience.from_profile.bias.data[: table.shape[1]] = -gain * centre @ profile


def relative_popularity(train: Split, taken: "csr_array") -> Array:
    """Share (G,) of the profiles without a gift that chose it, over the chosen part of all gifts taken.

    Profiles that have a gift do not count: a gift that nearly all have is rarely chosen again. One more profile counts
    that chooses each gift as often as all gifts taken predict, for gifts that every profile has. The division makes the
    result comparable to the share of profiles that take a gift, which tastes predict.
    """
    chosen = train.chosen - train.chosen.multiply(train.history != 0)
    chosen.eliminate_zeros()
    part = max(chosen.nnz, 1) / max(taken.nnz, 1)
    count, had = (np.bincount(table.indices, minlength=taken.shape[1]) for table in (chosen, train.history))
    expected = part * taken.sum(axis=0) / len(train)
    wanted: Array = (count + expected) / (len(train) - had + 1) / part
    return wanted


def leading_directions(taken: "csr_array", width: int) -> Array:
    """The K right singular vectors (G, K) of taken (M, G) with the largest singular values, K at most `width`."""
    from scipy.sparse.linalg import svds  # type: ignore[import-untyped]

    if min(taken.shape) <= width:  # `svds` cannot return all of them
        _, value, vectors = np.linalg.svd(taken.toarray(), full_matrices=False)
    else:
        _, value, vectors = svds(taken, k=width, v0=np.ones(min(taken.shape)))
    vectors = vectors[value > 1e-6 * value.max()]
    table: Array = vectors.T * np.sign(vectors.sum(axis=1))
    return table


def at_unit_length(history: "csr_array") -> "csr_array":
    """Each history (M, G) divided by its L2 norm."""
    count = np.maximum(np.diff(history.indptr), 1)
    unit: csr_array = history.multiply(1 / np.sqrt(count)[:, None]).tocsr()
    return unit


def ridge(
    features: Array,
    targets: Array,
    table: Array,
    mean: Array,
    liked: "csr_array",
    history: "csr_array",
    predicted: Array | None = None,
) -> Array:
    """Weights (F, K) of a ridge regression of the targets (M, K), with the penalty that cross-validation prefers.

    Cross-validation measures the squared error of (predicted + features W) Eᵀ + mean against the gifts liked, over the
    gifts that are not in a profile's history.
    """
    some = slice(0, max(CELLS // len(table), 2 * FOLDS))
    x, y, likes = features[some], targets[some], liked[some].toarray() > 0
    new, before = history[some].toarray() == 0, 0.0 if predicted is None else predicted[some]
    fold_of = np.arange(len(x)) % FOLDS

    def solved(rows: Array, targets: Array, strength: float) -> Array:
        weights: Array = np.linalg.solve(rows.T @ rows + strength * np.eye(rows.shape[1]), rows.T @ targets)
        return weights

    def error(strength: float) -> float:
        left_out = np.zeros_like(y)
        for number in range(FOLDS):
            out = fold_of == number
            left_out[out] = x[out] @ solved(x[~out], y[~out], strength)
        return float((((left_out + before) @ table.T + mean - likes) ** 2)[new].sum())

    return solved(features, targets, min(reversed(STRENGTHS), key=error))
