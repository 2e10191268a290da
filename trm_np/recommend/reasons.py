"""Why a gift is recommended, and what the tools found, in plain words that are true.

The words are facts of the gift and the profile. The true components of the reward decide which of them are given.
What only a tool can know is given only if that tool ran. Plain reasons against a gift are always given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf, isnan
from typing import Any

import numpy as np

from trm_np.data.money import DOLLARS
from trm_np.data.money import in_words as money
from trm_np.data.records import Gift, Offer, Profile
from trm_np.text import counted
from trm_np.world.tools import (
    UNSTATED,
    BudgetOptimizer,
    Finding,
    InventoryCheck,
    PriceComparison,
    ReviewAnalysis,
    TrendAnalysis,
    first_offer,
    price_paid,
)

HIGH = 0.6  # from here on a component speaks for the gift
FEW_LEFT = 5

POSSESSIVE = {"mother": "her", "sister": "her", "father": "his", "brother": "his"}
OCCASIONS = {"christmas": "christmas", "mothers_day": "mother's day", "fathers_day": "father's day"}
TRENDS = {1: "sales rising", -1: "sales falling"}


def reasons(
    gift: Gift,
    profile: Profile,
    components: Mapping[str, float],
    findings: Mapping[str, Finding],
    place: int,
    days_left: float | None,
    currency: str = DOLLARS.currency,
) -> tuple[str, ...]:
    """Reasons for and against the gift.

    `components` are those of its true reward, by name; `place` is its index in the findings.
    """
    paid, first = price_paid(gift), first_offer(gift)
    if isinstance(prices := findings.get("price_comparison"), PriceComparison):
        paid, first = float(prices.price[place]), prices.offer[place]
    found = [
        *_of_the_profile(gift, profile, components),
        *_of_the_budget(paid, profile, components, currency),
        *(
            reason
            for finding in findings.values()
            for reason in _of_a_tool(finding, place, findings.get("price_comparison"), currency)
        ),
    ]
    if "inventory_check" not in findings:
        found += _of_the_date(gift, first, inf if days_left is None else days_left)
    if components["quality"] >= HIGH and "review_analysis" not in findings and gift.rating is not None:
        found.append(f"{gift.rating:.1f} stars")
    return tuple(found) or ("nothing in particular stands out",)


def _of_the_profile(gift: Gift, profile: Profile, components: Mapping[str, float]) -> list[str]:
    found = []
    whose = POSSESSIVE.get(profile.relationship or "", "their")
    tags, occasions = gift.tags or (), gift.occasions or ()
    shared = [in_words(tag) for tag in tags if tag in profile.hobbies]
    liked = [in_words(tag) for tag in tags if tag in profile.preferences]
    if shared:
        found.append(f"for {whose} {joined(shared)}")
    elif components["category"] >= HIGH:
        found.append(f"from {in_words(gift.category)}, a category that suits")
    if liked:
        found.append(f"{joined(liked)}, as wished")
    if profile.occasion in occasions:
        found.append(f"suits {OCCASIONS.get(profile.occasion, f'the {in_words(profile.occasion)}')}")
    if profile.age is not None and gift.age_range is not None:
        youngest, oldest = gift.age_range
        suits = youngest <= profile.age <= oldest
        found.append(f"suits {whose} age" if suits else f"meant for ages {youngest} to {oldest}")
    return found


def _of_the_date(gift: Gift, first: Offer | None, days_left: float) -> list[str]:
    """A reason against a gift that is sold out or comes too late, for when the tool that checks it did not run."""
    if gift.stock == 0:
        return ["sold out"]
    if first is None or first.shipping_days <= days_left:
        return []
    return [f"arrives in {counted(first.shipping_days, 'day')}, too late"]


def _of_the_budget(
    paid: float, profile: Profile, components: Mapping[str, float], currency: str
) -> list[str]:
    if profile.budget is None:
        return []
    if isnan(paid):
        return ["price unknown"]
    if paid > profile.budget:
        return [f"{money(paid - profile.budget, currency)} over the budget"]
    return ["fits the budget"] if components["budget"] >= HIGH else []


def _of_a_tool(finding: Finding, place: int, prices: Finding | None, currency: str) -> list[str]:
    """Reasons from one tool for one gift; `prices`, if compared, name the seller whose delivery counts."""
    match finding:
        case PriceComparison(offer=offers, saving=saving) if saving[place] > 0 and (offer := offers[place]):
            return [f"{money(saving[place], currency)} cheaper at {offer.seller}"]
        case InventoryCheck(stock=stock, in_time=in_time):
            if stock[place] == 0:
                return ["sold out"]
            first = (prices if isinstance(prices, PriceComparison) else finding).offer[place]
            if first is None:
                arrives = "delivery unknown"
            elif in_time[place]:
                arrives = f"arrives in {counted(first.shipping_days, 'day')} from {first.seller}"
            else:
                return [f"arrives in {counted(first.shipping_days, 'day')}, too late"]
            if stock[place] == UNSTATED:
                return [arrives, "stock unknown"]
            return [arrives, *([f"only {stock[place]} left"] if stock[place] <= FEW_LEFT else [])]
        case ReviewAnalysis(reviews=reviews) if reviews[place] == UNSTATED:
            return ["reviews unknown"]
        case ReviewAnalysis(reviews=reviews) if reviews[place] == 0:
            return ["no reviews yet"]
        case ReviewAnalysis(rating=rating, reviews=reviews):
            return [f"{rating[place]:.1f} stars with its {counted(reviews[place], 'review')} weighed"]
        case TrendAnalysis(direction=direction) if direction[place] != 0:
            return [TRENDS[int(direction[place])]]
        case BudgetOptimizer(bundle=bundle, price=price) if place in bundle and len(bundle) > 1:
            return [f"one of {len(bundle)} that cost {money(price, currency)} together"]
    return []


def found_in_words(
    finding: Finding, gifts: Sequence[Gift], chosen: Sequence[int], currency: str = DOLLARS.currency
) -> str:
    """Sentence on what a tool found about the `chosen` ones of the gifts that it looked at."""
    match finding:
        case PriceComparison(offer=offer, saving=saving):
            cheaper = [index for index in chosen if saving[index] > 0]
            if chosen and not any(offer[index] for index in chosen):
                return "no offers known"
            if not cheaper:
                return "no offer below the list prices"
            total = money(sum(saving[index] for index in cheaper), currency)
            return f"{total} saved by the best offers for {of_these(len(cheaper), chosen)}"
        case InventoryCheck(stock=stock, arrival_days=arrival, in_time=in_time):
            had = [index for index in chosen if in_time[index]]
            if not had:
                return "none to be had in time"
            days = [int(arrival[index]) for index in had if arrival[index] != UNSTATED]
            left = [int(stock[index]) for index in had if stock[index] != UNSTATED]
            there = [f"{of_these(len(days), chosen)} there in {span_of_days(days)}"] if days else []
            there += [f"delivery {unknown}" for unknown in unknown_for(len(had) - len(days), chosen)]
            pieces = [f"at least {min(left)} left of each"] if left else []
            pieces += [f"stock {unknown}" for unknown in unknown_for(len(had) - len(left), chosen)]
            return f"{', '.join(there)}; {', '.join(pieces)}"
        case ReviewAnalysis(rating=rating, reviews=reviews):
            each = [
                "unknown" if reviews[index] == UNSTATED else f"{rating[index]:.2f} from {reviews[index]}"
                for index in chosen
            ]
            return f"stars, and how many reviews they rest on: {', '.join(each)}"
        case TrendAnalysis(slope=slope, direction=direction):
            rising, falling = (sum(direction[index] == sign for index in chosen) for sign in (1, -1))
            words = [
                f"sales rising for {of_these(rising, chosen)}",
                f"falling for {of_these(falling, chosen)}",
            ]
            return ", ".join([*words, *unknown_for(int(np.isnan(slope[list(chosen)]).sum()), chosen)])
        case BudgetOptimizer(bundle=bundle, price=price):
            if not bundle:
                return "nothing that fits the budget"
            together = " together" if len(bundle) > 1 else ""
            return f"{joined([gifts[index].name for index in bundle])} for {money(price, currency)}{together}"
    raise TypeError(f"not a finding: {finding!r}")


def found_as_data(finding: Finding, gifts: Sequence[Gift], chosen: Sequence[int]) -> dict[str, Any]:
    """The same as values for JSON: by gift id, or the bundle; None where something is not known."""
    if isinstance(finding, BudgetOptimizer):
        bundle = [gifts[index].id for index in finding.bundle]
        return {"bundle": bundle, "price": finding.price, "value": finding.value}
    return {
        gifts[index].id: {name: known_or_none(column[index]) for name, column in finding._asdict().items()}
        for index in chosen
    }


def known_or_none(value: Any) -> Any:
    """An offer, or a number of a finding, as a value for JSON."""
    if isinstance(value, Offer):
        return asdict(value)
    return None if value is None or isnan(value) or value == UNSTATED else value.item()


def unknown_for(number: int, chosen: Sequence[int]) -> list[str]:
    """End of a sentence that says for how many of the chosen gifts something is unknown; none if for no gift."""
    return [f"unknown for {of_these(number, chosen)}"] if number else []


def in_words(name: str) -> str:
    return name.replace("_", " ")


def span_of_days(days: Sequence[int]) -> str:
    """3 days; 2 to 5 days."""
    soonest, latest = min(days), max(days)
    return counted(latest, "day") if soonest == latest else f"{soonest} to {latest} days"


def joined(words: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def of_these(number: int, chosen: Sequence[int]) -> str:
    """none, the gift, all 3, or 2 of 3: so many of the chosen gifts."""
    if number == 0:
        return "none"
    if number == len(chosen):
        return "the gift" if number == 1 else f"all {number}"
    return f"{number} of {len(chosen)}"
