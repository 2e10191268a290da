"""Profiles in everyday words: what gives a warning, and what is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.sample_files import VOCABULARY, profile_from_json
from tests.world import small_world
from trm_np.data import schema
from trm_np.data.lenient import CheckedProfile, json_value, read_profile
from trm_np.data.load import load_scenarios
from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.records import Profile
from trm_np.data.spelling import close_names
from trm_np.data.strict_json import parse_json
from trm_np.data.words import Words
from trm_np.deadline import TooLate, until

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
    assert read_profile(json_value(profile), small_world.VOCABULARY, "p") == CheckedProfile(profile)


@pytest.mark.parametrize("field", FULL)
def test_any_field_may_be_absent_or_null(field: str) -> None:
    absent = {key: value for key, value in FULL.items() if key != field}
    found = read_profile(absent, VOCABULARY, "p")
    assert found == read_profile(FULL | {field: None}, VOCABULARY, "p")
    assert found == CheckedProfile(found.profile) and getattr(found.profile, field) in (None, ())
    assert read_profile({}, VOCABULARY, "p") == CheckedProfile(Profile())


@pytest.mark.parametrize(
    ("field", "given", "left", "warning"),
    [
        (
            "hobbies",
            ["gardn", "cooking"],
            ("cooking",),
            '"gardn" is not known and counts as missing; the closest known: garden',
        ),
        (
            "hobbies",
            ["garden, cooking"],
            (),
            '"garden, cooking" is not known and counts as missing; the closest known: garden, cooking',
        ),
        (
            "preferences",
            ["Practicl"],
            (),
            '"Practicl" is not known and counts as missing; the closest known: practical',
        ),
        (
            "relationship",
            "mothr",
            None,
            '"mothr" is not known and counts as missing; the closest known: mother',
        ),
        (
            "occasion",
            "solstice",
            None,
            '"solstice" is not known and counts as missing; known occasions: birthday, wedding',
        ),
        ("occasion", "", None, '"" is not known and counts as missing; known occasions: birthday, wedding'),
    ],
)
def test_an_unknown_name_counts_as_missing_with_a_warning(
    field: str, given: object, left: object, warning: str
) -> None:
    profile, warnings, notes = read_profile(FULL | {field: given}, VOCABULARY, "who.json", "person")
    assert (warnings, notes) == ((f"who.json: person: {warning}",), ())
    assert getattr(profile, field) == left
    known = read_profile(FULL, VOCABULARY, "p").profile
    others = [other for other in FULL if other != field]
    assert [getattr(profile, other) for other in others] == [getattr(known, other) for other in others]


def test_one_warning_lists_each_unknown_name_once() -> None:
    value = FULL | {"hobbies": ["x", "readin", "reading", "x"], "occasion": "y", "relationship": "friend"}
    profile, warnings, _ = read_profile(value, VOCABULARY, "p")
    assert profile.hobbies == ("reading",)
    assert warnings == (
        'p: "x", "readin", "y" are not known and count as missing; the closest known: reading; '
        "known hobbies: garden, cooking, reading; known occasions: birthday, wedding",
    )


def test_the_warning_is_one_printable_line_whatever_the_names() -> None:
    names = ["a\nb\x1b[31m", "z" * 10_000]
    (warning,) = read_profile(FULL | {"hobbies": names}, VOCABULARY, "p").warnings
    assert warning.isprintable() and len(warning) < 250
    many = read_profile({"hobbies": [f"odd {number}" for number in range(100)]}, VOCABULARY, "p")
    assert len(many.warnings) == 1 and "... (100 in all) are not known" in many.warnings[0]


def test_at_most_three_names_are_suggested_the_closest_first() -> None:
    names = ("gardening", "gardons", "guarden", "garden", "gardin", "reading")
    assert close_names("Gard-en", names) == ("garden", "gardons", "guarden")
    assert close_names("gradeners", ("gardeners", "garden")) == ("gardeners",)
    assert close_names("quilting", names) == ()


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
def test_values_other_than_unknown_names_are_refused(change: dict[str, Any], fragment: str) -> None:
    with pytest.raises(DataError) as refused:
        read_profile(FULL | change, VOCABULARY, "p")
    assert str(refused.value).startswith(f"p: {fragment}")
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("value", [None, 3, "mother", [FULL]], ids=str)
def test_a_profile_that_is_not_an_object_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="allowed: an object with age, hobbies"):
        read_profile(value, VOCABULARY, "p")


def test_a_key_given_twice_is_refused() -> None:
    value = parse_json(b'{"age": 3, "age": 4, "occasion": "nameday"}', "p")
    with pytest.raises(DataError, match='the key "age" more than once'):
        read_profile(value, VOCABULARY, "p")


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
def test_case_spaces_hyphens_and_apostrophes_do_not_matter(field: str, given: object, known: object) -> None:
    vocabulary, _ = load_scenarios()
    found = read_profile({field: given}, vocabulary, "who.json")
    assert getattr(found.profile, field) == known and found == CheckedProfile(found.profile)


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
    assert Words(names, {}).meaning("".join(pieces)).name == name


def test_an_ambiguous_spelling_is_unknown_unless_it_is_a_name() -> None:
    vocabulary = replace(VOCABULARY, hobbies=("tea-time", "tea time", "reading"))
    profile, (warning,), _ = read_profile({"hobbies": ["tea time", "Tea Time"]}, vocabulary, "p")
    assert profile.hobbies == ("tea time",)
    assert warning.startswith('p: "Tea Time" is not known')


def test_training_files_accept_no_other_spelling() -> None:
    with pytest.raises(DataError, match='found "Mother"'):
        profile_from_json({"relationship": "Mother"}, VOCABULARY, "p")


def test_strict_reading_refuses_exactly_what_would_warn() -> None:
    value = FULL | {"hobbies": ["Cooking", "gardens", "x"]}
    with pytest.raises(DataError, match=r'^p: hobbies\[2\]: found "x"; allowed: one of garden, [^(]*$'):
        read_profile(value, VOCABULARY, "p", strict=True)
    value["hobbies"].remove("x")
    assert read_profile(value, VOCABULARY, "p", strict=True) == read_profile(value, VOCABULARY, "p")


def test_too_many_names_are_refused_before_any_is_looked_up() -> None:
    names = [f"unknown {number}" for number in range(100_000)]
    with pytest.raises(
        DataError, match=r"^f: hobbies: found a list of 100000; allowed: a list of at most 100$"
    ):
        read_profile({"hobbies": names}, VOCABULARY, "f")
    with pytest.raises(DataError) as refused:
        profile_from_json({"hobbies": names}, VOCABULARY, "f")
    assert len(refused.value.problems) == 1 + 100  # the length, and the names that are checked
    assert "(100 in all)" in read_profile({"hobbies": names[:100]}, VOCABULARY, "f").warnings[0]


def test_a_profile_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[object] = []

    @schema.keeps(type="number")
    def money(value: object, at: Place) -> Iterator[Problem]:
        checked.append(value)
        return iter(())

    monkeypatch.setattr(schema, "money", money)
    read_profile(FULL | {"hobbies": ["Cooking", "x"]}, VOCABULARY, "p", gifts=IDS)
    assert checked == [FULL["budget"]]


def test_an_unknown_word_given_twice_is_one_problem_for_each_place() -> None:
    with pytest.raises(DataError) as refused:
        read_profile({"hobbies": ["x", "x"]}, VOCABULARY, "p", strict=True)
    assert [problem.place for problem in refused.value.problems] == ["hobbies[0]", "hobbies[1]"]


IDS = {"pan": "pan", "trowel": "trowel", "another trowel": "trowel"}


def test_unknown_ids_of_a_history_are_left_out_with_one_note() -> None:
    value = {"history": ["sofa", "another trowel", "trowel", "pam"]}
    found = read_profile(value, VOCABULARY, "p", gifts=IDS)
    note = 'left out of the history, since the catalogue does not have it: "sofa", "pam"'
    assert found == CheckedProfile(Profile(history=("trowel",)), notes=(note,))
    assert read_profile({"history": ["pan"]}, VOCABULARY, "p", gifts=IDS) == CheckedProfile(
        Profile(history=("pan",))
    )


def test_strict_reading_refuses_an_unknown_id() -> None:
    with pytest.raises(DataError, match=r'^p: history\[1\]: found "pam"; allowed: .*did you mean "pan"\?$'):
        read_profile({"history": ["pan", "pam"]}, VOCABULARY, "p", strict=True, gifts=IDS)


@pytest.mark.parametrize("wrong", ["pan", [7], ["pan", "pan"], {"pan": 1}], ids=str)
def test_a_history_that_is_not_a_list_of_ids_is_refused(wrong: object) -> None:
    with pytest.raises(DataError, match="history"):
        read_profile({"history": wrong}, VOCABULARY, "p", gifts=IDS)


def test_only_the_first_unknown_words_are_compared_with_all_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def close(_: Words, word: str) -> tuple[str, ...]:
        compared.append(word)
        return ()

    monkeypatch.setattr(Words, "close", close)
    words = [f"unknown{index}, cooking" for index in range(100)]
    found = read_profile({"hobbies": words}, VOCABULARY, "p")
    assert compared == words[:5]
    assert found.profile.hobbies == () and "100 in all" in found.warnings[0]


def test_the_deadline_is_checked_for_each_name() -> None:
    with pytest.raises(TooLate), until(0.0):
        read_profile({"hobbies": ["reading"]}, VOCABULARY, "p")
