"""Load the three files of a training run: scenarios, held-out scenarios, catalogue.

A file is taken whole or refused, with all its problems.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from trm_np.data import schema
from trm_np.data.problems import DataError, Place
from trm_np.data.records import Gift, Offer, Profile, Scenario
from trm_np.data.strict_json import parse_json, read_json
from trm_np.data.vocabulary import Vocabulary

TRAINING_FILE = "realistic_user_scenarios.json"
HELD_OUT_FILE = "held_out_scenarios.json"
CATALOGUE_FILE = "gift_catalog.json"

FilePath = str | os.PathLike[str]
Scenarios = tuple[Scenario, ...]


@dataclass(frozen=True)
class Dataset:
    """Everything a training run reads, checked together against one vocabulary."""

    vocabulary: Vocabulary
    train: Scenarios
    validation: Scenarios
    test: Scenarios
    gifts: tuple[Gift, ...]

    def first(self, count: int | None) -> "Dataset":
        """The same with only the first `count` training scenarios; with all if None."""
        return replace(self, train=self.train[:count])

    @property
    def shares_held_out(self) -> bool:
        """Whether one held-out list serves as both validation and test."""
        return self.validation is self.test


def load_dataset(
    scenarios: FilePath | None = None, held_out: FilePath | None = None, catalogue: FilePath | None = None
) -> Dataset:
    """The three files together, `None` being the shipped one; raises `DataError` for the first faulty one."""
    document, file = _document(scenarios, TRAINING_FILE)
    vocabulary, _ = _training(document, file, None, None)
    gifts = load_catalogue(catalogue, vocabulary)
    stocked = {gift.category for gift in gifts}
    _, train = _training(document, file, vocabulary, stocked)
    validation, test = load_held_out(held_out, vocabulary, stocked)
    return Dataset(vocabulary, train, validation, test, gifts)


def load_scenarios(
    path: FilePath | None = None, vocabulary: Vocabulary | None = None, stocked: Collection[str] | None = None
) -> tuple[Vocabulary, Scenarios]:
    """A training file's vocabulary and scenarios.

    Lists that it does not carry come from `vocabulary`, or from the shipped one. `stocked` are the categories
    with a gift, if known: only they may be expected. Raises `DataError`.
    """
    return _training(*_document(path, TRAINING_FILE), vocabulary, stocked)


def load_held_out(
    path: FilePath | None, vocabulary: Vocabulary, stocked: Collection[str] | None = None
) -> tuple[Scenarios, Scenarios]:
    """The validation and test scenarios, one object twice if the file has one list; raises `DataError`."""
    document, file = _document(path, HELD_OUT_FILE)
    refuse_problems(schema.held_out_file(vocabulary, stocked), document, Place(file))
    if "scenarios" in document:
        both = tuple(map(scenario_from, document["scenarios"]))
        return both, both
    validation, test = (tuple(map(scenario_from, document[name])) for name in ("validation", "test"))
    return validation, test


def load_catalogue(path: FilePath | None, vocabulary: Vocabulary) -> tuple[Gift, ...]:
    """The gifts of a catalogue, in file order; raises `DataError`."""
    document, file = _document(path, CATALOGUE_FILE)
    refuse_problems(schema.catalogue_file(vocabulary), document, Place(file))
    return tuple(gift_from(value) for value in document["gifts"])


def profile_from_json(value: object, vocabulary: Vocabulary, file: str, place: str = "") -> Profile:
    """One profile from a dictionary or from `parse_json`; `file` and `place` name it in a `DataError`."""
    refuse_problems(schema.profile(vocabulary), value, Place(file, place))
    return _profile(value)


def refuse_problems(check: schema.Check, value: object, at: Place) -> None:
    """Raise one `DataError` with all problems that a check finds."""
    problems = list(check(value, at))
    if problems:
        raise DataError(problems)


def _document(path: FilePath | None, shipped: str) -> tuple[Any, str]:
    if path is not None:
        return read_json(path), str(path)
    file = f"{shipped} (shipped)"
    return parse_json(resources.files("trm_np.scenarios").joinpath(shipped).read_bytes(), file), file


def _training(
    document: Any, file: str, defaults: Vocabulary | None, stocked: Collection[str] | None
) -> tuple[Vocabulary, Scenarios]:
    vocabulary = _vocabulary(document, defaults)
    refuse_problems(schema.training_file(vocabulary, stocked), document, Place(file))
    return vocabulary, tuple(map(scenario_from, document["scenarios"]))


def _vocabulary(document: Any, defaults: Vocabulary | None) -> Vocabulary:
    """What can be read of an unchecked document: a fault in one list must not hide the other problems."""
    given = document.get("vocabulary") if isinstance(document, dict) else None
    names: dict[str, tuple[str, ...]] = {}
    for field in schema.VOCABULARY_LISTS:
        values = given.get(field) if isinstance(given, dict) else None
        strings = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
        if strings:
            names[field] = tuple(strings)
    missing = [field for field in schema.VOCABULARY_LISTS if field not in names]
    if missing and defaults is None:
        defaults = Vocabulary(**_document(None, TRAINING_FILE)[0]["vocabulary"])
    return Vocabulary(**names, **{field: tuple(getattr(defaults, field)) for field in missing})


def scenario_from(value: Any) -> Scenario:
    """A scenario of a JSON value that has been checked."""
    return Scenario(
        name=value["name"],
        profile=_profile(value["profile"]),
        expected_categories=tuple(value["expected_categories"]),
        expected_tools=tuple(value["expected_tools"]),
    )


def _profile(value: Any) -> Profile:
    age, budget = value.get("age"), value.get("budget")
    return Profile(
        age=None if age is None else float(age),
        hobbies=tuple(value.get("hobbies") or ()),
        relationship=value.get("relationship"),
        budget=None if budget is None else float(budget),
        occasion=value.get("occasion"),
        preferences=tuple(value.get("preferences") or ()),
    )


def gift_from(value: Any) -> Gift:
    """A gift of a JSON value that has been checked."""
    youngest, oldest = value["age_range"]
    return Gift(
        id=value["id"],
        name=value["name"],
        category=value["category"],
        price=float(value["price"]),
        rating=float(value["rating"]),
        tags=tuple(value["tags"]),
        age_range=(youngest, oldest),
        occasions=tuple(value["occasions"]),
        offers=tuple(
            Offer(offer["seller"], float(offer["price"]), offer["shipping_days"]) for offer in value["offers"]
        ),
        stock=value["stock"],
        reviews=tuple(value["reviews"]),
        weekly_sales=tuple(value["weekly_sales"]),
    )
