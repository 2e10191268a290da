"""Calibration: the observed frequency of predictions with a given probability."""

from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Floats, Ints

BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted and true values in B bins of equal width over [0, 1].

    Edges (B + 1,), counts (B,), and means of the predicted and of the true values (B,), nan for an empty bin.
    """

    edges: Floats
    count: Ints
    predicted: Floats
    true: Floats


def reliability(predicted: Floats, true: Floats, bins: int = BINS) -> Reliability:
    """Reliability table of predictions of any shape and true values of the same shape, from 0 to 1.

    A bin includes its lower edge, and the last bin both edges. Values outside [0, 1] count in the nearest bin.
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
    """Mean distance between predicted and true values of the bins, weighted by their counts.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", 2015; with
    bins of equal width as Guo et al., "On calibration of modern neural networks", 2017, use it.
    """
    filled = table.count > 0
    distance = np.abs(table.predicted - table.true)[filled]
    return float((table.count[filled] * distance).sum() / table.count.sum())
