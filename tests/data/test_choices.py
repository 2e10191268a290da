"""Choices as training targets: histories as lists, candidates, and sampled candidates."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from trm_np.data.choices import IMPOSSIBLE, choices_among, padded
from trm_np.data.task import weights_of

PEOPLE, GIFTS = 3, 6
marks = arrays(np.bool_, (PEOPLE, GIFTS))


def sparse(table: object) -> csr_array:
    return csr_array(np.asarray(table, np.float64))


def test_a_history_keeps_its_order_and_is_padded_in_front() -> None:
    place = {id: index for index, id in enumerate("abcd")}
    history = weights_of([[("c", 1.0), ("a", 1.0)], [], [("d", 1.0)]], place)
    assert padded(history).tolist() == [[2, 0], [-1, -1], [-1, 3]]
    assert padded(history, np.array([True, False, False])).tolist() == [[-1], [-1], [3]]
    assert padded(history[1:2]).shape == (1, 0)


def test_a_visible_history_is_excluded_and_a_hidden_one_counts_as_chosen() -> None:
    chosen = sparse([[3, 0, 0, 0], [0, 1, 0, 0]])
    history, rejected = sparse([[0, 1, 1, 0], [0, 0, 1, 1]]), sparse([[0, 0, 1, 0], [0, 0, 0, 1]])
    told = choices_among(chosen, rejected, history, np.array([False, True]), None)
    assert told.gifts.tolist() == [0, 1, 2, 3]
    assert told.share.tolist() == [
        [1, 0, 0, 0],
        [0, 0.5, 0.5, 0],
    ]  # a rejected gift in a hidden history does not count as chosen
    assert (told.offset == IMPOSSIBLE).tolist() == [[False, True, True, False], [False] * 4]


@given(marks, marks, marks, arrays(np.bool_, PEOPLE))
def test_shares_sum_to_one_and_only_the_history_is_impossible(
    chosen: np.ndarray, rejected: np.ndarray, had: np.ndarray, hidden: np.ndarray
) -> None:
    had = had & ~chosen
    told = choices_among(sparse(chosen), sparse(rejected), sparse(had), hidden, None)
    taken = chosen | (had & hidden[:, None] & ~rejected)
    assert ((told.share > 0) == taken).all()
    assert told.share.sum(axis=1) == pytest.approx(taken.any(axis=1).astype(float))
    assert ((told.offset == IMPOSSIBLE) == (had & ~hidden[:, None])).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, GIFTS))
def test_the_expected_sum_over_a_sample_is_that_over_all_gifts(seed: int, size: int) -> None:
    """The mean over every possible sample is compared."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(PEOPLE, GIFTS))
    chosen = sparse(rng.random((PEOPLE, GIFTS)) < 0.3)
    had = sparse((rng.random((PEOPLE, GIFTS)) < 0.3) & (chosen.toarray() == 0))
    nobody = np.zeros(PEOPLE, np.bool_)
    whole = choices_among(chosen, had * 0, had, nobody, None)
    wanted = np.exp(logits + whole.offset).sum(axis=1)
    found = [
        np.exp(logits[:, told.gifts] + told.offset).sum(axis=1)
        for sample in combinations(range(GIFTS), size)
        for told in [choices_among(chosen, had * 0, had, nobody, np.array(sample))]
    ]
    assert np.mean(found, axis=0) == pytest.approx(wanted)
