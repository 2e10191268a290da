"""What is wrong with a file: where, what was found there, what is allowed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

SHOWN_CHARACTERS = 60
DIVISIONS = str.maketrans({"_": " ", "-": " ", "'": None, "\u2019": None})
LISTED_NAMES = 40
MOST_COMPARED = 10_000  # names among which a closest one is looked for, in a tenth of a second


@dataclass(frozen=True)
class Problem:
    """One fault in one place of one file; `found` and `allowed` are text, `suggestion` is a name or empty."""

    file: str
    place: str
    found: str
    allowed: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        hint = f"; did you mean {shown(self.suggestion)}?" if self.suggestion else ""
        return printable(f"{self.file}: {place}found {self.found}; allowed: {self.allowed}{hint}")


class DataError(ValueError):
    """A file is refused; `problems` holds every fault in it, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}")


@dataclass(frozen=True)
class Place:
    """A place in a file being checked, such as `scenarios[3].profile.age`; no path is the whole file."""

    file: str
    path: str = ""

    def key(self, name: str) -> "Place":
        return Place(self.file, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> "Place":
        return Place(self.file, f"{self.path}[{index}]")

    def problem(self, found: str, allowed: str, suggestion: str = "") -> Problem:
        return Problem(self.file, self.path, found, allowed, suggestion)


def printable(text: str) -> str:
    """The text with everything that a terminal would obey instead of show written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object) -> str:
    """A value as JSON, or by its `repr` if JSON has no such value, on one line of at most 60 characters."""
    text = ""
    # Piece by piece: a huge or deeply nested value is left as soon as the line is full.
    for piece in json.JSONEncoder(ensure_ascii=False, default=repr).iterencode(value):
        text += printable(piece[: SHOWN_CHARACTERS + 1])
        if len(text) > SHOWN_CHARACTERS:
            return text[: SHOWN_CHARACTERS - 3] + "..."
    return text


def listed(names: Sequence[str]) -> str:
    """Names joined by commas; a very long list is cut, and its length given."""
    if len(names) <= LISTED_NAMES:
        return ", ".join(names)
    return ", ".join(names[:LISTED_NAMES]) + f", ... ({len(names)} in all)"


@lru_cache(maxsize=4096)  # a catalogue for another vocabulary repeats a few unknown names thousands of times
def closest(name: str, names: tuple[str, ...]) -> str:
    """The one of `names` that `name` was probably meant to be, or an empty string."""
    if len(name) > SHOWN_CHARACTERS or len(names) > MOST_COMPARED:
        return ""
    by_plain_form = {plain_form(known): known for known in names}
    matches = get_close_matches(plain_form(name), by_plain_form, n=1)
    return by_plain_form[matches[0]] if matches else ""


def plain_form(name: str) -> str:
    """The name without what people write in different ways: case, hyphens, underscores, apostrophes."""
    return name.casefold().translate(DIVISIONS).strip()
