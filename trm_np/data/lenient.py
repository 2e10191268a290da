"""Read a profile as people give it: a name that nobody taught the model is left out, with a warning."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trm_np.data import schema
from trm_np.data.load import profile_from_json
from trm_np.data.problems import DataError, Place, closest, composed, listed, plain_form, shown
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.strict_json import RepeatedKeys
from trm_np.data.vocabulary import Vocabulary

MOST_SUGGESTIONS = 3
LEVELS = 4  # of nesting: a list of gifts has offers with fields
COMMON_BEGINNING = 4  # letters that make a name worth suggesting: grandparent for grandmother
LISTS = {"hobbies": "hobbies", "preferences": "preferences"}  # the field, and where its names are known from
SINGLE_NAMES = {"relationship": "relationships", "occasion": "occasions"}


def lenient_profile(
    value: object, vocabulary: Vocabulary, file: str, place: str = ""
) -> tuple[Profile, tuple[str, ...]]:
    """One profile, its unknown names counted as missing, and a warning for each of them.

    A known name in another spelling, as "Mother's Day" is of mothers_day, is that name; a list keeps it once.

    Raises `DataError` for whatever else `profile_from_json` refuses: wrong types, numbers out of range, unknown
    keys, a name of the vocabulary given twice as it stands there.
    """
    at = Place(file, place)
    unlisted = list(_unlisted_names(value, vocabulary, at))
    forgiven = {where.path for where, _, _ in unlisted}
    problems = [problem for problem in schema.profile(vocabulary)(value, at) if problem.place not in forgiven]
    if problems:
        raise DataError(problems)
    profile = profile_from_json(_known_part(value, vocabulary), vocabulary, file, place)
    return profile, tuple(
        _warning(where, name, names) for where, name, names in unlisted if known_name(name, names) is None
    )


def json_value(given: object, levels: int = LEVELS) -> Any:
    """A value given in Python as JSON holds it, for the checks to look at.

    Records and mappings are dictionaries, sequences and arrays lists, NumPy's numbers and texts Python's. What is
    nested deeper than anything in the files stays as it is.
    """
    if isinstance(given, RepeatedKeys | type):  # the former comes from JSON, and both are refused
        return given
    if isinstance(given, Profile | Gift | Offer):
        given = vars(given)
    if hasattr(given, "tolist"):  # of NumPy, or as NumPy's
        given = given.tolist()
    if levels and isinstance(given, Mapping):
        return {key: json_value(item, levels - 1) for key, item in given.items()}
    if levels and isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray):
        return [json_value(item, levels - 1) for item in given]
    return given


def close_names(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, at most three, that `name` was probably meant to be: the closest, then those that begin alike."""
    found: list[str] = []
    rest = names
    while len(found) < MOST_SUGGESTIONS and (match := closest(name, rest)):
        found.append(match)
        rest = tuple(known for known in rest if known != match)
    beginning = plain_form(name)[:COMMON_BEGINNING]
    if len(beginning) == COMMON_BEGINNING:
        found += [known for known in rest if plain_form(known).startswith(beginning)]
    return tuple(found[:MOST_SUGGESTIONS])


def known_name(name: str, names: tuple[str, ...]) -> str | None:
    """The one of `names` that this is, in whatever Unicode form, or the only one that it is another spelling of."""
    for alike in (str, composed, _letters):
        spelt = [known for known in names if alike(known) == alike(name)]
        if len(spelt) == 1:
            return spelt[0]
    return None


def _letters(name: str) -> str:
    return "".join(plain_form(name).split())


def _unlisted_names(
    value: object, vocabulary: Vocabulary, at: Place
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """Where a name stands that is not so written in the vocabulary, the name, and those that are."""
    for field, item in value.items() if isinstance(value, dict) else ():
        if field in LISTS and isinstance(item, list):
            given = [(at.key(field).item(index), name) for index, name in enumerate(item)]
        elif field in SINGLE_NAMES:
            given = [(at.key(field), item)]
        else:
            continue
        names = getattr(vocabulary, (LISTS | SINGLE_NAMES)[field])
        for where, name in given:
            if isinstance(name, str) and name not in names:
                yield where, name, names


def _known_part(value: Any, vocabulary: Vocabulary) -> dict[str, Any]:
    """A checked value with the names that the vocabulary has, as it writes them."""
    known = dict(value)
    for field, kind in LISTS.items():
        found = (known_name(name, getattr(vocabulary, kind)) for name in value.get(field) or ())
        known[field] = list(dict.fromkeys(name for name in found if name is not None))
    for field, kind in SINGLE_NAMES.items():
        name = value.get(field)
        known[field] = None if name is None else known_name(name, getattr(vocabulary, kind))
    return known


def _warning(at: Place, name: str, names: tuple[str, ...]) -> str:
    close = close_names(name, names)
    hint = f"the closest known: {', '.join(close)}" if close else f"known: {listed(names)}"
    return f"{at.file}: {at.path}: {shown(name)} is not known and counts as missing; {hint}"
