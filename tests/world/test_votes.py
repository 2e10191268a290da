"""Inferred votes, compared with sums over all sets and all tables."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trm_np.data.tables import Bools, Floats
from trm_np.world import votes
from trm_np.world.votes import CERTAINTY, STRENGTHS, Votes, inclusion, infer_votes


def weight(scores: Floats, chosen: tuple[int, ...]) -> float:
    return float(np.exp(scores[list(chosen)].sum()))


def by_enumeration(scores: Floats, size: int) -> Floats:
    sets = list(combinations(range(len(scores)), size))
    total = sum(weight(scores, one) for one in sets)
    return np.array(
        [sum(weight(scores, one) for one in sets if k in one) / total for k in range(len(scores))]
    )


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-6, 6)),
    st.data(),
)
def test_inclusion_is_the_sum_over_all_sets_with_the_label(scores: Floats, data: st.DataObject) -> None:
    sizes = np.array([data.draw(st.integers(1, scores.shape[1] - 1)) for _ in scores])
    found = inclusion(scores, sizes)
    for row, size, likely in zip(scores, sizes, found, strict=True):
        np.testing.assert_allclose(likely, by_enumeration(row, size), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), sizes, atol=1e-5)


def exact_posterior(words: Bools, labels: Floats, known: Floats, silent: Floats) -> Floats:
    """The posterior mean table (W, K), by a sum over all tables."""
    kinds = labels.shape[1]
    options = [np.zeros(kinds), *(s * np.eye(kinds)[k] for s in STRENGTHS for k in range(kinds))]
    mean, total = np.zeros((words.shape[1], kinds)), 0.0
    for chosen in product(range(len(options)), repeat=words.shape[1]):
        table = np.array([options[one] for one in chosen])
        likely = 1.0
        for word, one in enumerate(chosen):
            likely *= silent[word] if one == 0 else (1 - silent[word]) / (len(options) - 1)
        for said, row, base in zip(words, labels, known, strict=True):
            scores = CERTAINTY * (said @ table + base)
            sets = combinations(range(kinds), int(row.sum()))
            likely *= weight(scores, tuple(np.flatnonzero(row))) / sum(weight(scores, one) for one in sets)
        mean, total = mean + likely * table, total + likely
    return np.asarray(mean / total)


def test_sampled_tables_have_the_mean_of_the_exact_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)
    labels = np.array([[1.0, 0, 0], [1, 0, 1], [0, 1, 0]])
    known, silent = np.array([[0, 0.5, 0]] * 3), np.array([0.5, 0.7, 0.9])
    monkeypatch.setattr(votes, "CHAINS", 4000)
    found = infer_votes(words, labels, known, silent, np.random.default_rng(0)).tables.mean(axis=0)
    # The standard error over 4000 tables is at most 2 / √4000 / 2 = 0.016. The tolerance is 3.5 times that.
    np.testing.assert_allclose(found, exact_posterior(words, labels, known, silent), atol=0.055)


def test_the_votes_that_made_the_labels_are_recovered() -> None:
    rng = np.random.default_rng(1)
    table = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 0, 0]])
    words = rng.random((200, 6)) < 0.5
    labels = (np.argsort(np.argsort(-(words @ table + rng.random((200, 4)) / 9), axis=1), axis=1) < 2).astype(
        float
    )
    found = infer_votes(words, labels, np.zeros_like(labels), np.full(6, 0.5), rng)
    mean = found.tables.mean(axis=0)
    assert (mean[:5].argmax(axis=1) == table[:5].argmax(axis=1)).all() and (mean[:5].max(axis=1) > 0.9).all()
    assert (mean[5] < 0.1).all()


def test_a_word_in_no_scenario_keeps_its_prior() -> None:
    words, labels = np.zeros((3, 400), bool), np.eye(3)
    found = infer_votes(words, labels, np.zeros((3, 3)), np.full(400, 0.8), np.random.default_rng(0))
    speaks = found.tables.any(axis=2).mean()
    assert speaks == pytest.approx(0.2, abs=0.02)


def test_without_votes_all_labels_are_equally_likely() -> None:
    nothing = Votes(np.zeros((2, 3, 4)))
    np.testing.assert_allclose(nothing.probabilities(np.ones((5, 3), bool), np.zeros(4), 2), 0.5)
