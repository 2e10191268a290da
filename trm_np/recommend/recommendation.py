"""Recommendations as records: the gifts, the tools and their findings, and warnings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from math import isnan
from typing import Any, NamedTuple

from trm_np.data.money import in_words as money
from trm_np.data.records import Gift, Offer, Profile
from trm_np.recommend.common_sense import Possible
from trm_np.recommend.reasons import found_as_data, found_in_words, joined, reasons
from trm_np.recommend.terms import ALLOWABLE
from trm_np.text import shown
from trm_np.world.tools import TOOLS, Finding, PriceComparison, price_paid


@dataclass(frozen=True)
class RecommendedGift:
    """One gift of a recommendation: `predicted_reward` is the model's prediction of the gift's reward alone.

    It never rises down a list: a gift that a tool or the budget puts behind another gets at most the reward of that.
    `components` are true, by the world's own rule (world/reward.py), of the gift given those before it.
    `price` is the list price, `paid` what is paid: that of `offer`, the best one, if prices were compared; None if
    it is not known.
    """

    id: str
    name: str
    category: str
    price: float | None
    paid: float | None
    offer: Offer | None
    predicted_reward: float
    components: dict[str, float]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SelectedTool:
    """A tool that was run, the model's probability that it helps, and its findings in words and as data.

    `probability` is None for a tool that the model does not know.
    """

    name: str
    probability: float | None
    found: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Recommendation:
    """Gifts and tools in order, probabilities by name with the highest first, and the supervision steps taken.

    `notes` say which words of the profile count as which names; `profile` has the names. Sums are in `currency`.
    """

    profile: Profile
    currency: str
    gifts: tuple[RecommendedGift, ...]
    categories: dict[str, float]
    tools: tuple[SelectedTool, ...]
    tool_probabilities: dict[str, float]
    steps: int
    most_steps: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        value: dict[str, Any] = plain(self)
        return value

    def _repr_html_(self) -> str:
        """The gifts as a table, what the tools found, and notes and warnings, for a notebook."""
        from trm_np.html import lines, table

        rows = (
            (
                rank,
                gift.name,
                gift.category,
                "unknown" if gift.paid is None else money(gift.paid, self.currency),
                f"{gift.predicted_reward:.2f}",
                "; ".join(gift.reasons),
            )
            for rank, gift in enumerate(self.gifts, start=1)
        )
        return table(("", "gift", "category", "price", "reward", "reasons"), rows) + lines(
            [
                *(f"{tool.name}: {tool.found}" for tool in self.tools),
                *(f"Note: {note}" for note in self.notes),
                *(f"Warning: {warning}" for warning in self.warnings),
            ]
        )


class Recommendations(list[Recommendation]):
    """Recommendations, which a notebook shows one below the other."""

    def _repr_html_(self) -> str:
        return "".join(each._repr_html_() for each in self)


@dataclass(frozen=True)
class Explanation:
    """Explanation of one gift for one profile: the model's view of it, before any tool has run.

    `components` are true, as in a recommendation. `rank` is its place among all gifts as the model ranks them, from 1;
    `influence` says how much each field of the profile raises the predicted reward: its value, less its value without
    that field alone, the greatest first.
    """

    profile: Profile
    currency: str
    gift: Gift
    predicted_reward: float
    rank: int
    components: dict[str, float]
    influence: dict[str, float]
    reasons: tuple[str, ...]
    kept_out_by: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        value: dict[str, Any] = plain(self)
        return value


class Pick(NamedTuple):
    """A picked gift: its place in the shortlist, its predicted reward, and its components by name."""

    place: int
    reward: float
    components: dict[str, float]


PLAIN = (str, int, float, type(None))


def plain(value: Any) -> Any:
    """Records as dictionaries, all the way down; `asdict` does it at a third of the speed."""
    if isinstance(value, PLAIN):
        return value
    if is_dataclass(value):
        return {name: plain(item) for name, item in vars(value).items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


def recommended(
    gift: Gift,
    pick: Pick,
    profile: Profile,
    findings: Mapping[str, Finding],
    days_left: float | None,
    currency: str,
) -> RecommendedGift:
    prices = findings.get("price_comparison")
    offer = prices.offer[pick.place] if isinstance(prices, PriceComparison) else None
    paid = price_paid(gift) if offer is None else offer.price
    return RecommendedGift(
        id=gift.id,
        name=gift.name,
        category=gift.category,
        price=gift.price,
        paid=None if isnan(paid) else paid,
        offer=offer,
        predicted_reward=pick.reward,
        components=pick.components,
        reasons=reasons(gift, profile, pick.components, findings, pick.place, days_left, currency),
    )


def selected_tool(
    name: str,
    probabilities: Mapping[str, float],
    finding: Finding,
    gifts: Sequence[Gift],
    picks: Sequence[Pick],
    currency: str,
) -> SelectedTool:
    chosen = [pick.place for pick in picks]
    words = found_in_words(finding, gifts, chosen, currency)
    return SelectedTool(name, probabilities.get(name), words, found_as_data(finding, gifts, chosen))


def unknown_tools(selected: Sequence[str]) -> Iterator[str]:
    """A warning for each tool that the model knows and this program does not."""
    return (f"{name}: selected, but no tool of this program" for name in selected if name not in TOOLS)


def unknown_gifts(exclude: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """A warning if an excluded id belongs to no gift."""
    unknown = [shown(gift) for gift in dict.fromkeys(exclude) if gift not in known]
    if unknown:
        yield f"exclude: no gift here has the id {' or '.join(unknown)}"


KEPT_OUT = {
    "excluded": "{} excluded",
    "age": "{} meant for another age",
    "sold_out": "{} sold out",
    "late": "{} too late",
    "over_budget": "{} over the budget",
    "alike": "{} too much like another",
}
ADULT = 18


def few_gifts(k: int, found: int, possible: Possible, profile: Profile) -> Iterator[str]:
    """A warning if there are fewer gifts than k, with the reasons."""
    if found >= k:
        return
    kept_out = possible.kept_out | {"alike": int(possible.marks.sum()) - found}
    why = {rule: number for rule, number in kept_out.items() if number}
    if not found and profile.age is not None and set(why) <= {"excluded", "age"} and "age" in why:
        whom = "a child" if profile.age < ADULT else "a person"
        others = "adults" if profile.age < ADULT else "others"
        yield f"no gift here is meant for {whom} of {profile.age:g}; --any-age shows what {others} get"
    elif why:
        reasons = joined([KEPT_OUT[rule].format(number) for rule, number in why.items()])
        allow = ",".join(rule for rule in why if rule in ALLOWABLE)
        lifts = ["--any-age"] * ("age" in why) + [f"--allow {allow}"] * bool(allow)
        lifted = f"; {' or '.join(lifts)} shows more" if lifts else ""
        yield f"{found or 'no'} gift{'' if found == 1 else 's'}, not {k}: of {len(possible.marks)}, {reasons}{lifted}"
    else:
        yield f"{found} gift{'' if found == 1 else 's'}, not {k}: there are no more"


def too_dear(possible: Possible, profile: Profile, currency: str) -> Iterator[str]:
    """A warning if nothing fits the budget."""
    if possible.nothing_fits and profile.budget is not None:
        budget = money(profile.budget, currency)
        yield f"nothing fits a budget of {budget}: these come nearest to it, the cheapest first"
