"""Load the three files of a training run: scenarios, held-out scenarios and catalogue.

A file with a problem is refused as a whole, and the error holds all its problems. `load_dataset` reports the problems
of all three files at once.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import islice
from typing import Any

from trm_np.data import schema
from trm_np.data.money import DOLLARS, money_of
from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.records import Gift, Offer, Profile, Scenario
from trm_np.data.strict_json import parse_json, read_json
from trm_np.data.vocabulary import LISTS, PROFILE_LISTS, Vocabulary

TRAINING_FILE = "realistic_user_scenarios.json"
HELD_OUT_FILE = "held_out_scenarios.json"
CATALOGUE_FILE = "gift_catalog.json"
SYNONYMS_FILE = "synonyms.json"
MOST_PROBLEMS = 10_000  # of one file; a hostile file could hold millions
LISTED_BY = "trm-train --check"
LEFT_OUT_IF_EMPTY = ("expected_categories", "expected_tools", "chosen", "rejected", "history")

FilePath = str | os.PathLike[str]
Data = (
    FilePath | Mapping[str, Any] | Sequence[Any]
)  # a file, or the value of its JSON; a list stands for its records
VALUES = {
    TRAINING_FILE: "scenarios",
    HELD_OUT_FILE: "held_out",
    CATALOGUE_FILE: "gifts",
}  # what messages call them
INSTEAD = {
    TRAINING_FILE: "; yours: --scenarios",
    HELD_OUT_FILE: "; yours: --held-out",
    CATALOGUE_FILE: "; yours: --catalogue",
}  # what messages add to the names of shipped files
Scenarios = tuple[Scenario, ...]


@dataclass(frozen=True)
class Dataset:
    """All data of a training run, checked against one vocabulary."""

    vocabulary: Vocabulary
    train: Scenarios
    validation: Scenarios
    test: Scenarios
    gifts: tuple[Gift, ...]

    def first(self, count: int | None) -> "Dataset":
        """A copy with only the first `count` training scenarios, or with all if `count` is `None`."""
        return replace(self, train=self.train[:count])

    @property
    def shares_held_out(self) -> bool:
        """Whether one list of scenarios serves as both validation and test split."""
        return self.validation is self.test


def load_dataset(
    scenarios: Data | None = None, held_out: Data | None = None, catalogue: Data | None = None
) -> Dataset:
    """Load the three files, or values of their JSON; `None` is the shipped one.

    Raises one `DataError` with the problems of all three. A fault in one file causes no problems in another. If a
    vocabulary list cannot be read, its names are not checked. If a gift's category cannot be read, expected categories
    need no gift. The training budgets and the prices decide the vocabulary's `money`.
    """
    training = Source(scenarios, TRAINING_FILE)
    held = Source(held_out, HELD_OUT_FILE)
    gifts = Source(catalogue, CATALOGUE_FILE)
    vocabulary = _vocabulary(training.value)
    stock = _stock(gifts.value, vocabulary)
    problems = [
        *training.problems(schema.training_file(vocabulary, stock)),
        *held.problems(schema.held_out_file(vocabulary, stock)),
        *gifts.problems(schema.catalogue_file(vocabulary)),
    ]
    if problems:
        are_files = all(
            each is None or isinstance(each, str | os.PathLike) for each in (scenarios, held_out, catalogue)
        )
        raise DataError(problems, LISTED_BY if are_files else "`problems` of this error")
    train, stocked = _scenarios_from(training.value["scenarios"]), _gifts_from(gifts.value)
    budgets, prices = (scenario.profile.budget for scenario in train), (gift.price for gift in stocked)
    money = money_of(budgets, prices, gifts.value.get("currency"))
    return Dataset(replace(vocabulary, money=money), train, *_held_out_from(held.value), stocked)


def load_scenarios(
    path: FilePath | None = None, vocabulary: Vocabulary | None = None, stock: schema.Stock = schema.ANY_STOCK
) -> tuple[Vocabulary, Scenarios]:
    """Load the vocabulary and the scenarios of a training file. Raises `DataError`.

    Lists that the file leaves out come from `vocabulary`, or from the shipped one. Only categories and gifts in `stock`
    may be expected or chosen.
    """
    document, file = _document(path, TRAINING_FILE)
    known = _vocabulary(document, vocabulary)
    checked(schema.training_file(known, stock), document, Place(file))
    return known, _scenarios_from(document["scenarios"])


def load_held_out(
    path: Data | None, vocabulary: Vocabulary, stock: schema.Stock = schema.ANY_STOCK
) -> tuple[Scenarios, Scenarios]:
    """Load the validation and test scenarios. If the file has one list, both are the same object.

    Raises `DataError`.
    """
    document, file = _document(path, HELD_OUT_FILE)
    checked(schema.held_out_file(vocabulary, stock), document, Place(file))
    return _held_out_from(document)


def load_catalogue(path: FilePath | None, vocabulary: Vocabulary) -> tuple[tuple[Gift, ...], str | None]:
    """Load the gifts of a catalogue, in file order, and the currency that the file names. Raises `DataError`."""
    document, file = _document(path, CATALOGUE_FILE)
    checked(schema.catalogue_file(vocabulary), document, Place(file))
    return _gifts_from(document), document.get("currency")


def gifts_from_json(value: object, vocabulary: Vocabulary, file: str) -> tuple[Gift, ...]:
    """Check a list of JSON values and return its gifts. `file` names the source in a `DataError`."""
    return _gifts_from({"gifts": checked(schema.list_of(schema.gift(vocabulary), 1), value, Place(file))})


def checked(check: schema.Check, value: object, at: Place) -> Any:
    """Return a value in which a check finds no problem; raises one `DataError` with all problems otherwise."""
    problems = _problems(check, value, at)
    if problems:
        raise DataError(problems)
    return value


def _problems(check: schema.Check, value: object, at: Place) -> list[Problem]:
    """The problems that a check finds, up to a limit. One further problem then stands for the rest."""
    found = list(islice(check(value, at), MOST_PROBLEMS + 1))
    if len(found) > MOST_PROBLEMS:
        found[-1] = at.problem(f"more than {MOST_PROBLEMS} problems", "fewer; the rest is not checked")
    return found


class Source:
    """An unchecked file: its JSON value, or `None` and the problems that made it unreadable."""

    def __init__(self, path: Data | None, shipped: str) -> None:
        self.value: Any = None
        self.file = ""
        self.unreadable: Collection[Problem] = ()
        try:
            self.value, self.file = _document(path, shipped)
        except DataError as error:
            self.unreadable = error.problems

    def problems(self, check: schema.Check) -> Collection[Problem]:
        """All problems of the file."""
        return self.unreadable or _problems(check, self.value, Place(self.file))


def _document(path: Data | None, shipped: str) -> tuple[Any, str]:
    if isinstance(path, str | os.PathLike):
        return read_json(path), str(path)
    if path is not None:
        from trm_np.data.lenient import json_value  # which imports this module

        value = json_value(path)
        records = "gifts" if shipped == CATALOGUE_FILE else "scenarios"
        return {records: value} if isinstance(value, list) else value, VALUES[shipped]
    from importlib import resources

    file = f"{shipped} (shipped{INSTEAD.get(shipped, '')})"
    return parse_json(resources.files("trm_np.scenarios").joinpath(shipped).read_bytes(), file), file


def _vocabulary(document: object, defaults: Vocabulary | None = None) -> Vocabulary:
    """The vocabulary of an unchecked training file.

    Lists that it leaves out come from the defaults, or the shipped data.

    A list that cannot be read becomes empty, and an empty list accepts any name. A list without synonyms in the file
    gets the default synonyms if its names are the default names.
    """
    absent = _shipped_vocabulary() if defaults is None else defaults
    given = _part(document, "vocabulary", ("vocabulary", "scenarios"), {})
    names = {}
    for field in LISTS:
        values = _part(given, field, schema.VOCABULARY_KEYS, getattr(absent, field))
        listed = values if isinstance(values, list | tuple) else ()
        names[field] = tuple(filter(schema.is_text, listed))
    own = _part(given, "synonyms", schema.VOCABULARY_KEYS, {})
    synonyms = {}
    for field in PROFILE_LISTS:
        others = absent.synonyms.get(field, {}) if names[field] == getattr(absent, field) else {}
        found = _part(own, field, PROFILE_LISTS, others)
        synonyms[field] = dict(found) if isinstance(found, Mapping) else {}
    return Vocabulary(**names, synonyms=synonyms, money=absent.money)


def _shipped_vocabulary() -> Vocabulary:
    lists = _document(None, TRAINING_FILE)[0]["vocabulary"]
    return Vocabulary(
        **{field: tuple(lists[field]) for field in LISTS},
        synonyms=_document(None, SYNONYMS_FILE)[0],
        money=DOLLARS,
    )


def _part(value: object, key: str, keys: Collection[str], absent: object) -> object:
    """The value of an unchecked object at a key, or `absent` if it has no such key.

    If the object has an unknown key, which may misspell this one, the result is `None`.
    """
    if not isinstance(value, dict):
        return None
    if key not in value and value.keys() <= set(keys):
        return absent
    return value.get(key)


def stock_of(gifts: Sequence[Gift]) -> schema.Stock:
    """The categories and ids of a catalogue."""
    return schema.Stock({gift.category for gift in gifts}, tuple(gift.id for gift in gifts))


def _stock(document: object, vocabulary: Vocabulary) -> schema.Stock:
    """The categories and ids of an unchecked catalogue. Either is unknown if that of some gift cannot be read."""
    gifts = document.get("gifts") if isinstance(document, dict) else None
    if not isinstance(gifts, list) or not gifts:
        return schema.ANY_STOCK

    def of_all(field: str, known: Callable[[object], bool]) -> list[Any] | None:
        found = [gift.get(field) if isinstance(gift, dict) else None for gift in gifts]
        return found if all(map(known, found)) else None

    categories = frozenset(vocabulary.categories)
    stocked = of_all("category", lambda category: isinstance(category, str) and category in categories)
    ids = of_all("id", schema.is_text)
    return schema.Stock(None if stocked is None else set(stocked), None if ids is None else tuple(ids))


def as_json(record: Any) -> Any:
    """A record as the JSON value it can be loaded from. A dataset's `money` is left out, since loading computes it."""
    if isinstance(record, tuple) and record and is_dataclass(record[0]):
        return list(map(as_json, record))
    if not is_dataclass(record):
        return record
    values = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "money"}
    given = {name: as_json(value) for name, value in values.items() if value or name not in LEFT_OUT_IF_EMPTY}
    return given | {"chosen": dict(given["chosen"])} if "chosen" in given else given


def _held_out_from(document: Any) -> tuple[Scenarios, Scenarios]:
    """The validation and test scenarios of a checked document."""
    if "scenarios" in document:
        both = _scenarios_from(document["scenarios"])
        return both, both
    return _scenarios_from(document["validation"]), _scenarios_from(document["test"])


def _gifts_from(document: Any) -> tuple[Gift, ...]:
    """The gifts of a checked document."""
    return tuple(map(gift_from, document["gifts"]))


def _scenarios_from(values: list[Any]) -> Scenarios:
    return tuple(map(scenario_from, values))


def scenario_from(value: Any) -> Scenario:
    """The scenario of a checked JSON value."""
    chosen = value.get("chosen", ())
    weights = chosen if isinstance(chosen, dict) else dict.fromkeys(chosen, 1.0)
    return Scenario(
        name=value["name"],
        profile=profile_from(value["profile"]),
        expected_categories=tuple(value.get("expected_categories", ())),
        expected_tools=tuple(value.get("expected_tools", ())),
        chosen=tuple((id, float(weight)) for id, weight in weights.items()),
        rejected=tuple(value.get("rejected", ())),
    )


def profile_from(value: Any) -> Profile:
    """A profile of a JSON value that has been checked."""
    age, budget = value.get("age"), value.get("budget")
    return Profile(
        age=None if age is None else float(age),
        hobbies=tuple(value.get("hobbies") or ()),
        relationship=value.get("relationship"),
        budget=None if budget is None else float(budget),
        occasion=value.get("occasion"),
        preferences=tuple(value.get("preferences") or ()),
        history=tuple(value.get("history") or ()),
    )


def gift_from(value: Any) -> Gift:
    """The gift of a checked JSON value."""
    known = {field: kind(given) for field, kind in KNOWN.items() if (given := value.get(field)) is not None}
    return Gift(value["id"], value["name"], value["category"], **known)


def _offers(values: list[Any]) -> tuple[Offer, ...]:
    return tuple([Offer(each["seller"], float(each["price"]), each["shipping_days"]) for each in values])


# The fields of a gift that may be unknown, and what a value of JSON becomes.
KNOWN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("price", "rating"), float),
    **dict.fromkeys(("tags", "age_range", "occasions", "reviews", "weekly_sales"), tuple),
    "offers": _offers,
    "stock": int,
}
