"""Why a gift is recommended, and what the tools found, in plain words that are true.

The words are facts of the gift and the profile, and the components of the reward that decide whether they are said are
the true ones. What only a tool can know is said only if that tool ran. What speaks plainly against a gift is said in
any case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from typing import Any

from trm_np.data.records import Gift, Profile
from trm_np.world.tools import (
    BudgetOptimizer,
    Finding,
    InventoryCheck,
    PriceComparison,
    ReviewAnalysis,
    TrendAnalysis,
    fair_offers,
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
) -> tuple[str, ...]:
    """What speaks for the gift, and what speaks against it.

    `components` are those of its true reward, by name; `place` is its index in the findings.
    """
    paid, delivery = price_paid(gift), min(offer.shipping_days for offer in fair_offers(gift))
    if isinstance(prices := findings.get("price_comparison"), PriceComparison):
        paid, delivery = float(prices.price[place]), prices.offer[place].shipping_days
    said = [
        *_for_the_person(gift, profile, components),
        *_of_the_budget(paid, profile, components),
        *(
            reason
            for finding in findings.values()
            for reason in _of_a_tool(finding, place, findings.get("price_comparison"))
        ),
    ]
    if "inventory_check" not in findings:
        said += _of_the_date(gift, delivery, inf if days_left is None else days_left)
    if components["quality"] >= HIGH and "review_analysis" not in findings:
        said.append(f"{gift.rating:.1f} stars")
    return tuple(said) or ("nothing in particular stands out",)


def _for_the_person(gift: Gift, profile: Profile, components: Mapping[str, float]) -> list[str]:
    said = []
    whose = POSSESSIVE.get(profile.relationship or "", "their")
    shared = [in_words(tag) for tag in gift.tags if tag in profile.hobbies]
    liked = [in_words(tag) for tag in gift.tags if tag in profile.preferences]
    if shared:
        said.append(f"for {whose} {joined(shared)}")
    elif components["category"] >= HIGH:
        said.append(f"from {in_words(gift.category)}, a category that suits")
    if liked:
        said.append(f"{joined(liked)}, as wished")
    if profile.occasion in gift.occasions:
        said.append(f"suits {OCCASIONS.get(profile.occasion, f'the {in_words(profile.occasion)}')}")
    youngest, oldest = gift.age_range
    if profile.age is not None:
        suits = youngest <= profile.age <= oldest
        said.append(f"suits {whose} age" if suits else f"meant for ages {youngest} to {oldest}")
    return said


def _of_the_date(gift: Gift, delivery: int, days_left: float) -> list[str]:
    """Only what makes it no gift at all: that is said though nobody asked for a check."""
    if gift.stock == 0:
        return ["sold out"]
    return [f"arrives in {counted(delivery, 'day')}, too late"] if delivery > days_left else []


def _of_the_budget(paid: float, profile: Profile, components: Mapping[str, float]) -> list[str]:
    if profile.budget is None:
        return []
    if paid > profile.budget:
        return [f"{money(paid - profile.budget)} over the budget"]
    return ["fits the budget"] if components["budget"] >= HIGH else []


def _of_a_tool(finding: Finding, place: int, prices: Finding | None) -> list[str]:
    """What a tool says of one gift; `prices`, if compared, name the seller whose delivery counts."""
    match finding:
        case PriceComparison(offer=offer, saving=saving) if saving[place] > 0:
            return [f"{money(saving[place])} cheaper at {offer[place].seller}"]
        case InventoryCheck(stock=stock, offer=offer, in_time=in_time):
            first = prices.offer[place] if isinstance(prices, PriceComparison) else offer[place]
            if stock[place] == 0:
                return ["sold out"]
            if not in_time[place]:
                return [f"arrives in {counted(first.shipping_days, 'day')}, too late"]
            left = [f"only {stock[place]} left"] if stock[place] <= FEW_LEFT else []
            return [f"arrives in {counted(first.shipping_days, 'day')} from {first.seller}", *left]
        case ReviewAnalysis(reviews=reviews) if reviews[place] == 0:
            return ["no reviews yet"]
        case ReviewAnalysis(rating=rating, reviews=reviews):
            return [f"{rating[place]:.1f} stars with its {counted(reviews[place], 'review')} weighed"]
        case TrendAnalysis(direction=direction) if direction[place] != 0:
            return [TRENDS[int(direction[place])]]
        case BudgetOptimizer(bundle=bundle, price=price) if place in bundle and len(bundle) > 1:
            return [f"one of {len(bundle)} that cost {money(price)} together"]
    return []


def found_in_words(finding: Finding, gifts: Sequence[Gift], chosen: Sequence[int]) -> str:
    """What a tool found about the `chosen` of the gifts it looked at, in one sentence."""
    match finding:
        case PriceComparison(saving=saving):
            cheaper = [index for index in chosen if saving[index] > 0]
            if not cheaper:
                return "no offer below the list prices"
            total = money(sum(saving[index] for index in cheaper))
            return f"{total} saved by the best offers for {of_these(len(cheaper), chosen)}"
        case InventoryCheck(stock=stock, arrival_days=arrival, in_time=in_time):
            had = [index for index in chosen if in_time[index]]
            if not had:
                return "none to be had in time"
            soonest, latest = min(arrival[had]), max(arrival[had])
            days = counted(latest, "day") if soonest == latest else f"{soonest} to {latest} days"
            return f"{of_these(len(had), chosen)} there in {days}; at least {min(stock[had])} left of each"
        case ReviewAnalysis(rating=rating, reviews=reviews):
            each = [f"{rating[index]:.2f} from {reviews[index]}" for index in chosen]
            return f"stars, and how many reviews they rest on: {', '.join(each)}"
        case TrendAnalysis(direction=direction):
            rising, falling = (sum(direction[index] == sign for index in chosen) for sign in (1, -1))
            return f"sales rising for {of_these(rising, chosen)}, falling for {of_these(falling, chosen)}"
        case BudgetOptimizer(bundle=bundle, price=price):
            if not bundle:
                return "nothing that fits the budget"
            together = " together" if len(bundle) > 1 else ""
            return f"{joined([gifts[index].name for index in bundle])} for {money(price)}{together}"
    raise TypeError(f"not a finding: {finding!r}")


def found_as_data(finding: Finding, gifts: Sequence[Gift], chosen: Sequence[int]) -> dict[str, Any]:
    """The same as values for JSON: by gift id, or the bundle."""
    if isinstance(finding, BudgetOptimizer):
        bundle = [gifts[index].id for index in finding.bundle]
        return {"bundle": bundle, "price": finding.price, "value": finding.value}
    return {
        gifts[index].id: {
            name: asdict(column[index]) if name == "offer" else column[index].item()
            for name, column in vars(finding).items()
        }
        for index in chosen
    }


def in_words(name: str) -> str:
    return name.replace("_", " ")


def money(dollars: float) -> str:
    """$32, $27.50 or $1,250."""
    return f"${dollars:,.2f}".removesuffix(".00")


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


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
