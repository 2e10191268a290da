"""Select gifts: the tools look at a shortlist of the most valued gifts, and the model picks among them, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from trm_np.data.records import Profile
from trm_np.data.tables import Bools, Floats, GiftTable, Ints, ProfileTable
from trm_np.deadline import require_time
from trm_np.recommend.catalogue import Catalogue, encoded_by
from trm_np.recommend.common_sense import Possible, kept_out, possible, without_near_doubles
from trm_np.recommend.outputs import Outputs, TieBreaker, require_numbers
from trm_np.recommend.recommendation import Pick
from trm_np.recommend.terms import Terms
from trm_np.storage.checkpoint import StoredModel
from trm_np.world.reward import COMPONENTS, list_components
from trm_np.world.tools import (
    TOOLS,
    BudgetOptimizer,
    Effect,
    Finding,
    combined,
    effective_price,
    run_tools,
)

SHORTLIST = 64  # gifts that the tools look at: those that the model ranks first
MOST_RESCORED = 100  # the first gifts, before each of which the model runs again; later ones change little
SELECTED_TOOLS = 2
APART = 4.0  # more than any reward and bonus, to put dearer gifts behind all cheaper ones


class Consultation(NamedTuple):
    """Results of the tools for one profile: which were selected, what they found, and what they change.

    They look at a shortlist of the gifts that the rules of common sense leave `possible`.
    """

    budget: float | None
    selected: list[str]
    possible: Possible
    shortlist: Ints
    findings: dict[str, Finding]
    effect: Effect


class ShortlistTable(NamedTuple):
    """The gifts (L,) of a shortlist by place in the catalogue, as the tools describe them; `free` ones may be picked.

    Gifts of a lower `tier` come before the others at any prediction.
    """

    place: Ints
    price: Floats
    rating: Floats
    bonus: Floats
    free: Bools
    tier: Ints


def consult(
    catalogue: Catalogue,
    profile: Profile,
    value: Floats,
    tie_breaker: TieBreaker,
    probabilities: Mapping[str, float],
    terms: Terms,
) -> Consultation:
    """Run the tools, by default the most probable ones, on the possible gifts of the greatest value (G,)."""
    tools = terms.tools
    selected = list(probabilities)[:SELECTED_TOOLS] if tools is None else list(dict.fromkeys(tools))
    names = [name for name in selected if tools is not None or name in TOOLS]
    facts, compared = catalogue.facts, "price_comparison" in names
    paid = facts.best_price(terms.days_left) if compared else facts.paid
    left = possible(kept_out(facts, profile, paid, excluded(catalogue, profile, terms), terms))
    places = np.flatnonzero(left.marks)
    cheap_first = [paid[places]] if left.nothing_fits else []
    order = places[np.lexsort((-value[places], *cheap_first))]
    distinct = without_near_doubles(map(int, order), catalogue.gifts, catalogue.signatures)
    shortlist = np.array(list(islice(distinct, max(SHORTLIST, min(terms.k, len(places))))), np.int64)
    gifts = [catalogue.gifts[index] for index in shortlist]
    separated = tie_breaker.apply(value[shortlist], shortlist)
    findings = run_tools(names, gifts, separated, profile.budget, terms.days_left, catalogue.star_shares)
    if isinstance(found := findings.get("budget_optimizer"), BudgetOptimizer):
        worth = float(value[shortlist[list(found.bundle)]].sum())
        findings["budget_optimizer"] = found._replace(value=worth)
    effect = combined(finding.effect() for finding in findings.values())
    return Consultation(profile.budget, selected, left, shortlist, findings, effect)


def excluded(catalogue: Catalogue, profile: Profile, terms: Terms) -> list[int]:
    """Places of the gifts that are never recommended for this profile."""
    return [catalogue.place[gift] for gift in (*terms.exclude, *profile.history) if gift in catalogue.place]


def pick(
    stored: StoredModel, catalogue: Catalogue, outputs: Outputs, consulted: Sequence[Consultation], k: int
) -> list[list[Pick]]:
    """The gifts of each shortlist, picked one by one: the model scores each as the tools describe it, given those
    before it."""
    model, longest = stored.model, max(len(each.shortlist) for each in consulted)
    if not longest:
        return [[] for _ in consulted]
    tables = [shortlist_table(catalogue, each, longest) for each in consulted]
    bonus, free = np.stack([each.bonus for each in tables]), np.stack([each.free for each in tables])
    gifts = catalogue.table.take(np.concatenate([each.place for each in tables]))
    price, rating = (np.concatenate([getattr(each, name) for each in tables]) for name in ("price", "rating"))
    gifts = replace(gifts, price=price, rating=rating)
    encoded = encoded_by(stored, gifts).for_each_of(len(tables))

    pairs = model.pair_logits(outputs.user, encoded)
    picked = np.zeros(free.shape, np.bool_)
    liking = np.take_along_axis(outputs.liking, np.stack([each.place for each in tables]), axis=1)
    alone = model.score_gifts(pairs, encoded)[1].data.astype(np.float64)
    require_numbers(reward=alone)
    reward = alone
    for turn in range(min(k, longest)):
        require_time()
        if 0 < turn < MOST_RESCORED:
            reward = model.score_gifts(pairs, encoded, picked)[1].data
        worth = np.where(free & ~picked, outputs.shares.value(liking, reward) + bonus, -np.inf)
        rows = zip(outputs.tie_breakers, worth, tables, strict=True)
        best = np.array([breaker.apply(row, each.place).argmax() for breaker, row, each in rows])
        more = np.flatnonzero((free & ~picked).any(axis=1))
        picked[more, best[more]] = True
    return [
        in_order(
            outputs.table.take([row]),
            gifts.take(slice(row * longest, (row + 1) * longest)),
            picked[row],
            alone[row],
            outputs.shares.value(liking[row], alone[row]),
            each.tier,
            catalogue.implied,
        )
        for row, each in enumerate(tables)
    ]


def in_order(
    profile: ProfileTable,
    gifts: GiftTable,
    picked: Bools,
    alone: Floats,
    value: Floats,
    tier: Ints,
    implied: Bools,
) -> list[Pick]:
    """The picked ones of some gifts, best first: by tier, then by the value of each alone.

    The predicted reward of none counts for more than that of one before it.
    """
    places = np.flatnonzero(picked)
    places = places[np.lexsort((-value[places], tier[places]))]
    reward = np.minimum.accumulate(alone[places])
    components = list_components(profile, gifts.take(places), implied)
    return [
        Pick(place, value, by_component(row))
        for place, value, row in zip(places.tolist(), reward.tolist(), components, strict=True)
    ]


def shortlist_table(catalogue: Catalogue, consultation: Consultation, length: int) -> ShortlistTable:
    """The shortlist as the tools describe it, filled up to a length with gifts that cannot be picked."""
    budget, _, left, shortlist, findings, effect = consultation
    size = len(shortlist)
    place, tier = np.zeros((2, length), np.int64)
    place[:size] = shortlist
    price, rating = catalogue.table.price[place], catalogue.table.rating[place]
    bonus = np.zeros(length)
    paid = catalogue.facts.paid[shortlist] if effect.price is None else effect.price
    price[:size] = effective_price(price[:size], paid, np.nan if budget is None else budget)
    if effect.rating is not None:
        rating[:size] = effect.rating
    if effect.bonus is not None:
        bonus[:size] = effect.bonus
    if isinstance(bundle := findings.get("budget_optimizer"), BudgetOptimizer):
        tier[:size] -= bundle.marks
    if left.nothing_fits:
        tier[:size] = np.unique(paid, return_inverse=True)[1]
    return ShortlistTable(place, price, rating, bonus - APART * tier, np.arange(length) < size, tier)


def by_component(values: Floats) -> dict[str, float]:
    """The seven components (7,) of a reward by name."""
    return dict(zip(COMPONENTS, values.tolist(), strict=True))
