"""The names that scenarios and gifts may use, and synonyms for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from trm_np.data.money import DOLLARS, Money
from trm_np.data.words import Words

LISTS = ("categories", "tools", "hobbies", "preferences", "relationships", "occasions")
PROFILE_LISTS = LISTS[2:]  # lists whose names profiles use, also in everyday words


@dataclass(frozen=True)
class Vocabulary:
    """Six lists of names. The position of a name is its index in every table and model, so the order must not change.

    `synonyms` map other words to names, list by list: {"hobbies": {"running": "fitness"}}. Models do not learn
    synonyms, so vocabularies with the same names are equal. `money` is the scale of amounts.
    """

    categories: tuple[str, ...]
    tools: tuple[str, ...]
    hobbies: tuple[str, ...]
    preferences: tuple[str, ...]
    relationships: tuple[str, ...]
    occasions: tuple[str, ...]
    synonyms: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    money: Money = field(default=DOLLARS, compare=False)

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The six lists by name."""
        return {name: getattr(self, name) for name in LISTS}

    def with_currency(self, currency: str | None) -> "Vocabulary":
        """A copy that shows amounts in another currency, on the same scale; `None` keeps the currency."""
        return self if currency is None else replace(self, money=replace(self.money, currency=currency))

    @cached_property
    def words(self) -> dict[str, Words]:
        """Lookup tables for the words of a profile, by list."""
        return {name: Words(getattr(self, name), self.synonyms.get(name, {})) for name in PROFILE_LISTS}
