"""Calibration: of what was given a probability of 0.7, did seven of ten come true?"""

from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Floats, Ints

BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted and true values in B bins of equal width over [0, 1].

    Edges (B + 1,), counts (B,), means of the predicted and of the true values (B,): nan where a bin is empty.
    """

    edges: Floats
    count: Ints
    predicted: Floats
    true: Floats


def reliability(predicted: Floats, true: Floats, bins: int = BINS) -> Reliability:
    """The reliability table of predictions, of any shape, and what came true: 0 or 1, or a value between.

    A bin holds its lower edge, the last one both; values outside [0, 1] are counted in the bin next to them.
    Raises `ValueError` if the shapes differ, there is nothing to count, or a number is not finite.
    """
    if predicted.shape != true.shape or predicted.size == 0:
        raise ValueError(
            f"predicted {predicted.shape} and true {true.shape} must have one shape, and not be empty"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise ValueError("predicted and true values must be finite")
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, predicted.ravel(), side="right") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, values.ravel(), minlength=bins) for values in (predicted, true))
    means = (np.divide(total, count, out=np.full(bins, np.nan), where=count > 0) for total in sums)
    return Reliability(edges, count, *means)


def expected_calibration_error(table: Reliability) -> float:
    """The mean distance between predicted and true in a bin, weighted by how many fell into it.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", 2015; with
    bins of equal width as Guo et al., "On calibration of modern neural networks", 2017, use it.
    """
    filled = table.count > 0
    distance = np.abs(table.predicted - table.true)[filled]
    return float((table.count[filled] * distance).sum() / table.count.sum())
