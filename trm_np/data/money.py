"""The scale of a dataset's amounts of money. A model reads amounts relative to a usual budget, in any currency."""

from collections.abc import Iterable
from dataclasses import dataclass

USUAL_BUDGET, USUAL_PRICE = 110.0, 68.0  # medians of the shipped training budgets and list prices
LONGEST_CURRENCY = 8  # characters


@dataclass(frozen=True)
class Money:
    """The currency, the upper bounds of all budget tiers but the last, and the middle of the logarithmic scale.

    The defaults are those of the shipped data.
    """

    currency: str = "$"
    tiers: tuple[float, float] = (80.0, 150.0)
    middle: float = USUAL_BUDGET


DOLLARS = Money()


def money_of(
    budgets: Iterable[float | None], prices: Iterable[float | None], currency: str | None = None
) -> Money:
    """The scale for a dataset with these training budgets and list prices; `None` is unknown.

    It is the scale of the shipped data times one factor: the ratio of the median budgets, or of the median prices if no
    budget is known. A few extreme amounts hardly move a median.
    """
    from statistics import median

    known = [budget for budget in budgets if budget is not None]
    listed = [price for price in prices if price is not None]
    factor = median(known) / USUAL_BUDGET if known else median(listed) / USUAL_PRICE if listed else 1.0
    lower, upper = (factor * top for top in DOLLARS.tiers)
    return Money(DOLLARS.currency if currency is None else currency, (lower, upper), factor * DOLLARS.middle)


def in_words(amount: float, currency: str) -> str:
    """Format an amount, such as $32, $27.50, ¥1,250 or EUR 40."""
    space = " " if currency[-1].isalpha() else ""
    return f"{currency}{space}{amount:,.2f}".removesuffix(".00")
