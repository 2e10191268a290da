"""Unknown fields of a gift count neither for nor against it, in the reward and in every tool."""

import json
from dataclasses import fields, replace
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.realised import realised_reward
from tests.world.small_world import GIFTS, OPTIONAL, PROFILES, VOCABULARY, gift, partly_known
from trm_np.data.encode import content_width, encode_gifts
from trm_np.data.labelling import cheapest_prices
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.tables import gift_table, implied_categories, profile_table
from trm_np.recommend.reasons import found_as_data, found_in_words
from trm_np.world.reward import COMPONENTS, gift_similarity, reward, reward_components
from trm_np.world.tools import (
    TOOLS,
    UNSTATED,
    budget_optimizer,
    catalogue_star_shares,
    effective_price,
    inventory_check,
    price_comparison,
    price_paid,
    review_analysis,
    run_tools,
    trend_analysis,
)

NOTHING = dict.fromkeys(OPTIONAL, None)
SOMEBODY = Profile(30, ("garden", "reading"), "mother", 100, "birthday", ("practical",))
# The component that each field decides by itself.
DECIDES = {
    "price": "budget",
    "rating": "quality",
    "age_range": "age",
    "occasions": "occasion",
    "tags": "hobby",
}
WIDTH = content_width(VOCABULARY) + 9


def components(profile: Profile, gifts: list[Gift]) -> dict[str, Any]:
    table = gift_table(gifts, VOCABULARY)
    found = reward_components(
        profile_table([profile], VOCABULARY), table, implied_categories(table, VOCABULARY)
    )
    return dict(zip(COMPONENTS, found[0].T.tolist(), strict=True))


def test_all_fields_but_three_are_optional() -> None:
    assert {field.name for field in fields(Gift)} - set(OPTIONAL) == {"id", "name", "category"}


@given(PROFILES, st.lists(partly_known(GIFTS), min_size=1, max_size=6))
def test_the_reward_with_unknown_fields_lies_between_0_and_1(profile: Profile, gifts: list[Gift]) -> None:
    table = gift_table(gifts, VOCABULARY)
    implied = implied_categories(table, VOCABULARY)
    value = reward(profile_table([profile], VOCABULARY), table, implied)
    assert ((value >= 0) & (value <= 1)).all()


@pytest.mark.parametrize(("field", "component"), DECIDES.items())
def test_a_component_is_neutral_where_its_field_is_unknown_and_no_other_changes(
    field: str, component: str
) -> None:
    known = gift(tags=("garden", "reading"), age_range=(40, 60), rating=4.5)
    before, after = (components(SOMEBODY, [each, known]) for each in (known, replace(known, **{field: None})))
    assert after[component][0] == 0.5 != before[component][0]
    others = set(COMPONENTS) - {component}
    assert all(before[name] == after[name] for name in others)


def test_unknown_tags_are_neutral_in_the_category_component() -> None:
    known = [gift(category=category, tags=()) for category in ("garden", "kitchen")]
    unknown = [replace(each, tags=None) for each in known]
    assert components(SOMEBODY, [*known, *unknown])["category"] == [1.0, 0.0, 1.0, 0.5]


def test_implied_categories_count_only_gifts_with_known_tags() -> None:
    gifts = [gift("studio", tags=("reading",)), gift("studio", tags=()), gift("studio", tags=None)]
    table = gift_table(gifts, VOCABULARY)
    implied = implied_categories(table, VOCABULARY)
    reading, studio = VOCABULARY.hobbies.index("reading"), VOCABULARY.categories.index("studio")
    assert implied[reading, studio]
    assert not implied_categories(table.take([2]), VOCABULARY)[:, studio].any()


def test_unknown_tags_have_a_jaccard_index_of_one_half() -> None:
    gifts = gift_table([gift(tags=None), gift(tags=("garden",)), gift("kitchen", tags=None)], VOCABULARY)
    similar = gift_similarity(gifts, gifts)
    assert similar.tolist() == [[0.75, 0.75, 0.25], [0.75, 1.0, 0.25], [0.25, 0.25, 0.75]]


def test_unknown_fields_are_encoded_as_zeros_and_change_no_others() -> None:
    whole = gift(tags=("garden", "practical"), price=200.0)
    bare = Gift("bare", "Bare", "garden")
    inputs = encode_gifts(gift_table([whole, bare], VOCABULARY), VOCABULARY, WIDTH)
    alone = encode_gifts(gift_table([whole], VOCABULARY), VOCABULARY, WIDTH)
    for name, table in vars(inputs).items():
        assert (table[:1] == getattr(alone, name)).all() and np.isfinite(table).all()
    category = np.zeros(WIDTH)
    category[4 + VOCABULARY.categories.index("garden")] = 1.0
    assert (inputs.features[1] == category).all()
    assert not (inputs.price[1].any() or inputs.rating[1].any() or inputs.age_range[1].any())


# ------------------------------------------------------------------------------------------ the tools


def test_a_gift_without_offers_costs_its_list_price() -> None:
    found = price_comparison([gift(price=30.0, offers=None)])
    assert (found.offer, found.price.tolist(), found.saving.tolist()) == ((None,), [30.0], [0.0])
    assert price_paid(gift(price=30.0, offers=None)) == 30.0


def test_without_a_list_price_the_cheapest_offer_is_paid_and_the_saving_is_zero() -> None:
    offers = (Offer("Dear", 50.0, 1), Offer("Cheap", 20.0, 3))
    unlisted = gift(offers=offers)
    found = price_comparison([replace(unlisted, price=None)])
    assert found.offer == (offers[1],) and found.price.tolist() == [20.0] and found.saving.tolist() == [0.0]
    assert price_paid(replace(unlisted, price=None)) == 20.0
    assert isnan(price_paid(replace(unlisted, price=None, offers=None)))
    counted = effective_price(np.array([np.nan, np.nan, 40.0]), np.array([20.0, np.nan, 20.0]), 30.0)
    np.testing.assert_equal(counted, [20.0, np.nan, 30.0])


@pytest.mark.parametrize("days_left", [0, 10])
def test_unknown_stock_counts_as_available_and_in_time(days_left: float) -> None:
    found = inventory_check([gift(stock=None, offers=None), gift(stock=0, offers=None)], days_left)
    assert found.in_time.tolist() == [True, False]
    assert found.stock.tolist() == [UNSTATED, 0] and found.arrival_days.tolist() == [UNSTATED] * 2
    assert not inventory_check([gift(stock=None)], 1).in_time[0]


def test_unknown_reviews_give_the_prior_or_the_stated_rating() -> None:
    shares = catalogue_star_shares([gift(), gift(reviews=None)])
    assert (shares == catalogue_star_shares([gift()])).all()
    found = review_analysis([gift(reviews=None)], shares)
    assert found.rating[0] == pytest.approx(shares @ np.arange(1, 6)) and found.reviews[0] == UNSTATED
    nobody = review_analysis([gift(reviews=None, rating=4.5), gift(reviews=None, rating=None)])
    np.testing.assert_equal(nobody.rating, [4.5, np.nan])


def test_unknown_sales_have_no_direction() -> None:
    found = trend_analysis([gift(weekly_sales=None), gift(weekly_sales=tuple(range(12)))])
    assert found.direction.tolist() == [0, 1]
    assert np.isnan(found.slope[0]) and np.isnan(found.standard_error[0])


def test_a_gift_of_unknown_price_makes_its_category_affordable() -> None:
    gifts = [gift("garden", price=40.0), gift("garden", price=None), gift("kitchen", price=9.0)]
    assert cheapest_prices(gifts, VOCABULARY.categories) == {"garden": 0.0, "kitchen": 9.0}


@pytest.mark.parametrize("budget", [None, 100.0])
def test_gifts_of_unknown_price_are_in_no_bundle(budget: float | None) -> None:
    gifts = [gift(price=40.0), gift(price=None, offers=None), gift(price=50.0)]
    found = budget_optimizer(gifts, np.array([0.5, 0.9, 0.4]), budget)
    assert found.bundle == (0, 2) and found.price == 90.0


@settings(max_examples=2 * settings().max_examples)
@given(
    st.lists(partly_known(GIFTS), min_size=1, max_size=6), st.none() | st.floats(0.01, 500), st.integers(0, 9)
)
def test_every_tool_reports_unknown_fields_in_text_and_json(
    gifts: list[Gift], budget: float | None, days_left: int
) -> None:
    gifts = [replace(each, id=str(place)) for place, each in enumerate(gifts)]
    findings = run_tools(TOOLS, gifts, np.linspace(1, 0, len(gifts)), budget, days_left)
    chosen = range(min(3, len(gifts)))
    for finding in findings.values():
        assert "nan" not in found_in_words(finding, gifts, chosen)
        data = found_as_data(finding, gifts, chosen)
        assert str(UNSTATED) not in json.dumps(data, allow_nan=False)


@given(PROFILES, st.lists(partly_known(GIFTS), min_size=3, max_size=5), st.integers(0, 9))
def test_the_realised_reward_with_unknown_fields_lies_between_0_and_1(
    profile: Profile, gifts: list[Gift], days_left: int
) -> None:
    table = gift_table(gifts, VOCABULARY)
    paid = np.array([[price_paid(each) for each in gifts[:3]]])
    worth = realised_reward(
        *(profile_table([profile], VOCABULARY), gifts, table, implied_categories(table, VOCABULARY)),
        *(np.array([[0, 1, 2]]), paid, days_left),
    )
    assert 0 <= worth[0] <= 1


def test_a_gift_without_known_fields_has_the_neutral_reward() -> None:
    bare = [Gift(name, name, "garden") for name in ("a", "b", "c")]
    table = gift_table(bare, VOCABULARY)
    found = reward_components(
        profile_table([SOMEBODY], VOCABULARY), table, implied_categories(table, VOCABULARY)
    )
    assert found[0, 0].tolist() == [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0]  # its category is one of the hobbies
