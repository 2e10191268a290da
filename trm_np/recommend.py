"""Recommend gifts for one person: the model answers, the two tools it selects look at the best gifts, it looks again.

    recommender = Recommender.load("best.npz")
    recommender.recommend({"age": 34, "hobbies": ["cooking"], "budget": 120}, k=3)

Nothing of training is imported here, and nothing but NumPy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from trm_np.autograd import Tensor, no_grad
from trm_np.autograd import functional as F
from trm_np.checkpoint import StoredModel, load_model
from trm_np.data.encode import encode_gifts, encode_profiles
from trm_np.data.lenient import lenient_profile, profile_json
from trm_np.data.load import FilePath, load_catalogue, profile_from_json
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.tables import Floats, GiftTable, Ints, gift_table, profile_table
from trm_np.model.trm import EncodedGifts, Person
from trm_np.reasons import found_as_data, found_in_words, money, reasons
from trm_np.world.reward import COMPONENTS
from trm_np.world.tools import (
    TOOLS,
    Effect,
    Finding,
    PriceComparison,
    catalogue_star_shares,
    combined,
    fair_offers,
    inventory_check,
    price_that_counts,
    run_tools,
)

SHORTLIST = 64  # gifts that the tools look at: those with the highest predicted reward
MOST_GIFTS = 100  # in one answer; the model looks again before each
SELECTED_TOOLS = 2
OVER_BUDGET = 4.0  # more than any reward and bonus: what costs too much stands behind all that does not
DAYS_LEFT = 10.0


@dataclass(frozen=True)
class RecommendedGift:
    """One gift of an answer; `components` and `predicted_reward` are the model's, given the gifts before it.

    `price` is the list price in dollars, `paid` what is paid: that of `offer`, the best one, if prices were compared.
    """

    id: str
    name: str
    category: str
    price: float
    paid: float
    offer: Offer | None
    predicted_reward: float
    components: dict[str, float]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SelectedTool:
    """A tool that was run, how probable the model held it to be helpful, and what it found: in words, and as data.

    `probability` is None for a tool that the model does not know.
    """

    name: str
    probability: float | None
    found: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Recommendation:
    """An answer: gifts and tools in order, probabilities by name with the highest first, supervision steps taken."""

    profile: Profile
    gifts: tuple[RecommendedGift, ...]
    categories: dict[str, float]
    tools: tuple[SelectedTool, ...]
    tool_probabilities: dict[str, float]
    steps: int
    most_steps: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self)


class Pick(NamedTuple):
    """A gift of the answer: its place in the shortlist, its predicted reward and components by name, at its turn."""

    place: int
    reward: float
    components: dict[str, float]


class Recommender:
    """A stored model and the gifts of a catalogue, encoded once.

    Of gifts that differ in nothing but their id only the first is kept.
    """

    def __init__(self, stored: StoredModel, gifts: Sequence[Gift] | None = None) -> None:
        self.stored = stored
        self.gifts = without_doubles(stored.gifts if gifts is None else gifts)
        self.table = gift_table(self.gifts, stored.vocabulary)
        self.star_shares = catalogue_star_shares(self.gifts)
        self.inventory = inventory_check(self.gifts, days_left=0)
        self.encoded = self._encode(self.table)

    @classmethod
    def load(cls, path: FilePath, catalogue: FilePath | None = None) -> "Recommender":
        """Read a model file, and a catalogue file in place of the gifts that it stores.

        Raises `CheckpointError` and `DataError`.
        """
        stored = load_model(path)
        return cls(stored, None if catalogue is None else load_catalogue(catalogue, stored.vocabulary))

    @no_grad()
    def recommend(
        self,
        profile: Profile | dict[str, object],
        k: int = 3,
        days_left: float = DAYS_LEFT,
        tools: Sequence[str] | None = None,
        strict: bool = False,
        source: str = "profile",
    ) -> Recommendation:
        """The k gifts to give, best first, for a profile as a record or as the value of its JSON.

        `days_left` is until the gift is needed; `tools` are run in place of the two that the model selects. An
        unknown name counts as missing, with a warning, or is an error if `strict`. Raises `DataError`, in which
        `source` names the profile, and `ValueError` for another argument.
        """
        if not 1 <= k <= MOST_GIFTS:
            raise ValueError(f"k={k}: must be from 1 to {MOST_GIFTS}")
        if isinstance(tools, str):
            raise ValueError(f"tools={tools!r}: must be a list of names")
        if not days_left >= 0:
            raise ValueError(f"days_left={days_left}: must be 0 or more")
        person, unknown = self._read(profile, strict, source)

        model, vocabulary = self.stored.model, self.stored.vocabulary
        known, steps = self._think(person)
        likely = F.softmax if model.config.tool_head == "softmax" else F.sigmoid
        probabilities = by_name(vocabulary.tools, likely(known.tool_logits))
        value = model.judge_gifts(known, self.encoded)[1].data[0].astype(np.float64)
        selected = list(probabilities)[:SELECTED_TOOLS] if tools is None else list(dict.fromkeys(tools))
        runnable = [name for name in selected if tools is not None or name in TOOLS]
        soon_enough = days_left if "inventory_check" in runnable else np.inf
        shortlist = self._shortlist(value, k, person.budget, soon_enough)
        gifts = [self.gifts[index] for index in shortlist]
        findings = run_tools(runnable, gifts, value[shortlist], person.budget, days_left, self.star_shares)
        effect = combined(finding.effect() for finding in findings.values())
        picks = list(self._pick(known, shortlist, effect, person.budget, k))
        return Recommendation(
            profile=person,
            gifts=tuple(recommended(gifts[pick.place], pick, person, findings, days_left) for pick in picks),
            categories=by_name(vocabulary.categories, known.category_logits.sigmoid()),
            tools=tuple(
                selected_tool(name, probabilities, findings[name], gifts, picks) for name in runnable
            ),
            tool_probabilities=probabilities,
            steps=steps,
            most_steps=model.config.supervision_steps,
            warnings=(
                *unknown,
                *self._unlike_training(person),
                *(f"{name}: selected, but no tool of this program" for name in selected if name not in TOOLS),
                *few_gifts(k, len(picks), len(gifts), effect, days_left),
                *too_dear(gifts, person.budget),
            ),
        )

    def _read(
        self, profile: Profile | dict[str, object], strict: bool, source: str
    ) -> tuple[Profile, tuple[str, ...]]:
        """The profile checked, and a warning for each name that counts as missing."""
        value = profile_json(profile) if isinstance(profile, Profile) else profile
        if strict:
            return profile_from_json(value, self.stored.vocabulary, source), ()
        return lenient_profile(value, self.stored.vocabulary, source)

    def _think(self, person: Profile) -> tuple[Person, int]:
        """What the model makes of the person, and after how many supervision steps it halted."""
        vocabulary = self.stored.vocabulary
        inputs = encode_profiles(profile_table([person], vocabulary), vocabulary)
        h, steps = self.stored.model.answer(inputs)
        return self.stored.model.read_person(h, inputs), int(steps[0])

    def _encode(self, table: GiftTable) -> EncodedGifts:
        model = self.stored.model
        with no_grad():
            return model.encode_gifts(encode_gifts(table, self.stored.vocabulary, model.gift_features))

    def _shortlist(self, value: Floats, k: int, budget: float | None, days_left: float) -> Ints:
        """The gifts for the tools to look at, best first: the best, and the best k that are affordable and in time."""
        order = (-value).argsort(kind="stable")
        fits = self.table.price <= (np.inf if budget is None else budget)
        if days_left < np.inf:
            fits &= (self.inventory.stock > 0) & (self.inventory.arrival_days <= days_left)
        chosen = np.zeros(len(order), np.bool_)
        chosen[order[: max(SHORTLIST, k)]] = True
        chosen[order[fits[order]][:k]] = True
        best_first: Ints = order[chosen[order]]
        return best_first

    def _pick(
        self, known: Person, shortlist: Ints, effect: Effect, budget: float | None, k: int
    ) -> Iterator[Pick]:
        """Gifts of the shortlist, one by one, each judged given those before it, at what the tools say of it."""
        table = self.table.take(shortlist)
        paid = table.price if effect.price is None else effect.price
        table = replace(
            table,
            price=price_that_counts(table.price, paid, np.nan if budget is None else budget),
            rating=table.rating if effect.rating is None else effect.rating,
        )
        encoded = self._encode(table)
        bonus = np.zeros(len(table)) if effect.bonus is None else effect.bonus
        if budget is not None:
            bonus = bonus - OVER_BUDGET * (paid > budget)
        free = np.ones(len(table), np.bool_)
        if effect.available is not None and effect.available.any():
            free = effect.available.copy()
        picked = np.zeros((1, len(table)), np.bool_)
        for _ in range(min(k, int(free.sum()))):
            components, reward = self.stored.model.judge_gifts(known, encoded, picked)
            place = int(np.where(free, reward.data[0] + bonus, -np.inf).argmax())
            values = components.sigmoid().data[0, place].tolist()
            yield Pick(place, float(reward.data[0, place]), dict(zip(COMPONENTS, values, strict=True)))
            free[place], picked[0, place] = False, True

    def _unlike_training(self, person: Profile) -> Iterator[str]:
        """A warning for a number beyond those that the model has learned from."""
        trained_on = [scenario.profile for scenario in self.stored.scenarios]
        for field, given, written in (("age", person.age, "{:g}".format), ("budget", person.budget, money)):
            seen = [value for value in (getattr(each, field) for each in trained_on) if value is not None]
            if given is not None and seen and not min(seen) <= given <= max(seen):
                span = f"{written(min(seen))} to {written(max(seen))}"
                yield f"{field} {written(given)}: the model has learned from {span}, and can only guess beyond"


def without_doubles(gifts: Sequence[Gift]) -> tuple[Gift, ...]:
    """The gifts in order, those left out that equal an earlier one in everything but the id."""
    first: dict[Gift, Gift] = {}
    for gift in gifts:
        first.setdefault(replace(gift, id=""), gift)
    return tuple(first.values())


def by_name(names: Sequence[str], probabilities: Tensor) -> dict[str, float]:
    """Probabilities (1, n) by name, the highest first."""
    named = zip(names, probabilities.data[0].tolist(), strict=True)
    return dict(sorted(named, key=lambda pair: -pair[1]))


def recommended(
    gift: Gift, pick: Pick, person: Profile, findings: Mapping[str, Finding], days_left: float
) -> RecommendedGift:
    prices = findings.get("price_comparison")
    offer = prices.offer[pick.place] if isinstance(prices, PriceComparison) else None
    return RecommendedGift(
        id=gift.id,
        name=gift.name,
        category=gift.category,
        price=gift.price,
        paid=list_price_paid(gift) if offer is None else offer.price,
        offer=offer,
        predicted_reward=pick.reward,
        components=pick.components,
        reasons=reasons(gift, person, pick.components, findings, pick.place, days_left),
    )


def list_price_paid(gift: Gift) -> float:
    """What is paid without a comparison: the list price, or the least that is asked where every seller asks more."""
    return max(gift.price, min(offer.price for offer in fair_offers(gift)))


def selected_tool(
    name: str,
    probabilities: Mapping[str, float],
    finding: Finding,
    gifts: Sequence[Gift],
    picks: Sequence[Pick],
) -> SelectedTool:
    chosen = [pick.place for pick in picks]
    words, data = found_in_words(finding, gifts, chosen), found_as_data(finding, gifts, chosen)
    return SelectedTool(name, probabilities.get(name), words, data)


def few_gifts(k: int, found: int, looked_at: int, effect: Effect, days_left: float) -> Iterator[str]:
    """A warning if the gifts are not what was asked for."""
    days = f"{days_left:g} days"
    if effect.available is not None and not effect.available.any():
        yield f"none of the {looked_at} gifts looked at can be there in {days}: these are the best regardless"
    elif found < k and effect.available is not None and not effect.available.all():
        yield f"only {found} of the {looked_at} gifts looked at can be there in {days}"
    elif found < k:
        yield f"{found} gifts, not {k}: there are no more"


def too_dear(gifts: Sequence[Gift], budget: float | None) -> Iterator[str]:
    """A warning if nothing fits the budget; `gifts` hold the cheapest that is worth anything."""
    if budget is not None and min(offer.price for gift in gifts for offer in gift.offers) > budget:
        yield f"nothing fits a budget of {money(budget)}: these are the best regardless"
