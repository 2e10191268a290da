"""Realised value of a list of gifts once bought: prices paid, goods that run out, parcels that come late."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trm_np.data.records import Gift
from trm_np.data.tables import Bools, Floats, GiftTable, Ints, ProfileTable
from trm_np.world.reward import COMPONENTS, WEIGHTS, components_in_turn, reward_components
from trm_np.world.tools import ROUNDING, UNSTATED, price_that_counts, review_analysis

BUDGET, HOBBY, OCCASION = (COMPONENTS.index(name) for name in ("budget", "hobby", "occasion"))


def realised_reward(
    profiles: ProfileTable,
    gifts: Sequence[Gift],
    table: GiftTable,
    implied: Bools,
    choices: Ints,
    paid: Floats,
    days_left: float,
) -> Floats:
    """The reward (N,) of the lists `choices` (N, k) when each gift is bought at the price `paid` (N, k).

    It is the mean over a list, as `list_reward` is, of the world's reward with five differences. The price is the
    one that counts when so much is paid (`price_that_counts`). The rating is that of `review_analysis`, the better
    estimate of how good a gift is. A sold-out gift is worth nothing. One that comes after `days_left` has missed
    its occasion. And the gifts at the head of the list, as far as the budget reaches, are given together, as one
    present: the budget component of each is that of their total, the hobby component that of all their tags. Which
    tools ran matters through `choices` and `paid` alone. An unknown field counts neither for a gift nor against it;
    without a known price, a `paid` of nan, it is not given together with others. Raises `ValueError` for a price
    that no seller asks.
    """
    believed = replace(table, rating=review_analysis(gifts).rating)
    return np.array(
        [
            _realised(
                profiles.take([row]),
                [gifts[index] for index in choices[row]],
                believed.take(choices[row]),
                implied,
                paid[row],
                days_left,
            )
            for row in range(len(profiles))
        ]
    )


def _realised(
    profile: ProfileTable,
    gifts: Sequence[Gift],
    table: GiftTable,
    implied: Bools,
    paid: Floats,
    days_left: float,
) -> float:
    """The reward of one list, its k gifts given as records and as columns."""
    counted = replace(table, price=price_that_counts(table.price, paid, profile.budget))
    components = components_in_turn(profile, counted, implied)

    in_stock = np.array([gift.stock != 0 for gift in gifts])
    priced = in_stock & ~np.isnan(paid)
    together = priced & (np.cumsum(np.where(priced, paid, 0.0)) <= profile.budget[0] * ROUNDING)
    if together.any():
        present = replace(
            table,
            price=np.broadcast_to(
                price_that_counts(table.price[together].sum(), paid[together].sum(), profile.budget),
                len(gifts),
            ),
            hobby_tags=np.broadcast_to(table.hobby_tags[together].any(axis=0), table.hobby_tags.shape),
            tags_known=np.broadcast_to(table.tags_known[together].any(), table.tags_known.shape),
        )
        as_one = reward_components(profile, present, implied)[0]
        for component in (BUDGET, HOBBY):
            components[together, component] = as_one[together, component]
    arrival = [_arrival_days(gift, price) for gift, price in zip(gifts, paid.tolist(), strict=True)]
    components[np.array(arrival) > days_left, OCCASION] = 0.0
    worth = np.minimum(components @ WEIGHTS, 1.0)  # the sum may round to just above 1
    return float(np.where(in_stock, worth, 0.0).mean())


def _arrival_days(gift: Gift, paid: float) -> int:
    """Days until the fastest seller who asks no more than what is paid has delivered; UNSTATED without offers."""
    if gift.offers is None:
        return UNSTATED
    days = [offer.shipping_days for offer in gift.offers if offer.price <= paid]
    if not days:
        raise ValueError(f"{gift.id} cannot be had for {paid}: no seller asks so little")
    return min(days)
