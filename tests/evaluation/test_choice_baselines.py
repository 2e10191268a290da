"""Baselines on chosen gifts: each against a slower way to reckon it, and what they are and are not told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from tests.world.small_world import VOCABULARY, random_gifts
from trm_np.data.records import Profile
from trm_np.data.tables import Floats, LabelTable, gift_table, profile_table
from trm_np.data.task import Split
from trm_np.evaluation.choice_baselines import (
    STRENGTHS,
    choice_baselines,
    ease,
    ease_map,
    item_cosine,
    nearest,
    or_popular,
    popular,
    popular_within_budget,
    ridge,
    taken_by,
)
from trm_np.evaluation.choices import choice_metrics, top_gifts

ALL = slice(None)
seeds = st.integers(0, 2**32 - 1)


def some_taken(seed: int, people: int, gifts: int) -> Floats:
    return (np.random.default_rng(seed).random((people, gifts)) < 0.4).astype(np.float64)


def test_what_most_people_chose_is_popular_whatever_its_weight() -> None:
    chosen = csr_array(np.array([[9.0, 1.0, 0.0], [0.0, 1.0, 1.0]]))
    assert popular(chosen, 2)(ALL).tolist() == [[1, 2, 1]] * 2
    assert popular(chosen, 3)(slice(2, 9)).tolist() == [[1, 2, 1]]


def test_nothing_above_the_budget_comes_before_what_fits() -> None:
    chosen = csr_array(np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]]))
    price = np.array([100.0, 50.0, np.nan, 20.0])
    score = popular_within_budget(chosen, price, np.array([60.0, np.nan, 10.0, 100.0]))
    lists = top_gifts(score, csr_array((4, 4)))[:, :4].tolist()
    assert lists == [[1, 2, 3, 0], [0, 1, 2, 3], [2, 0, 1, 3], [0, 1, 2, 3]]


@given(seeds, st.integers(2, 8), st.integers(2, 8))
def test_the_cosine_of_two_gifts_is_that_of_the_people_who_have_them(
    seed: int, people: int, gifts: int
) -> None:
    taken, history = some_taken(seed, people, gifts), some_taken(seed + 1, 3, gifts)
    scores = item_cosine(csr_array(taken))(csr_array(history))
    for person, gift in zip(*np.nonzero(history == 0), strict=True):
        expected = 0.0
        for had in np.flatnonzero(history[person]):
            lengths = np.linalg.norm(taken[:, gift]) * np.linalg.norm(taken[:, had])
            expected += float(taken[:, gift] @ taken[:, had] / lengths) if lengths else 0.0
        assert scores[person, gift] == pytest.approx(expected)


@pytest.mark.parametrize(("people", "gifts"), [(9, 5), (5, 9), (6, 6)])
@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_ease_is_stecks_closed_form(people: int, gifts: int, strength: float) -> None:
    taken, history = some_taken(1, people, gifts), some_taken(2, 4, gifts)
    p = np.linalg.inv(taken.T @ taken + strength * np.eye(gifts))
    b = np.eye(gifts) - p / np.diag(p)
    np.testing.assert_allclose(np.diag(b), 0, atol=1e-12)
    scores = ease_map(None, csr_array(taken), strength)(csr_array(history))
    np.testing.assert_allclose(scores, history @ b, atol=1e-12)


def test_ease_is_the_best_map_without_a_diagonal() -> None:
    taken, strength = some_taken(3, 7, 4), 2.0
    off = ~np.eye(4, dtype=bool)

    def loss(free: Floats) -> float:
        b = np.zeros((4, 4))
        b[off] = free
        return float(((taken - taken @ b) ** 2).sum() + strength * (b**2).sum())

    best = np.zeros((4, 4))
    best[off] = minimize(loss, np.zeros(12)).x
    identity = csr_array(np.eye(4))
    np.testing.assert_allclose(ease_map(None, csr_array(taken), strength)(identity), best, atol=1e-4)


def test_ease_says_what_people_of_the_same_kind_take() -> None:
    rng = np.random.default_rng(4)
    kind = rng.integers(0, 2, 200)
    likely = np.where(np.arange(10) // 5 == kind[:, None], 0.8, 0.05)
    taken = (rng.random((200, 10)) < likely).astype(np.float64)
    scores = ease(csr_array(taken))(csr_array(np.eye(10)[:1]))[0]
    assert scores[1:5].min() > np.abs(scores[5:]).max()


@settings(max_examples=20)
@given(seeds)
def test_ridge_has_the_weights_of_one_of_its_strengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, asked = (np.column_stack([np.ones(n), rng.normal(size=(n, 3))]) for n in (12, 4))
    taken = some_taken(seed, 12, 5)
    scores = ridge(known, csr_array(taken), asked)(ALL)
    candidates = []
    for strength in STRENGTHS:  # least squares with a row of its own for each penalty
        rows = np.concatenate([known, np.sqrt(strength) * np.eye(4)])
        weights = np.linalg.lstsq(rows, np.concatenate([taken, np.zeros((4, 5))]), rcond=None)[0]
        candidates.append(np.abs(asked @ weights - scores).max())
    assert min(candidates) < 1e-9


def test_the_nearest_say_what_they_have_taken() -> None:
    known = np.eye(3)[[0, 0, 1, 2]]
    taken = csr_array(np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    scores = nearest(known, taken, np.eye(3)[[0, 1]])(ALL)
    np.testing.assert_allclose(scores, np.array([[1, 0.5, 0], [0, 0, 1]]))


def test_who_has_nothing_gets_what_is_popular() -> None:
    chosen = csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    history = csr_array(np.array([[0.0, 0.0], [0.0, 1.0]]))
    score = or_popular(lambda history: history.toarray() + 5, history, chosen)
    assert score(ALL).tolist() == [[0, 2], [5, 6]]
    assert score(slice(1, 2)).tolist() == [[5, 6]]


def shop(seed: int, people: int) -> Split:
    """People who take the gifts of their only hobby, the first half of which they have already."""
    rng = np.random.default_rng(seed)
    hobby = rng.integers(0, 3, people)
    profiles = [Profile(hobbies=(VOCABULARY.hobbies[index],), budget=90.0) for index in hobby]
    fits = np.arange(12) % 3 == hobby[:, None]
    history, chosen = (fits & half for half in (np.arange(12) < 6, np.arange(12) >= 6))
    tables = [csr_array(table.astype(np.float64)) for table in (chosen, np.zeros((people, 12)), history)]
    labels = LabelTable(np.zeros((people, 4)), np.zeros((people, 3)))
    return Split(profile_table(profiles, VOCABULARY), labels, *tables)


GIFTS = gift_table(random_gifts(np.random.default_rng(0), 12), VOCABULARY)


def test_what_a_rule_decides_is_found_by_all_who_look_at_the_person() -> None:
    train, test = shop(1, 60), shop(2, 20)
    scores, left_out = choice_baselines(train, test, GIFTS, VOCABULARY)
    assert left_out == {}
    recall = {
        name: choice_metrics(score(slice(0, 20)), test.chosen, test.history)["recall_at_3"]
        for name, score in scores.items()
    }
    assert list(recall) == [
        *("popularity", "popular_within_budget", "nearest_neighbour", "ridge", "item_cosine", "ease")
    ]
    for name in ("nearest_neighbour", "ridge", "item_cosine", "ease"):
        assert recall[name] == 1 > recall["popularity"], name


def test_they_are_not_told_what_was_chosen_later() -> None:
    train, test = shop(1, 60), shop(2, 20)
    told, _ = choice_baselines(train, test, GIFTS, VOCABULARY)
    not_told, _ = choice_baselines(
        train, replace(test, chosen=csr_array(test.chosen.shape)), GIFTS, VOCABULARY
    )
    for name, score in told.items():
        np.testing.assert_array_equal(score(slice(0, 20)), not_told[name](slice(0, 20)))


def test_without_histories_or_prices_or_with_too_many_numbers_the_reason_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = shop(1, 60), shop(2, 20)
    bare = replace(test, history=csr_array(test.history.shape))
    scores, left_out = choice_baselines(train, bare, GIFTS, VOCABULARY)
    assert "ease" not in scores and "item_cosine" not in scores
    assert left_out == dict.fromkeys(("item_cosine", "ease"), "nobody has a history")
    unpriced = replace(GIFTS, price=np.full(12, np.nan))
    scores, left_out = choice_baselines(train, test, unpriced, VOCABULARY)
    assert "popular_within_budget" not in scores
    assert left_out == {"popular_within_budget": "no budget or no price is known"}
    monkeypatch.setattr("trm_np.evaluation.choice_baselines.MOST_NUMBERS", 143)
    scores, left_out = choice_baselines(train, test, GIFTS, VOCABULARY)
    assert "ease" not in scores and "item_cosine" in scores
    assert left_out == {"ease": "it would hold 144 numbers; at most 143 are allowed"}


def test_what_was_taken_is_what_was_chosen_and_what_one_has() -> None:
    split = shop(3, 5)
    weighted = replace(split, chosen=split.chosen * 7.0)
    expected = (split.chosen.toarray() + split.history.toarray() > 0).astype(float)
    np.testing.assert_array_equal(taken_by(weighted).toarray(), expected)
