"""Votes of words for labels, inferred from a few labelled scenarios.

The labels are modelled as given by counting reasons. Each word of a profile is an ordinary or a strong reason for one
label, or for none. The labels with most reasons are chosen. Many tables of votes explain the same scenarios, so the
result averages over their posterior and reflects its uncertainty.
"""

from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Bools, Floats, Ints

STRENGTHS = np.array([1.0, 2.0])  # of an ordinary and a strong reason
CERTAINTY = 4.0  # log-odds of one further reason; below infinity, since labels contain slips
CHAINS, SWEEPS = 24, 30  # tables sampled in parallel, and how often each word's vote is redrawn
THINNING = 5  # one of so many sweeps is kept
WARMING = 15  # sweeps in which the certainty grows, since early votes are drawn before the others make sense


@dataclass(frozen=True, eq=False)
class Votes:
    """Tables (S, W, K) sampled from the posterior. Each holds the votes of W words for K labels."""

    tables: Floats

    def probabilities(self, words: Bools, known: Floats, expected: int) -> Floats:
        """The probability (N, K) that each label is among the `expected` many of a profile with these `words` (N, W).

        `known` (N, K) are scores that need not be inferred.
        """
        counted = np.einsum("nw,swk->snk", words.astype(np.float64), self.tables, optimize=True)
        sizes = np.full(len(words), expected)
        probability: Floats = inclusion(CERTAINTY * (counted + known), sizes).mean(axis=0)
        return probability


def infer_votes(
    words: Bools, labels: Floats, known: Floats, silent: Floats, rng: np.random.Generator
) -> Votes:
    """Sample the votes that explain the labels (N, K) of N scenarios with these words (N, W).

    Each row needs at least one label. `silent` (W,) is the prior probability that a word votes for no label; all
    votes are equally likely. Gibbs sampling (Geman and Geman, 1984) draws one word's vote at a time, given all
    others, in every chain.
    """
    n_labels = labels.shape[1]
    options = np.concatenate([np.zeros((1, n_labels)), *(s * np.eye(n_labels) for s in STRENGTHS)])
    prior = np.log((1 - silent) / silent / (len(options) - 1))
    sizes = labels.sum(axis=1).astype(np.int64)
    chosen = np.zeros((CHAINS, words.shape[1]), np.int64)
    scores = np.broadcast_to(known, (CHAINS, *labels.shape)).copy()
    rows_of = [np.flatnonzero(column) for column in words.T]
    tables = []
    for sweep in range(1, SWEEPS + 1):
        certainty = CERTAINTY * min(sweep / WARMING, 1)
        for word in rng.permutation(len(rows_of)):
            rows = rows_of[word]
            others = scores[:, rows] - options[chosen[:, word], None]
            votes = prior[word] + evidence(others, labels[rows], sizes[rows], certainty)
            log_odds = np.concatenate([np.zeros((CHAINS, 1)), votes.reshape(CHAINS, -1)], axis=1)
            chosen[:, word] = (log_odds + rng.gumbel(size=log_odds.shape)).argmax(axis=1)
            scores[:, rows] = others + options[chosen[:, word], None]
        if sweep > WARMING and sweep % THINNING == 0:
            tables.append(options[chosen])
    return Votes(np.concatenate(tables))


def evidence(scores: Floats, labels: Floats, sizes: Ints, certainty: float) -> Floats:
    """The log likelihood ratio (C, strengths, K) of a vote for each label against no vote, given the labels (N, K).

    `scores` (C, N, K) are those without the vote. A vote multiplies the odds of every set that holds its label.
    """
    steps = certainty * STRENGTHS[:, None, None]
    probability = inclusion(certainty * scores, sizes)[:, None]
    ratio: Floats = (steps * labels - np.log1p(np.expm1(steps) * probability)).sum(axis=2)
    return ratio


def inclusion(scores: Floats, sizes: Ints) -> Floats:
    """The probability (..., N, K) that each label is chosen, if sizes[n] labels are chosen in row n.

    The probability of a set is proportional to the exponential of its total score, among all sets of its size
    (conditional logistic regression). The sums are elementary symmetric polynomials.
    """
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    largest = int(sizes.max(initial=0))
    # The sum over the sets of each size without each label (..., K). It takes no differences, so nothing cancels.
    without = [np.ones_like(odds)] + [np.zeros_like(odds) for _ in range(largest)]
    for other in range(odds.shape[-1]):
        factor = odds[..., other, None] * (np.arange(odds.shape[-1]) != other)
        for size in range(largest, 0, -1):
            without[size] = without[size] + factor * without[size - 1]
    probability: Floats = np.zeros_like(odds)
    for size in range(1, largest + 1):
        with_it = odds * without[size - 1]
        probability = np.where((sizes == size)[:, None], with_it / (with_it + without[size]), probability)
    return probability
