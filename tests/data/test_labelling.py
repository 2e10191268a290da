"""The labelling guide: its tables, its worked example, and the shipped labels."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trm_np.data import labelling
from trm_np.data.labelling import (
    affordable_categories,
    agreement,
    cheapest_prices,
    expected_categories,
    expected_tools,
)
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile

GUIDE = (Path(__file__).resolve().parents[2] / "scenarios" / "README.md").read_text(encoding="utf-8")
SHIPPED = load_dataset()
VOCABULARY = SHIPPED.vocabulary
CATEGORIES = VOCABULARY.categories
CHEAPEST = cheapest_prices(SHIPPED.gifts, CATEGORIES)


def rows(header: str) -> list[list[str]]:
    """The cells of the table of the guide with this header, which may be indented."""
    table = GUIDE.split(header)[1].split("\n\n")[0]
    lines = [line.strip() for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.split(", ") if name)


def profiles() -> st.SearchStrategy[Profile]:
    """Any profile of the shipped vocabulary, every field of which may be missing."""

    def some(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
        return st.lists(st.sampled_from(words), unique=True, max_size=5).map(tuple)

    fields = {
        "age": st.none() | st.integers(0, 100).map(float),
        "hobbies": some(VOCABULARY.hobbies),
        "relationship": st.none() | st.sampled_from(VOCABULARY.relationships),
        "budget": st.none() | st.integers(1, 300).map(float),
        "occasion": st.none() | st.sampled_from(VOCABULARY.occasions),
        "preferences": some(VOCABULARY.preferences),
    }
    return st.builds(Profile, **fields)


affordable_sets = st.sets(st.sampled_from(CATEGORIES)).map(
    lambda chosen: [c for c in CATEGORIES if c in chosen]
)


# ---------------------------------------------------------------------------------- against the page


def test_hobby_tables_are_those_of_the_guide() -> None:
    table = rows("| hobby | primary | secondary |")
    assert {hobby: primary for hobby, primary, _ in table} == labelling.PRIMARY
    assert {hobby: secondary for hobby, _, secondary in table if secondary} == labelling.SECONDARY
    assert set(labelling.PRIMARY) == set(VOCABULARY.hobbies)


def test_preference_table_is_that_of_the_guide() -> None:
    table = rows("| category | preferences |")
    assert {category: names(cell) for category, cell in table} == labelling.PREFERENCES
    assert {name for cell in labelling.PREFERENCES.values() for name in cell} | {
        "affordable",
        "quality",
    } == set(VOCABULARY.preferences)


def test_occasions_and_ages_are_those_of_the_guide() -> None:
    (occasions,) = re.findall(r"- 1 if the occasion points to it: (.*?) \(birthday", GUIDE, re.DOTALL)
    assert dict(re.findall(r"(\w+) → (\w+)", occasions)) == labelling.OCCASIONS
    (ages,) = re.findall(r"- 1 if the age points to it: (.*)\.", GUIDE)
    assert dict(re.findall(r"(\d+ or \w+) → (\w+)", ages)) == labelling.AGES


def test_tool_table_is_that_of_the_guide_in_its_order() -> None:
    ours = [
        (tool, set(labelling.ONE_REASON[tool]), set(labelling.TWO_REASONS.get(tool, ())))
        for tool in labelling.ONE_REASON
    ]
    known = {*VOCABULARY.hobbies, *VOCABULARY.preferences, *VOCABULARY.occasions}
    phrases = {"25 or younger", "$80 or less"}

    def reasons(cell: str) -> set[str]:
        words = set(re.findall(r"[a-z_]+(?:-[a-z]+)*", cell.split("(")[0])) & known
        return words | {phrase for phrase in phrases if phrase in cell}

    assert [(tool, reasons(one), reasons(two)) for tool, one, two in rows("| tool | one reason each")] == ours


def test_every_clue_of_the_guide_has_one_meaning() -> None:
    """Hobbies, preferences and occasions are counted together, so no name may be in two lists."""
    words = [*VOCABULARY.hobbies, *VOCABULARY.preferences, *VOCABULARY.occasions]
    assert max(Counter(words).values()) == 1


def test_worked_example_of_the_guide() -> None:
    sister = Profile(
        age=24,
        hobbies=("design", "photography"),
        relationship="sister",
        budget=110,
        occasion="graduation",
        preferences=("creative", "trendy", "practical"),
    )
    affordable = affordable_categories(110, CHEAPEST)
    assert expected_categories(sister, affordable) == ("art", "technology", "home")
    assert expected_tools(sister) == ("trend_analysis", "price_comparison")


# --------------------------------------------------------------------------------------- rule by rule


@pytest.mark.parametrize(
    ("profile", "affordable", "expected"),
    [
        # Rule 1: travel points to experience, where nothing fits the budget. Outdoor is its secondary category.
        (Profile(hobbies=("travel", "reading")), ("books", "outdoor", "food"), ("books", "outdoor")),
        # More than three: two hobbies point to art, then home has 2 points, then the order of the vocabulary decides.
        (
            Profile(hobbies=("cooking", "gaming", "home_decor", "art", "design"), preferences=("practical",)),
            CATEGORIES,
            ("art", "home", "cooking"),
        ),
        # Rule 2: 2 points for trendy and 1 for the age of 25 are enough for a third place; 2 for trendy alone are not.
        (Profile(25, ("gaming", "art"), preferences=("trendy",)), CATEGORIES, ("art", "gaming", "fashion")),
        (Profile(26, ("gaming", "art"), preferences=("trendy",)), CATEGORIES, ("art", "gaming")),
        # 56 and christmas and traditional all point to food: 4 points.
        (
            Profile(56, ("gaming", "art"), occasion="christmas", preferences=("traditional",)),
            CATEGORIES,
            ("art", "gaming", "food"),
        ),
        # Equal points, 3 each: cooking points to food, trendy and 25 to fashion. The hobby comes first, whatever
        # the order of the vocabulary.
        (
            Profile(25, ("cooking", "gaming"), preferences=("trendy",)),
            ("cooking", "fashion", "food", "gaming"),
            ("cooking", "gaming", "food"),
        ),
        # Rule 3: below 3 points, but never fewer than two.
        (Profile(hobbies=("gaming",), preferences=("relaxing",)), CATEGORIES, ("gaming", "wellness")),
        (Profile(), CATEGORIES, ("technology", "gardening")),
        (Profile(), ("food",), ("food",)),
        (Profile(hobbies=("gaming",)), (), ()),
    ],
)
def test_categories(profile: Profile, affordable: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert expected_categories(profile, affordable) == expected


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Profile(), ("review_analysis", "price_comparison")),
        (Profile(budget=80), ("budget_optimizer", "review_analysis")),
        (Profile(budget=80.5, preferences=("practical",)), ("price_comparison", "review_analysis")),
        (Profile(budget=60, occasion="wedding"), ("inventory_check", "budget_optimizer")),
        (Profile(age=25.9), ("trend_analysis", "review_analysis")),
        (Profile(age=26, preferences=("natural",)), ("inventory_check", "review_analysis")),
        (Profile(hobbies=("technology",), preferences=("unique",)), ("price_comparison", "trend_analysis")),
    ],
)
def test_tools(profile: Profile, expected: tuple[str, ...]) -> None:
    assert expected_tools(profile) == expected


@given(profiles(), affordable_sets)
def test_two_or_three_affordable_categories_hobbies_first(profile: Profile, affordable: list[str]) -> None:
    expected = expected_categories(profile, affordable)
    primary = {labelling.PRIMARY[hobby] for hobby in profile.hobbies} & set(affordable)
    assert set(expected) <= set(affordable)
    assert len(set(expected)) == len(expected)
    assert min(2, len(affordable)) <= len(expected) <= 3
    assert set(expected[: len(primary)]) <= primary


@given(profiles(), affordable_sets)
def test_labels_do_not_depend_on_order_or_relationship(profile: Profile, affordable: list[str]) -> None:
    other = Profile(
        profile.age,
        tuple(reversed(profile.hobbies)),
        "boss",
        profile.budget,
        profile.occasion,
        tuple(reversed(profile.preferences)),
    )
    assert expected_categories(other, affordable) == expected_categories(profile, affordable)
    assert expected_tools(other) == expected_tools(profile)


# ----------------------------------------------------------------------------- what fits, and agreement


def test_a_category_is_affordable_if_its_cheapest_gift_is() -> None:
    assert list(CHEAPEST) == list(CATEGORIES)
    assert CHEAPEST["experience"] == 48
    assert "experience" in affordable_categories(48, CHEAPEST)
    assert "experience" not in affordable_categories(47.99, CHEAPEST)
    assert affordable_categories(None, CHEAPEST) == CATEGORIES
    assert affordable_categories(1, CHEAPEST) == ()
    no_books = [gift for gift in SHIPPED.gifts if gift.category != "books"]
    assert "books" not in cheapest_prices(no_books, CATEGORIES)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_shipped_label_follows_the_guide(split: str) -> None:
    """scenarios/README.md says so of all 85 records."""
    scenarios = getattr(SHIPPED, split)
    whole = {"categories_exact": 1.0, "categories_jaccard": 1.0, "tools_exact": 1.0}
    assert agreement(scenarios, CHEAPEST) == {"scenarios": len(scenarios), **whole}


def test_agreement_counts_different_labels() -> None:
    """One of four scenarios has one of three categories wrong, another one its tools."""
    first, second, *others = SHIPPED.train[:4]
    assert len(first.expected_categories) == 3
    spoilt = replace(first, expected_categories=(*first.expected_categories[:2], "gaming"))
    other_tools = replace(second, expected_tools=("trend_analysis",))
    assert agreement([spoilt, other_tools, *others], CHEAPEST) == {
        "scenarios": 4,
        "categories_exact": 0.75,
        "categories_jaccard": pytest.approx((2 / 4 + 3) / 4),
        "tools_exact": 0.75,
    }
