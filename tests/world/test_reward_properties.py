"""Properties of the reward: its bounds, and that a lower price down to the budget or a better rating never hurts."""

from dataclasses import replace

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tests.world.small_world import GIFTS, PROFILES, VOCABULARY, gift
from trm_np.data.records import Gift, Profile
from trm_np.data.tables import gift_table, implied_categories, profile_table
from trm_np.world.reward import list_reward, reward

OTHERS = st.lists(GIFTS, max_size=3)
GARDENER = Profile(30, ("garden",), "mother", 100, "birthday")
PERFECT = gift("garden", 80, ("garden",), rating=5.0)


def rewards(profile: Profile, gifts: list[Gift], picked: list[int]) -> np.ndarray:
    """The reward of each gift for one profile, given the picked gifts."""
    table = gift_table(gifts, VOCABULARY)
    before = np.isin(np.arange(len(gifts)), picked)[None]
    return reward(profile_table([profile], VOCABULARY), table, implied_categories(table, VOCABULARY), before)[
        0
    ]


@given(PROFILES, st.lists(GIFTS, min_size=1, max_size=5), st.sets(st.integers(0, 4)))
@example(GARDENER, [PERFECT], set())
def test_the_reward_stays_between_0_and_1(profile: Profile, gifts: list[Gift], picked: set[int]) -> None:
    values = rewards(profile, gifts, sorted(picked))
    assert ((values >= 0) & (values <= 1)).all()


@given(PROFILES, st.floats(0.01, 1000), GIFTS, OTHERS, st.floats(1, 3), st.floats(0, 1))
def test_a_price_that_falls_toward_the_budget_never_lowers_the_reward(
    profile: Profile, budget: float, dear: Gift, others: list[Gift], times: float, way: float
) -> None:
    high = budget * times
    low = budget + way * (high - budget)
    profile = replace(profile, budget=budget)
    before = rewards(profile, [replace(dear, price=high), *others], [])
    after = rewards(profile, [replace(dear, price=low), *others], [])
    assert after[0] >= before[0]
    np.testing.assert_array_equal(after[1:], before[1:])
    # The difference is real: between the budget and 125 % of it, a price lower by 5 % of the budget gives more.
    nearly = rewards(profile, [replace(dear, price=1.1 * budget), replace(dear, price=1.05 * budget)], [])
    assert nearly[1] > nearly[0]


@given(PROFILES, GIFTS, OTHERS, st.floats(1, 5), st.booleans())
def test_a_rating_that_rises_never_lowers_the_reward(
    profile: Profile, worse: Gift, others: list[Gift], rating: float, others_picked: bool
) -> None:
    picked = list(range(1, len(others) + 1)) if others_picked else []
    better = replace(worse, rating=max(rating, worse.rating))
    before = rewards(profile, [worse, *others], picked)
    after = rewards(profile, [better, *others], picked)
    assert after[0] >= before[0]
    np.testing.assert_array_equal(after[1:], before[1:])
    of_four, of_more = rewards(profile, [replace(worse, rating=4.0), replace(worse, rating=4.5)], [])
    assert of_more > of_four


@given(PROFILES, st.lists(GIFTS, min_size=3, max_size=5), st.integers(0, 2), st.floats(1, 5))
def test_both_properties_hold_for_whole_lists(
    profile: Profile, gifts: list[Gift], place: int, rating: float
) -> None:
    def of_list(changed: Gift) -> float:
        table = gift_table([*gifts[:place], changed, *gifts[place + 1 :]], VOCABULARY)
        profiles = profile_table([profile], VOCABULARY)
        return float(
            list_reward(profiles, table, implied_categories(table, VOCABULARY), np.array([[0, 1, 2]]))[0]
        )

    before = gifts[place]
    assert of_list(replace(before, rating=max(rating, before.rating))) >= of_list(before)
    if profile.budget is not None and before.price > profile.budget:
        assert of_list(replace(before, price=profile.budget)) >= of_list(before)
