"""The best bundle of at most three gifts that costs no more than a limit, by exact search."""

from math import inf

import numpy as np

from trm_np.data.tables import Floats, Ints

BUNDLE_SIZE = 3


def best_bundle(value: Floats, price: Floats, limit: float) -> tuple[int, ...]:
    """The indices, in ascending order, of the gifts with the greatest total value (G,) that cost at most `limit`.

    Among bundles of equal value the cheaper wins, then the one whose gifts come first. A value of -inf excludes a gift.
    The time is quadratic in the number of gifts that `_undominated` keeps.
    """
    # Three dummy gifts with price and value 0 let a bundle hold fewer than three gifts.
    by_price, nothing = np.argsort(price, kind="stable"), np.zeros(BUNDLE_SIZE)
    gift = np.concatenate([np.full(BUNDLE_SIZE, -1), by_price])
    values, prices = np.append(nothing, value[by_price]), np.append(nothing, price[by_price])
    kept = _undominated(values)
    gift, values, prices = gift[kept], values[kept], prices[kept]
    best_up_to = _places_of_running_maximum(values)

    best: tuple[float, float, tuple[int, ...]] = (0.0, 0.0, ())
    for dearest in range(2, len(gift)):
        # For each second gift, the third is the most valuable one that is no dearer than it and still fits.
        second = np.arange(1, dearest)
        left = limit - prices[dearest] - prices[second]
        second, left = second[left >= 0], left[left >= 0]
        third = best_up_to[np.minimum(second, np.searchsorted(prices, left, side="right")) - 1]
        total = values[dearest] + values[second] + values[third]
        for pair in np.flatnonzero(total == total.max(initial=-inf)):
            places = [dearest, second[pair], third[pair]]
            bundle = tuple(sorted(int(index) for index in gift[places] if index >= 0))
            best = min(best, (-float(total[pair]), float(prices[places].sum()), bundle))
    return best[2]


def _undominated(values: Floats) -> Ints:
    """The positions of gifts that a best bundle may hold, given the values in the order of price.

    A gift can be left out if three others cost no more and are worth no less: a bundle always misses one of them, which
    can replace it. Of 20,000 gifts with random prices and values about thirty remain.
    """
    best: list[float] = []
    kept = []
    for place, value in enumerate(values.tolist()):
        if len(best) < BUNDLE_SIZE or value > best[0]:
            kept.append(place)
            best = sorted([*best, value])[-BUNDLE_SIZE:]
    return np.array(kept, dtype=np.int64)


def _places_of_running_maximum(values: Floats) -> Ints:
    """For each position, the first position up to it with the greatest value."""
    most = np.maximum.accumulate(values)
    is_new = np.append(True, most[1:] > most[:-1])
    places: Ints = np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))
    return places
