"""Promises of the shipped data: coverage, balance, and labels that keep the rules of scenarios/README.md."""

import json
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from trm_np.data import schema
from trm_np.data.load import load_held_out, load_scenarios
from trm_np.data.problems import Place

Record = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
BASE_FILE = json.loads((FOLDER / "realistic_user_scenarios.json").read_text(encoding="utf-8"))
HELD_OUT = json.loads((FOLDER / "held_out_scenarios.json").read_text(encoding="utf-8"))
SEALED_FILE = FOLDER / "sealed_scenarios.json"
SEALED: list[Record] = json.loads(SEALED_FILE.read_text(encoding="utf-8"))["scenarios"]
GIFTS: list[Record] = json.loads((FOLDER / "gift_catalog.json").read_text(encoding="utf-8"))["gifts"]
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")

BASE: list[Record] = BASE_FILE["scenarios"]
SPLITS: dict[str, list[Record]] = {"base": BASE, **HELD_OUT, "sealed": SEALED}
EVERY = [scenario for split in SPLITS.values() for scenario in split]
VOCABULARY: dict[str, list[str]] = BASE_FILE["vocabulary"]
FIELDS = {"age", "hobbies", "relationship", "budget", "occasion", "preferences"}
LARGEST_AGE_OF_GROUP = (25, 35, 45, 55, 68)
LARGEST_BUDGET_OF_TIER = (80, 150, 250)


def mentions(scenarios: list[Record], field: str) -> Counter[str]:
    """Number of profiles that mention each name of a list field."""
    return Counter(name for scenario in scenarios for name in scenario["profile"].get(field, []))


def labels(scenarios: list[Record], field: str) -> Counter[str]:
    return Counter(name for scenario in scenarios for name in scenario[field])


def known(scenarios: list[Record], field: str) -> list[Any]:
    return [scenario["profile"][field] for scenario in scenarios if field in scenario["profile"]]


def bucket(value: float, upper_bounds: tuple[int, ...]) -> int:
    return next(i for i, bound in enumerate(upper_bounds) if value <= bound)


def gifts_in(category: str) -> list[Record]:
    return [gift for gift in GIFTS if gift["category"] == category]


def interests(scenario: Record) -> set[str]:
    """Hobbies and preferences as one set; no name is both."""
    return {*scenario["profile"].get("hobbies", []), *scenario["profile"].get("preferences", [])}


def traits(scenario: Record) -> set[str]:
    """All that a profile says, as words: its names, age group and budget tier."""
    profile = scenario["profile"]
    named = {profile[field] for field in ("relationship", "occasion") if field in profile}
    found = interests(scenario) | named
    for field, bounds in (("age", LARGEST_AGE_OF_GROUP), ("budget", LARGEST_BUDGET_OF_TIER)):
        if field in profile:
            found.add(f"{field} {bucket(profile[field], bounds)}")
    return found


def distance(one: set[str], other: set[str]) -> float:
    """Jaccard distance: 0 for equal sets, 1 for sets that share nothing."""
    return 1 - len(one & other) / len(one | other)


def nearest(scenario: Record, others: list[Record]) -> float:
    """Distance of a profile to the one of the others that is most like it."""
    return min(distance(traits(scenario), traits(other)) for other in others if other is not scenario)


def spread(distances: list[float]) -> list[float]:
    """The minimum and the three quartiles."""
    return [min(distances), *quantiles(distances, method="inclusive")]


def primary_categories() -> dict[str, str]:
    """The first two columns of the hobby table in the labelling guide."""
    table = GUIDE.split("| hobby | primary | secondary |")[1].split("\n\n")[0]
    return dict(re.findall(r"^\| (\w+) \| (\w+) \|", table, flags=re.MULTILINE))


each_scenario = pytest.mark.parametrize("scenario", [pytest.param(s, id=s["name"]) for s in EVERY])


def test_files_are_utf8_and_end_with_one_newline() -> None:
    for path in FOLDER.glob("*.json"):
        text = path.read_bytes().decode("utf-8")
        assert text.endswith("}\n"), path.name


def test_counts() -> None:
    counts = {name: len(split) for name, split in SPLITS.items()}
    assert counts == {"base": 25, "validation": 30, "test": 30, "sealed": 30}
    assert len(GIFTS) == 45
    assert {field: len(names) for field, names in VOCABULARY.items()} == {
        "categories": 13,
        "tools": 5,
        "hobbies": 18,
        "preferences": 20,
        "relationships": 9,
        "occasions": 9,
    }


def test_names_are_unique() -> None:
    for names in VOCABULARY.values():
        assert len(set(names)) == len(names)
    assert len({scenario["name"] for scenario in EVERY}) == len(EVERY)
    for field in ("id", "name"):
        assert len({gift[field] for gift in GIFTS}) == len(GIFTS)


def test_base_scenarios_cover_ages_and_budgets() -> None:
    ages, budgets = known(BASE, "age"), known(BASE, "budget")
    assert (min(ages), max(ages)) == (19, 68)
    assert (min(budgets), max(budgets)) == (45, 250)
    assert Counter(bucket(age, LARGEST_AGE_OF_GROUP) for age in ages) == {group: 5 for group in range(5)}
    assert {bucket(budget, LARGEST_BUDGET_OF_TIER) for budget in budgets} == {0, 1, 2}


def test_base_scenarios_cover_the_vocabulary() -> None:
    assert set(known(BASE, "relationship")) == set(VOCABULARY["relationships"])
    assert set(known(BASE, "occasion")) == set(VOCABULARY["occasions"])
    for field in ("hobbies", "preferences"):
        counts = mentions(BASE, field)
        assert all(counts[name] >= 3 for name in VOCABULARY[field]), counts
    assert all(scenario["profile"].keys() == FIELDS for scenario in BASE)


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_balanced_in_every_split(split: str) -> None:
    categories, tools = labels(SPLITS[split], "expected_categories"), labels(SPLITS[split], "expected_tools")
    assert all(categories[name] >= 3 for name in VOCABULARY["categories"]), categories
    assert all(tools[name] >= 6 for name in VOCABULARY["tools"]), tools


@pytest.mark.parametrize("split", ["validation", "test", "sealed"])
def test_held_out_splits_cover_the_vocabulary_and_every_missing_field(split: str) -> None:
    scenarios = SPLITS[split]
    for field in ("hobbies", "preferences"):
        counts = mentions(scenarios, field)
        assert all(counts[name] >= 2 for name in VOCABULARY[field]), counts
    assert set(known(scenarios, "relationship")) == set(VOCABULARY["relationships"])
    assert set(known(scenarios, "occasion")) == set(VOCABULARY["occasions"])
    assert {bucket(age, LARGEST_AGE_OF_GROUP) for age in known(scenarios, "age")} == set(range(5))
    assert all(45 <= budget <= 250 for budget in known(scenarios, "budget"))
    assert {bucket(budget, LARGEST_BUDGET_OF_TIER) for budget in known(scenarios, "budget")} == {0, 1, 2}
    missing = Counter(field for scenario in scenarios for field in FIELDS - set(scenario["profile"]))
    assert missing == {field: 1 for field in FIELDS}
    assert all(scenario["profile"].keys() == FIELDS for scenario in scenarios[:-6])


@pytest.mark.parametrize("split", ["validation", "test", "sealed"])
def test_no_held_out_profile_is_nearly_a_base_profile(split: str) -> None:
    for scenario in SPLITS[split]:
        for base in BASE:
            assert distance(interests(scenario), interests(base)) >= 0.5, (scenario["name"], base["name"])


def test_sealed_profiles_are_as_new_as_the_others_are_to_each_other() -> None:
    """Distances to the nearest profile are no smaller, at the minimum and at every quartile."""
    others = [*BASE, *HELD_OUT["validation"], *HELD_OUT["test"]]
    of_sealed = spread([nearest(scenario, EVERY) for scenario in SEALED])
    of_others = spread([nearest(scenario, others) for scenario in others])
    assert all(sealed >= other for sealed, other in zip(of_sealed, of_others, strict=True)), of_sealed


def test_sealed_profiles_hold_hobbies_that_the_budget_rules_out() -> None:
    """Each wants an experience by its hobby, and none is to be had for the money."""
    ruled_out = [
        scenario["name"]
        for scenario in SEALED
        for hobby in scenario["profile"].get("hobbies", [])
        if min(gift["price"] for gift in gifts_in(primary_categories()[hobby]))
        > scenario["profile"].get("budget", float("inf"))
    ]
    assert len(set(ruled_out)) == 3


def test_the_sealed_file_is_shipped_and_loads() -> None:
    installed = resources.files("trm_np.scenarios").joinpath(SEALED_FILE.name)
    assert installed.read_bytes() == SEALED_FILE.read_bytes()
    vocabulary, _ = load_scenarios()
    loaded, _ = load_held_out(SEALED_FILE, vocabulary, schema.Stock({gift["category"] for gift in GIFTS}))
    assert [scenario.name for scenario in loaded] == [scenario["name"] for scenario in SEALED]


@each_scenario
def test_scenario_is_well_formed(scenario: Record) -> None:
    assert set(scenario) == {"name", "profile", "expected_categories", "expected_tools"}
    profile = scenario["profile"]
    assert set(profile) <= FIELDS
    for field in ("hobbies", "preferences"):
        if field in profile:
            names = profile[field]
            assert len(names) in (2, 3) and len(set(names)) == len(names)
            assert set(names) <= set(VOCABULARY[field])
    for value in known([scenario], "relationship"):
        assert value in VOCABULARY["relationships"]
    for value in known([scenario], "occasion"):
        assert value in VOCABULARY["occasions"]
    for value in known([scenario], "age") + known([scenario], "budget"):
        assert isinstance(value, int)


@each_scenario
def test_labels_keep_the_guide(scenario: Record) -> None:
    categories, tools = scenario["expected_categories"], scenario["expected_tools"]
    assert len(set(categories)) == len(categories) and len(categories) in (2, 3)
    assert set(categories) <= set(VOCABULARY["categories"])
    assert len(set(tools)) == len(tools) == 2
    assert set(tools) <= set(VOCABULARY["tools"])

    budget = scenario["profile"].get("budget", float("inf"))
    affordable = {gift["category"] for gift in GIFTS if gift["price"] <= budget}
    assert set(categories) <= affordable
    primary = {primary_categories()[hobby] for hobby in scenario["profile"].get("hobbies", [])}
    assert primary & affordable <= set(categories), "hobbies come first"


def test_the_budget_rule_bites_somewhere() -> None:
    """A music lover's primary category is experience, but no experience costs $45 or less."""
    scenario = next(s for s in BASE if s["name"] == "student friend who games to music")
    assert "music" in scenario["profile"]["hobbies"]
    assert "experience" not in scenario["expected_categories"]
    assert min(gift["price"] for gift in gifts_in("experience")) > scenario["profile"]["budget"]


def test_the_example_in_the_guide_is_a_base_scenario() -> None:
    example, choices = re.findall(r"```json\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert json.loads(example) in BASE
    check = schema.scenario(load_scenarios()[0], schema.Stock(None, tuple(gift["id"] for gift in GIFTS)))
    assert list(check(json.loads(choices), Place("guide"))) == []


def test_catalogue_covers_categories_prices_and_preferences() -> None:
    for category in VOCABULARY["categories"]:
        prices = [gift["price"] for gift in gifts_in(category)]
        assert len(prices) >= 3, category
        assert min(prices) < 50, category
        assert any(50 <= price <= 120 for price in prices), category
        assert max(prices) > 120, category
    prices = [gift["price"] for gift in GIFTS]
    assert min(prices) < 20
    assert 240 <= max(prices) <= 260
    tags = {tag for gift in GIFTS for tag in gift["tags"]}
    assert tags == {*VOCABULARY["hobbies"], *VOCABULARY["preferences"]}
    assert {occasion for gift in GIFTS for occasion in gift["occasions"]} == set(VOCABULARY["occasions"])


@pytest.mark.parametrize("hobby", VOCABULARY["hobbies"])
def test_tags_imply_the_primary_category_of_each_hobby(hobby: str) -> None:
    implied = {
        category
        for category in VOCABULARY["categories"]
        if 2 * sum(hobby in gift["tags"] for gift in gifts_in(category)) >= len(gifts_in(category))
    }
    also = {"food"} if hobby == "cooking" else set()
    assert implied == {primary_categories()[hobby]} | also


@pytest.mark.parametrize("gift", [pytest.param(gift, id=gift["id"]) for gift in GIFTS])
def test_gift_is_well_formed(gift: Record) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", gift["id"])
    assert gift["category"] in VOCABULARY["categories"]
    assert 1 <= sum(tag in VOCABULARY["hobbies"] for tag in gift["tags"]) <= 3
    assert 1 <= sum(tag in VOCABULARY["preferences"] for tag in gift["tags"]) <= 4
    assert len(set(gift["tags"])) == len(gift["tags"])
    assert gift["occasions"] and set(gift["occasions"]) <= set(VOCABULARY["occasions"])
    youngest, oldest = gift["age_range"]
    assert 0 < youngest < oldest

    assert 1 <= len(gift["offers"]) <= 4
    assert gift["price"] in [offer["price"] for offer in gift["offers"]]
    assert all(offer["price"] > 0 and offer["shipping_days"] >= 0 for offer in gift["offers"])
    assert len({offer["seller"] for offer in gift["offers"]}) == len(gift["offers"])
    assert isinstance(gift["stock"], int) and gift["stock"] >= 0
    assert len(gift["weekly_sales"]) == 12 and min(gift["weekly_sales"]) >= 0

    reviews = gift["reviews"]
    assert len(reviews) == 5 and min(reviews) >= 0
    mean = sum(stars * count for stars, count in enumerate(reviews, start=1)) / sum(reviews)
    assert gift["rating"] == pytest.approx(mean, abs=0.05 + 1e-9)


def test_catalogue_gives_every_tool_something_to_find() -> None:
    assert sum(gift["stock"] == 0 for gift in GIFTS) == 2
    assert sum(0 < gift["stock"] <= 5 for gift in GIFTS) >= 2
    assert any(min(offer["price"] for offer in gift["offers"]) <= 0.9 * gift["price"] for gift in GIFTS)
    assert sum(any(offer["shipping_days"] >= 14 for offer in gift["offers"]) for gift in GIFTS) >= 3
    assert sum(gift["rating"] >= 4.5 and sum(gift["reviews"]) < 25 for gift in GIFTS) >= 3
    growth = [sum(gift["weekly_sales"][-4:]) / sum(gift["weekly_sales"][:4]) for gift in GIFTS]
    assert sum(ratio > 1.5 for ratio in growth) >= 5
    assert sum(ratio < 0.8 for ratio in growth) >= 3
    assert sum(0.9 < ratio < 1.1 for ratio in growth) >= 5
