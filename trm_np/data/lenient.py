"""Read a profile as people give it: a name that nobody taught the model is left out, with a warning."""

from collections.abc import Iterator
from copy import copy
from typing import Any

from trm_np.data import schema
from trm_np.data.load import profile_from_json
from trm_np.data.problems import DataError, Place, closest, listed, plain_form, shown
from trm_np.data.records import Profile
from trm_np.data.vocabulary import Vocabulary

MOST_SUGGESTIONS = 3
LISTS = {"hobbies": "hobbies", "preferences": "preferences"}  # the field, and where its names are known from
SINGLE_NAMES = {"relationship": "relationships", "occasion": "occasions"}


def lenient_profile(
    value: object, vocabulary: Vocabulary, file: str, place: str = ""
) -> tuple[Profile, tuple[str, ...]]:
    """One profile, its unknown names counted as missing, and a warning for each of them.

    "Mother's Day" is mothers_day: what differs in its `plain_form` alone is known.

    Raises `DataError` for whatever else `profile_from_json` refuses: wrong types, numbers out of range, unknown
    keys, a name given twice.
    """
    at = Place(file, place)
    value = _as_known(value, vocabulary)
    unknown = list(_unknown_names(value, vocabulary, at))
    forgiven = {where.path for where, _, _ in unknown}
    problems = [problem for problem in schema.profile(vocabulary)(value, at) if problem.place not in forgiven]
    if problems:
        raise DataError(problems)
    profile = profile_from_json(_known_part(value, vocabulary), vocabulary, file, place)
    return profile, tuple(_warning(where, name, names) for where, name, names in unknown)


def profile_json(profile: Profile) -> dict[str, Any]:
    """The profile as the value that its JSON holds, to be checked like one that was read."""
    return {key: list(item) if isinstance(item, tuple) else item for key, item in vars(profile).items()}


def close_names(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, at most three, that `name` was probably meant to be, the closest first."""
    found: list[str] = []
    while len(found) < MOST_SUGGESTIONS and (match := closest(name, names)):
        found.append(match)
        names = tuple(known for known in names if known != match)
    return tuple(found)


def _as_known(value: object, vocabulary: Vocabulary) -> object:
    """The value with each name written as the vocabulary writes it, where that is clear."""
    if not isinstance(value, dict):
        return value
    respelt = copy(value)  # a JsonObject stays one
    for field, kind in (LISTS | SINGLE_NAMES).items():
        written = {plain_form(name): name for name in getattr(vocabulary, kind)}
        item = value.get(field)
        if isinstance(item, str):
            respelt[field] = written.get(plain_form(item), item)
        elif isinstance(item, list):
            respelt[field] = [
                written.get(plain_form(name), name) if isinstance(name, str) else name for name in item
            ]
    return respelt


def _unknown_names(
    value: object, vocabulary: Vocabulary, at: Place
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """Where a name stands that is not in the vocabulary, the name, and those that are."""
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
    """A checked value without the names that the vocabulary lacks."""
    known = dict(value)
    for field, names in LISTS.items():
        known[field] = [name for name in value.get(field) or () if name in getattr(vocabulary, names)]
    for field, names in SINGLE_NAMES.items():
        if value.get(field) not in getattr(vocabulary, names):
            known[field] = None
    return known


def _warning(at: Place, name: str, names: tuple[str, ...]) -> str:
    close = close_names(name, names)
    hint = f"the closest known: {', '.join(close)}" if close else f"known: {listed(names)}"
    return f"{at.file}: {at.path}: {shown(name)} is not known and counts as missing; {hint}"
