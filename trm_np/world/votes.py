"""Votes of words for labels, inferred from a few labelled scenarios.

A person who labels by reasons counts them: each word of a profile is a reason for one label, an ordinary or a
strong one, or for none, and the labels with most reasons are named. Many tables of votes explain the scenarios. The
posterior averages over all, each by its probability, and so reflects how uncertain it is.
"""

from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Bools, Floats, Ints

STRENGTHS = np.array([1.0, 2.0])  # of an ordinary and a strong reason
CERTAINTY = 4.0  # log-odds of one reason more: labels are given by the count, with a slip now and then
CHAINS, SWEEPS = 24, 30  # tables that are sampled side by side, and how often each word's vote is drawn anew
THINNING = 5  # sweeps between two of which the tables are kept
WARMING = 15  # sweeps in which certainty grows: a single vote makes no sense before the others are there


@dataclass(frozen=True, eq=False)
class Votes:
    """Tables (S, W, K) sampled from the posterior: what each of W words adds to the score of each of K labels."""

    tables: Floats

    def probabilities(self, words: Bools, known: Floats, expected: int) -> Floats:
        """Probability (N, K) of each label to be among the `expected` ones of N profiles, given their `words` (N, W).

        `known` (N, K) are scores that need not be learnt.
        """
        counted = np.einsum("nw,swk->snk", words.astype(np.float64), self.tables, optimize=True)
        sizes = np.full(len(words), expected)
        likely: Floats = inclusion(CERTAINTY * (counted + known), sizes).mean(axis=0)
        return likely


def infer_votes(
    words: Bools, labels: Floats, known: Floats, silent: Floats, rng: np.random.Generator
) -> Votes:
    """The votes by which N scenarios with these words (N, W) have these labels (N, K), at least one in each row.

    `silent` (W,) is the prior probability that a word votes for no label; all votes are alike to it. Gibbs sampling
    (Geman and Geman, 1984): one word's vote after the other is drawn, given all others, in every chain.
    """
    labels_count = labels.shape[1]
    options = np.concatenate([np.zeros((1, labels_count)), *(s * np.eye(labels_count) for s in STRENGTHS)])
    speaks = np.log((1 - silent) / silent / (len(options) - 1))
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
            votes = speaks[word] + evidence(others, labels[rows], sizes[rows], certainty)
            log_odds = np.concatenate([np.zeros((CHAINS, 1)), votes.reshape(CHAINS, -1)], axis=1)
            chosen[:, word] = (log_odds + rng.gumbel(size=log_odds.shape)).argmax(axis=1)
            scores[:, rows] = others + options[chosen[:, word], None]
        if sweep > WARMING and sweep % THINNING == 0:
            tables.append(options[chosen])
    return Votes(np.concatenate(tables))


def evidence(scores: Floats, labels: Floats, sizes: Ints, certainty: float) -> Floats:
    """The log-odds (C, strengths, K) that the labels (N, K) give a vote of each strength for each label against none.

    `scores` (C, N, K) are those without it. A vote multiplies the odds of all sets with its label.
    """
    steps = certainty * STRENGTHS[:, None, None]
    likely = inclusion(certainty * scores, sizes)[:, None]
    gained: Floats = (steps * labels - np.log1p(np.expm1(steps) * likely)).sum(axis=2)
    return gained


def inclusion(scores: Floats, sizes: Ints) -> Floats:
    """Probability (..., N, K) that each label is named, if sizes[n] labels are named in row n.

    The probability of a set is the exponential of its scores' sum, over the sum of those of all sets of its size
    (conditional logistic regression), by elementary symmetric polynomials.
    """
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    largest = int(sizes.max(initial=0))
    # For each label (..., K) and size the sum over the sets without it; no difference is taken, so nothing cancels.
    without = [np.ones_like(odds)] + [np.zeros_like(odds) for _ in range(largest)]
    for other in range(odds.shape[-1]):
        factor = odds[..., other, None] * (np.arange(odds.shape[-1]) != other)
        for size in range(largest, 0, -1):
            without[size] = without[size] + factor * without[size - 1]
    likely: Floats = np.zeros_like(odds)
    for size in range(1, largest + 1):
        with_it = odds * without[size - 1]
        likely = np.where((sizes == size)[:, None], with_it / (with_it + without[size]), likely)
    return likely
