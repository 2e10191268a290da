"""The realised reward of a list of gifts once bought. It counts prices paid, sold-out gifts and late deliveries."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trm_np.data.records import Gift
from trm_np.data.tables import Bools, Floats, GiftTable, Ints, ProfileTable
from trm_np.world.reward import COMPONENTS, WEIGHTS, list_components, reward_components
from trm_np.world.tools import ROUNDING, UNSTATED, effective_price, review_analysis

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

    Like `list_reward`, it is the mean over a list of each gift's reward, with five differences:

    - The price is the `effective_price` for the price paid.
    - The rating is that of `review_analysis`, which estimates the quality better.
    - A sold-out gift is worth nothing.
    - A gift that arrives after `days_left` gets nothing for the occasion.
    - The first gifts of the list that the budget covers together form one present. Its total price decides the budget
      component of each, and the tags of all decide the hobby component.

    Tools matter only through `choices` and `paid`. An unknown field counts neither for a gift nor against it. A gift
    with an unknown price, a `paid` of nan, is not part of the present. Raises `ValueError` for a price below every
    offer.
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
    """The reward of one list. Its k gifts are given both as records and as a table."""
    counted = replace(table, price=effective_price(table.price, paid, profile.budget))
    components = list_components(profile, counted, implied)

    in_stock = np.array([gift.stock != 0 for gift in gifts])
    priced = in_stock & ~np.isnan(paid)
    together = priced & (np.cumsum(np.where(priced, paid, 0.0)) <= profile.budget[0] * ROUNDING)
    if together.any():
        present = replace(
            table,
            price=np.broadcast_to(
                effective_price(table.price[together].sum(), paid[together].sum(), profile.budget),
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
    """Days until delivery by the fastest seller whose price is at most `paid`; UNSTATED without offers."""
    if gift.offers is None:
        return UNSTATED
    days = [offer.shipping_days for offer in gift.offers if offer.price <= paid]
    if not days:
        raise ValueError(f"{gift.id} cannot be bought for {paid}: every offer costs more")
    return min(days)
