"""The five tools: what the offers, stock, reviews and sales of G gifts say, and what that changes for each of them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf, nan
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trm_np.data.records import Gift, Offer
from trm_np.data.tables import Bools, Floats, Ints
from trm_np.text import shown
from trm_np.world.bundle import best_bundle

T = TypeVar("T", bound=np.generic)

BUNDLE_MARGIN = 0.05  # of reward: a gift much worse than the best affordable one is not worth giving as well
BUNDLE_BONUS = 2.0  # above the whole range of rewards and of the trend bonus: the bundle leads the order
TREND_BONUS = 0.01  # decides between gifts that are about as good, and never more than that
UNSTATED = -1  # of a number of pieces, days or reviews; an unstated price, rating or slope is nan
PRIOR_REVIEWS = 12.0  # variance of stars within gifts over that between gifts: 11.8 in the shipped catalogue
STARS = np.arange(1.0, 6.0)
LOW_STARS = 2  # one and two stars

WEEKS = 12
T_QUANTILE = 2.2281388519862748  # of Student's t: 97.5 % with 12 weeks - 2 = 10 degrees of freedom
ROUNDING = 1.0 + 1e-12  # a sum of prices may round to just above the budget that it meets


@dataclass(frozen=True, eq=False)
class Effect:
    """Changes by a tool to each of G gifts; `None` leaves a value as it is.

    price (G,) to be paid; rating (G,) to be believed; bonus (G,), added to the predicted reward when gifts are put in
    order.
    """

    price: Floats | None = None
    rating: Floats | None = None
    bonus: Floats | None = None


@dataclass(frozen=True, eq=False)
class PriceComparison:
    """The best offer for each gift, the price (G,) paid with it, and the saving (G,) against the list price.

    Without offers it is the list price; a saving that cannot be known is 0.
    """

    offer: tuple[Offer | None, ...]
    price: Floats
    saving: Floats

    def effect(self) -> Effect:
        return Effect(price=self.price)


@dataclass(frozen=True, eq=False)
class InventoryCheck:
    """Pieces in stock (G,), the offer that is there first, its days (G,), and whether one can be had in time (G,).

    It changes nothing: gifts that cannot be had are ruled out with any tools (trm_np/recommend/common_sense.py).
    """

    stock: Ints
    offer: tuple[Offer | None, ...]
    arrival_days: Ints
    in_time: Bools

    def effect(self) -> Effect:
        return Effect()


@dataclass(frozen=True, eq=False)
class ReviewAnalysis:
    """A rating (G,) that counts the reviews behind it, their number (G,), and the share (G,) of 1 and 2 stars."""

    rating: Floats
    reviews: Ints
    low_share: Floats

    def effect(self) -> Effect:
        return Effect(rating=self.rating)


@dataclass(frozen=True, eq=False)
class TrendAnalysis:
    """Growth of sales per week, as a share of mean sales (G,), its standard error (G,), and direction (G,).

    The direction is 1 or -1 where the slope differs from zero at the 95 % level, otherwise 0.
    """

    slope: Floats
    standard_error: Floats
    direction: Ints

    def effect(self) -> Effect:
        return Effect(bonus=TREND_BONUS * self.direction.astype(np.float64))


@dataclass(frozen=True, eq=False)
class BudgetOptimizer:
    """The best bundle, as indices in the order of the G gifts: marks (G,), what it costs, the sum of its values."""

    bundle: tuple[int, ...]
    marks: Bools
    price: float
    value: float

    def effect(self) -> Effect:
        return Effect(bonus=BUNDLE_BONUS * self.marks.astype(np.float64))


Finding = PriceComparison | InventoryCheck | ReviewAnalysis | TrendAnalysis | BudgetOptimizer


def price_comparison(gifts: Sequence[Gift], days_left: float | None = None) -> PriceComparison:
    """The cheapest offer that arrives in time, the faster of equal ones; where none does, the cheapest of all.

    With no date (`None`) all arrive in time.
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
    asked = _floats([_or_nan(best.price if best else None) for best in offer])
    price = np.where(np.isnan(asked), listed, asked)
    return PriceComparison(offer, price, np.fmax(listed - price, 0.0))


def fair_offers(gift: Gift) -> tuple[Offer, ...]:
    """The offers that ask no more than the list price; all of them where every seller asks more, or none is known."""
    offers = gift.offers or ()
    return tuple(offer for offer in offers if gift.price is not None and offer.price <= gift.price) or offers


def price_paid(gift: Gift) -> float:
    """Price paid without a comparison: the list price, or the lowest offer where every seller asks more.

    It is nan where neither is known.
    """
    least = min((offer.price for offer in fair_offers(gift)), default=nan)
    return float(np.fmax(_or_nan(gift.price), least))


def first_offer(gift: Gift) -> Offer | None:
    """The offer that is there first of those at no more than the list price, the cheaper of equal ones."""
    return min(fair_offers(gift), key=lambda offer: (offer.shipping_days, offer.price), default=None)


def price_that_counts(listed: Floats, paid: Floats, budget: float | Floats) -> Floats:
    """The price by which a gift is judged when less than its list price is paid; a nan budget or list price is unknown.

    The giver feels the price beyond the budget. Up to the budget a gift looks as generous as its list price: a
    bargain makes no gift mean.
    """
    known = np.where(np.isnan(listed), paid, listed)
    counted: Floats = np.maximum(paid, np.fmin(known, budget))
    return counted


def inventory_check(gifts: Sequence[Gift], days_left: float | None = None) -> InventoryCheck:
    """Stock, and the earliest arrival over sellers at no more than the list price, the cheaper of equal ones.

    A gift is in time if it is in stock and arrives within the days left, as far as either is known.
    """
    stock = _counts([UNSTATED if gift.stock is None else gift.stock for gift in gifts])
    offer = tuple(map(first_offer, gifts))
    arrival_days = _counts([UNSTATED if first is None else first.shipping_days for first in offer])
    in_time = (stock != 0) & (arrival_days <= (inf if days_left is None else days_left))
    return InventoryCheck(stock, offer, arrival_days, in_time)


def review_analysis(gifts: Sequence[Gift], star_shares: Floats | None = None) -> ReviewAnalysis:
    """The Bayesian average: the mean star count expected of the next review.

    It is the posterior mean of a multinomial distribution over five stars under a Dirichlet prior, which acts
    as PRIOR_REVIEWS further reviews with the `star_shares` (5,) of the catalogue (`None`: of these gifts).
    Gelman et al., "Bayesian Data Analysis", 3rd edition, section 3.4. Where the reviews of no gift are known, the
    ratings stay as they are stated.
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
    """The share (5,) of 1 to 5 stars in all reviews, with one review of each added: never 0, even if there is none.

    They are nan if the reviews of no gift are known.
    """
    if gifts and all(gift.reviews is None for gift in gifts):
        return np.full(len(STARS), nan)
    counts = _review_counts(gifts).sum(axis=0) + 1
    shares: Floats = counts / counts.sum()
    return shares


def trend_analysis(gifts: Sequence[Gift]) -> TrendAnalysis:
    """The least-squares line through twelve weeks of sales, with a two-sided t test of its slope; nan if not known.

    Montgomery, Peck and Vining, "Introduction to Linear Regression Analysis", chapter 2.
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
    scale = np.where(mean == 0, 1.0, mean)  # nothing sold at all: a slope of 0
    return TrendAnalysis(slope / scale, standard_error / scale, direction)


def budget_optimizer(
    gifts: Sequence[Gift],
    value: Floats,
    budget: float | None,
    price: Floats | None = None,
    available: Bools | None = None,
) -> BudgetOptimizer:
    """The bundle of at most three gifts with the greatest sum of value (G,) that costs no more than the budget.

    Exact; of equal ones the cheaper, then the first in the order of the gifts. `price` (G,) is `price_paid` if
    `None`; only `available` (G,) gifts with a known price are taken. Without a budget it is the three best. Nothing
    may fit: an empty bundle. Raises `ValueError` for a value that is not a number.
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
    """Run the named tools in the order of TOOLS: prices and stock are known before the bundle is sought.

    `value` (G,) is the reward predicted of each gift; `star_shares` those of the catalogue if these gifts are a
    part of it. A bundle is made of gifts within BUNDLE_MARGIN of the best one that it could hold. Raises
    `ValueError` for a name that is not a tool.
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
    """All effects at once: the lowest price and rating, the sum of bonuses."""
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
