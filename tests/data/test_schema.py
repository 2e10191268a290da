"""The JSON Schema of a check allows every value that the check allows, and refuses what JSON Schema can tell."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.sample_files import VOCABULARY, catalogue, held_out, training
from trm_np.data import schema
from trm_np.data.problems import Place
from trm_np.data.schema import ANY_STOCK, Check
from trm_np.data.strict_json import RepeatedKeys

jsonschema_rs: Any = pytest.importorskip("jsonschema_rs", reason="the extra [fuzz] is not installed")

FULL_SCENARIO = training()["scenarios"][0] | {"expected_tools": ["trend"], "chosen": {"pan": 2}}
MONEY = {"currency": "$", "tiers": [40, 120], "middle": 90.5}
# A check keeps the names that it has seen in a file, so that there is a new one for each value.
CHECKS: dict[str, tuple[Callable[[], Check], Any]] = {
    "training file": (lambda: schema.training_file(VOCABULARY, ANY_STOCK), training()),
    "held-out file": (lambda: schema.held_out_file(VOCABULARY, ANY_STOCK), held_out()),
    "catalogue": (lambda: schema.catalogue_file(VOCABULARY), catalogue() | {"currency": "EUR"}),
    "scenario": (lambda: schema.scenario(VOCABULARY, ANY_STOCK), FULL_SCENARIO),
    "synonyms": (lambda: schema.synonyms(VOCABULARY), {"hobbies": {"novels": "reading"}}),
    "money": (lambda: schema.money_scale, MONEY),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**10)
    | st.floats(-1, 300)
    | st.sampled_from(["", " ", "garden"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "age"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def both_allow(check: Check, value: Any) -> tuple[bool, bool]:
    """Whether the check allows a value, and whether its schema does."""
    validator = jsonschema_rs.Draft202012Validator(check.schema)
    return not list(check(value, Place("file"))), validator.is_valid(value)


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path to each value within a value."""
    yield ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from ((key, *path) for path in places(item))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    value = deepcopy(value)
    at(value, path[:-1])[path[-1]] = other
    return value


@pytest.mark.parametrize("name", CHECKS)
def test_a_schema_is_one_and_allows_a_good_file(name: str) -> None:
    check, good = CHECKS[name]
    jsonschema_rs.meta.validate(check().schema)
    assert both_allow(check(), good) == (True, True)


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_check_allows_its_schema_allows(name: str) -> None:
    make, good = CHECKS[name]
    paths, allowed = list(places(good)), set()
    own = st.sampled_from([at(good, path) for path in paths])

    @settings(max_examples=100, derandomize=True, database=None, deadline=None)
    @given(st.sampled_from(paths), JSON | own)
    def spoil(path: tuple[Any, ...], other: Any) -> None:
        by_check, by_schema = both_allow(make(), replaced(good, path, other))
        assert by_schema or not by_check
        allowed.add((by_check, by_schema))

    spoil()
    assert allowed >= {(False, False), (True, True)}


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (schema.number(0, 120), 120.5),
        (schema.number(0, 120), True),
        (schema.integer(1, 3), 1.5),
        (schema.count, -1),
        (schema.money, 0),
        (schema.text, ""),
        (schema.currency, "too long to show"),
        (schema.name(("a", "b")), "c"),
        (schema.age_range, [1, 2, 3]),
        (schema.list_of(schema.text, unique=True), ["a", "a"]),
        (schema.list_of(schema.text, at_most=1), ["a", "b"]),
        (schema.list_of(schema.text, 1), []),
        (schema.choices(None), {}),
        (schema.choices(None), {"pan": 0}),
        (schema.profile(VOCABULARY), {"agee": 1}),
        (schema.profile(VOCABULARY), {"hobbies": ["garden"] * 2}),
        (schema.profile(VOCABULARY), {"age": 121}),
        (schema.gift(VOCABULARY), {"id": "a", "name": "b"}),
        (schema.synonyms(VOCABULARY), {"hobbies": {"novels": "swimming"}}),
        (schema.scenario(VOCABULARY, ANY_STOCK), {"name": "a", "profile": {}}),
    ],
)
def test_a_schema_refuses_what_its_check_refuses(check: Check, value: Any) -> None:
    assert both_allow(check, value) == (False, False)


GIFT_FIELDS = schema.record(
    {
        "name": schema.text,
        "tags": schema.list_of(schema.name(("cooking", "café")), 1, 2, unique=True),
        "age_range": schema.age_range,
        "offers": schema.or_null(schema.list_of(schema.offer)),
        "rating": schema.number(1, 5),
    },
    optional=("rating",),
)
GOOD_FIELDS: dict[str, Any] = {
    "name": "Pan",
    "tags": ["cooking", "café"],
    "age_range": [18, 60],
    "offers": [{"seller": "Near", "price": 9.5, "shipping_days": 2}],
    "rating": 5,
}


@given(st.sampled_from(list(places(GOOD_FIELDS))), JSON)
def test_what_is_accepted_at_a_glance_is_allowed(path: tuple[Any, ...], other: Any) -> None:
    assert GIFT_FIELDS.accepts(GOOD_FIELDS)
    value = replaced(GOOD_FIELDS, path, other)
    assert not GIFT_FIELDS.accepts(value) or both_allow(GIFT_FIELDS, value) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ["cafe\u0301", "café"]},
        {"tags": ["cooking", "cooking"]},
        {"tags": []},
        {"age_range": [60, 18]},
        {"age_range": [True, 18]},
        {"name": "a\nb"},
        {"name": "\u2028"},
        {"rating": True},
        {"rating": float("nan")},
        {"offers": [{"seller": "Near", "price": 9.5}]},
        {"other": 1},
    ],
)
def test_what_is_refused_is_not_accepted_at_a_glance(change: dict[str, Any]) -> None:
    assert not GIFT_FIELDS.accepts(GOOD_FIELDS | change)
    assert list(GIFT_FIELDS(GOOD_FIELDS | change, Place("file")))


def test_repeated_keys_are_not_accepted_at_a_glance() -> None:
    assert not GIFT_FIELDS.accepts(RepeatedKeys([*GOOD_FIELDS.items(), ("name", "Pot")]))
