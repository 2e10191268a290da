"""Profiles as people give them: what is forgiven with a warning, and what is refused all the same."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.sample_files import VOCABULARY
from tests.world import small_world
from trm_np.data.lenient import close_names, json_value, known_name, lenient_profile
from trm_np.data.load import load_scenarios, profile_from_json
from trm_np.data.problems import DataError
from trm_np.data.records import Profile
from trm_np.data.strict_json import parse_json

FULL: dict[str, Any] = {
    "age": 34,
    "hobbies": ["cooking", "garden"],
    "relationship": "mother",
    "budget": 120.5,
    "occasion": "birthday",
    "preferences": ["practical"],
}


@given(small_world.PROFILES)
def test_a_profile_of_known_names_is_read_as_it_is(profile: Profile) -> None:
    assert lenient_profile(json_value(profile), small_world.VOCABULARY, "p") == (profile, ())


@pytest.mark.parametrize("field", FULL)
def test_any_field_may_be_absent_or_null(field: str) -> None:
    absent = {key: value for key, value in FULL.items() if key != field}
    profile, warnings = lenient_profile(absent, VOCABULARY, "p")
    assert (profile, warnings) == lenient_profile(FULL | {field: None}, VOCABULARY, "p")
    assert warnings == () and getattr(profile, field) in (None, ())
    assert lenient_profile({}, VOCABULARY, "p") == (Profile(), ())


@pytest.mark.parametrize(
    ("field", "given", "left", "warning"),
    [
        (
            "hobbies",
            ["gardn", "cooking"],
            ("cooking",),
            'hobbies[0]: "gardn" is not known and counts as missing; the closest known: garden',
        ),
        (
            "preferences",
            ["Practicl"],
            (),
            'preferences[0]: "Practicl" is not known and counts as missing; the closest known: practical',
        ),
        (
            "relationship",
            "mothr",
            None,
            'relationship: "mothr" is not known and counts as missing; the closest known: mother',
        ),
        (
            "occasion",
            "solstice",
            None,
            'occasion: "solstice" is not known and counts as missing; known: birthday, wedding',
        ),
        ("occasion", "", None, 'occasion: "" is not known and counts as missing; known: birthday, wedding'),
    ],
)
def test_an_unknown_name_counts_as_missing_with_a_warning(
    field: str, given: object, left: object, warning: str
) -> None:
    profile, warnings = lenient_profile(FULL | {field: given}, VOCABULARY, "who.json", "person")
    assert warnings == (f"who.json: person.{warning}",)
    assert getattr(profile, field) == left
    known, _ = lenient_profile(FULL, VOCABULARY, "p")
    others = [other for other in FULL if other != field]
    assert [getattr(profile, other) for other in others] == [getattr(known, other) for other in others]


def test_every_unknown_name_has_its_warning_even_twice_the_same() -> None:
    value = FULL | {"hobbies": ["x", "reading", "x"], "occasion": "y"}
    profile, warnings = lenient_profile(value, VOCABULARY, "p")
    assert profile.hobbies == ("reading",)
    assert [warning.split(" is")[0] for warning in warnings] == [
        'p: hobbies[0]: "x"',
        'p: hobbies[2]: "x"',
        'p: occasion: "y"',
    ]


def test_warnings_are_one_printable_line_whatever_the_name() -> None:
    names = ["a\nb\x1b[31m", "z" * 10_000]
    _, warnings = lenient_profile(FULL | {"hobbies": names}, VOCABULARY, "p")
    assert all(warning.isprintable() and len(warning) < 200 for warning in warnings) and len(warnings) == 2


def test_at_most_three_names_are_suggested_the_closest_first() -> None:
    names = ("gardening", "guard", "gardens", "garden", "reading")
    assert close_names("gardn", names) == ("garden", "gardens", "guard")
    assert close_names("Gard-en", names)[0] == "garden"
    assert close_names("quilting", names[1:]) == ()


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"age": 200}, "age: found 200; allowed: a number from 0 to 120"),
        ({"age": -1}, "age: found -1"),
        ({"age": "34"}, 'age: found "34"'),
        ({"age": True}, "age: found true"),
        ({"age": float("nan")}, "age: found NaN"),
        ({"budget": -5}, "budget: found -5"),
        ({"budget": 0}, "budget: found 0"),
        ({"budget": float("inf")}, "budget: found Infinity"),
        ({"hobbies": "cooking"}, 'hobbies: found "cooking"; allowed: a list'),
        ({"hobbies": [3]}, "hobbies[0]: found 3"),
        ({"hobbies": ["cooking", None]}, "hobbies[1]: found null"),
        ({"hobbies": ["cooking", "cooking"]}, 'hobbies[1]: found "cooking" again'),
        ({"relationship": ["mother"]}, 'relationship: found ["mother"]'),
        ({"hobbie": []}, 'found the unknown key "hobbie"; allowed: '),
        ({"hobbies": ["juggling"], "age": 999}, "age: found 999"),
    ],
    ids=str,
)
def test_whatever_is_not_just_a_name_is_refused(change: dict[str, Any], fragment: str) -> None:
    with pytest.raises(DataError) as refused:
        lenient_profile(FULL | change, VOCABULARY, "p")
    assert str(refused.value).startswith(f"p: {fragment}")
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("value", [None, 3, "mother", [FULL]], ids=str)
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="allowed: an object with age, hobbies"):
        lenient_profile(value, VOCABULARY, "p")


def test_a_key_given_twice_is_refused() -> None:
    value = parse_json(b'{"age": 3, "age": 4, "occasion": "nameday"}', "p")
    with pytest.raises(DataError, match='the key "age" more than once'):
        lenient_profile(value, VOCABULARY, "p")


@given(small_world.PROFILES)
def test_a_record_becomes_the_value_that_its_json_holds(profile: Profile) -> None:
    value = json.loads(json.dumps(json_value(profile)))
    assert value == json_value(profile)
    assert profile_from_json(value, small_world.VOCABULARY, "p") == profile


@pytest.mark.parametrize(
    ("field", "given", "known"),
    [
        ("hobbies", ["COOKING", "Home Decor"], ("cooking", "home_decor")),
        ("hobbies", ["homedecor"], ("home_decor",)),
        ("hobbies", ["reading", "Cooking", "cooking", "COOKING", "COOKING"], ("reading", "cooking")),
        ("preferences", ["Tech_Savvy", "self care"], ("tech-savvy", "self-care")),
        ("occasion", "Mother\u2019s Day", "mothers_day"),
        ("occasion", "mother's day ", "mothers_day"),
        ("relationship", "Grandparent", "grandparent"),
    ],
)
def test_case_spaces_hyphens_and_apostrophes_make_no_other_name(
    field: str, given: object, known: object
) -> None:
    vocabulary, _ = load_scenarios()
    profile, warnings = lenient_profile({field: given}, vocabulary, "who.json")
    assert (getattr(profile, field), warnings) == (known, ())


@given(st.data())
def test_any_spelling_of_a_known_name_is_that_name(data: st.DataObject) -> None:
    vocabulary, _ = load_scenarios()
    names = vocabulary.hobbies + vocabulary.preferences + vocabulary.occasions
    name = data.draw(st.sampled_from(names))
    pieces = [
        data.draw(st.sampled_from([letter, letter.upper()])) + data.draw(st.sampled_from(["", *" -_'\u2019"]))
        for letter in name
        if letter.isalpha()
    ]
    assert known_name("".join(pieces), names) == name


def test_a_spelling_of_two_names_is_unknown_unless_it_is_one_of_them() -> None:
    vocabulary = replace(VOCABULARY, hobbies=("tea-time", "tea time", "reading"))
    profile, warnings = lenient_profile({"hobbies": ["tea time", "Tea Time"]}, vocabulary, "p")
    assert profile.hobbies == ("tea time",)
    assert [warning.split(" is")[0] for warning in warnings] == ['p: hobbies[1]: "Tea Time"']


def test_places_in_warnings_are_those_of_the_list_as_given() -> None:
    _, warnings = lenient_profile({"hobbies": ["cooking", "Cooking", "x"]}, VOCABULARY, "p")
    assert [warning.split(" is")[0] for warning in warnings] == ['p: hobbies[2]: "x"']


def test_strict_reading_takes_no_other_spelling() -> None:
    with pytest.raises(DataError, match='found "Mother"'):
        profile_from_json({"relationship": "Mother"}, VOCABULARY, "p")


def test_names_that_begin_alike_are_suggested_after_the_close_ones() -> None:
    vocabulary, _ = load_scenarios()
    for name in ("grandmother", "Grandma", "granny"):
        assert "grandparent" in close_names(name, vocabulary.relationships), name
    assert close_names("grandmother", ("grandparent", "mother")) == ("mother", "grandparent")
    assert close_names("granite", ("gradual", "gr")) == close_names("gra", ("gravitation",)) == ()


def test_so_many_names_are_refused_before_each_is_looked_for() -> None:
    names = [f"unknown {number}" for number in range(100_000)]
    with pytest.raises(
        DataError, match=r"^f: hobbies: found a list of 100000; allowed: a list of at most 100$"
    ):
        lenient_profile({"hobbies": names}, VOCABULARY, "f")
    with pytest.raises(DataError) as refused:
        profile_from_json({"hobbies": names}, VOCABULARY, "f")
    assert len(refused.value.problems) == 1 + 100  # the length, and no more names than are allowed
    assert len(lenient_profile({"hobbies": names[:100]}, VOCABULARY, "f")[1]) == 100
