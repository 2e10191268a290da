"""Read a profile in everyday words: a word that the model does not know is left out, with a warning."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from trm_np.data import schema
from trm_np.data.load import checked, profile_from
from trm_np.data.problems import Place, Problem
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.strict_json import RepeatedKeys
from trm_np.data.vocabulary import Vocabulary
from trm_np.data.words import Meaning
from trm_np.deadline import require_time
from trm_np.text import listed, shown

MOST_EXPLAINED = 5  # unknown words of a profile
LEVELS = 4  # of nesting: a list of gifts has offers with fields
LISTS = {"hobbies": "hobbies", "preferences": "preferences"}  # from the field to the list of its names
SINGLE_NAMES = {"relationship": "relationships", "occasion": "occasions"}


class CheckedProfile(NamedTuple):
    """A checked profile, warnings of unknown names, and notes of synonyms and of ids without a gift."""

    profile: Profile
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Lookup(NamedTuple):
    """A word of a field that is not a name as it stands, and the meaning that was found for it."""

    field: str
    word: str
    meaning: Meaning


class Reader:
    """Looks up each word of one profile while the profile is checked.

    `names` are those found for each field. An unknown word is refused only if `strict`.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.names: dict[str, list[str]] = {}
        self.lookups: list[Lookup] = []

    def word(
        self,
        field: str,
        meaning_of: Callable[[str], Meaning],
        known: Callable[[object, Place], Iterator[Problem]],
    ) -> schema.Check:
        """Check of a word of this field; `known` refuses what has no meaning."""
        unrepeated, names = schema.unused(schema.string), self.names.setdefault(field, [])

        @schema.keeps(type="string")
        def check(value: object, at: Place) -> Iterator[Problem]:
            require_time()
            if not isinstance(value, str):
                yield from known(value, at)
                return
            meaning = meaning_of(value)
            if meaning.name == value:
                yield from unrepeated(value, at)
            else:
                self.lookups.append(Lookup(field, value, meaning))
                if meaning.name is None and self.strict:
                    yield from known(value, at)
            if meaning.name is not None:
                names.append(meaning.name)

        return check

    def checks(self, vocabulary: Vocabulary, gifts: Mapping[str, str] | None) -> dict[str, schema.Check]:
        """Checks of the fields that hold words, and of the history if the ids of its gifts are known."""
        checks = {
            field: self.word(field, vocabulary.words[kind].meaning, schema.name(getattr(vocabulary, kind)))
            for field, kind in (LISTS | SINGLE_NAMES).items()
        }
        checks |= {field: schema.list_of(checks[field], at_most=schema.MOST_INTERESTS) for field in LISTS}
        if gifts is not None:
            known_ids = cache(
                lambda: schema.in_catalogue(tuple(gifts))
            )  # slow for many gifts, and seldom needed

            @schema.keeps(type="string")
            def known_id(id: object, at: Place) -> Iterator[Problem]:
                yield from known_ids()(id, at)

            gift_id = self.word("history", lambda id: Meaning(gifts.get(id)), known_id)
            checks["history"] = schema.list_of(gift_id, at_most=schema.MOST_CHOICES)
        return checks


def read_profile(
    value: object,
    vocabulary: Vocabulary,
    file: str,
    place: str = "",
    strict: bool = False,
    gifts: Mapping[str, str] | None = None,
) -> CheckedProfile:
    """One profile: another spelling of a name is that name, as "Mother's Day" is mothers_day, and so is a synonym.

    An unknown name counts as missing, with one warning for all of them, or is an error if `strict`. A list keeps a
    name once. `gifts` has the ids that a history may have, each with the id that it stands for; others are left out
    with a note, or are an error. Raises `DataError` for anything else that the check of a profile refuses: wrong
    types, numbers out of range, unknown keys, a name of the vocabulary given twice as it stands there.
    """
    at, reader = Place(file, place), Reader(strict)
    given = checked(
        schema.profile_of(schema.profile_fields(vocabulary) | reader.checks(vocabulary, gifts)), value, at
    )
    known = {field: list(dict.fromkeys(names)) for field, names in reader.names.items()}
    single = {field: next(iter(known[field]), None) for field in SINGLE_NAMES}
    warnings = tuple(_warnings(reader.lookups, vocabulary, at))
    notes = (*_synonym_notes(reader.lookups), *_history_notes(reader.lookups))
    return CheckedProfile(profile_from(given | known | single), warnings, notes)


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


def _warnings(lookups: Sequence[Lookup], vocabulary: Vocabulary, at: Place) -> Iterator[str]:
    """One for all unknown words: the names with a similar spelling, or else all names of the list.

    Only the first few words are compared with the names, because each is compared with all of them.
    """
    unknown = [each for each in lookups if each.meaning.name is None and each.field != "history"]
    words = list(dict.fromkeys(each.word for each in unknown))
    if not words:
        return
    close: dict[str, None] = {}
    kinds: dict[str, None] = {}
    for each in unknown[:MOST_EXPLAINED]:
        require_time()
        kind = (LISTS | SINGLE_NAMES)[each.field]
        names = vocabulary.words[kind]
        parts = (names.meaning(part.strip()).name for part in each.word.split(",")[:MOST_EXPLAINED])
        found = names.close(each.word) or tuple(filter(None, parts))  # some write several names as one
        close |= dict.fromkeys(found)
        kinds |= {} if found else {kind: None}
    where = f"{at.file}: {at.path}: " if at.path else f"{at.file}: "
    count = "is not known and counts" if len(words) == 1 else "are not known and count"
    hints = [f"; the closest known: {listed(list(close))}"] if close else []
    hints += [f"; known {kind}: {listed(getattr(vocabulary, kind))}" for kind in kinds]
    yield f"{where}{listed(list(map(shown, words)))} {count} as missing{''.join(hints)}"


def _synonym_notes(lookups: Sequence[Lookup]) -> Iterator[str]:
    """One for all synonyms: running counts as fitness, yoga as wellness."""
    used = dict.fromkeys(each.meaning for each in lookups if each.meaning.synonym is not None)
    parts = [
        f"{synonym} {'as' if number else 'counts as'} {name}" for number, (name, synonym) in enumerate(used)
    ]
    if parts:
        yield listed(parts)


def _history_notes(lookups: Sequence[Lookup]) -> Iterator[str]:
    """One for all ids of a history that are not gifts of the catalogue."""
    unknown = [shown(each.word) for each in lookups if each.field == "history" and each.meaning.name is None]
    if unknown:
        yield f"left out of the history, since the catalogue does not have it: {listed(unknown)}"
