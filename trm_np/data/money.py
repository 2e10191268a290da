"""Scale of a dataset's sums of money: a model reads them as shares of a usual budget, in any currency."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

USUAL_BUDGET, USUAL_PRICE = 110.0, 68.0  # medians of the shipped training budgets and list prices
LONGEST_CURRENCY = 8  # characters


@dataclass(frozen=True)
class Money:
    """The currency, up to which sums the budget tiers but the last reach, and the middle of the logarithmic scale.

    These are the shipped data's.
    """

    currency: str = "$"
    tiers: tuple[float, float] = (80.0, 150.0)
    middle: float = USUAL_BUDGET


DOLLARS = Money()


def money_of(
    budgets: Iterable[float | None], prices: Iterable[float | None], currency: str | None = None
) -> Money:
    """Money of a dataset with these training budgets and list prices, some of them known.

    All is as in the shipped data, times one factor: how many times as large the median budget is, or where no budget is
    known the median price. The median does not care for a few odd sums, and grows with all of them.
    """
    known = [budget for budget in budgets if budget is not None]
    listed = [price for price in prices if price is not None]
    factor = median(known) / USUAL_BUDGET if known else median(listed) / USUAL_PRICE if listed else 1.0
    lower, upper = (factor * top for top in DOLLARS.tiers)
    return Money(DOLLARS.currency if currency is None else currency, (lower, upper), factor * DOLLARS.middle)


def in_words(amount: float, currency: str) -> str:
    """$32, $27.50, ¥1,250 or EUR 40."""
    space = " " if currency[-1].isalpha() else ""
    return f"{currency}{space}{amount:,.2f}".removesuffix(".00")
