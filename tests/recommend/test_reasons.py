"""Reasons in words: what is said of a gift is a fact that matters, and known from a tool that ran."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.world.small_world import PROFILES, gift
from trm_np.data.records import Gift, Offer, Profile
from trm_np.recommend import reasons as words
from trm_np.recommend.reasons import HIGH, counted, found_as_data, found_in_words, in_words, joined, money
from trm_np.world.reward import COMPONENTS
from trm_np.world.tools import TOOLS, price_paid, run_tools

ALL_HIGH = dict.fromkeys(COMPONENTS, 0.9)
NONE_HIGH = dict.fromkeys(COMPONENTS, 0.1)
MOTHER = Profile(
    age=58,
    hobbies=("cooking", "garden"),
    relationship="mother",
    budget=60.0,
    occasion="mothers_day",
    preferences=("practical", "quiet"),
)
NOBODY = Profile()
TROWEL = gift(
    "garden",
    40.0,
    ("garden", "cooking", "practical"),
    name="Trowel",
    rating=4.6,
    age_range=(30, 80),
    occasions=("mothers_day",),
    offers=(Offer("Corner Shop", 40.0, 2), Offer("Quillmarket", 35.0, 6)),
    stock=4,
    reviews=(2, 4, 10, 50, 148),
    weekly_sales=tuple(range(10, 22)),
)
COMPONENT_VALUES = st.fixed_dictionaries({name: st.floats(0, 1) for name in COMPONENTS})
ANY_GIFTS = st.lists(
    st.builds(
        gift,
        category=st.sampled_from(("garden", "kitchen")),
        price=st.floats(1, 200),
        tags=st.sampled_from([(), ("garden",), ("cooking", "luxury"), ("practical", "reading")]),
        stock=st.integers(0, 20),
        reviews=st.tuples(*[st.integers(0, 30)] * 5),
        weekly_sales=st.tuples(*[st.integers(0, 30)] * 12),
        offers=st.lists(
            st.builds(Offer, st.sampled_from(("A", "B")), st.floats(1, 200), st.integers(0, 20)),
            min_size=1,
            max_size=3,
        ).map(tuple),
    ),
    min_size=1,
    max_size=5,
)


def reasons(*about: Any, days_left: float = 10) -> tuple[str, ...]:
    return words.reasons(*about, days_left)


def found(*names: str, gifts: tuple[Gift, ...] = (TROWEL,), budget: float | None = 60.0) -> dict[str, Any]:
    return run_tools(names, gifts, np.linspace(0.9, 0.89, len(gifts)), budget, 10)


def test_a_gift_that_fits_in_every_way_says_so_in_one_line() -> None:
    said = reasons(TROWEL, MOTHER, ALL_HIGH, {}, 0)
    assert "; ".join(said) == (
        "for her garden and cooking; practical, as wished; suits mother's day; suits her age; fits the budget; "
        "4.6 stars"
    )


def test_the_tools_that_ran_add_what_they_found() -> None:
    said = reasons(TROWEL, MOTHER, ALL_HIGH, found("price_comparison", "review_analysis"), 0)
    assert said[4:] == (
        "fits the budget",
        "$5 cheaper at Quillmarket",
        "4.6 stars with its 214 reviews weighed",
    )
    said = reasons(TROWEL, MOTHER, ALL_HIGH, found("inventory_check", "trend_analysis"), 0)
    assert said[4:] == (
        "fits the budget",
        "arrives in 2 days from Corner Shop",
        "only 4 left",
        "sales rising",
        "4.6 stars",
    )


def test_the_delivery_named_is_that_of_the_offer_named() -> None:
    said = reasons(TROWEL, MOTHER, ALL_HIGH, found("price_comparison", "inventory_check"), 0)
    assert {"$5 cheaper at Quillmarket", "arrives in 6 days from Quillmarket"} <= set(said)


def test_what_the_reward_does_not_bear_out_is_no_reason() -> None:
    facts = ("for her garden and cooking", "practical, as wished", "suits mother's day", "suits her age")
    assert reasons(TROWEL, MOTHER, NONE_HIGH, {}, 0) == facts
    for name, reason in (("budget", "fits the budget"), ("quality", "4.6 stars")):
        assert reasons(TROWEL, MOTHER, NONE_HIGH | {name: HIGH}, {}, 0) == (*facts, reason)
        assert reason not in reasons(TROWEL, MOTHER, ALL_HIGH | {name: 0.59}, {}, 0)
    assert reasons(TROWEL, NOBODY, NONE_HIGH, {}, 0) == ("nothing in particular stands out",)
    assert reasons(TROWEL, NOBODY, NONE_HIGH | {"category": HIGH}, {}, 0) == (
        "from garden, a category that suits",
    )


def test_what_is_not_a_fact_is_no_reason_however_high_the_component() -> None:
    other = Profile(20, ("reading",), "friend", 39.99, "birthday", ("luxury",))
    assert reasons(TROWEL, other, ALL_HIGH, {}, 0) == (
        "from garden, a category that suits",
        "meant for ages 30 to 80",
        "$0.01 over the budget",
        "4.6 stars",
    )
    assert reasons(TROWEL, NOBODY, ALL_HIGH, {}, 0) == ("from garden, a category that suits", "4.6 stars")


def test_the_budget_is_held_against_the_best_offer_if_prices_were_compared() -> None:
    poor = Profile(budget=37.0)
    assert "$3 over the budget" in reasons(TROWEL, poor, ALL_HIGH, {}, 0)
    said = reasons(TROWEL, poor, ALL_HIGH, found("price_comparison", budget=37.0), 0)
    assert "fits the budget" in said and not any("over the budget" in reason for reason in said)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stock": 0}, "sold out"),
        ({"offers": (Offer("Far Away", 40.0, 30),)}, "arrives in 30 days, too late"),
        ({"offers": (Offer("Next Door", 40.0, 1),)}, "arrives in 1 day from Next Door"),
    ],
)
def test_stock_and_arrival_in_words(change: dict[str, Any], reason: str) -> None:
    changed = Gift(**vars(TROWEL) | change)
    assert reason in reasons(changed, MOTHER, NONE_HIGH, found("inventory_check", gifts=(changed,)), 0)


@given(ANY_GIFTS, PROFILES, COMPONENT_VALUES, st.sets(st.sampled_from(list(TOOLS))))
def test_nothing_is_said_that_is_not_so(
    gifts: list[Gift], profile: Profile, components: dict[str, float], names: set[str]
) -> None:
    findings = found(*names, gifts=tuple(gifts), budget=profile.budget)
    for place, each in enumerate(gifts):
        line = "; ".join(reasons(each, profile, components, findings, place))
        paid = findings["price_comparison"].price[place] if "price_comparison" in names else price_paid(each)
        shared = set(each.tags) & set(profile.hobbies)
        assert line
        served = re.match(r"for (?:her|his|their) ([^;]*)", line)
        assert set(re.split(", | and ", served[1]) if served else ()) == shared
        assert ("fits the budget" in line) == (
            profile.budget is not None and paid <= profile.budget and components["budget"] >= HIGH
        )
        assert ("over the budget" in line) == (profile.budget is not None and paid > profile.budget)
        assert ("suits the wedding" in line) <= (
            profile.occasion == "wedding" and "wedding" in each.occasions
        )
        assert ("cheaper at" in line) == (paid < each.price)
        assert ("sold out" in line) == (each.stock == 0)
        assert ("weighed" in line) == ("review_analysis" in names and any(each.reviews))
        assert ("sales" in line) <= ("trend_analysis" in names)
        assert ("together" in line) <= ("budget_optimizer" in names)


def test_what_each_tool_found_in_words_and_as_data() -> None:
    pan = Gift(
        **vars(TROWEL) | {"id": "pan", "name": "Pan", "price": 20.0, "stock": 0, "weekly_sales": (5,) * 12}
    )
    pan = Gift(**vars(pan) | {"offers": (Offer("Corner Shop", 20.0, 2),)})
    gifts = (TROWEL, pan)
    findings = found(*TOOLS, gifts=gifts)
    words = {name: found_in_words(finding, gifts, [1, 0]) for name, finding in findings.items()}
    assert words == {
        "price_comparison": "$5 saved by the best offers for 1 of 2",
        "inventory_check": "1 of 2 there in 2 days; at least 4 left of each",
        "review_analysis": "stars, and how many reviews they rest on: 4.58 from 214, 4.58 from 214",
        "trend_analysis": "sales rising for 1 of 2, falling for none",
        "budget_optimizer": "Trowel and Pan for $55 together",
    }
    data = {name: found_as_data(finding, gifts, [1, 0]) for name, finding in findings.items()}
    assert data["price_comparison"]["gift"] == {
        "offer": {"seller": "Quillmarket", "price": 35.0, "shipping_days": 6},
        "price": 35.0,
        "saving": 5.0,
    }
    assert data["inventory_check"]["pan"] == {
        "stock": 0,
        "offer": {"seller": "Corner Shop", "price": 20.0, "shipping_days": 2},
        "arrival_days": 2,
        "in_time": False,
    }
    assert list(data["trend_analysis"]) == ["pan", "gift"]
    assert data["budget_optimizer"] == {"bundle": ["gift", "pan"], "price": 55.0, "value": 1.79}


def test_words_for_one_gift_and_for_none_that_fits() -> None:
    assert found_in_words(found("trend_analysis")["trend_analysis"], (TROWEL,), [0]) == (
        "sales rising for the gift, falling for none"
    )
    nothing = found("budget_optimizer", budget=1.0)["budget_optimizer"]
    assert found_in_words(nothing, (TROWEL,), [0]) == "nothing that fits the budget"
    several = found("budget_optimizer", gifts=(TROWEL,) * 3, budget=None)["budget_optimizer"]
    assert found_in_words(several, (TROWEL,) * 3, [0]).endswith("Trowel, Trowel and Trowel for $120 together")
    assert reasons(TROWEL, NOBODY, NONE_HIGH, {"budget_optimizer": several}, 0) == (
        "one of 3 that cost $120 together",
    )
    same = found("price_comparison", gifts=(gift(),))["price_comparison"]
    assert found_in_words(same, (gift(),), [0]) == "no offer below the list prices"


def test_small_words() -> None:
    assert [money(dollars, "$") for dollars in (32, 27.5, 1250, 0.01)] == ["$32", "$27.50", "$1,250", "$0.01"]
    assert [counted(number, "day") for number in (0, 1, 2)] == ["0 days", "1 day", "2 days"]
    assert [joined("abc"[:number]) for number in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert in_words("home_decor") == "home decor"


def test_what_makes_it_no_gift_at_all_is_said_though_nobody_checked() -> None:
    sold_out, slow = replace(TROWEL, stock=0), replace(TROWEL, offers=(Offer("Corner Shop", 40.0, 11),))
    assert reasons(sold_out, NOBODY, NONE_HIGH, {}, 0) == ("sold out",)
    assert reasons(slow, NOBODY, NONE_HIGH, {}, 0) == ("arrives in 11 days, too late",)
    assert reasons(slow, NOBODY, NONE_HIGH, {}, 0, days_left=11) == ("nothing in particular stands out",)
    compared = found("price_comparison")
    assert "arrives in 6 days, too late" not in reasons(TROWEL, MOTHER, NONE_HIGH, compared, 0, days_left=6)
    assert "arrives in 6 days, too late" in reasons(TROWEL, MOTHER, NONE_HIGH, compared, 0, days_left=5)
    assert reasons(TROWEL, Profile(age=7), NONE_HIGH, {}, 0) == ("meant for ages 30 to 80",)


def test_no_review_is_no_rating() -> None:
    unknown = replace(TROWEL, reviews=(0,) * 5)
    said = reasons(unknown, MOTHER, ALL_HIGH, found("review_analysis", gifts=(unknown,)), 0)
    assert "no reviews yet" in said and not any("star" in reason for reason in said)
