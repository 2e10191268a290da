"""Metrics on chosen gifts: an example worked by hand, a plain second reckoning, and what holds for any scores."""

from math import comb, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from trm_np.data.tables import Floats
from trm_np.evaluation import choices
from trm_np.evaluation.choices import (
    PLACES,
    chance_values,
    choice_metrics,
    choice_values,
    exposure_metrics,
    means,
    top_gifts,
)

NAMES = [f"{name}_at_{k}" for name in ("hit", "recall", "precision", "ndcg", "mrr") for k in PLACES]


def sparse(rows: list[list[float]]) -> csr_array:
    return csr_array(np.array(rows, dtype=np.float64))


def test_an_example_worked_by_hand() -> None:
    # Ann has gift 0, and is ranked 3, 1, 2: she chose 1 (weight 1) and 2 (weight 3). Bo chose nothing. Cy chose 0,
    # which comes first.
    scores = np.array([[9.0, 2.0, 1.0, 3.0], [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    chosen = sparse([[0, 1, 3, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    seen = sparse([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    lists = top_gifts(scores.__getitem__, seen)
    assert lists[:, :4].tolist() == [[3, 1, 2, -1], [3, 2, 1, 0], [0, 1, 2, 3]]
    assert (lists[:, 4:] == -1).all()
    values = choice_values(lists, chosen, seen)
    discounted = (1 / log2(3) + 3 / log2(4)) / (3 + 1 / log2(3))
    assert {name: value.tolist() for name, value in values.items()} == {
        "hit_at_1": [0, 1],
        "hit_at_3": [1, 1],
        "hit_at_10": [1, 1],
        "recall_at_1": [0, 1],
        "recall_at_3": [1, 1],
        "recall_at_10": [1, 1],
        "precision_at_1": [0, 1],
        "precision_at_3": [2 / 3, 1 / 3],
        "precision_at_10": [2 / 10, 1 / 10],
        "ndcg_at_1": [0, 1],
        "ndcg_at_3": [pytest.approx(discounted), 1],
        "ndcg_at_10": [pytest.approx(discounted), 1],
        "mrr_at_1": [0, 1],
        "mrr_at_3": [1 / 2, 1],
        "mrr_at_10": [1 / 2, 1],
    }
    metrics = choice_metrics(scores, chosen, seen)
    assert metrics["precision_at_3"] == pytest.approx(1 / 2)
    # Each gift is in three lists but gift 0, which Ann has: 2, 3, 3, 3 of 11.
    assert metrics["coverage"] == 1
    assert metrics["gini"] == pytest.approx((-3 * 2 - 1 * 3 + 1 * 3 + 3 * 3) / (4 * 11))


tables = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 15))


def drawn(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Scores with many equal and some that exclude a gift, what was chosen, and what was seen."""
    scores = rng.integers(0, 4, size).astype(np.float64)
    scores[rng.random(size) < 0.1] = -np.inf
    chosen = np.where(rng.random(size) < 0.3, rng.integers(1, 4, size), 0).astype(np.float64)
    return scores, chosen, (rng.random(size) < 0.2).astype(np.float64)


def plainly(scores: Floats, chosen: Floats, seen: Floats) -> tuple[list[list[int]], dict[str, list[float]]]:
    """The lists and the values, person by person and place by place."""
    lists, values = [], {name: list[float]() for name in NAMES}
    for row, weights, had in zip(scores, chosen, seen, strict=True):
        left = [gift for gift in range(len(row)) if not had[gift]]
        ranked = sorted((gift for gift in left if row[gift] > -np.inf), key=lambda gift: (-row[gift], gift))
        lists.append(ranked[:10])
        wanted = {gift: weights[gift] for gift in left if weights[gift]}
        if not wanted:
            continue
        for k in PLACES:
            hits = [place for place, gift in enumerate(ranked[:k], 1) if gift in wanted]
            gain = sum(wanted[ranked[place - 1]] / log2(place + 1) for place in hits)
            best = sorted(wanted.values(), reverse=True)[:k]
            values[f"hit_at_{k}"].append(bool(hits))
            values[f"recall_at_{k}"].append(len(hits) / len(wanted))
            values[f"precision_at_{k}"].append(len(hits) / k)
            values[f"mrr_at_{k}"].append(1 / hits[0] if hits else 0)
            values[f"ndcg_at_{k}"].append(gain / sum(w / log2(place + 1) for place, w in enumerate(best, 1)))
    return lists, values


@given(tables, sizes)
def test_the_values_are_those_of_a_plain_reckoning(rng: np.random.Generator, size: tuple[int, int]) -> None:
    scores, chosen, seen = drawn(rng, size)
    before = scores.copy()
    lists = top_gifts(scores.__getitem__, csr_array(seen))
    values = choice_values(lists, csr_array(chosen), csr_array(seen))
    expected_lists, expected = plainly(scores, chosen, seen)
    assert [[gift for gift in row if gift >= 0] for row in lists.tolist()] == expected_lists
    assert list(values) == NAMES
    for name, value in values.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(scores, before)


@given(tables, sizes)
def test_the_weights_themselves_are_the_best_scores(rng: np.random.Generator, size: tuple[int, int]) -> None:
    scores, chosen, seen = drawn(rng, size)
    best = choice_metrics(chosen, csr_array(chosen), csr_array(seen))
    for name, value in choice_metrics(scores, csr_array(chosen), csr_array(seen)).items():
        if name in NAMES:
            assert 0 <= value <= best[name] + 1e-12, name
            if name.startswith(("hit", "ndcg", "mrr")):
                assert best[name] == pytest.approx(1), name


@given(tables, sizes)
def test_more_places_are_no_worse_but_for_precision(rng: np.random.Generator, size: tuple[int, int]) -> None:
    scores, chosen, seen = drawn(rng, size)
    metrics = choice_metrics(scores, csr_array(chosen), csr_array(seen))
    for name in ("hit", "recall", "mrr"):
        found = [metrics[f"{name}_at_{k}"] for k in PLACES if f"{name}_at_{k}" in metrics]
        assert found == sorted(found)
    assert all(metrics[name] <= metrics["hit_at_10"] for name in NAMES if name in metrics)


@given(tables, sizes)
def test_portions_of_people_change_nothing(rng: np.random.Generator, size: tuple[int, int]) -> None:
    scores, chosen, seen = drawn(rng, size)
    whole = choice_metrics(scores, csr_array(chosen), csr_array(seen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choices, "CELLS", 1)
        assert choice_metrics(scores, csr_array(chosen), csr_array(seen)) == whole


def test_chance_is_the_mean_of_many_drawn_rankings() -> None:
    rng = np.random.default_rng(0)
    _, chosen, seen = drawn(rng, (4, 12))
    expected = chance_values(csr_array(chosen), csr_array(seen))
    draws = 4000
    many, had = (csr_array(np.tile(table, (draws, 1))) for table in (chosen, seen))
    lists = top_gifts(rng.random((4 * draws, 12)).__getitem__, had)
    for name, value in choice_values(lists, many, had).items():
        mean = value.reshape(draws, -1).mean(axis=0)
        np.testing.assert_allclose(mean, expected[name], atol=4 * 0.5 / np.sqrt(draws), err_msg=name)


def test_chance_is_what_combinatorics_says() -> None:
    chosen, seen = np.zeros((1, 20)), np.zeros((1, 20))
    chosen[0, :3], seen[0, 15:] = 1, 1
    values = {name: value.item() for name, value in chance_values(csr_array(chosen), csr_array(seen)).items()}
    assert values["hit_at_3"] == pytest.approx(1 - comb(12, 3) / comb(15, 3))
    assert values["recall_at_10"] == pytest.approx(10 / 15)
    for name in ("hit", "precision", "ndcg", "mrr"):
        assert values[f"{name}_at_1"] == pytest.approx(3 / 15)


@given(tables, sizes)
def test_the_uneven_use_of_gifts_is_the_mean_difference_of_any_two(
    rng: np.random.Generator, size: tuple[int, int]
) -> None:
    scores, _, seen = drawn(rng, size)
    lists = top_gifts(scores.__getitem__, csr_array(seen))
    shown = np.array([(lists == gift).sum() for gift in range(size[1])])
    found = exposure_metrics(lists, size[1])
    assert found["coverage"] == (shown > 0).mean()
    assert 0 <= found["gini"] < 1
    if shown.any():
        pairs = np.abs(shown[:, None] - shown)
        assert found["gini"] == pytest.approx(pairs.mean() / (2 * shown.mean()))


def test_what_was_chosen_but_seen_before_is_not_asked_for() -> None:
    chosen, seen = sparse([[1, 1], [1, 0]]), sparse([[1, 0], [1, 0]])
    values = choice_values(top_gifts(np.zeros((2, 2)).__getitem__, seen), chosen, seen)
    assert values["recall_at_1"].tolist() == [1.0]


def test_where_nobody_chose_there_is_no_mean() -> None:
    nothing = sparse([[0, 0, 0]])
    metrics = choice_metrics(np.array([[1.0, 2.0, 3.0]]), nothing, nothing)
    assert list(metrics) == ["coverage", "gini"]
    assert means(chance_values(nothing, nothing)) == {}


@pytest.mark.parametrize("cells", [1, 1000])
def test_nan_is_refused_with_its_row_and_so_is_a_wrong_shape(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "CELLS", cells)
    scores = np.zeros((3, 2))
    scores[2, 1] = np.nan
    nothing = csr_array((3, 2))
    with pytest.raises(ValueError, match="NaN in row 2"):
        choice_metrics(scores, nothing, nothing)
    with pytest.raises(ValueError, match=r"shape \(3, 2\).*found \(2, 2\)"):
        choice_metrics(scores[:2], nothing, nothing)


def test_single_precision_ranks_as_it_stands() -> None:
    scores: NDArray[Any] = np.array([[0.1, 0.2]], dtype=np.float32)
    assert top_gifts(scores.__getitem__, csr_array((1, 2)))[0, :2].tolist() == [1, 0]
