"""Linear and logistic regressions with a penalty chosen by cross-validation."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from trm_np.data.tables import Floats

FOLDS = 5
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the penalty on squared weights
MOST_ROWS = 500  # enough to choose a strength, which does not depend on the number of rows

Rows = Any  # a table, dense or sparse
Fitted = TypeVar("Fitted")


def fit_best(
    fit: Callable[[Rows, Rows, float], Fitted],
    error: Callable[[Rows, Rows, Fitted], float],
    features: Rows,
    known: Rows,
    strengths: Sequence[float] = STRENGTHS,
) -> Fitted:
    """Fit all rows, with the strength that has the smallest error in cross-validation.

    `fit` takes features (N, F), known values (N, L) and a strength; `error` takes features, known values and the result
    of `fit`. Every FOLDS-th row belongs to one fold. With a single row the strongest penalty is used.
    """
    x, y = features[:MOST_ROWS], known[:MOST_ROWS]
    fold = np.arange(x.shape[0]) % FOLDS
    folds = [fold == number for number in np.unique(fold)] if x.shape[0] > 1 else []

    def error_left_out(strength: float) -> float:
        return sum(error(x[out], y[out], fit(x[~out], y[~out], strength)) for out in folds)

    # The strongest penalty wins a tie.
    return fit(features, known, min(reversed(strengths), key=error_left_out))


def logistic_weights(features: Floats, labels: Floats, strength: float) -> Floats:
    """Weights (F, L) of a logistic regression for each of the labels (N, L), with a penalty on all but the first row.

    The minimum of Σ log(1 + e^z) − y·z + strength · ‖W‖² / 2 with z = features @ W, by L-BFGS.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]  # late: it takes half a second
    from scipy.special import expit  # type: ignore[import-untyped]

    shape = (features.shape[1], labels.shape[1])
    penalty = np.full((shape[0], 1), strength)
    penalty[0] = 0.0  # the constant

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        z = features @ weights
        loss = (np.logaddexp(0, z) - labels * z).sum() + (penalty * weights**2).sum() / 2
        gradient = features.T @ (expit(z) - labels) + penalty * weights
        return float(loss), gradient.ravel()

    found = minimize(loss_and_gradient, np.zeros(shape).ravel(), method="L-BFGS-B", jac=True)
    weights: Floats = found.x.reshape(shape)
    return weights


def log_loss(features: Floats, labels: Floats, weights: Floats) -> float:
    """The sum of the binary cross-entropies of labels (N, L) predicted by weights (F, L)."""
    z = features @ weights
    return float((np.logaddexp(0, z) - labels * z).sum())


def ridge_weights(described: Floats, features: Floats, rewards: Floats, strength: float) -> Floats:
    """Weights (F, W) of a ridge regression of rewards (N, G) on features (N, F) of profiles, described (G, W) of gifts.

    The minimum of ‖X W Dᵀ − R‖² + strength · ‖W‖². With XᵀX = V diag(a) Vᵀ and DᵀD = U diag(b) Uᵀ it is
    W = V [VᵀXᵀR D U / (a bᵀ + strength)] Uᵀ, without an array of the products of features.
    """
    a, v = np.linalg.eigh(features.T @ features)
    b, u = np.linalg.eigh(described.T @ described)
    weights: Floats = v @ ((v.T @ (features.T @ rewards @ described) @ u) / (np.outer(a, b) + strength)) @ u.T
    return weights


def squared_error(described: Floats, features: Floats, rewards: Floats, weights: Floats) -> float:
    """Sum of the squared errors of rewards (N, G) predicted by weights (F, W)."""
    return float(((features @ weights @ described.T - rewards) ** 2).sum())


def with_constant(features: Floats) -> Floats:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
