"""The records that the files hold once they are checked: immutable, every list a tuple."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Who receives the gift, age in years, budget in dollars; `None` or an empty tuple is a missing field."""

    age: float | None = None
    hobbies: tuple[str, ...] = ()
    relationship: str | None = None
    budget: float | None = None
    occasion: str | None = None
    preferences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A profile with the labels a person gave it."""

    name: str
    profile: Profile
    expected_categories: tuple[str, ...]
    expected_tools: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """One seller's price in dollars, and the days until it arrives."""

    seller: str
    price: float
    shipping_days: int


@dataclass(frozen=True)
class Gift:
    """One gift of the catalogue, its price in dollars, its rating from 1 to 5.

    `tags` are hobbies and preferences, `age_range` is inclusive, `reviews` counts 1 to 5 stars, and
    `weekly_sales` has the oldest week first.
    """

    id: str
    name: str
    category: str
    price: float
    rating: float
    tags: tuple[str, ...]
    age_range: tuple[int, int]
    occasions: tuple[str, ...]
    offers: tuple[Offer, ...]
    stock: int
    reviews: tuple[int, ...]
    weekly_sales: tuple[int, ...]
