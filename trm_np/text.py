"""How values and names are shown in messages: on one line, cut where they are long, safe for a terminal."""

import json
import unicodedata
from collections.abc import Sequence

SHOWN_CHARACTERS = 60
LISTED_NAMES = 40
CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of a character, line breaks
REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the text around them


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


def counted(number: int, thing: str) -> str:
    """1 epoch; 2 epochs."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
