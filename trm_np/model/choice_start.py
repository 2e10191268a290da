"""Initial weights of learning from choices, by linear algebra in one go.

From some hundred people gradients learn a table of gifts worse than a decomposition does (docs/choices.md), so each
part starts at the solution of a least-squares problem. With Y (M, G) what people took, one where they took it:

- the embeddings are the leading right singular vectors E (G, U) of Y (Cremonesi et al. 2010, "Performance of
  recommender algorithms on top-n recommendation tasks");
- from the profile and from the history ridge regressions lead to (Y - mean) E, the second to what the first leaves;
- a bias is how often the gift was chosen by those who did not have it;
- a logistic regression leads from the taste to the expected categories.
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
from trm_np.model.word_start import linears, silence

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # of the penalty on squared weights
FOLDS = 5
LIKELY_STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # the same, from tastes to categories
PEOPLE = 64  # whose histories are read at a time
CELLS = 2**22  # people × gifts by which a strength is chosen, at most


def start_from_choices(model: TRM, task: Task) -> None:
    """Set the parameters of a new model's experience, and let its categories follow from it."""
    assert model.experience is not None
    solve_experience(model.experience, task)
    follow_taste(model.category_matching, model.experience, task)


def follow_taste(matching: CategoryMatching, experience: Experience, task: Task) -> None:
    """Start the categories at a logistic regression from the taste, with the matching of words silent.

    Where too few scenarios have categories to tell words apart, the words start as ever and the taste is silent.
    """
    assert matching.from_taste.bias is not None
    matching.from_taste.weight.data[...] = matching.from_taste.bias.data[...] = 0
    train, labels = task.train, task.train.labels.categories
    given = np.flatnonzero(labels.any(axis=1))
    if are_few(len(given), plain_width(task.vocabulary)):
        return
    tastes = [taste_of(experience, train.take(given[rows]), task) for rows in portions(len(given), 1, PEOPLE)]
    known = with_constant(np.concatenate(tastes).astype(np.float64))
    weights = fit_best(logistic_weights, log_loss, known, labels[given], LIKELY_STRENGTHS)
    matching.from_taste.bias.data[...] = weights[0]
    matching.from_taste.weight.data[...] = weights[1:].T
    silence(linears(matching.score)[-1])


def taste_of(experience: Experience, people: Split, task: Task) -> Array:
    """The tastes (B, U) of people with their histories."""
    inputs = encode_profiles(people.profiles, task.vocabulary, history=padded(people.history))
    return experience.taste(inputs).data


def solve_experience(experience: Experience, task: Task) -> None:
    """Set the parameters of a new model's experience."""
    from scipy.sparse import csr_array

    assert experience.from_profile.bias is not None
    train = task.train
    disliked = train.history.multiply(train.rejected > 0)
    taken = csr_array(train.chosen + train.history - disliked > 0).astype(np.float64)
    mean = taken.sum(axis=0) / len(train)
    table = leading_directions(taken, experience.embedding.weight.shape[1])
    aim = taken @ table - mean @ table

    profiles = plain_features(encode_profiles(train.profiles, task.vocabulary)).astype(np.float64)
    centre = profiles.mean(axis=0)
    profile = ridge(profiles - centre, aim, table, mean, taken, train.history * 0)
    said = BESIDE_HISTORY * (profiles - centre) @ profile
    history = ridge(
        at_unit_length(train.history) @ table, aim - said, table, mean, train.chosen, train.history, said
    )

    gain = REWARD_SCALE**0.5
    for parameter in experience.parameters():
        parameter.data[...] = 0
    experience.embedding.weight.data[:, : table.shape[1]] = gain * table
    experience.bias.weight.data[:, 0] = REWARD_SCALE * wanted_by_others(train, taken)
    for layer, weight in ((experience.from_profile, gain * profile), (experience.from_history, history)):
        layer.weight.data[: weight.shape[1], : weight.shape[0]] = weight.T
    experience.from_profile.bias.data[: table.shape[1]] = -gain * centre @ profile


def wanted_by_others(train: Split, taken: "csr_array") -> Array:
    """Share (G,) of the people without a gift who chose it, over the chosen part of all that was taken.

    A gift that nearly everybody has is rarely chosen any more. One person is added who chooses each gift as often as
    all that was taken predicts; for a gift that everybody had, nothing else is known. Division by the part makes it
    comparable with the shares of people who take a gift, as tastes predict them.
    """
    chosen = train.chosen - train.chosen.multiply(train.history != 0)
    chosen.eliminate_zeros()
    part = max(chosen.nnz, 1) / max(taken.nnz, 1)
    count, had = (np.bincount(table.indices, minlength=taken.shape[1]) for table in (chosen, train.history))
    expected = part * taken.sum(axis=0) / len(train)
    wanted: Array = (count + expected) / (len(train) - had + 1) / part
    return wanted


def leading_directions(taken: "csr_array", width: int) -> Array:
    """The right singular vectors (G, K) of taken (M, G) with the greatest singular values, K at most `width`."""
    from scipy.sparse.linalg import svds  # type: ignore[import-untyped]

    if min(taken.shape) <= width:  # all of them, which `svds` does not give
        _, value, vectors = np.linalg.svd(taken.toarray(), full_matrices=False)
    else:
        _, value, vectors = svds(taken, k=width, v0=np.ones(min(taken.shape)))
    vectors = vectors[value > 1e-6 * value.max()]
    table: Array = vectors.T * np.sign(vectors.sum(axis=1))
    return table


def at_unit_length(history: "csr_array") -> "csr_array":
    """Each history (M, G) over its length."""
    count = np.maximum(np.diff(history.indptr), 1)
    unit: csr_array = history.multiply(1 / np.sqrt(count)[:, None]).tocsr()
    return unit


def ridge(
    features: Array,
    aim: Array,
    table: Array,
    mean: Array,
    liked: "csr_array",
    had: "csr_array",
    said: Array | None = None,
) -> Array:
    """Weights (F, K) of a ridge regression of the aim (M, K), as strong as predicts best in cross-validation.

    What counts there is the squared error of (said + features W) Eᵀ + mean against what was liked, among gifts that a
    person did not have: that one likes what one has says nothing.
    """
    some = slice(0, max(CELLS // len(table), 2 * FOLDS))
    x, y, likes = features[some], aim[some], liked[some].toarray() > 0
    new, before = had[some].toarray() == 0, 0.0 if said is None else said[some]
    fold_of = np.arange(len(x)) % FOLDS

    def solved(rows: Array, targets: Array, strength: float) -> Array:
        weights: Array = np.linalg.solve(rows.T @ rows + strength * np.eye(rows.shape[1]), rows.T @ targets)
        return weights

    def error(strength: float) -> float:
        found = np.zeros_like(y)
        for number in range(FOLDS):
            out = fold_of == number
            found[out] = x[out] @ solved(x[~out], y[~out], strength)
        return float((((found + before) @ table.T + mean - likes) ** 2)[new].sum())

    return solved(features, aim, min(reversed(STRENGTHS), key=error))
