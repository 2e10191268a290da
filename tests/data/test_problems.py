"""The text of problems."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.spelling import MOST_COMPARED, closest
from trm_np.text import listed, shown

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_a_problem_is_one_line() -> None:
    problem = Problem("mine.json", "scenarios[3].profile.age", '"abc"', "a number from 0 to 120")
    assert str(problem) == 'mine.json: scenarios[3].profile.age: found "abc"; allowed: a number from 0 to 120'


def test_a_message_ends_with_the_suggestion_and_omits_an_empty_place() -> None:
    names = ("gardening", "art")
    problem = Problem("mine.json", "", '"gardning"', "one of gardening, art", "gardning", names)
    assert str(problem) == (
        'mine.json: found "gardning"; allowed: one of gardening, art; did you mean "gardening"?'
    )


def test_an_error_shows_the_first_problem_and_counts_the_others() -> None:
    first, second = Problem("a", "b", "c", "d"), Problem("e", "f", "g", "h")
    assert str(DataError([first])) == "a: b: found c; allowed: d"
    assert str(DataError([first, second])) == "a: b: found c; allowed: d (and 1 more)"
    assert DataError([first, second]).problems == (first, second)


def test_places_are_written_like_javascript_paths() -> None:
    assert Place("f").key("scenarios").item(3).key("profile").path == "scenarios[3].profile"


@given(JSON_VALUES)
def test_a_short_value_is_shown_as_json(value: object) -> None:
    line = shown(value)
    assert line.isprintable()
    assert len(line) <= 60
    whole = json.dumps(value, ensure_ascii=False)
    if len(whole) <= 60 and whole.isprintable():
        assert line == whole
    if len(whole) > 60:
        assert line.endswith("...")


def test_control_characters_are_escaped() -> None:
    assert shown("\x1b[31m\u202eevil\n") == '"\\u001b[31m\\u202eevil\\n"'
    assert str(Problem("a\nb.json", "", "1", "2")) == "a\\nb.json: found 1; allowed: 2"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gardning", "gardening"),
        ("Home Decor", "home_decor"),
        ("home-decor", "home_decor"),
        ("ART", "art"),
        ("zzz", ""),
        ("gardening" * 20, ""),
    ],
)
def test_the_closest_name_is_suggested_whatever_its_case_and_spacing(name: str, meant: str) -> None:
    assert closest(name, ("gardening", "home_decor", "art")) == meant


def test_long_lists_of_names_and_long_names_are_shortened() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(n) for n in range(5000)]).endswith("38, 39, ... (5000 in all)")
    assert listed(["a" * 60, "b" * 1_000_000]) == f"{'a' * 60}, {'b' * 57}..."


def test_nothing_is_suggested_among_very_many_names() -> None:
    names = tuple(f"name {index}" for index in range(MOST_COMPARED))
    assert closest("nome 7", names) == "name 7"
    assert closest("nome 7", (*names, "one more")) == ""
