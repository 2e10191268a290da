"""The rules of the files. A check looks at one JSON value and yields its problems, in file order.

Each check also has its rule as JSON Schema, which allows every value that the check allows. What JSON Schema cannot
say, such as that two values agree, only the check says.

A list of the vocabulary that is empty is not known, as where its file cannot be read: then any name passes.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeGuard, cast

from trm_np.data.money import LONGEST_CURRENCY
from trm_np.data.problems import Place, Problem
from trm_np.data.spelling import LONGEST_COMPARED, composed, singular
from trm_np.data.strict_json import RepeatedKeys
from trm_np.data.vocabulary import LISTS, PROFILE_LISTS, Vocabulary
from trm_np.text import CONTROLS, listed, shown

Schema = dict[str, Any]

LEAST_MONEY, MOST_MONEY = 0.01, 1_000_000_000  # in any currency; the model reads logarithms
LARGEST_COUNT = 1_000_000_000
MOST_INTERESTS = 100  # hobbies of a profile, and preferences: an unknown one is compared with all known names
FEWEST_GIFTS = 3  # a recommendation is three gifts
FEWEST_TRAINING_SCENARIOS = 2
LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1_000_000  # of a choice
MOST_CHOICES = 2_000  # gifts that a person chose, rejected or has: so many fit on a line of a model file
MOST_SYNONYMS = 1_000  # for the names of one list: a model file has them in its header
VOCABULARY_KEYS = (*LISTS, "synonyms")
KNOWN_ID = "the id of a gift in the catalogue"
LABELS = ("expected_categories", "expected_tools", "chosen")  # a scenario has at least one of them


class Check(Protocol):
    """A function that yields the problems of a value at a place, with the rule that it keeps as JSON Schema.

    `accepts` is a quick test without places: true only of values without problems. Nearly all are.
    """

    schema: Schema
    accepts: Callable[[object], bool]

    def __call__(self, value: object, at: Place, /) -> Iterator[Problem]: ...


def undecided(value: object) -> bool:
    """The `accepts` of a check that has no quick test."""
    return False


def keeps(
    accepts: Callable[[object], bool] = undecided, **schema: Any
) -> Callable[[Callable[[object, Place], Iterator[Problem]]], Check]:
    """Decorator that makes a function a check."""

    def as_check(problems: Callable[[object, Place], Iterator[Problem]]) -> Check:
        vars(problems).update(schema=schema, accepts=accepts)
        return cast(Check, problems)

    return as_check


class Stock(NamedTuple):
    """Known contents of a catalogue: the categories that have a gift, and the ids of the gifts."""

    categories: Collection[str] | None = None
    ids: tuple[str, ...] | None = None


ANY_STOCK = Stock()


# What the files are made of


def training_file(vocabulary: Vocabulary, stock: Stock) -> Check:
    """A training file: its scenarios, and the vocabulary lists and synonyms that replace the shipped ones."""
    scenarios = list_of(scenario(vocabulary, stock), FEWEST_TRAINING_SCENARIOS)
    names = vocabulary_lists() | {"synonyms": synonyms(vocabulary)}
    own_names = record(names, optional=VOCABULARY_KEYS)
    return record({"vocabulary": own_names, "scenarios": scenarios}, optional=("vocabulary",))


def held_out_file(vocabulary: Vocabulary, stock: Stock) -> Check:
    """A held-out file: a validation and a test list, or one list of scenarios that serves as both."""
    scenarios = list_of(scenario(vocabulary, stock), 1)
    one_list = record({"scenarios": scenarios})
    two_lists = record({"validation": scenarios, "test": scenarios})

    @keeps(anyOf=[one_list.schema, two_lists.schema])
    def check(value: object, at: Place) -> Iterator[Problem]:
        has_one = isinstance(value, dict) and "scenarios" in value
        yield from (one_list if has_one else two_lists)(value, at)

    return check


def catalogue_file(vocabulary: Vocabulary) -> Check:
    """A catalogue: gifts whose names are all in the vocabulary, and the currency of their prices."""
    gifts = list_of(gift(vocabulary), FEWEST_GIFTS)
    return record({"currency": currency, "gifts": gifts}, optional=("currency",))


@keeps(type="string", minLength=1, maxLength=LONGEST_CURRENCY)
def currency(value: object, at: Place) -> Iterator[Problem]:
    """Check of a currency as it is written before a sum, such as "$", "¥" or "EUR"."""
    if not is_text(value) or len(value) > LONGEST_CURRENCY or value != value.strip():
        yield at.problem(shown(value), f"text of 1 to {LONGEST_CURRENCY} characters, such as $ or EUR")


def vocabulary_lists() -> dict[str, Check]:
    return dict.fromkeys(LISTS, list_of(text, 1, unique=True))


def synonyms(vocabulary: Vocabulary) -> Check:
    """Check of synonyms: an object with the lists of profile fields, each optional, and the synonyms of their names."""
    return record(
        {field: synonyms_of(getattr(vocabulary, field)) for field in PROFILE_LISTS}, optional=PROFILE_LISTS
    )


def synonyms_of(names: tuple[str, ...]) -> Check:
    """Check of an object from synonyms to names. No synonym may be a name or another synonym in another spelling."""
    known = name(names)
    spelt = {singular(each): each for each in names}

    @keeps(type="object", additionalProperties=known.schema, maxProperties=MOST_SYNONYMS)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield at.problem(shown(value), "an object with a name for each synonym")
            return
        yield from repeated_keys(value, at)
        if len(value) > MOST_SYNONYMS:
            yield at.problem(f"{len(value)} synonyms", f"at most {MOST_SYNONYMS}")

        def problem(word: str, allowed: str) -> Problem:
            return at.problem(f"the synonym {shown(word)}", allowed)

        before: dict[str, str] = {}
        for word in islice(value, MOST_SYNONYMS):
            form = singular(word)
            same = before.setdefault(form, word)
            if not is_text(word) or not form:
                yield problem(word, "text on one line, not blank")
            elif len(word) > LONGEST_COMPARED:
                yield at.problem(f"a synonym of {len(word)} characters", f"at most {LONGEST_COMPARED}")
            elif form in spelt:
                yield problem(word, f"a word that is no name; {shown(spelt[form])} is one")
            elif same != word:
                yield problem(word, f"a word not given before; {shown(same)} is the same")
            else:
                yield from known(value[word], at.key(word))

    return check


def scenario(vocabulary: Vocabulary, stock: Stock) -> Check:
    """A scenario with at least one of LABELS; only what is in `stock` may be expected or chosen."""
    expected = expected_category(vocabulary.categories, stock.categories)
    fields = record(
        {
            "name": unused(text),
            "profile": profile(vocabulary, stock.ids),
            "expected_categories": list_of(expected, 1, unique=True),
            "expected_tools": list_of(name(vocabulary.tools), 1, unique=True),
            "chosen": choices(stock.ids),
            "rejected": list_of_gifts(stock.ids),
        },
        optional=(*LABELS, "rejected"),
    )

    @keeps(**fields.schema, anyOf=[{"required": [label]} for label in LABELS])
    def check(value: object, at: Place) -> Iterator[Problem]:
        yield from fields(value, at)
        if not isinstance(value, dict):
            return
        if value.keys().isdisjoint(LABELS):
            yield at.problem(f"none of {listed(LABELS)}", "at least one of them")
        chosen = ids_in(value.get("chosen"))
        for key, given in (("rejected", value.get("rejected")), ("profile.history", history_of(value))):
            for index, one in enumerate(given if isinstance(given, list) else ()):
                if isinstance(one, str) and one in chosen:
                    place = at.key(key).item(index)
                    yield place.problem(f"{shown(one)}, which is chosen too", "one of the two")

    return check


def choices(ids: tuple[str, ...] | None) -> Check:
    """Check of choices: a list of ids, or an object with a weight for each id."""
    listed_ids, gift_id = list_of_gifts(ids, 1), in_catalogue(ids)
    weight = number(LEAST_WEIGHT, MOST_WEIGHT)
    weights = {"type": "object", "additionalProperties": weight.schema}

    @keeps(anyOf=[listed_ids.schema, weights | {"minProperties": 1, "maxProperties": MOST_CHOICES}])
    def check(value: object, at: Place) -> Iterator[Problem]:
        if isinstance(value, list):
            yield from listed_ids(value, at)
            return
        if not isinstance(value, dict):
            yield at.problem(shown(value), "a list of ids, or an object with a weight for each")
            return
        yield from repeated_keys(value, at)
        if not 1 <= len(value) <= MOST_CHOICES:
            yield at.problem(f"{len(value)} gifts", f"1 to {MOST_CHOICES}")
        for one, given in islice(value.items(), MOST_CHOICES):
            yield from gift_id(one, at)
            yield from weight(given, at.key(one))

    return check


def list_of_gifts(ids: tuple[str, ...] | None, at_least: int = 0) -> Check:
    """A list of ids of gifts, each once; looked at one by one only if something is wrong with it."""
    one_by_one = list_of(in_catalogue(ids), at_least, MOST_CHOICES, unique=True)
    known = frozenset(ids or ())

    @keeps(**one_by_one.schema)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if isinstance(value, list) and at_least <= len(value) <= MOST_CHOICES:
            found = known.intersection(one for one in value if isinstance(one, str))
            if len(found) == len(value):
                return
        yield from one_by_one(value, at)

    return check


def ids_in(chosen: object) -> frozenset[str]:
    """The ids in what was chosen, checked or not."""
    return frozenset(filter(is_text, chosen)) if isinstance(chosen, list | dict) else frozenset()


def history_of(scenario: Mapping[str, object]) -> object:
    profile = scenario.get("profile")
    return profile.get("history") if isinstance(profile, dict) else None


def in_catalogue(ids: tuple[str, ...] | None) -> Check:
    """The id of a gift; any text if the ids are not known."""
    if ids is None:
        return text
    known = frozenset(ids)

    @keeps(type="string")
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not is_text(value):
            yield at.problem(shown(value), "the id of a gift")
        elif value not in known:
            yield at.problem(shown(value), KNOWN_ID, value, ids)

    return check


@lru_cache(maxsize=8)
def profile(vocabulary: Vocabulary, ids: tuple[str, ...] | None = None) -> Check:
    """A profile, every field of which may be absent or null; `ids` are those that its history may have."""
    return profile_of(profile_fields(vocabulary) | {"history": list_of_gifts(ids)})


def profile_of(fields: Mapping[str, Check]) -> Check:
    """A profile by the checks of its fields."""
    return record({field: or_null(check) for field, check in fields.items()}, optional=fields)


def profile_fields(
    vocabulary: Vocabulary, word: Callable[[tuple[str, ...]], Check] | None = None
) -> dict[str, Check]:
    """Checks of the fields of a profile; `word` makes those of its words, if they need be no names."""
    word, unique = (word, False) if word else (name, True)
    return {
        "age": number(0, 120),
        "hobbies": list_of(word(vocabulary.hobbies), at_most=MOST_INTERESTS, unique=unique),
        "relationship": word(vocabulary.relationships),
        "budget": money,
        "occasion": word(vocabulary.occasions),
        "preferences": list_of(word(vocabulary.preferences), at_most=MOST_INTERESTS, unique=unique),
        "history": list_of(word(()), at_most=MOST_CHOICES, unique=unique),
    }


def gift(vocabulary: Vocabulary) -> Check:
    """A gift with its offers, stock, reviews and sales; all but id, name and category may be absent or null."""
    tags_known = vocabulary.hobbies and vocabulary.preferences
    tags = vocabulary.hobbies + vocabulary.preferences if tags_known else ()
    needed = {"id": unused(text), "name": text, "category": name(vocabulary.categories)}
    known = {
        "price": money,
        "rating": number(1, 5),
        "tags": list_of(name(tags), unique=True),
        "age_range": age_range,
        "occasions": list_of(name(vocabulary.occasions), unique=True),
        "offers": list_of(offer, 1),
        "stock": count,
        "reviews": list_of(count, 5, 5),
        "weekly_sales": list_of(count, 12, 12),
    }
    return record(needed | {field: or_null(check) for field, check in known.items()}, optional=known)


def expected_category(categories: tuple[str, ...], stocked: Collection[str] | None) -> Check:
    """A category of the vocabulary in which the catalogue has a gift to recommend."""
    known = name(categories)
    unstocked = frozenset() if stocked is None else frozenset(categories).difference(stocked)
    filled = listed([category for category in categories if category not in unstocked])

    @keeps(**known.schema)
    def check(value: object, at: Place) -> Iterator[Problem]:
        yield from known(value, at)
        if isinstance(value, str) and value in unstocked:
            yield at.problem(shown(value), f"a category with a gift in the catalogue: {filled}")

    return check


# What every file is made of


def record(checks: Mapping[str, Check], optional: Collection[str] = ()) -> Check:
    """An object with exactly these keys, of which the optional ones may be absent."""
    keys = tuple(checks)
    allowed = listed(keys)
    schema = object_of({key: check.schema for key, check in checks.items()}, optional)
    required = frozenset(schema["required"])
    accepted = {key: check.accepts for key, check in checks.items()}

    def accepts(value: object) -> bool:
        return (
            type(value) is dict
            and required <= value.keys() <= checks.keys()
            and all([accepted[key](item) for key, item in value.items()])
        )

    @keeps(accepts, **schema)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield at.problem(shown(value), f"an object with {allowed}")
            return
        yield from repeated_keys(value, at)
        for key in schema["required"]:
            if key not in value:
                yield at.problem(f"no key {shown(key)}", f"an object with {allowed}")
        for key, item in value.items():
            if key in checks:
                if not accepted[key](item):
                    yield from checks[key](item, at.key(key))
            else:
                name = key if isinstance(key, str) else ""
                yield at.problem(f"the unknown key {shown(key)}", allowed, name, keys)

    return check


def object_of(properties: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """Schema of an object with exactly these properties, of which the optional ones may be absent."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": {**properties},
        "required": required,
        "additionalProperties": False,
    }


def repeated_keys(value: object, at: Place) -> Iterator[Problem]:
    for key in value.repeated if isinstance(value, RepeatedKeys) else ():
        yield at.problem(f"the key {shown(key)} more than once", "each key once")


def list_of(item: Check, at_least: int = 0, at_most: int | None = None, unique: bool = False) -> Check:
    """A list of so many items; if `unique`, they are text, and none stands in it twice."""
    if at_least == at_most:
        allowed = f"a list of {at_least}"
    else:
        allowed = f"a list of at least {at_least}" if at_least else "a list"
    most = {} if at_most is None else {"maxItems": at_most}

    def accepts(value: object) -> bool:
        return (
            isinstance(value, list)
            and at_least <= len(value) <= (len(value) if at_most is None else at_most)
            and all(map(item.accepts, value))
            and not (unique and len(set(map(composed, value))) < len(value))
        )

    @keeps(accepts, type="array", items=item.schema, minItems=at_least, uniqueItems=unique, **most)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if accepts(value):
            return
        if not isinstance(value, list):
            yield at.problem(shown(value), allowed)
            return
        if len(value) < at_least:
            yield at.problem(f"a list of {len(value)}", allowed)
        if at_most is not None and len(value) > at_most:
            fewer = allowed if at_least == at_most else f"a list of at most {at_most}"
            yield at.problem(f"a list of {len(value)}", fewer)
        each = unused(item) if unique else item
        for index, element in enumerate(value[:at_most]):
            yield from each(element, at.item(index))

    return check


def unused(check: Check) -> Check:
    """The same check, which also refuses a string that it has seen before, or that looks the same as one.

    There is one for each list or file.
    """
    first: dict[str, tuple[str, str]] = {}

    @keeps(**check.schema)
    def check_unused(value: object, at: Place) -> Iterator[Problem]:
        yield from check(value, at)
        if not isinstance(value, str):
            return
        before, place = first.setdefault(composed(value), (value, at.path))
        if place != at.path:
            again = "again" if value == before else "again, in another Unicode form"
            yield at.problem(f"{shown(value)} {again}", f"a value not used before; {place} has it")

    return check_unused


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def or_null(check: Check) -> Check:
    """The same check, for a value that may be null."""

    accepted = check.accepts

    def accepts(value: object) -> bool:
        return value is None or accepted(value)

    @keeps(accepts, **nullable(check.schema))
    def check_or_null(value: object, at: Place) -> Iterator[Problem]:
        if value is not None:
            yield from check(value, at)

    return check_or_null


@lru_cache(maxsize=64)
def name(names: tuple[str, ...]) -> Check:
    """One of these names; any text if they are not known."""
    if not names:
        return text
    known, looks, allowed = frozenset(names), frozenset(map(composed, names)), f"one of {listed(names)}"

    def accepts(value: object) -> bool:
        return isinstance(value, str) and value in known

    @keeps(accepts, enum=list(names))
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield at.problem(shown(value), allowed)
        elif value not in known:
            form = " in another Unicode form" if composed(value) in looks else ""
            yield at.problem(f"{shown(value)}{form}", allowed, value, names)

    return check


def number(low: float, high: int) -> Check:
    """A finite number between two bounds, both allowed."""

    def accepts(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    @keeps(accepts, type="number", minimum=low, maximum=high)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not accepts(value):
            yield at.problem(shown(value), f"a number from {low} to {high}")

    return check


money = number(LEAST_MONEY, MOST_MONEY)


wide = number(LEAST_MONEY / 100, MOST_MONEY * 100)
sums = record({"currency": currency, "tiers": list_of(wide, 2, 2), "middle": wide})


@keeps(**sums.schema)
def money_scale(value: object, at: Place) -> Iterator[Problem]:
    """The `Money` of a model file: its middle lies between its two tiers, as that of the shipped data."""
    problems = list(sums(value, at))
    yield from problems
    if (
        not problems
        and isinstance(value, dict)
        and not value["tiers"][0] < value["middle"] < value["tiers"][1]
    ):
        yield at.problem(shown(value), "a middle between the two tiers")


def integer(low: int, high: int) -> Check:
    """An integer between two bounds, both allowed; 3.0 is not one."""

    def accepts(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    @keeps(accepts, type="integer", minimum=low, maximum=high)
    def check(value: object, at: Place) -> Iterator[Problem]:
        if not accepts(value):
            yield at.problem(shown(value), f"an integer from {low} to {high}")

    return check


count = integer(0, LARGEST_COUNT)
two_ages = list_of(integer(0, 120), 2, 2)


def is_age_range(value: Any) -> bool:
    return two_ages.accepts(value) and value[0] <= value[1]


@keeps(is_age_range, **two_ages.schema)
def age_range(value: object, at: Place) -> Iterator[Problem]:
    """The youngest and the oldest age, in whole years."""
    problems = list(two_ages(value, at))
    yield from problems
    if not problems and isinstance(value, list) and value[0] > value[1]:
        yield at.problem(shown(value), "the youngest age first, then the oldest")


@keeps(type="string")
def string(value: object, at: Place) -> Iterator[Problem]:
    """Any text at all."""
    if not isinstance(value, str):
        yield at.problem(shown(value), "text")


def is_text(value: object) -> TypeGuard[str]:
    if not isinstance(value, str):
        return False
    # No printable character is a control; most texts end here.
    return bool(value.strip()) and (
        value.isprintable() or CONTROLS.isdisjoint(map(unicodedata.category, value))
    )


@keeps(is_text, type="string", minLength=1)
def text(value: object, at: Place) -> Iterator[Problem]:
    """A name to show."""
    if not is_text(value):
        yield at.problem(shown(value), "text on one line, not blank")


offer = record({"seller": text, "price": money, "shipping_days": count})
