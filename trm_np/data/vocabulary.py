"""The names that scenarios and gifts may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Six lists of names; the place of a name is its index in every table and model: order is contract."""

    categories: tuple[str, ...]
    tools: tuple[str, ...]
    hobbies: tuple[str, ...]
    preferences: tuple[str, ...]
    relationships: tuple[str, ...]
    occasions: tuple[str, ...]
