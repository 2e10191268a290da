"""Metrics on choices: the whole catalogue is ranked for each profile, except the gifts in its history.

Profiles without choices are left out. A chosen gift is a hit whatever its weight; only NDCG uses the weights.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from trm_np.data.tables import Bools, Floats, Ints, portions

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

PLACES = (1, 3, 10)
NO_GIFT = -1
CELLS = 2**20  # profiles × gifts in a batch

# Scores (n, G) of some rows: `scores.__getitem__` of a table (N, G), or a function.
Score = Callable[[slice], Floats]


def choice_metrics(scores: Floats, chosen: "csr_array", seen: "csr_array") -> dict[str, float]:
    """Every metric of scores (N, G): the means of `choice_values`, and `exposure_metrics`."""
    if scores.shape != chosen.shape:
        raise ValueError(f"scores must have shape {chosen.shape} like what was chosen, found {scores.shape}")
    lists = top_gifts(scores.__getitem__, seen)
    return {**means(choice_values(lists, chosen, seen)), **exposure_metrics(lists, chosen.shape[1])}


def top_gifts(score: Score, seen: "csr_array") -> Ints:
    """The ten gifts (N, 10) with the highest scores, best first, among those that a profile has not seen.

    Equal scores are ranked by index. A gift with a score of -inf is never listed, and -1 fills places without a gift.
    Raises `ValueError` for NaN.
    """
    profiles, gifts = seen.shape
    lists = np.full((profiles, PLACES[-1]), NO_GIFT)
    for rows in portions(profiles, gifts, CELLS):
        scores = np.array(score(rows), dtype=np.float64)
        unordered = np.isnan(scores).any(axis=1)
        if unordered.any():
            raise ValueError(f"the scores hold NaN in row {rows.start + int(unordered.argmax())}")
        scores[seen[rows].nonzero()] = -np.inf
        each = np.arange(len(scores))
        for place in range(min(PLACES[-1], gifts)):
            best = scores.argmax(axis=1)
            left = scores[each, best] > -np.inf
            lists[rows, place] = np.where(left, best, NO_GIFT)
            scores[each, best] = -np.inf
    return lists


def choice_values(lists: Ints, chosen: "csr_array", seen: "csr_array") -> dict[str, Floats]:
    """Values whose means are the metrics of lists (N, 10), each (M,) for the M profiles with choices.

    With n chosen gifts that were not seen, the first k places of a list have these values:
    hit@k is 1 if one of them is there, recall@k = hits / n, precision@k = hits / k, MRR@k = 1 / place of the first
    hit or 0 (Voorhees, "The TREC-8 question answering track report", 1999), and NDCG@k = Σ weight / log2(place + 1)
    over that of the best list (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002).
    """
    wanted, rows = wanted_of(chosen, seen)
    gains = gains_of(lists[rows], wanted)
    hits = (gains > 0).astype(np.float64)
    return _values(hits, gains, np.multiply.accumulate(1 - hits, axis=1), wanted)


def chance_values(chosen: "csr_array", seen: "csr_array") -> dict[str, Floats]:
    """Expected `choice_values` of random lists of the gifts that a profile has not seen.

    Each place of m gifts is a hit with probability n / m. All of the first k places miss with probability
    Π (m − n − i) / (m − i), i from 0 to k − 1.
    """
    wanted, rows = wanted_of(chosen, seen)
    left = (seen.shape[1] - np.diff(seen.indptr)[rows])[:, None]
    count = np.diff(wanted.indptr)[:, None]
    before = np.arange(PLACES[-1])
    there = before < left
    missing = np.maximum(left - count - before, 0) / np.maximum(left - before, 1)
    missed = np.multiply.accumulate(missing, axis=1)
    return _values(there * count / left, there * wanted.sum(axis=1)[:, None] / left, missed, wanted)


def exposure_metrics(lists: Ints, gifts: int) -> dict[str, float]:
    """Evenness with which the lists (N, 10) use a catalogue of so many gifts.

    `coverage` is the share of gifts in any list. `gini` is Σ (2i − G − 1) xᵢ / (G Σ xᵢ), where xᵢ are the numbers of
    lists with each gift in rising order: 0 if all are equal, near 1 if a few gifts fill all lists (Shani and
    Gunawardana, "Evaluating recommendation systems", 2011).
    """
    shown = np.sort(np.bincount(lists[lists != NO_GIFT], minlength=gifts))
    uneven = (2 * np.arange(1, gifts + 1) - gifts - 1) @ shown
    return {
        "coverage": float((shown > 0).mean()),
        "gini": float(uneven / (gifts * max(shown.sum(), 1))),
    }


def means(values: Mapping[str, Floats]) -> dict[str, float]:
    """Mean of each value over the profiles; empty without choices."""
    return {name: float(value.mean()) for name, value in values.items() if len(value)}


def wanted_of(chosen: "csr_array", seen: "csr_array") -> "tuple[csr_array, Ints]":
    """Weights (M, G) of the gifts chosen and not seen, and the rows (M,) of the profiles with any."""
    wanted = chosen - chosen.multiply(seen != 0)
    wanted.eliminate_zeros()
    rows = np.flatnonzero(np.diff(wanted.indptr))
    return wanted[rows], rows


def gains_of(lists: Ints, wanted: "csr_array") -> Floats:
    """Weights (M, 10) of the gifts in the lists, 0 for a gift that was not chosen."""
    gains = np.zeros(lists.shape)
    for rows in portions(len(lists), wanted.shape[1], CELLS):
        found = np.take_along_axis(wanted[rows].toarray(), np.maximum(lists[rows], 0), axis=1)
        gains[rows] = np.where(lists[rows] == NO_GIFT, 0.0, found)
    return gains


def _values(hits: Floats, gains: Floats, missed: Floats, wanted: "csr_array") -> dict[str, Floats]:
    """Values from the expected hits in each place (M, 10), and the probability of no hit up to that place."""
    place = np.arange(1, PLACES[-1] + 1)
    count = np.diff(wanted.indptr)
    first = -np.diff(missed, axis=1, prepend=1.0)
    discount = 1.0 / np.log2(place + 1.0)
    best = _largest(wanted)
    metrics: dict[str, Callable[[int], Floats]] = {
        "hit": lambda k: 1 - missed[:, k - 1],
        "recall": lambda k: hits[:, :k].sum(axis=1) / count,
        "precision": lambda k: hits[:, :k].sum(axis=1) / k,
        "ndcg": lambda k: (gains @ _first(discount, k)) / (best @ _first(discount, k)),
        "mrr": lambda k: first @ _first(1 / place, k),
    }
    return {f"{name}_at_{k}": of(k) for name, of in metrics.items() for k in PLACES}


def _first(values: Floats, k: int) -> Floats:
    return np.where(np.arange(len(values)) < k, values, 0.0)


def _largest(wanted: "csr_array") -> Floats:
    """The ten largest weights (M, 10) of each row, filled up with zeros."""
    row = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr))
    order = np.lexsort((-wanted.data, row))  # rows stay together, so `row` holds for the order too
    place = np.arange(len(row)) - wanted.indptr[row]
    largest = np.zeros((wanted.shape[0], PLACES[-1]))
    kept: Bools = place < PLACES[-1]
    largest[row[kept], place[kept]] = wanted.data[order][kept]
    return largest
