"""Large catalogues: rewards in portions and pruned searches give the same results as exhaustive ones."""

import tracemalloc
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trm_np.world.reward as world
from tests.world.small_world import GIFTS, PROFILES, VOCABULARY, gift, random_gifts
from trm_np.data.records import Gift, Profile
from trm_np.data.tables import (
    Bools,
    GiftTable,
    ProfileTable,
    gift_table,
    implied_categories,
    portions,
    profile_table,
)
from trm_np.world.reward import best_lists, gift_similarity, list_reward, reward, reward_components

World = tuple[ProfileTable, GiftTable, Bools]
# Few kinds and ratings, so that equal gifts, and equal ones with other rewards, are frequent.
SIMILAR_GIFTS = st.builds(
    gift,
    category=st.sampled_from(VOCABULARY.categories[:2]),
    tags=st.sampled_from([(), ("garden",), ("garden", "cooking"), ("quiet",)]),
    rating=st.sampled_from([4.0, 4.1, 4.2]),
)


def tables(profiles: list[Profile], gifts: list[Gift]) -> World:
    table = gift_table(gifts, VOCABULARY)
    return profile_table(profiles, VOCABULARY), table, implied_categories(table, VOCABULARY)


@given(st.integers(0, 50), st.integers(0, 20), st.integers(1, 60))
def test_portions_cover_all_rows_in_order_within_the_limit(rows: int, width: int, cells: int) -> None:
    parts = [np.arange(rows)[part] for part in portions(rows, width, cells)]
    assert [row for part in parts for row in part] == list(range(rows))
    assert all(1 <= len(part) <= max(1, cells // max(width, 1)) for part in parts)


# -------------------------------------------------------------------------------------- in portions


@given(
    st.lists(PROFILES, min_size=1, max_size=5),
    st.lists(GIFTS, min_size=3, max_size=7),
    st.integers(1, 20),
    st.data(),
)
def test_the_reward_in_portions_has_the_same_bits(
    profiles: list[Profile], gifts: list[Gift], cells: int, data: st.DataObject
) -> None:
    world_tables = tables(profiles, gifts)
    lists = data.draw(st.lists(st.permutations(range(3)), min_size=len(profiles), max_size=len(profiles)))
    picked = np.arange(len(gifts)) == np.array(lists)[:, :1]
    whole = reward(*world_tables, picked), list_reward(*world_tables, np.array(lists))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world, "CELLS", cells)
        parts = reward(*world_tables, picked), list_reward(*world_tables, np.array(lists))
    for part, all_at_once in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(part, all_at_once)


@given(PROFILES, st.lists(GIFTS, min_size=2, max_size=7), st.data())
def test_diversity_is_one_minus_the_mean_similarity_to_picked_gifts(
    profile: Profile, gifts: list[Gift], data: st.DataObject
) -> None:
    world_tables = tables([profile, profile], gifts)
    picked = np.array(data.draw(st.lists(st.booleans(), min_size=2 * len(gifts), max_size=2 * len(gifts))))
    picked = picked.reshape(2, -1)
    diversity = reward_components(*world_tables, picked)[:, :, 6]
    similarity = gift_similarity(world_tables[1], world_tables[1])
    for row in range(2):
        listed = np.flatnonzero(picked[row])
        expected = 1 - similarity[listed].mean(axis=0) if len(listed) else np.ones(len(gifts))
        np.testing.assert_allclose(diversity[row], expected, rtol=0, atol=1e-12)


@given(st.lists(GIFTS, min_size=1, max_size=6), st.data())
def test_the_similarity_of_some_gifts_equals_rows_of_the_full_matrix(
    gifts: list[Gift], data: st.DataObject
) -> None:
    table = gift_table(gifts, VOCABULARY)
    rows = data.draw(st.lists(st.integers(0, len(gifts) - 1)))
    part = gift_similarity(table.take(np.array(rows, dtype=np.int64)), table)
    np.testing.assert_array_equal(part, gift_similarity(table, table)[rows])


# --------------------------------------------------------------------------------------- the search


def best_by_exhaustion(world_tables: World, k: int) -> float:
    """The reward of the best list, by exhaustive search."""
    profiles, gifts, implied = world_tables
    lists = np.array(list(permutations(range(len(gifts)), k)))
    same_profile = profiles.take(np.zeros(len(lists), dtype=np.int64))
    return float(list_reward(same_profile, gifts, implied, lists).max())


@given(PROFILES, st.lists(SIMILAR_GIFTS | GIFTS, min_size=4, max_size=7), st.integers(1, 4))
def test_no_list_beats_the_best_one_among_near_duplicates(
    profile: Profile, gifts: list[Gift], k: int
) -> None:
    world_tables = tables([profile], gifts)
    choices, value = best_lists(*world_tables, k)
    assert value[0] == pytest.approx(best_by_exhaustion(world_tables, k), abs=1e-12)
    np.testing.assert_array_equal(list_reward(*world_tables, choices), value)


@pytest.mark.parametrize("seed", range(3))
def test_gifts_of_low_reward_do_not_change_the_best_list(seed: int) -> None:
    gifts = random_gifts(np.random.default_rng(seed), 30)
    poor = [gift("studio", price=10_000, rating=1.0, age_range=(0, 1), occasions=()) for _ in range(500)]
    profile = Profile(age=40, hobbies=("garden", "cooking"), budget=150, occasion="birthday")
    few, many = tables([profile], gifts), tables([profile], poor + gifts)
    implied = few[2]
    expected, value = best_lists(*few)
    found, same_value = best_lists(many[0], many[1], implied)
    np.testing.assert_array_equal(found, expected + len(poor))
    np.testing.assert_array_equal(same_value, value)


def test_only_the_best_gifts_of_each_kind_are_searched() -> None:
    # The greedy list starts with the first gift, which is similar to all others. The next two are the best pair.
    kinds = [
        ("garden", ("garden", "cooking"), 4.1),
        ("garden", ("garden",), 4.0),
        ("kitchen", ("cooking",), 4.0),
    ]
    gifts = [gift(category, tags=tags, rating=rating) for category, tags, rating in kinds]
    worse = [gift(category, tags=tags, rating=rating - 0.02) for category, tags, rating in kinds * 3]
    choices, _ = best_lists(*tables([Profile()], worse + gifts), 2)
    assert sorted(choices[0].tolist()) == [len(worse) + 1, len(worse) + 2]


def test_more_than_three_copies_of_each_gift_neither_improve_nor_slow_the_search() -> None:
    gifts = random_gifts(np.random.default_rng(4), 20)
    profiles = [Profile(), Profile(hobbies=("reading",), budget=80)]
    some, all_copies = tables(profiles, gifts * 3), tables(profiles, gifts * 300)
    np.testing.assert_array_equal(best_lists(*some)[0], best_lists(*all_copies)[0])


def test_twenty_thousand_gifts_need_no_quadratic_table() -> None:
    rng = np.random.default_rng(0)
    table = gift_table(random_gifts(rng, 200), VOCABULARY).take(rng.integers(0, 200, 20_000))
    profiles = profile_table([Profile(hobbies=("garden",), budget=100.0)] * 40, VOCABULARY)
    implied = implied_categories(table, VOCABULARY)
    tracemalloc.start()
    try:
        choices, _ = best_lists(profiles, table, implied)
        picked = np.zeros((40, 20_000), dtype=np.bool_)
        np.put_along_axis(picked, choices, True, axis=1)
        reward(profiles, table, implied, picked)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6  # a table of gifts by gifts has 3,200 MB
