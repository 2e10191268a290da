"""The five tools. Each reads offers, stock, reviews or sales of G gifts, and has an effect on how they are ranked."""

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from math import inf, nan
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from trm_np.data.records import Gift, Offer
from trm_np.data.tables import Bools, Floats, Ints
from trm_np.text import shown
from trm_np.world.bundle import best_bundle

T = TypeVar("T", bound=np.generic)

BUNDLE_MARGIN = 0.05  # a gift whose reward is this much below the best affordable one does not join a bundle
BUNDLE_BONUS = (
    2.0  # larger than the range of rewards plus the trend bonus, so that the bundle leads the ranking
)
TREND_BONUS = 0.01  # small, so that it only decides between gifts that are about equal
UNSTATED = -1  # an unknown number of pieces, days or reviews; an unknown price, rating or slope is nan
PRIOR_REVIEWS = (
    12.0  # ratio of the variance of stars within gifts to that between gifts: 11.8 in the shipped catalogue
)
STARS = np.arange(1.0, 6.0)
LOW_STARS = 2  # one and two stars

WEEKS = 12
T_QUANTILE = 2.2281388519862748  # 97.5 % quantile of Student's t with 12 weeks - 2 = 10 degrees of freedom
ROUNDING = 1.0 + 1e-12  # factor on a budget: a sum of prices equal to it may round to just above it


class Effect(NamedTuple):
    """A tool's changes to G gifts. `None` leaves a value as it is.

    `price` (G,) and `rating` (G,) replace those of the catalogue. `bonus` (G,) is added to the predicted reward when
    gifts are ranked.
    """

    price: Floats | None = None
    rating: Floats | None = None
    bonus: Floats | None = None


class PriceComparison(NamedTuple):
    """The best offer for each gift, its price (G,), and the saving (G,) against the list price.

    Without offers the price is the list price. An unknown saving is 0.
    """

    offer: tuple[Offer | None, ...]
    price: Floats
    saving: Floats

    def effect(self) -> Effect:
        return Effect(price=self.price)


class InventoryCheck(NamedTuple):
    """Pieces in stock (G,), the fastest offer, its days to arrive (G,), and whether the gift arrives in time (G,).

    The tool has no effect of its own. Gifts that are sold out or late are ruled out whichever tools run
    (trm_np/recommend/common_sense.py).
    """

    stock: Ints
    offer: tuple[Offer | None, ...]
    arrival_days: Ints
    in_time: Bools

    def effect(self) -> Effect:
        return Effect()


class ReviewAnalysis(NamedTuple):
    """A rating (G,) weighted by the number of reviews, that number (G,), and the share (G,) of 1 and 2 stars."""

    rating: Floats
    reviews: Ints
    low_share: Floats

    def effect(self) -> Effect:
        return Effect(rating=self.rating)


class TrendAnalysis(NamedTuple):
    """Weekly growth as a share of mean sales (G,), its standard error (G,), and its direction (G,).

    The direction is 1 or -1 where the slope differs from zero at the 95 % level, and 0 elsewhere.
    """

    slope: Floats
    standard_error: Floats
    direction: Ints

    def effect(self) -> Effect:
        return Effect(bonus=TREND_BONUS * self.direction.astype(np.float64))


class BudgetOptimizer(NamedTuple):
    """The best bundle as indices into the G gifts and as marks (G,), its price and its total value."""

    bundle: tuple[int, ...]
    marks: Bools
    price: float
    value: float

    def effect(self) -> Effect:
        return Effect(bonus=BUNDLE_BONUS * self.marks.astype(np.float64))


Finding = PriceComparison | InventoryCheck | ReviewAnalysis | TrendAnalysis | BudgetOptimizer


def price_comparison(gifts: Sequence[Gift], days_left: float | None = None) -> PriceComparison:
    """Find the cheapest offer that arrives in time, or the cheapest of all if none does. Ties go to the faster.

    Without a date (`None`) all offers arrive in time.
    """
    until = inf if days_left is None else days_left
    offer = tuple(
        min(
            fair_offers(gift),
            key=lambda offer: (offer.shipping_days > until, offer.price, offer.shipping_days),
            default=None,
        )
        for gift in gifts
    )
    listed = _floats([_or_nan(gift.price) for gift in gifts])
    offered = _floats([_or_nan(best.price if best else None) for best in offer])
    price = np.where(np.isnan(offered), listed, offered)
    return PriceComparison(offer, price, np.fmax(listed - price, 0.0))


def fair_offers(gift: Gift) -> tuple[Offer, ...]:
    """The offers at no more than the list price, or all offers if there are none or the list price is unknown."""
    offers, price = gift.offers or (), gift.price
    return offers if price is None else tuple([offer for offer in offers if offer.price <= price]) or offers


def price_paid(gift: Gift) -> float:
    """The price paid without a comparison: the list price, or the lowest offer if all offers cost more.

    It is nan if neither is known.
    """
    least = min((offer.price for offer in fair_offers(gift)), default=nan)
    return float(np.fmax(_or_nan(gift.price), least))


def first_offer(gift: Gift) -> Offer | None:
    """The fastest of the `fair_offers`. Ties go to the cheaper."""
    return min(fair_offers(gift), key=lambda offer: (offer.shipping_days, offer.price), default=None)


def effective_price(listed: Floats, paid: Floats, budget: float | Floats) -> Floats:
    """The price that decides a gift's budget component when it is bought below its list price.

    Up to the budget, a gift looks as generous as its list price, so a bargain does not make it look mean. Beyond the
    budget, only the price paid counts. A nan budget or list price is unknown.
    """
    known = np.where(np.isnan(listed), paid, listed)
    counted: Floats = np.maximum(paid, np.fmin(known, budget))
    return counted


def inventory_check(gifts: Sequence[Gift], days_left: float | None = None) -> InventoryCheck:
    """Look up the stock and the fastest of the `fair_offers` of each gift.

    A gift is in time if it is in stock and arrives within the days left. Unknown stock or arrival counts as in time.
    """
    stock = _counts([UNSTATED if gift.stock is None else gift.stock for gift in gifts])
    offer = tuple(map(first_offer, gifts))
    arrival_days = _counts([UNSTATED if first is None else first.shipping_days for first in offer])
    in_time = (stock != 0) & (arrival_days <= (inf if days_left is None else days_left))
    return InventoryCheck(stock, offer, arrival_days, in_time)


def review_analysis(gifts: Sequence[Gift], star_shares: Floats | None = None) -> ReviewAnalysis:
    """Compute the Bayesian average of each gift: the expected number of stars in its next review.

    It is the posterior mean of a multinomial distribution over five stars under a Dirichlet prior (Gelman et al.,
    "Bayesian Data Analysis", 3rd edition, section 3.4). The prior acts as PRIOR_REVIEWS further reviews with the
    `star_shares` (5,) of the catalogue; `None` takes the shares of these gifts. If the reviews of no gift are known,
    the stated ratings stay.
    """
    if star_shares is None:
        star_shares = catalogue_star_shares(gifts)
    counts = _review_counts(gifts)
    reviews = counts.sum(axis=1)
    stars = (counts + PRIOR_REVIEWS * star_shares) @ STARS
    low_share = counts[:, :LOW_STARS].sum(axis=1) / np.maximum(reviews, 1)
    rating = stars / (reviews + PRIOR_REVIEWS)
    stated = _floats([_or_nan(gift.rating) for gift in gifts])
    known = np.array([gift.reviews is not None for gift in gifts], dtype=np.bool_)
    return ReviewAnalysis(
        np.where(np.isnan(rating), stated, rating), np.where(known, reviews, UNSTATED), low_share
    )


def catalogue_star_shares(gifts: Sequence[Gift]) -> Floats:
    """The shares (5,) of 1 to 5 stars in all reviews and one further review of each, so that no share is 0.

    They are nan if the reviews of no gift are known.
    """
    if gifts and all(gift.reviews is None for gift in gifts):
        return np.full(len(STARS), nan)
    counts = _review_counts(gifts).sum(axis=0) + 1
    shares: Floats = counts / counts.sum()
    return shares


def trend_analysis(gifts: Sequence[Gift]) -> TrendAnalysis:
    """Fit a least-squares line to twelve weeks of sales and test its slope with a two-sided t test.

    Unknown sales give nan. See Montgomery, Peck and Vining, "Introduction to Linear Regression Analysis", chapter 2.
    """
    unstated = (nan,) * WEEKS
    sales = _floats([gift.weekly_sales or unstated for gift in gifts]).reshape(-1, WEEKS)
    weeks = np.arange(WEEKS) - (WEEKS - 1) / 2
    spread = weeks @ weeks
    mean = sales.mean(axis=1)
    slope = sales @ weeks / spread
    residuals = sales - mean[:, None] - slope[:, None] * weeks
    standard_error = np.sqrt((residuals * residuals).sum(axis=1) / (WEEKS - 2) / spread)
    direction = np.where(np.abs(slope) > T_QUANTILE * standard_error, np.sign(slope), 0).astype(np.int64)
    scale = np.where(mean == 0, 1.0, mean)  # if nothing was sold, the slope is 0
    return TrendAnalysis(slope / scale, standard_error / scale, direction)


def budget_optimizer(
    gifts: Sequence[Gift],
    value: Floats,
    budget: float | None,
    price: Floats | None = None,
    available: Bools | None = None,
) -> BudgetOptimizer:
    """Find the bundle of at most three gifts with the greatest total value (G,) that the budget covers.

    The search is exact. Among equal bundles the cheaper wins, then the one whose gifts come first. Only `available`
    (G,) gifts with a known price are considered. `price` (G,) defaults to `price_paid`. Without a budget the bundle
    is the three best gifts. If no gift fits, it is empty. Raises `ValueError` if a value is nan.
    """
    if np.shape(value) != (len(gifts),) or np.isnan(value).any():
        raise ValueError(
            f"value must be {len(gifts)} numbers, one for each gift, found {shown(value.tolist())}"
        )
    prices = _floats(list(map(price_paid, gifts))) if price is None else price
    worth = np.where(np.isnan(prices) | (False if available is None else ~available), -inf, value)
    bundle = best_bundle(worth, prices, inf if budget is None else budget * ROUNDING)
    chosen = list(bundle)
    marks = np.isin(np.arange(len(gifts)), chosen)
    return BudgetOptimizer(bundle, marks, float(prices[chosen].sum()), float(value[chosen].sum()))


TOOLS = ("price_comparison", "inventory_check", "review_analysis", "trend_analysis", "budget_optimizer")


def run_tools(
    names: Collection[str],
    gifts: Sequence[Gift],
    value: Floats,
    budget: float | None,
    days_left: float | None,
    star_shares: Floats | None = None,
) -> dict[str, Finding]:
    """Run the named tools in the order of TOOLS, so that the bundle is made with the prices compared before.

    `value` (G,) is the predicted reward of each gift. `star_shares` are those of the whole catalogue, if these gifts
    are only a part of it. A bundle holds only gifts within BUNDLE_MARGIN of the best affordable one. Raises
    `ValueError` for an unknown name.
    """
    unknown = sorted(set(names) - set(TOOLS))
    if unknown:
        raise ValueError(f"no such tool: {', '.join(unknown)}; the tools are {', '.join(TOOLS)}")
    found: dict[str, Finding] = {}
    if "price_comparison" in names:
        found["price_comparison"] = price_comparison(gifts, days_left)
    if "inventory_check" in names:
        found["inventory_check"] = inventory_check(gifts, days_left)
    if "review_analysis" in names:
        found["review_analysis"] = review_analysis(gifts, star_shares)
    if "trend_analysis" in names:
        found["trend_analysis"] = trend_analysis(gifts)
    if "budget_optimizer" in names:
        known = combined(finding.effect() for finding in found.values())
        price = _floats(list(map(price_paid, gifts))) if known.price is None else known.price
        possible = price <= (inf if budget is None else budget)
        worth_giving = possible & (value >= value.max(where=possible, initial=-inf) - BUNDLE_MARGIN)
        found["budget_optimizer"] = budget_optimizer(gifts, value, budget, price, worth_giving)
    return found


def combined(effects: Iterable[Effect]) -> Effect:
    """Combine effects: the lowest price and rating, and the sum of bonuses."""
    every = list(effects)
    return Effect(
        price=_joined(np.minimum, [effect.price for effect in every]),
        rating=_joined(np.minimum, [effect.rating for effect in every]),
        bonus=_joined(np.add, [effect.bonus for effect in every]),
    )


def _joined(join: np.ufunc, columns: Sequence[NDArray[T] | None]) -> NDArray[T] | None:
    known = [column for column in columns if column is not None]
    return reduce(join, known) if known else None


def _review_counts(gifts: Sequence[Gift]) -> Ints:
    none = (0,) * len(STARS)
    return _counts([gift.reviews or none for gift in gifts]).reshape(-1, len(STARS))


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


def _floats(values: Sequence[float] | Sequence[Sequence[float]]) -> Floats:
    return np.array(values, dtype=np.float64)


def _counts(values: Sequence[int] | Sequence[Sequence[int]]) -> Ints:
    return np.array(values, dtype=np.int64)
