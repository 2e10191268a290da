"""Records of the checked files. They are immutable, and every list is a tuple."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Who receives the gift. `None` or an empty tuple means that a field is missing.

    `age` is in years and `budget` in the catalogue's currency. `history` holds the ids of gifts that the receiver
    already has.
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
    """A profile with its labels, and the ids of gifts that were chosen or rejected for it.

    An empty tuple means that a field is not given. `chosen` pairs each id with a weight above 0.
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
    """One gift of the catalogue. `None` means that a field is unknown.

    `price` is in the catalogue's currency, and `rating` is from 1 to 5. `tags` are hobbies and preferences.
    `age_range` includes both ends. `reviews` counts the reviews with 1 to 5 stars. `weekly_sales` starts with the
    oldest week.
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
