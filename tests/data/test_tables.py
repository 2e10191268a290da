"""Records as columns: nothing lost, nothing moved."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.sample_files import VOCABULARY
from trm_np.data.records import Gift, Offer, Profile, Scenario
from trm_np.data.tables import (
    AGE_GROUPS,
    BUDGET_TIERS,
    Bools,
    Ints,
    Rows,
    age_group,
    budget_tier,
    gift_table,
    implied_categories,
    label_table,
    profile_table,
)


def some_of(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), unique=True).map(tuple)


PROFILES = st.builds(
    Profile,
    age=st.none() | st.floats(0, 120),
    hobbies=some_of(VOCABULARY.hobbies),
    relationship=st.none() | st.sampled_from(VOCABULARY.relationships),
    budget=st.none() | st.floats(0.01, 1e6),
    occasion=st.none() | st.sampled_from(VOCABULARY.occasions),
    preferences=some_of(VOCABULARY.preferences),
)


def gift(identifier: str, category: str, *tags: str) -> Gift:
    offers = (Offer("Corner Shop", 10.0, 1),)
    return Gift(
        identifier,
        identifier,
        category,
        10.0,
        4.0,
        tags,
        (18, 80),
        ("wedding",),
        offers,
        1,
        (1,) * 5,
        (1,) * 12,
    )


def named(index: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(names[i] for i in index if i >= 0)


@given(st.lists(PROFILES))
def test_a_table_of_profiles_can_be_read_back(profiles: list[Profile]) -> None:
    table = profile_table(profiles, VOCABULARY)
    assert len(table) == len(profiles)
    assert table.hobbies.shape == (len(profiles), max([1, *(len(p.hobbies) for p in profiles)]))
    assert table.preferences.shape == (len(profiles), max([1, *(len(p.preferences) for p in profiles)]))
    read_back = [
        Profile(
            None if np.isnan(table.age[row]) else table.age[row],
            named(table.hobbies[row], VOCABULARY.hobbies),
            next(iter(named(table.relationship[row : row + 1], VOCABULARY.relationships)), None),
            None if np.isnan(table.budget[row]) else table.budget[row],
            next(iter(named(table.occasion[row : row + 1], VOCABULARY.occasions)), None),
            named(table.preferences[row], VOCABULARY.preferences),
        )
        for row in range(len(table))
    ]
    assert read_back == profiles


def test_lists_keep_their_order_and_are_filled_up_at_the_end() -> None:
    table = profile_table([Profile(hobbies=("reading", "garden")), Profile(hobbies=("cooking",))], VOCABULARY)
    assert table.hobbies.tolist() == [[2, 0], [1, -1]]
    assert table.preferences.tolist() == [[-1], [-1]]
    assert table.relationship.tolist() == table.occasion.tolist() == [-1, -1]


@given(st.lists(PROFILES, min_size=1), st.data())
def test_taking_rows_is_making_the_table_of_those_profiles(
    profiles: list[Profile], data: st.DataObject
) -> None:
    index = data.draw(st.lists(st.integers(0, len(profiles) - 1)))
    taken = profile_table(profiles, VOCABULARY).take(np.array(index, dtype=np.int64))
    made = profile_table([profiles[i] for i in index], VOCABULARY)
    for field in ("age", "budget", "relationship", "occasion"):
        np.testing.assert_array_equal(getattr(taken, field), getattr(made, field))
    for field in ("hobbies", "preferences"):  # the taken table keeps its width
        narrow = getattr(made, field)
        np.testing.assert_array_equal(getattr(taken, field)[:, : narrow.shape[1]], narrow)
        assert (getattr(taken, field)[:, narrow.shape[1] :] == -1).all()


def test_labels_mark_what_is_expected() -> None:
    scenarios = [
        Scenario("a", Profile(), ("library", "garden"), ("trend",)),
        Scenario("b", Profile(), ("kitchen",), ("compare", "review")),
    ]
    labels = label_table(scenarios, VOCABULARY)
    assert labels.categories.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert labels.tools.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert labels.take([1]).tools.tolist() == [[1, 1, 0]]


def test_gifts_become_columns_and_can_be_taken() -> None:
    table = gift_table([gift("spade", "garden", "garden", "luxury"), gift("novel", "library")], VOCABULARY)
    assert table.ids == ("spade", "novel")
    assert table.category.tolist() == [0, 2]
    assert table.hobby_tags.tolist() == [[True, False, False], [False, False, False]]
    assert table.preference_tags.tolist() == [[False, True], [False, False]]
    assert table.occasions.tolist() == [[False, True], [False, True]]
    assert table.age_range.tolist() == [[18, 80], [18, 80]]
    swapped = table.take([1, 0])
    assert swapped.ids == ("novel", "spade")
    assert swapped.category.tolist() == [2, 0]
    assert swapped.hobby_tags.tolist() == [[False, False, False], [True, False, False]]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="knitting"):
        profile_table([Profile(hobbies=("knitting",))], VOCABULARY)
    with pytest.raises(KeyError, match="knitting"):
        gift_table([gift("wool", "garden", "knitting")], VOCABULARY)


def test_a_hobby_names_its_own_category_and_implies_those_where_half_the_gifts_carry_it() -> None:
    gifts = [
        gift("pan", "kitchen", "cooking", "garden"),
        gift("herb_pots", "kitchen", "cooking", "garden"),
        gift("knife", "kitchen", "cooking"),
        gift("recipe_book", "library", "cooking", "reading"),
        gift("novel", "library", "reading"),
        gift("spade", "garden"),
    ]
    implied = implied_categories(gift_table(gifts, VOCABULARY), VOCABULARY)
    by_hobby = {
        hobby: [category for category, on in zip(VOCABULARY.categories, row, strict=True) if on]
        for hobby, row in zip(VOCABULARY.hobbies, implied, strict=True)
    }
    assert by_hobby == {
        "garden": ["garden", "kitchen"],  # named though no gift carries it; two of three kitchen gifts do
        "cooking": ["kitchen", "library"],  # three of three, and exactly half
        "reading": ["library"],
    }


def test_a_category_without_gifts_is_implied_by_nothing() -> None:
    implied = implied_categories(gift_table([gift("pan", "kitchen", "cooking")], VOCABULARY), VOCABULARY)
    assert implied[:, VOCABULARY.categories.index("library")].tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (0, 0),
        (19, 0),
        (25, 0),
        (25.9, 0),
        (26, 1),
        (35, 1),
        (36, 2),
        (45, 2),
        (46, 3),
        (55, 3),
        (56, 4),
        (120, 4),
    ],
)
def test_an_age_belongs_to_the_group_of_its_completed_years(age: float, group: int) -> None:
    assert age_group(age) == group


def test_groups_and_tiers_have_their_own_bounds_and_nan_has_none() -> None:
    for index, (youngest, oldest) in enumerate(AGE_GROUPS):
        assert age_group([youngest, oldest, np.nan]).tolist() == [index, index, -1]
    for index, (above, top) in enumerate(BUDGET_TIERS):
        assert budget_tier([above + 0.01, min(top, 1e6), np.nan]).tolist() == [index, index, -1]


@given(st.lists(st.floats(0, 1e6), min_size=2))
def test_a_larger_number_is_never_in_a_lower_group_or_tier(values: list[float]) -> None:
    ordered = np.sort(values)
    assert (np.diff(age_group(ordered)) >= 0).all()
    assert (np.diff(budget_tier(ordered)) >= 0).all()


@dataclass(frozen=True, eq=False)
class Inner(Rows):
    number: Ints


@dataclass(frozen=True, eq=False)
class Outer(Rows):
    shared = ("common",)

    ids: tuple[str, ...]
    marks: Bools
    inner: Inner
    unknown: Ints | None
    common: Ints


@pytest.mark.parametrize(
    "index", [[2, 0, 2], slice(1, None), np.array([True, False, True]), np.array([], int)]
)
def test_rows_are_taken_from_every_field_but_the_shared_ones(index: Any) -> None:
    marks, common = np.eye(3, dtype=bool), np.arange(7)
    taken = Outer(("a", "b", "c"), marks, Inner(np.arange(3)), None, common).take(index)
    rows = np.arange(3)[index].tolist()
    assert taken.ids == tuple("abc"[row] for row in rows)
    assert np.array_equal(taken.marks, marks[rows]) and taken.inner.number.tolist() == rows
    assert taken.unknown is None and taken.common is common
