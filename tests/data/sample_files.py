"""A small valid set of the three files as JSON values. Each call makes a new copy."""

import json
from pathlib import Path
from typing import Any

from trm_np.data import schema
from trm_np.data.load import checked, profile_from
from trm_np.data.problems import Place
from trm_np.data.records import Profile
from trm_np.data.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    categories=("garden", "kitchen", "library"),
    tools=("compare", "review", "trend"),
    hobbies=("garden", "cooking", "reading"),
    preferences=("practical", "luxury"),
    relationships=("mother", "friend"),
    occasions=("birthday", "wedding"),
)


def profile_from_json(value: object, vocabulary: Vocabulary, file: str, place: str = "") -> Profile:
    """The profile of a value, whose words must be names as they stand; raises DataError."""
    return profile_from(checked(schema.profile(vocabulary), value, Place(file, place)))


def training() -> dict[str, Any]:
    return {
        "vocabulary": {field: list(names) for field, names in VOCABULARY.lists.items()},
        "scenarios": [
            scenario("mother in the garden", age=61, hobbies=["garden", "reading"]),
            scenario("friend at the stove", relationship="friend", hobbies=["cooking"]),
            scenario("friend, barely known", age=None, hobbies=[], preferences=[], relationship=None),
        ],
    }


def held_out() -> dict[str, Any]:
    return {
        "validation": [scenario("mother who reads", hobbies=["reading"])],
        "test": [
            scenario("mother who cooks", hobbies=["cooking"]),
            scenario("friend", relationship="friend"),
        ],
    }


def catalogue() -> dict[str, Any]:
    return {
        "gifts": [
            gift("trowel", "garden", 25, ["garden", "practical"]),
            gift("pan", "kitchen", 80.5, ["cooking"]),
            gift("first_edition", "library", 240, ["reading", "luxury"]),
            gift("seeds", "garden", 9, []),
        ]
    }


def scenario(name: str, **profile: Any) -> dict[str, Any]:
    usual = {
        "age": 34,
        "hobbies": ["garden"],
        "relationship": "mother",
        "budget": 120.5,
        "occasion": "birthday",
        "preferences": ["practical"],
    }
    return {
        "name": name,
        "profile": usual | profile,
        "expected_categories": ["garden", "library"],
        "expected_tools": ["compare", "review"],
    }


def gift(identifier: str, category: str, price: float, tags: list[str]) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": identifier.replace("_", " ").title(),
        "category": category,
        "price": price,
        "rating": 4.5,
        "tags": tags,
        "age_range": [18, 90],
        "occasions": ["birthday"],
        "offers": [{"seller": "Corner Shop", "price": price, "shipping_days": 2}],
        "stock": 3,
        "reviews": [0, 1, 2, 3, 4],
        "weekly_sales": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    }


def write(folder: Path, **documents: Any) -> dict[str, Path]:
    """Write each value as JSON to `folder`, and return the paths by name."""
    paths = {name: folder / f"{name}.json" for name in documents}
    for name, document in documents.items():
        paths[name].write_text(json.dumps(document), encoding="utf-8")
    return paths
