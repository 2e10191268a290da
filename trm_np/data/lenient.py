"""Read a profile in people's own words; a name that the model does not know is left out with a warning."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from trm_np.data import schema
from trm_np.data.load import profile_from_json
from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.strict_json import RepeatedKeys
from trm_np.data.vocabulary import Vocabulary
from trm_np.data.words import Meaning
from trm_np.deadline import require_time
from trm_np.text import listed, shown

MOST_EXPLAINED = 5  # unknown words of a profile
LEVELS = 4  # of nesting: a list of gifts has offers with fields
LISTS = {"hobbies": "hobbies", "preferences": "preferences"}  # the field, and where its names are known from
SINGLE_NAMES = {"relationship": "relationships", "occasion": "occasions"}


class Asked(NamedTuple):
    """A checked profile, warnings of unknown names, and notes of synonyms and of ids without a gift."""

    profile: Profile
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Said(NamedTuple):
    """A word of a profile that is no name as it stands there: where, the list that it is looked for in, its meaning."""

    place: str
    word: str
    kind: str
    meaning: Meaning


def read_profile(
    value: object,
    vocabulary: Vocabulary,
    file: str,
    place: str = "",
    strict: bool = False,
    gifts: Mapping[str, str] | None = None,
) -> Asked:
    """One profile: another spelling of a name is that name, as "Mother's Day" is mothers_day, and so is a synonym.

    An unknown name counts as missing, with one warning for all of them, or is an error if `strict`. A list keeps a
    name once. `gifts` has the ids that a history may have, each with the id that it stands for; others are left out
    with a note, or are an error. Raises `DataError` for anything else that `profile_from_json` refuses: wrong
    types, numbers out of range, unknown keys, a name of the vocabulary given twice as it stands there.
    """
    at = Place(file, place)
    said = list(_other_words(value, vocabulary, at))
    unknown = [each for each in said if each.meaning.name is None]
    strange = _not_in_catalogue(value, gifts, at)
    forgiven = {each.place for each in said} - {each.place for each in unknown if strict}
    forgiven |= {problem.place for problem in strange}
    problems = [problem for problem in schema.profile(vocabulary)(value, at) if problem.place not in forgiven]
    if strict:
        problems += strange
    if problems:
        raise DataError(problems)
    profile = profile_from_json(_known_part(value, vocabulary, gifts), vocabulary, file, place)
    notes = (*_notes(said), *_notes_of_history([problem.name for problem in strange]))
    return Asked(profile, tuple(_warnings(unknown, vocabulary, at)), notes)


def json_value(given: object, levels: int = LEVELS) -> Any:
    """A value given in Python as JSON holds it, for the checks to look at.

    Records and mappings are dictionaries, sequences and arrays lists, NumPy's numbers and texts Python's. Values
    nested deeper than any in the files stay as they are.
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


def _other_words(value: object, vocabulary: Vocabulary, at: Place) -> Iterator[Said]:
    """The words that are not so written in the vocabulary."""
    for field, item in value.items() if isinstance(value, dict) else ():
        if field in LISTS and isinstance(item, list):
            given = [(at.key(field).item(index), word) for index, word in enumerate(item)]
        elif field in SINGLE_NAMES:
            given = [(at.key(field), item)]
        else:
            continue
        kind = (LISTS | SINGLE_NAMES)[field]
        for where, word in given:
            require_time()
            if isinstance(word, str) and (meaning := vocabulary.words[kind].meaning(word)).name != word:
                yield Said(where.path, word, kind, meaning)


def _known_part(value: Any, vocabulary: Vocabulary, gifts: Mapping[str, str] | None) -> dict[str, Any]:
    """A checked value with the names that its words stand for, and of its history the gifts."""
    known = dict(value)
    for field, kind in LISTS.items():
        found = (vocabulary.words[kind].meaning(word).name for word in value.get(field) or ())
        known[field] = list(dict.fromkeys(name for name in found if name is not None))
    for field, kind in SINGLE_NAMES.items():
        word = value.get(field)
        known[field] = None if word is None else vocabulary.words[kind].meaning(word).name
    if gifts is not None:
        had = (gifts[id] for id in value.get("history") or () if id in gifts)
        known["history"] = list(dict.fromkeys(had))
    return known


def _not_in_catalogue(value: object, gifts: Mapping[str, str] | None, at: Place) -> list[Problem]:
    """The ids of a history that are not among those of the gifts, if these are known."""
    history = value.get("history") if isinstance(value, dict) else None
    if gifts is None or not isinstance(history, list):
        return []
    places = [place for place, id in enumerate(history) if isinstance(id, str) and id not in gifts]
    ids, at = tuple(gifts) if places else (), at.key("history")
    return [
        at.item(place).problem(shown(history[place]), schema.KNOWN_ID, history[place], ids)
        for place in places
    ]


def _notes_of_history(strange: Sequence[str]) -> Iterator[str]:
    """One for all ids of a history that are no gifts."""
    if strange:
        yield f"left out of the history, since the catalogue does not have it: {listed(list(map(shown, strange)))}"


def _warnings(unknown: Sequence[Said], vocabulary: Vocabulary, at: Place) -> Iterator[str]:
    """One for all that is unknown: the names that are spelt nearly so, or else all that there are of the kind.

    They are looked for the first few words only, each of which is compared with all names.
    """
    words = list(dict.fromkeys(each.word for each in unknown))
    if not words:
        return
    close: dict[str, None] = {}
    kinds: dict[str, None] = {}
    for each in unknown[:MOST_EXPLAINED]:
        require_time()
        found = vocabulary.words[each.kind].close(each.word)
        close |= dict.fromkeys(found)
        kinds |= {} if found else {each.kind: None}
    where = f"{at.file}: {at.path}: " if at.path else f"{at.file}: "
    count = "is not known and counts" if len(words) == 1 else "are not known and count"
    hints = [f"; the closest known: {listed(list(close))}"] if close else []
    hints += [f"; known {kind}: {listed(getattr(vocabulary, kind))}" for kind in kinds]
    yield f"{where}{listed(list(map(shown, words)))} {count} as missing{''.join(hints)}"


def _notes(said: Sequence[Said]) -> Iterator[str]:
    """One for all synonyms: running counts as fitness, yoga as wellness."""
    used = dict.fromkeys(each.meaning for each in said if each.meaning.synonym is not None)
    parts = [
        f"{synonym} {'as' if number else 'counts as'} {name}" for number, (name, synonym) in enumerate(used)
    ]
    if parts:
        yield listed(parts)
