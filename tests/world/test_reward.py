"""The true reward: worked examples, properties, and a plain reference implementation."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.world.small_world import GIFTS, PROFILES, VOCABULARY, gift, random_gifts
from trm_np.data.records import Gift, Profile
from trm_np.data.tables import Bools, GiftTable, ProfileTable, gift_table, implied_categories, profile_table
from trm_np.world import reward as world
from trm_np.world.reward import (
    COMPONENTS,
    WEIGHTS,
    best_lists,
    gift_similarity,
    list_reward,
    reward,
    reward_components,
)

World = tuple[ProfileTable, GiftTable, Bools]
SOME_PROFILES = st.lists(PROFILES, min_size=1, max_size=4)


def tables(profiles: list[Profile], gifts: list[Gift]) -> World:
    gift_columns = gift_table(gifts, VOCABULARY)
    return profile_table(profiles, VOCABULARY), gift_columns, implied_categories(gift_columns, VOCABULARY)


def components(profile: Profile, gift: Gift, *others: Gift) -> dict[str, float]:
    """The components of one gift for one profile, in a catalogue of this gift and the others."""
    values = reward_components(*tables([profile], [gift, *others]))[0, 0]
    return dict(zip(COMPONENTS, values.tolist(), strict=True))


GARDENER = Profile(30, ("garden", "reading", "painting"), "mother", 100, "birthday", ("practical",))


def test_a_worked_example() -> None:
    # A kitchen book for 110 dollars, for a gardener of 30 who reads, with 100 dollars to spend.
    book = gift(
        "kitchen",
        110,
        ("cooking", "reading", "practical"),
        rating=4.5,
        age_range=(36, 80),
        occasions=("wedding",),
    )
    pan = gift("kitchen", 60, ("cooking",))
    assert components(GARDENER, book, pan, pan) == pytest.approx(
        {
            "category": 0.4,  # no hobby points to kitchen, but a preference matches
            "budget": 0.6,  # 10 % above the budget, of the 25 % until nothing is left
            "hobby": 0.5,  # one hobby, where two are enough
            "occasion": 0.3,  # not meant for birthdays
            "age": 0.6,  # six years too young, of the 15 until nothing is left
            "quality": 0.75,  # 4.5 stars between 3 and 5
            "diversity": 1.0,  # nothing picked yet
        }
    )
    expected = 0.25 * 0.4 + 0.2 * 0.6 + 0.2 * 0.5 + 0.1 * 0.3 + 0.1 * 0.6 + 0.1 * 0.75 + 0.05 * 1.0
    assert reward(*tables([GARDENER], [book, pan, pan]))[0, 0] == pytest.approx(expected)


def test_the_perfect_gift_is_worth_one() -> None:
    spade = gift("garden", 80, ("garden", "reading"), rating=5.0)
    assert reward(*tables([GARDENER], [spade]))[0, 0] == pytest.approx(1.0)


def test_a_hobby_matches_its_own_category_and_those_it_implies() -> None:
    novel = gift("library", tags=("reading",))
    assert components(GARDENER, gift("garden"))["category"] == 1.0
    assert components(GARDENER, novel)["category"] == 1.0
    assert components(GARDENER, gift("kitchen"))["category"] == 0.0


def test_two_common_hobbies_give_the_full_hobby_component() -> None:
    one, two, three = ("garden",), ("garden", "reading"), ("garden", "reading", "painting")
    assert [components(GARDENER, gift(tags=tags))["hobby"] for tags in (one, two, three)] == [0.5, 1.0, 1.0]
    assert components(replace(GARDENER, hobbies=("garden",)), gift(tags=one))["hobby"] == 1.0


@pytest.mark.parametrize(
    ("price", "value"), [(1e-9, 0.5), (25, 0.75), (50, 1), (100, 1), (112.5, 0.5), (125, 0), (900, 0)]
)
def test_budget_by_price_for_a_budget_of_100(price: float, value: float) -> None:
    assert components(GARDENER, gift(price=price))["budget"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("age", "value"), [(20, 1), (60, 1), (12.5, 0.5), (5, 0), (67.5, 0.5), (75, 0), (110, 0)]
)
def test_age_for_a_gift_from_20_to_60(age: float, value: float) -> None:
    assert components(replace(GARDENER, age=age), gift())["age"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("profile", "unknown"),
    [
        (replace(GARDENER, age=None), {"age"}),
        (replace(GARDENER, budget=None), {"budget"}),
        (replace(GARDENER, occasion=None), {"occasion"}),
        (replace(GARDENER, hobbies=()), {"category", "hobby"}),
        (replace(GARDENER, relationship=None), set()),
        (replace(GARDENER, preferences=()), set()),
        (Profile(), {"age", "budget", "occasion", "category", "hobby"}),
    ],
)
def test_a_missing_field_is_neutral(profile: Profile, unknown: set[str]) -> None:
    spade = gift("garden", tags=("garden", "reading"))
    known = components(GARDENER, spade)
    for name, value in components(profile, spade).items():
        assert value == (0.5 if name in unknown else known[name])


def test_weights_sum_to_one_with_one_for_each_component() -> None:
    assert WEIGHTS.shape == (len(COMPONENTS),) == (7,)
    assert math.fsum(WEIGHTS) == pytest.approx(1.0)
    assert (WEIGHTS > 0).all()


@given(SOME_PROFILES, st.lists(GIFTS, min_size=1, max_size=6), st.data())
def test_every_component_and_the_reward_lie_between_0_and_1(
    profiles: list[Profile], gifts: list[Gift], data: st.DataObject
) -> None:
    shape = (len(profiles), len(gifts))
    flags = data.draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    picked = np.array(flags).reshape(shape)
    parts = reward_components(*tables(profiles, gifts), picked)
    assert parts.shape == (*shape, 7)
    assert ((parts >= 0) & (parts <= 1)).all()
    total = reward(*tables(profiles, gifts), picked)
    assert total.shape == shape
    assert ((total >= 0) & (total <= 1)).all()
    np.testing.assert_allclose(total, parts @ WEIGHTS, atol=1e-15)


@given(SOME_PROFILES, st.lists(GIFTS, min_size=1, max_size=6))
def test_it_agrees_with_a_plain_reference_implementation(profiles: list[Profile], gifts: list[Gift]) -> None:
    expected = [[second_opinion(profile, gift, gifts) for gift in gifts] for profile in profiles]
    np.testing.assert_allclose(reward_components(*tables(profiles, gifts))[:, :, :6], expected, atol=1e-12)


def second_opinion(profile: Profile, gift: Gift, gifts: list[Gift]) -> list[float]:
    """A plain reference implementation of the first six components, from the records."""
    peers = [other for other in gifts if other.category == gift.category]
    wanted = any(
        hobby == gift.category or sum(hobby in peer.tags for peer in peers) >= len(peers) / 2
        for hobby in profile.hobbies
    )
    preferred = any(preference in gift.tags for preference in profile.preferences)
    hits = sum(hobby in gift.tags for hobby in profile.hobbies)
    low, high = gift.age_range
    category = hobby_share = budget = occasion = age = 0.5
    if profile.hobbies:
        category = 1.0 if wanted else 0.4 if preferred else 0.0
        hobby_share = min(1.0, hits / min(2, len(profile.hobbies)))
    if profile.budget is not None:
        share = gift.price / profile.budget
        budget = max(0.0, 1 - (share - 1) / 0.25) if share > 1 else min(1.0, 0.5 + share)
    if profile.occasion is not None:
        occasion = 1.0 if profile.occasion in gift.occasions else 0.3
    if profile.age is not None:
        outside = max(low - profile.age, profile.age - high, 0)
        age = max(0.0, 1 - outside / 15)
    quality = min(max((gift.rating - 3) / 2, 0.0), 1.0)
    return [category, budget, hobby_share, occasion, age, quality]


@given(st.floats(0.01, 1000), st.lists(st.floats(0.01, 2000), min_size=2))
def test_the_budget_component_falls_only_above_the_budget(budget: float, prices: list[float]) -> None:
    prices = sorted(prices)
    gifts = [gift(price=price) for price in prices]
    value = reward_components(*tables([Profile(budget=budget)], gifts))[0, :, 1]
    within = np.array(prices) <= budget
    assert (np.diff(value[within]) >= 0).all()
    assert (np.diff(value[~within]) <= 0).all()
    # It is continuous: one percent of the budget changes it by at most four percent.
    assert (np.abs(np.diff(value)) <= 4 * np.diff(prices) / budget + 1e-9).all()


@given(PROFILES, GIFTS, st.floats(1, 5))
def test_a_better_rating_never_lowers_the_reward(profile: Profile, worse: Gift, rating: float) -> None:
    better = replace(worse, rating=max(rating, worse.rating))
    values = reward(*tables([profile], [worse, better]))[0]
    assert values[1] >= values[0]


@given(PROFILES, st.lists(GIFTS, min_size=2, max_size=6), st.data())
def test_a_picked_gift_lowers_the_diversity_of_similar_gifts(
    profile: Profile, gifts: list[Gift], data: st.DataObject
) -> None:
    world_tables = tables([profile], gifts)
    choice = data.draw(st.integers(0, len(gifts) - 1))
    picked = np.arange(len(gifts))[None] == choice
    diversity = reward_components(*world_tables, picked)[0, :, 6]
    np.testing.assert_allclose(diversity, 1 - gift_similarity(world_tables[1], world_tables[1])[choice])
    assert diversity[choice] == 0
    assert (reward(*world_tables, picked) <= reward(*world_tables)).all()


def test_diversity_averages_over_the_picked_gifts() -> None:
    spade, pan, novel = (
        gift("garden", tags=("garden",)),
        gift("kitchen"),
        gift("library", tags=("garden", "quiet")),
    )
    picked = np.array([[True, True, False]])
    diversity = reward_components(*tables([GARDENER], [spade, pan, novel]), picked)[0, 2, 6]
    # The novel shares one of two tags with the spade, and none with the pan.
    assert diversity == pytest.approx(1 - (0.25 + 0.0) / 2)


@given(st.lists(GIFTS, min_size=1, max_size=6))
def test_similarity_is_symmetric_and_one_to_itself(gifts: list[Gift]) -> None:
    table = gift_table(gifts, VOCABULARY)
    similarity = gift_similarity(table, table)
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_array_equal(np.diag(similarity), 1.0)
    assert ((similarity >= 0) & (similarity <= 1)).all()


@given(PROFILES, st.lists(GIFTS, min_size=3, max_size=6), st.permutations(range(3)))
def test_the_reward_of_a_list_is_the_mean_of_its_gifts_given_those_before(
    profile: Profile, gifts: list[Gift], order: list[int]
) -> None:
    world_tables = tables([profile], gifts)
    first, second, third = order
    values = []
    for gift_index, before in ((first, []), (second, [first]), (third, [first, second])):
        picked = np.isin(np.arange(len(gifts)), before)[None]
        values.append(reward(*world_tables, picked)[0, gift_index])
    assert list_reward(*world_tables, np.array([order]))[0] == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ([[0, 1, 0]], "same gift twice"),
        ([[0, 1, 3]], "from 0 to 2"),
        ([[-1, 1, 2]], "from 0 to 2"),
        ([0, 1, 2], "gift indices, found shape"),
        ([[0], [1]], "gift indices, found shape"),
        ([[]], "gift indices, found shape"),
    ],
)
def test_an_invalid_list_is_refused(choices: list[object], says: str) -> None:
    world_tables = tables([GARDENER], [gift(), gift("kitchen"), gift("library")])
    with pytest.raises(ValueError, match=says):
        list_reward(*world_tables, np.array(choices, dtype=np.int64))


def by_exhaustion(world_tables: World, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every ordered list of k gifts, and its reward for the one profile."""
    profiles, gifts, implied = world_tables
    lists = np.array(list(permutations(range(len(gifts)), k)))
    same_profile = profiles.take(np.zeros(len(lists), dtype=np.int64))
    return lists, list_reward(same_profile, gifts, implied, lists)


@given(PROFILES, st.lists(GIFTS, min_size=3, max_size=6), st.integers(1, 3))
def test_no_list_beats_the_best_list(profile: Profile, gifts: list[Gift], k: int) -> None:
    world_tables = tables([profile], gifts)
    choices, value = best_lists(*world_tables, k)
    assert choices.shape == (1, k)
    assert value[0] == pytest.approx(by_exhaustion(world_tables, k)[1].max(), abs=1e-12)
    np.testing.assert_array_equal(list_reward(*world_tables, choices), value)


def test_the_best_list_is_found_if_the_greedy_one_is_not_best() -> None:
    # The single best gift is similar to all others. The two next best have nothing in common.
    gifts = [
        gift("garden", tags=("garden", "cooking"), rating=4.1),
        gift("garden", tags=("garden",), rating=4.0),
        gift("kitchen", tags=("cooking",), rating=4.0),
    ]
    world_tables = tables([Profile()], gifts)
    assert reward(*world_tables)[0].argmax() == 0
    assert sorted(best_lists(*world_tables, 2)[0][0].tolist()) == [1, 2]


@pytest.mark.parametrize("cells", [1, 50, 2**20])
def test_the_search_over_many_gifts_is_exact_whatever_its_memory(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = [GARDENER, replace(GARDENER, hobbies=("cooking",), budget=60), Profile(age=40)]
    profile_columns, gifts, implied = tables(profiles, random_gifts(np.random.default_rng(5), 18))
    exhausted = [by_exhaustion((profile_columns.take([row]), gifts, implied), 3) for row in range(3)]
    monkeypatch.setattr(world, "CELLS", cells)
    choices, values = best_lists(profile_columns, gifts, implied)
    for row, (lists, rewards) in enumerate(exhausted):
        value = values[row]
        assert value == pytest.approx(rewards.max(), abs=1e-12)
        assert rewards[(lists == choices[row]).all(axis=1)] == pytest.approx(rewards.max(), abs=1e-12)


def test_the_search_over_a_thousand_gifts_is_exact() -> None:
    world_tables = tables([GARDENER], random_gifts(np.random.default_rng(6), 1000))
    choices, value = best_lists(*world_tables)
    swaps = np.array([[*choices[0, :2], other] for other in range(1000) if other not in choices[0]])
    same_profile = world_tables[0].take(np.zeros(len(swaps), dtype=np.int64))
    assert (list_reward(same_profile, *world_tables[1:], swaps) <= value[0] + 1e-12).all()


def test_a_list_longer_than_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="a list of 3 cannot be made from 2 gifts"):
        best_lists(*tables([GARDENER], [gift(), gift()]))


def test_equal_gifts_have_equal_rewards_to_the_last_bit() -> None:
    values = reward(*tables([GARDENER] * 3, random_gifts(np.random.default_rng(7), 5) * 3))
    np.testing.assert_array_equal(values[:, :5], values[:, 5:10])
    np.testing.assert_array_equal(values[0], values[2])


def test_the_reward_of_a_profile_does_not_depend_on_other_profiles() -> None:
    profiles, gifts, implied = tables(
        [GARDENER, replace(GARDENER, age=70), Profile()], random_gifts(np.random.default_rng(8), 7)
    )
    together = reward(profiles, gifts, implied)
    for row in range(3):
        np.testing.assert_array_equal(reward(profiles.take([row]), gifts, implied), together[[row]])


def test_a_tiny_budget_gives_zero_without_a_warning() -> None:
    assert components(replace(GARDENER, budget=5e-324), gift())["budget"] == 0.0
