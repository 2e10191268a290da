"""Problems of a file: where one is, what was found there, and what is allowed."""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trm_np.data.spelling import closest

SHOWN_CHARACTERS = 60
LISTED_NAMES = 40
CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of a character, line breaks
REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the text around them


@dataclass(frozen=True)
class Problem:
    """One fault in one place of one file; `found` and `allowed` are text.

    If a `name` was found, `names` are those it may have been meant to be.
    """

    file: str
    place: str
    found: str
    allowed: str
    name: str = ""
    names: tuple[str, ...] = ()

    @property
    def suggestion(self) -> str:
        """The name that was probably meant, or an empty string; searched for only if somebody asks."""
        return closest(self.name, self.names)

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        suggestion = self.suggestion
        hint = f"; did you mean {shown(suggestion)}?" if suggestion else ""
        return printable(f"{self.file}: {place}found {self.found}; allowed: {self.allowed}{hint}")


class DataError(ValueError):
    """A file is refused; `problems` holds every fault in it, in file order, and `listed_by` is what shows them all."""

    def __init__(self, problems: Iterable[Problem], listed_by: str = "") -> None:
        self.problems = tuple(problems)
        where = f"; {listed_by} lists them" if listed_by else ""
        more = f" (and {len(self.problems) - 1} more{where})" if len(self.problems) > 1 else ""
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

    def problem(self, found: str, allowed: str, name: str = "", names: tuple[str, ...] = ()) -> Problem:
        return Problem(self.file, self.path, found, allowed, name, names)


def printable(text: str) -> str:
    """The text with everything that a terminal would obey instead of show written as an escape.

    What joins letters or emoji, wide spaces and marks of direction stay: they are how some languages are written.
    """
    return "".join(escape(c) if unicodedata.category(c) in CONTROLS or c in REORDERING else c for c in text)


def printable_lines(text: str) -> str:
    """The same of each line."""
    return "\n".join(map(printable, text.split("\n")))


def escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown(value: object) -> str:
    """A value as JSON, or by its `repr` if JSON has no such value, on one line of at most 60 characters.

    Invisible characters are escaped, because they may be the problem.
    """
    text = ""
    encoder = json.JSONEncoder(ensure_ascii=False, default=repr, check_circular=False, skipkeys=True)
    # Piece by piece: a huge, deeply nested or endless value is left as soon as the line is full.
    for piece in encoder.iterencode(value):
        text += "".join(c if c.isprintable() else escape(c) for c in piece[: SHOWN_CHARACTERS + 1])
        if len(text) > SHOWN_CHARACTERS:
            return text[: SHOWN_CHARACTERS - 3] + "..."
    return text


def listed(names: Sequence[str]) -> str:
    """Names joined by commas; a very long list is cut, and its length given, and so is a very long name."""
    cut = (
        name if len(name) <= SHOWN_CHARACTERS else name[: SHOWN_CHARACTERS - 3] + "..."
        for name in names[:LISTED_NAMES]
    )
    return ", ".join(cut) + (f", ... ({len(names)} in all)" if len(names) > LISTED_NAMES else "")
