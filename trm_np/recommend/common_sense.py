"""Rules on which gifts may be recommended; they hold for every model and every choice of tools.

A gift is kept out if it is excluded, meant for another age, sold out, too late, or over the budget while something
else fits; and of near-doubles one is enough. An unknown field of the catalogue rules nothing out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from trm_np.data.records import Gift, Profile
from trm_np.data.tables import UNKNOWN_RANGE, Bools, Floats, Ints
from trm_np.recommend.terms import Terms
from trm_np.world.tools import fair_offers


class Possible(NamedTuple):
    """The gifts (G,) that may be recommended; whether `nothing_fits` the budget; how many gifts each rule keeps out.

    If nothing fits, they are too dear. A gift that several rules keep out counts for the first of them.
    """

    marks: Bools
    nothing_fits: bool
    kept_out: dict[str, int]


class Facts(NamedTuple):
    """Facts about the G gifts of a catalogue as arrays (G,), and about their fair offers (O,); nan where not known.

    The offers are in the order of the gifts; those of a gift begin at its `first`. A gift without a known offer has
    one at the list price. `paid` is the price without a comparison of prices.
    """

    youngest: Floats
    oldest: Floats
    stock: Floats
    paid: Floats
    offer_price: Floats
    offer_days: Floats
    first: Ints

    def earliest(self) -> Floats:
        """Days (G,) until the first offer of each gift has come."""
        days: Floats = np.minimum.reduceat(self.offer_days, self.first)
        return days

    def best_price(self, days_left: float | None) -> Floats:
        """Price paid (G,) after comparing offers: the lowest that comes in time, or the lowest of all if none does."""
        in_time = self.offer_days <= (np.inf if days_left is None else days_left)
        punctual = np.minimum.reduceat(np.where(in_time, self.offer_price, np.inf), self.first)
        return np.where(punctual < np.inf, punctual, np.minimum.reduceat(self.offer_price, self.first))


def facts(gifts: Sequence[Gift]) -> Facts:
    offers: list[list[tuple[float | None, int | None]]] = [
        [(offer.price, offer.shipping_days) for offer in fair_offers(gift)] or [(gift.price, None)]
        for gift in gifts
    ]
    youngest, oldest = np.array([gift.age_range or UNKNOWN_RANGE for gift in gifts], np.float64).T
    price, days = np.array([offer for of_gift in offers for offer in of_gift], np.float64).T
    first = np.cumsum([0, *map(len, offers)])[:-1]
    listed = np.array([gift.price for gift in gifts], np.float64)
    return Facts(
        youngest,
        oldest,
        stock=np.array([gift.stock for gift in gifts], np.float64),
        paid=np.fmax(listed, np.minimum.reduceat(price, first)),  # `price_paid` of each
        offer_price=price,
        offer_days=days,
        first=first,
    )


def kept_out(
    facts: Facts, profile: Profile, paid: Floats, excluded: Sequence[int], terms: Terms
) -> dict[str, Bools]:
    """Marks (G,) of the gifts that each active rule excludes, by the name of the rule; `excluded` are places.

    `paid` (G,) is what each gift would cost.
    """
    found = {"excluded": np.isin(np.arange(len(paid)), excluded)}
    if profile.age is not None and not terms.any_age:
        found["age"] = (profile.age < facts.youngest) | (profile.age > facts.oldest)
    if "sold_out" not in terms.allow:
        found["sold_out"] = facts.stock == 0
    if terms.days_left is not None and "late" not in terms.allow:
        found["late"] = facts.earliest() > terms.days_left
    if profile.budget is not None and "over_budget" not in terms.allow:
        found["over_budget"] = paid > profile.budget
    return found


def possible(kept: Mapping[str, Bools]) -> Possible:
    """Gifts left over by the rules (`kept_out`). A gift over the budget is left only if nothing else is."""
    left = np.ones_like(kept["excluded"])
    counts = dict.fromkeys(kept, 0)
    for rule, marks in kept.items():  # the budget comes last
        if rule == "over_budget" and left.any() and not (left & ~marks).any():
            return Possible(left, True, counts)
        counts[rule] = int((left & marks).sum())
        left &= ~marks
    return Possible(left, False, counts)


class Kind(NamedTuple):
    """The category and the tags, if known, that near-doubles share."""

    category: str
    tags: frozenset[str] | None


class Signature(NamedTuple):
    """The features that near-doubles share: kind, and words of the name without numbers, which often are sizes."""

    kind: Kind
    words: frozenset[str]


def signature_of(gift: Gift) -> Signature:
    words = re.findall(r"\w+", gift.name.casefold())
    kind = Kind(gift.category, None if gift.tags is None else frozenset(gift.tags))
    return Signature(kind, frozenset(word for word in words if not word.isnumeric()))


def near_doubles(one: Signature, other: Signature) -> bool:
    """Whether two gifts are as good as the same: of one kind, with half of the words of the names in common, and two at
    least.

    Kinds alone would not do: of 1,682 films, whose tags are genres, 1,583 are of the kind of another.
    """
    common = len(one.words & other.words)
    of_one_kind = one.kind == other.kind and one.kind.tags is not None
    return of_one_kind and common >= 2 and 2 * common >= len(one.words | other.words)


def without_near_doubles(
    order: Iterable[int], gifts: Sequence[Gift], known: dict[int, Signature]
) -> Iterator[int]:
    """The places of gifts in this order, less those that are near-doubles of one before; adds signatures to `known`."""
    kept: dict[Kind, list[Signature]] = {}
    for place in order:
        signature = known.get(place) or known.setdefault(place, signature_of(gifts[place]))
        alike = kept.setdefault(signature.kind, [])
        if not any(near_doubles(signature, other) for other in alike):
            alike.append(signature)
            yield place
