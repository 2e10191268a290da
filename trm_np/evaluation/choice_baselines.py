"""Rankings of gifts without the model, learned from the choices and histories of the training scenarios."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from trm_np.data.tables import Floats, GiftTable
from trm_np.data.task import Split
from trm_np.data.vocabulary import Vocabulary
from trm_np.evaluation.baselines import NEIGHBOURS, neighbour_weights, profile_features
from trm_np.evaluation.choices import Score
from trm_np.model.regression import fit_best, with_constant

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)  # of the penalty on squared weights
MOST_NUMBERS = 5000**2  # in the memory of EASE: 200 MB

# Predicts scores (n, G) from histories (n, G).
Predict = Callable[["csr_array"], Floats]


def choice_baselines(
    train: Split, split: Split, gifts: GiftTable, vocabulary: Vocabulary
) -> tuple[dict[str, Score], dict[str, str]]:
    """Scores of each baseline for the profiles of a split, and the reason for each that is left out."""
    taken = taken_by(train)
    train_features, features = (
        with_constant(profile_features(each.profiles, vocabulary)) for each in (train, split)
    )
    budget, size = split.profiles.budget, min(taken.shape) * taken.shape[1]
    scores, left_out = {"popularity": popular(train.chosen, len(split))}, dict[str, str]()
    if np.isnan(budget).all() or np.isnan(gifts.price).all():
        left_out["popular_within_budget"] = "no budget or no price is known"
    else:
        scores["popular_within_budget"] = popular_within_budget(train.chosen, gifts.price, budget)
    scores["nearest_neighbour"] = nearest(train_features[:, 1:], taken, features[:, 1:])
    scores["ridge"] = ridge(train_features, taken, features)
    if not split.history.nnz:
        left_out |= dict.fromkeys(("item_cosine", "ease"), "nobody has a history")
        return scores, left_out
    scores["item_cosine"] = or_popular(item_cosine(taken), split.history, train.chosen)
    if size > MOST_NUMBERS:
        left_out["ease"] = f"it would hold {size:,} numbers; at most {MOST_NUMBERS:,} are allowed"
    else:
        scores["ease"] = or_popular(ease(taken), split.history, train.chosen)
    return scores, left_out


def taken_by(train: Split) -> "csr_array":
    """1.0 (M, G) where a gift was chosen for a profile or is in its history."""
    return (train.chosen + train.history > 0).astype(np.float64)


def popularity_of(chosen: "csr_array") -> Floats:
    """Number of profiles (G,) for which each gift was chosen."""
    return np.bincount(chosen.indices, minlength=chosen.shape[1]).astype(np.float64)


def popular(chosen: "csr_array", profiles: int) -> Score:
    """Score gifts by the number of training profiles for which they were chosen, equally for all profiles."""
    return np.broadcast_to(popularity_of(chosen), (profiles, chosen.shape[1])).__getitem__


def popular_within_budget(chosen: "csr_array", price: Floats, budget: Floats) -> Score:
    """Popularity, with gifts within the budget before all others; an unknown price or budget counts as within."""
    counts = popularity_of(chosen)

    def score(rows: slice) -> Floats:
        too_dear = price > budget[rows, None]  # never for nan
        return np.where(too_dear, counts, counts + counts.max() + 1)

    return score


def nearest(train_features: Floats, taken: "csr_array", features: Floats) -> Score:
    """Share of the most similar training profiles that took a gift, by `neighbour_weights`."""
    return lambda rows: neighbour_weights(features[rows], train_features, NEIGHBOURS) @ taken


def ridge(train_features: Floats, taken: "csr_array", features: Floats) -> Score:
    """Ridge regression from the profile to gifts: W = (XᵀX + λI)⁻¹ XᵀY, X the profiles, Y the gifts taken."""

    def fit(features: Floats, gifts: "csr_array", strength: float) -> Floats:
        penalty = strength * np.eye(features.shape[1])
        weights: Floats = np.linalg.solve(features.T @ features + penalty, (gifts.T @ features).T)
        return weights

    def error(features: Floats, gifts: "csr_array", weights: Floats) -> float:
        return float(((features @ weights - gifts.toarray()) ** 2).sum())

    weights = fit_best(fit, error, train_features, taken, STRENGTHS)
    return lambda rows: features[rows] @ weights


def item_cosine(taken: "csr_array") -> Predict:
    """Sum of a gift's cosines with the gifts of a history: cos(i, j) = |both| / √(|i| |j|), counted in profiles.

    Sarwar et al., "Item-based collaborative filtering recommendation algorithms", 2001.
    """
    unit = taken.copy()
    unit.data = unit.data / np.sqrt(popularity_of(taken))[unit.indices]
    return lambda history: (history @ unit.T @ unit).toarray()


def ease(taken: "csr_array") -> Predict:
    """EASE: a linear map B from histories to gifts taken, in which no gift predicts itself.

    B is the minimum of ‖X − XB‖² + λ‖B‖² with diag B = 0: B = I − P diag(1 / diag P), P = (XᵀX + λI)⁻¹
    (Steck, "Embarrassingly shallow autoencoders for sparse data", 2019). Cross-validation chooses λ.
    """

    def error(_: "csr_array", taken: "csr_array", predict: Predict) -> float:
        return float(((predict(taken) - taken.toarray()) ** 2).sum())

    return fit_best(ease_map, error, taken, taken, STRENGTHS)


def ease_map(_: "csr_array", taken: "csr_array", strength: float) -> Predict:
    """HB for histories H, with the strength λ of the penalty.

    With H̃ = I − λP = XᵀX (XᵀX + λI)⁻¹ = Xᵀ (XXᵀ + λI)⁻¹ X and its diagonal q, HB = (H H̃ − H ∘ q) / (1 − q). The
    inverted matrix has a row for each gift or for each profile, whichever are fewer.
    """
    from scipy.sparse import eye_array  # late: a recommendation does not need SciPy

    fewer_profiles = taken.shape[0] <= taken.shape[1]
    outer = taken.T if fewer_profiles else eye_array(taken.shape[1])
    rows = taken if fewer_profiles else taken.T @ taken
    square = (rows @ outer).toarray()
    inner = np.linalg.solve(square + strength * np.eye(len(square)), rows.toarray())  # H̃ = outer @ inner
    q = outer.T.multiply(inner).sum(axis=0)

    def predict(history: "csr_array") -> Floats:
        scores: Floats = (history @ outer @ inner - history.toarray() * q) / (1 - q)
        return scores

    return predict


def or_popular(predict: Predict, history: "csr_array", chosen: "csr_array") -> Score:
    """Score gifts by the history of a profile, or by popularity without a history."""
    counts = popularity_of(chosen)

    def score(rows: slice) -> Floats:
        known = np.diff(history[rows].indptr) > 0
        return np.where(known[:, None], predict(history[rows]), counts)

    return score
