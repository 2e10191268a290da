"""Records as columns: one array per field, one row per record, names as vocabulary indices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trm_np.data.money import DOLLARS, Money
from trm_np.data.records import Gift, Profile, Scenario
from trm_np.data.vocabulary import Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Index = Ints | Bools | Sequence[int] | slice

MISSING = -1  # index of a missing name; a missing number is nan
UNKNOWN_RANGE = (np.nan, np.nan)

AGE_GROUPS = ((19, 25), (26, 35), (36, 45), (46, 55), (56, 68))
# Of the shipped data. Every dataset has three tiers.
BUDGET_TIERS = ((0.0, 80.0), (80.0, 150.0), (150.0, np.inf))


Rowed = TypeVar("Rowed", bound="Rows")


@dataclass(frozen=True, eq=False)
class Rows:
    """A record of fields with one row for each thing; `shared` names the fields that all things have in common."""

    shared: ClassVar[tuple[str, ...]] = ()

    def take(self: Rowed, index: Index) -> Rowed:
        """The rows that `index` picks, in its order."""
        own = [field.name for field in fields(self) if field.name not in self.shared]
        return replace(self, **{name: _rows_of(getattr(self, name), index) for name in own})

    def join(self: Rowed, other: Rowed) -> Rowed:
        """These rows followed by the others. Lists of names must have the same widths in both."""
        own = [field.name for field in fields(self) if field.name not in self.shared]
        return replace(self, **{name: _joined(getattr(self, name), getattr(other, name)) for name in own})


def _rows_of(values: Any, index: Index) -> Any:
    if isinstance(values, tuple):
        return tuple(values[row] for row in np.arange(len(values))[index])
    if isinstance(values, Rows):
        return values.take(index)
    return None if values is None else values[index]


def _joined(values: Any, others: Any) -> Any:
    if isinstance(values, Rows):
        return values.join(others)
    if isinstance(values, np.ndarray):
        return np.concatenate([values, others])
    from scipy.sparse import vstack  # type: ignore[import-untyped]  # late: a recommendation does not need SciPy

    return vstack([values, others], format="csr")


@dataclass(frozen=True, eq=False)
class ProfileTable(Rows):
    """N profiles: age and budget (N,), relationship and occasion (N,), hobbies (N, H) and preferences (N, P).

    Lists keep their order and are padded with -1 at the end.
    """

    age: Floats
    budget: Floats
    relationship: Ints
    occasion: Ints
    hobbies: Ints
    preferences: Ints

    def __len__(self) -> int:
        return len(self.age)


@dataclass(frozen=True, eq=False)
class LabelTable(Rows):
    """The labels of N scenarios: categories (N, C) and tools (N, K), 1.0 where expected and 0.0 elsewhere.

    A row of zeros means that a scenario has no such label.
    """

    categories: Floats
    tools: Floats

    def __len__(self) -> int:
        return len(self.categories)


@dataclass(frozen=True, eq=False)
class GiftTable(Rows):
    """G gifts: price, rating, category (G,), age_range (G, 2), then one column per name of the vocabulary.

    An unknown number is nan. Unknown tags or occasions are all False; `tags_known` and `occasions_known` (G,) tell them
    apart from empty ones.
    """

    ids: tuple[str, ...]
    price: Floats
    rating: Floats
    age_range: Floats
    category: Ints
    hobby_tags: Bools
    preference_tags: Bools
    occasions: Bools
    tags_known: Bools
    occasions_known: Bools

    def __len__(self) -> int:
        return len(self.ids)


def profile_table(profiles: Sequence[Profile], vocabulary: Vocabulary) -> ProfileTable:
    """The profiles as columns. H and P are the lengths of the longest lists, at least 1.

    Raises `KeyError` for an unknown name.
    """
    return ProfileTable(
        age=_numbers([profile.age for profile in profiles]),
        budget=_numbers([profile.budget for profile in profiles]),
        relationship=_indices([profile.relationship for profile in profiles], vocabulary.relationships),
        occasion=_indices([profile.occasion for profile in profiles], vocabulary.occasions),
        hobbies=_padded([profile.hobbies for profile in profiles], vocabulary.hobbies),
        preferences=_padded([profile.preferences for profile in profiles], vocabulary.preferences),
    )


def label_table(scenarios: Sequence[Scenario], vocabulary: Vocabulary) -> LabelTable:
    """The expected categories and tools as columns; raises `KeyError` for an unknown name."""
    categories = _marks([scenario.expected_categories for scenario in scenarios], vocabulary.categories)
    tools = _marks([scenario.expected_tools for scenario in scenarios], vocabulary.tools)
    return LabelTable(categories.astype(np.float64), tools.astype(np.float64))


def labelled(labels: Floats) -> Floats:
    """The rows of labels (N, K) that are given. If none is, one row with 0.5 for each name."""
    rows: Floats = labels[labels.any(axis=1)]
    return rows if len(rows) else np.full((1, labels.shape[1]), 0.5)


def gift_table(gifts: Sequence[Gift], vocabulary: Vocabulary) -> GiftTable:
    """The gifts as columns; raises `KeyError` for an unknown category, occasion or tag."""
    tags = [set(gift.tags or ()) for gift in gifts]
    hobbies, preferences = set(vocabulary.hobbies), set(vocabulary.preferences)
    unknown = set().union(*tags) - hobbies - preferences
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return GiftTable(
        ids=tuple(gift.id for gift in gifts),
        price=_numbers([gift.price for gift in gifts]),
        rating=_numbers([gift.rating for gift in gifts]),
        age_range=np.array([gift.age_range or UNKNOWN_RANGE for gift in gifts], dtype=np.float64).reshape(
            -1, 2
        ),
        category=_indices([gift.category for gift in gifts], vocabulary.categories),
        hobby_tags=_marks([own & hobbies for own in tags], vocabulary.hobbies),
        preference_tags=_marks([own & preferences for own in tags], vocabulary.preferences),
        occasions=_marks([gift.occasions or () for gift in gifts], vocabulary.occasions),
        tags_known=np.array([gift.tags is not None for gift in gifts], dtype=np.bool_),
        occasions_known=np.array([gift.occasions is not None for gift in gifts], dtype=np.bool_),
    )


def implied_categories(gifts: GiftTable, vocabulary: Vocabulary) -> Bools:
    """Mark the categories (n_hobbies, C) that each hobby points to; a hobby may point to none.

    A hobby points to the category of the same name. It also points to a category where at least half the gifts with
    known tags carry it.
    """
    implied = np.zeros((len(vocabulary.hobbies), len(vocabulary.categories)), np.bool_)
    for category in set(gifts.category[gifts.tags_known].tolist()):
        tags = gifts.hobby_tags[gifts.tags_known & (gifts.category == category)]
        implied[:, category] = 2 * tags.sum(axis=0) >= len(tags)
    place = {name: index for index, name in enumerate(vocabulary.categories)}
    for row, hobby in enumerate(vocabulary.hobbies):
        if hobby in place:
            implied[row, place[hobby]] = True
    return implied


def age_group(age: ArrayLike) -> Ints:
    """The index in AGE_GROUPS of each age in completed years. Ages outside all groups get the nearest; nan gives -1."""
    years = np.asarray(age, dtype=np.float64)
    starts = [youngest for youngest, _ in AGE_GROUPS[1:]]
    return np.where(np.isnan(years), MISSING, np.searchsorted(starts, years, side="right")).astype(np.int64)


def budget_tier(budget: ArrayLike, money: Money = DOLLARS) -> Ints:
    """The index of each budget's tier. A tier includes its upper bound; nan gives -1."""
    sums = np.asarray(budget, dtype=np.float64)
    tier = np.searchsorted(money.tiers, sums, side="left")
    return np.where(np.isnan(sums), MISSING, tier).astype(np.int64)


def portions(rows: int, width: int, cells: int) -> Iterator[slice]:
    """Slices of at least one row each that cover the rows in order, with rows × width no larger than `cells`."""
    size = max(cells // max(width, 1), 1)
    return (slice(first, first + size) for first in range(0, rows, size))


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _indices(values: Sequence[str | None], names: tuple[str, ...]) -> Ints:
    position = {name: index for index, name in enumerate(names)}
    return np.array([MISSING if value is None else position[value] for value in values], dtype=np.int64)


def _padded(lists: Sequence[Sequence[str]], names: tuple[str, ...]) -> Ints:
    width = max([1, *map(len, lists)])
    table = np.full((len(lists), width), MISSING, dtype=np.int64)
    for row, values in enumerate(lists):
        table[row, : len(values)] = _indices(values, names)
    return table


def _marks(lists: Sequence[Sequence[str] | set[str]], names: tuple[str, ...]) -> Bools:
    position = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(lists), len(names)), dtype=np.bool_)
    rows = np.repeat(np.arange(len(lists)), list(map(len, lists)))
    table[rows, [position[value] for values in lists for value in values]] = True
    return table
