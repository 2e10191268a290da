"""The records that the files hold once they are checked: immutable, every list a tuple."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Who receives the gift, age in years, budget in the catalogue's currency; `None` or an empty tuple is missing.

    `history` has the ids of gifts that the person has already.
    """

    age: float | None = None
    hobbies: tuple[str, ...] = ()
    relationship: str | None = None
    budget: float | None = None
    occasion: str | None = None
    preferences: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A profile with the labels a person gave it, and the ids of gifts that were chosen for it, or rejected.

    An empty tuple is not given. `chosen` pairs each id with its weight, above 0.
    """

    name: str
    profile: Profile
    expected_categories: tuple[str, ...] = ()
    expected_tools: tuple[str, ...] = ()
    chosen: tuple[tuple[str, float], ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """One seller's price, and the days until it arrives."""

    seller: str
    price: float
    shipping_days: int


@dataclass(frozen=True)
class Gift:
    """One gift of the catalogue, its price in the catalogue's currency, its rating from 1 to 5; `None` is unknown.

    `tags` are hobbies and preferences, `age_range` is inclusive, `reviews` counts 1 to 5 stars, and
    `weekly_sales` has the oldest week first.
    """

    id: str
    name: str
    category: str
    price: float | None = None
    rating: float | None = None
    tags: tuple[str, ...] | None = None
    age_range: tuple[int, int] | None = None
    occasions: tuple[str, ...] | None = None
    offers: tuple[Offer, ...] | None = None
    stock: int | None = None
    reviews: tuple[int, ...] | None = None
    weekly_sales: tuple[int, ...] | None = None
