"""The best bundle of at most three gifts that costs no more than a limit, by exact search."""

from math import inf

import numpy as np

from trm_np.data.tables import Floats, Ints

BUNDLE_SIZE = 3


def best_bundle(value: Floats, price: Floats, limit: float) -> tuple[int, ...]:
    """The gifts, in ascending order, with the greatest sum of value (G,) whose prices (G,) the limit covers.

    Of equal bundles the cheaper, then the one whose gifts stand first. A value of -inf keeps a gift out.
    Quadratic in the number of gifts left by `_undominated`.
    """
    # Three empty places, free and worth nothing, stand for what a bundle of fewer gifts leaves out.
    by_price, nothing = np.argsort(price, kind="stable"), np.zeros(BUNDLE_SIZE)
    gift = np.concatenate([np.full(BUNDLE_SIZE, -1), by_price])
    values, prices = np.append(nothing, value[by_price]), np.append(nothing, price[by_price])
    kept = _undominated(values)
    gift, values, prices = gift[kept], values[kept], prices[kept]
    best_up_to = _places_of_running_maximum(values)

    best: tuple[float, float, tuple[int, ...]] = (0.0, 0.0, ())
    for dearest in range(2, len(gift)):
        # With every second dearest gift goes the most valuable one that is no dearer and still fits.
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
    """The places of gifts, cheapest first, that a best bundle may hold.

    Once three others cost no more and are worth no less, one of them is free to stand in for the gift. Of 20,000
    gifts with prices and values drawn at random this leaves about thirty.
    """
    best: list[float] = []
    kept = []
    for place, value in enumerate(values.tolist()):
        if len(best) < BUNDLE_SIZE or value > best[0]:
            kept.append(place)
            best = sorted([*best, value])[-BUNDLE_SIZE:]
    return np.array(kept, dtype=np.int64)


def _places_of_running_maximum(values: Floats) -> Ints:
    """For each place the first one, up to it, with the greatest value."""
    most = np.maximum.accumulate(values)
    is_new = np.append(True, most[1:] > most[:-1])
    places: Ints = np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))
    return places
