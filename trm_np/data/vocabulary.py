"""The names that scenarios and gifts may use, and the other words that people have for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from trm_np.data.money import DOLLARS, Money
from trm_np.data.words import Words

LISTS = ("categories", "tools", "hobbies", "preferences", "relationships", "occasions")
SAID = LISTS[2:]  # of a person, in everyday words too


@dataclass(frozen=True)
class Vocabulary:
    """Six lists of names; the place of a name is its index in every table and model: order is contract.

    `synonyms` give by list the name that another word stands for, as {"hobbies": {"running": "fitness"}}. A model
    does not learn them: vocabularies with the same names are equal. `money` is the scale on which sums are read.
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
        """The six lists, by their names."""
        return {name: getattr(self, name) for name in LISTS}

    def shown_in(self, currency: str | None) -> "Vocabulary":
        """The same with sums in another currency, on the same scale; `None` leaves the currency as it is."""
        return self if currency is None else replace(self, money=replace(self.money, currency=currency))

    @cached_property
    def words(self) -> dict[str, Words]:
        """Words for the fields of a profile, by list."""
        return {name: Words(getattr(self, name), self.synonyms.get(name, {})) for name in SAID}
