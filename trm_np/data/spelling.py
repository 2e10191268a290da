"""Spellings of a word: in other letters, in the plural, or misspelt."""

import unicodedata
from collections import defaultdict
from functools import lru_cache
from itertools import takewhile
from operator import eq

LONGEST_COMPARED = 60  # characters; longer words are not compared
MOST_COMPARED = 10_000  # names, which take a tenth of a second
MOST_SUGGESTIONS = 3
# Least letters for one or two edits to count as a misspelling: skiing is not cooking.
ONE_EDIT, TWO_EDITS = 3, 8
DIVISIONS = {"_": " ", "-": " ", "'": None, "\u2019": None}
TURKISH_I = {"ı": "i", "\u0307": None}  # İ in lower case is i followed by a combining dot
PLAIN = str.maketrans(DIVISIONS | TURKISH_I)


def composed(text: str) -> str:
    """The text in the Unicode form NFC, in which texts that look the same are equal."""
    return unicodedata.normalize("NFC", text)


def letters(name: str) -> str:
    """The name without case, spaces, hyphens, underscores and apostrophes, which people write in different ways."""
    return "".join(composed(name.casefold()).translate(PLAIN).split())


def singular(name: str) -> str:
    """The `letters` of a name in the singular, by English rules: dog for dogs, hobby for hobbies, box for boxes."""
    form = letters(name)
    if len(form) > 2 and form.endswith("s") and not form.endswith("ss"):
        form = form[:-1]
    if form.endswith("ie"):
        return f"{form[:-2]}y"
    return form[:-1] if form.endswith(("che", "she", "sse", "xe", "ze", "oe")) else form


@lru_cache(maxsize=4096)  # a catalogue with another vocabulary repeats a few unknown names thousands of times
def close_names(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """At most three names that `name` may misspell, the closest first."""
    if len(name) > LONGEST_COMPARED or len(names) > MOST_COMPARED:
        return ()
    form = singular(name)
    most = (len(form) >= ONE_EDIT) + (len(form) >= TWO_EDITS)
    by_length, letters_in = forms_by_length(names), frozenset(form)
    found = [
        (distance, place)
        for length in range(len(form) - most, len(form) + most + 1)
        for other, others, place in by_length.get(length, ())
        if len(letters_in ^ others) <= 2 * most  # an edit adds at most one letter and removes at most one
        and (distance := edits(form, other, most)) <= most
    ]
    return tuple(names[place] for _, place in sorted(found)[:MOST_SUGGESTIONS])


def closest(name: str, names: tuple[str, ...]) -> str:
    """The closest of `names` that `name` may misspell, or an empty string."""
    return next(iter(close_names(name, names)), "")


def edits(one: str, other: str, most: int) -> int:
    """Number of edits between two words: insertions, deletions, replacements, and swaps of neighbouring letters.

    The result is exact only up to `most`; beyond that it is some larger number.
    """
    same = sum(takewhile(bool, map(eq, one, other)))  # length of the common prefix
    one, other = one[same:], other[same:]
    if not one or not other or most == 0:
        return max(len(one), len(other))
    ways = [(one[1:], other), (one, other[1:]), (one[1:], other[1:])]
    if one[:2] == other[1::-1]:
        ways.append((one[2:], other[2:]))
    return 1 + min(edits(*rest, most - 1) for rest in ways)


@lru_cache(maxsize=64)
def forms_by_length(names: tuple[str, ...]) -> dict[int, list[tuple[str, frozenset[str], int]]]:
    """The `singular` of each name, its set of letters and the index of the name, by the length of the singular."""
    by_length = defaultdict(list)
    for place, known in enumerate(names):
        form = singular(known)
        by_length[len(form)].append((form, frozenset(form), place))
    return dict(by_length)
