"""The realised reward: worked examples of each difference to the reward, and properties of any list."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.realised import realised_reward
from tests.world.small_world import GIFTS, PROFILES, VOCABULARY, gift
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.tables import gift_table, implied_categories, profile_table
from trm_np.world.reward import WEIGHTS, list_reward
from trm_np.world.tools import review_analysis

CATEGORY, BUDGET, HOBBY, OCCASION, AGE, QUALITY, DIVERSITY = WEIGHTS.tolist()
GARDENER = Profile(30, ("garden",), "mother", 100, "birthday")
SPADE = gift("garden", 80, ("garden",), id="spade", reviews=(0, 0, 0, 0, 10**9))  # perfect, by many reviews
SPADE_WORTH = 1.0


def realised(
    gifts: list[Gift],
    choice: list[int],
    paid: list[float] | None = None,
    profile: Profile = GARDENER,
    days_left: float = 10,
) -> float:
    """The realised reward of one list. By default, the list prices are paid."""
    table = gift_table(gifts, VOCABULARY)
    prices = np.array(paid or [gifts[index].price for index in choice], dtype=np.float64)
    return float(
        realised_reward(
            profile_table([profile], VOCABULARY),
            gifts,
            table,
            implied_categories(table, VOCABULARY),
            np.array([choice]),
            prices[None],
            days_left,
        )[0]
    )


def plain(gifts: list[Gift], choice: list[int], profile: Profile = GARDENER) -> float:
    """The `list_reward` with ratings of the review analysis."""
    table = replace(gift_table(gifts, VOCABULARY), rating=review_analysis(gifts).rating)
    profiles = profile_table([profile], VOCABULARY)
    return float(list_reward(profiles, table, implied_categories(table, VOCABULARY), np.array([choice]))[0])


def test_the_perfect_gift_bought_in_time_is_worth_one() -> None:
    assert SPADE_WORTH - 1e-6 <= realised([SPADE], [0]) <= SPADE_WORTH


def test_the_rating_is_that_of_the_review_analysis() -> None:
    praised = replace(SPADE, rating=1.0)
    assert realised([praised], [0]) == pytest.approx(SPADE_WORTH)
    unknown = replace(SPADE, rating=5.0, reviews=(0,) * 5)  # three stars are expected
    assert realised([unknown], [0]) == pytest.approx(SPADE_WORTH - QUALITY)


def test_a_sold_out_gift_is_worth_nothing() -> None:
    sold_out = replace(SPADE, stock=0)
    assert realised([sold_out], [0]) == 0
    other = replace(SPADE, category="kitchen", tags=(), price=90.0, offers=(Offer("s", 90.0, 1),))
    assert realised([sold_out, other], [0, 1]) == pytest.approx(
        plain([sold_out, other], [0, 1]) - SPADE_WORTH / 2
    )


def test_a_late_gift_gets_nothing_for_the_occasion() -> None:
    slow = replace(SPADE, offers=(Offer("slow", 80, 11),))
    assert realised([slow], [0]) == pytest.approx(SPADE_WORTH - OCCASION)
    assert realised([slow], [0], days_left=11) == pytest.approx(SPADE_WORTH)


def test_a_lower_price_implies_the_delivery_of_the_cheaper_seller() -> None:
    two = replace(SPADE, offers=(Offer("fast", 80, 2), Offer("slow", 70, 12)))
    assert realised([two], [0], [80.0]) == pytest.approx(SPADE_WORTH)
    assert realised([two], [0], [70.0]) == pytest.approx(SPADE_WORTH - OCCASION)


def test_a_bargain_within_the_budget_looks_like_its_list_price() -> None:
    dear = replace(
        SPADE, price=115.0, offers=(Offer("full", 115, 2), Offer("less", 105, 2), Offer("half", 50, 2))
    )
    assert realised([dear], [0], [115.0]) == pytest.approx(1 - 0.6 * BUDGET)  # 15 of 25 % above the budget
    assert realised([dear], [0], [105.0]) == pytest.approx(1 - 0.2 * BUDGET)
    assert realised([dear], [0], [50.0]) == pytest.approx(SPADE_WORTH)
    cheap = replace(SPADE, price=50.0, offers=(Offer("full", 50, 2), Offer("less", 10, 2)))
    assert realised([cheap], [0], [10.0]) == pytest.approx(SPADE_WORTH)


def test_gifts_given_together_count_with_their_total_price() -> None:
    # Each gift for 20 of 100 dollars looks mean (0.7); together they cost 60. Beyond the budget they count separately.
    small = [
        replace(SPADE, category=category, price=20.0, offers=(Offer("s", 20, 1),))
        for category in ("garden", "kitchen", "library")
    ]
    apart = plain(small, [0, 1, 2])
    assert realised(small, [0, 1, 2]) == pytest.approx(apart + 0.3 * BUDGET)
    assert realised(small, [0]) == pytest.approx(SPADE_WORTH - 0.3 * BUDGET)
    reduced = [replace(each, offers=(Offer("s", 10, 1),)) for each in small]
    assert realised(reduced, [0, 1, 2], [10.0] * 3) == pytest.approx(apart + 0.3 * BUDGET)
    with_a_large_one = [*small[:2], replace(SPADE, price=61.0, offers=(Offer("s", 61, 1),))]
    # The budget covers the first two, which cost 40 together: 0.9 instead of 0.7.
    assert realised(with_a_large_one, [0, 1, 2]) == pytest.approx(
        plain(with_a_large_one, [0, 1, 2]) + 2 * 0.2 * BUDGET / 3
    )
    sold_out = replace(with_a_large_one[2], stock=0)  # it is not bought, and the others cost 40: 0.9
    two = realised([*small[:2], sold_out], [0, 1, 2])
    assert two == pytest.approx((2 * realised(small[:2], [0, 1])) / 3)


def test_gifts_given_together_share_their_hobby_tags() -> None:
    reader = replace(GARDENER, hobbies=("garden", "reading"), budget=160)
    novel = replace(SPADE, category="library", tags=("reading",))
    assert realised([SPADE], [0], profile=reader) == pytest.approx(1 - HOBBY / 2)
    assert realised([SPADE, novel], [0, 1], profile=reader) == pytest.approx(1.0)
    assert realised([SPADE, novel], [0, 1], profile=replace(reader, budget=159)) == pytest.approx(
        1 - HOBBY / 2
    )


def test_a_price_below_every_offer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spade cannot be bought for 79\.0: every offer costs more"):
        realised([SPADE], [0], [79.0])


@given(PROFILES, st.lists(GIFTS, min_size=3, max_size=5), st.permutations(range(3)), st.integers(0, 4))
def test_it_lies_between_0_and_1_and_only_lateness_and_stock_lower_it(
    profile: Profile, gifts: list[Gift], choice: list[int], days_left: int
) -> None:
    value = realised(gifts, choice, profile=profile, days_left=days_left)
    assert 0 <= value <= 1
    late = OCCASION if days_left < 2 else 0.0  # every seller of the small world takes two days
    assert value >= plain(gifts, choice, profile) - late - 1e-12
    empty = [replace(each, stock=0) for each in gifts]
    assert realised(empty, choice, profile=profile) == 0


@given(PROFILES, st.lists(GIFTS, min_size=2, max_size=4), st.floats(0.1, 1))
def test_paying_less_never_lowers_it(profile: Profile, gifts: list[Gift], share: float) -> None:
    lower = [share * each.price for each in gifts]
    offering = [
        replace(each, offers=(*each.offers, Offer("bargain", price, 2)))
        for each, price in zip(gifts, lower, strict=True)
    ]
    everything = list(range(len(gifts)))
    assert (
        realised(offering, everything, lower, profile)
        >= realised(offering, everything, None, profile) - 1e-12
    )


@given(st.lists(PROFILES, min_size=2, max_size=4), st.lists(GIFTS, min_size=3, max_size=4))
def test_the_reward_of_a_list_does_not_depend_on_other_lists(
    profiles: list[Profile], gifts: list[Gift]
) -> None:
    table = gift_table(gifts, VOCABULARY)
    choices = np.array([[row % 3, (row + 1) % 3] for row in range(len(profiles))])
    together = realised_reward(
        profile_table(profiles, VOCABULARY),
        gifts,
        table,
        implied_categories(table, VOCABULARY),
        choices,
        table.price[choices],
        10,
    )
    alone = [
        realised(gifts, choice, profile=profile)
        for choice, profile in zip(choices.tolist(), profiles, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-15)
