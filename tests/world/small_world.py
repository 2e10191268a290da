"""A small vocabulary, a function to make gifts, and Hypothesis strategies."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    categories=("garden", "kitchen", "library", "studio"),
    tools=("compare", "review", "trend"),
    hobbies=("garden", "cooking", "reading", "painting"),
    preferences=("practical", "luxury", "quiet"),
    relationships=("mother", "friend"),
    occasions=("birthday", "wedding"),
)


def gift(category: str = "garden", price: float = 40.0, tags: tuple[str, ...] = (), **rest: Any) -> Gift:
    usual: dict[str, Any] = {
        "id": "gift",
        "name": "Gift",
        "rating": 4.0,
        "age_range": (20, 60),
        "occasions": ("birthday",),
        "offers": (Offer("Corner Shop", price, 2),),
        "stock": 5,
        "reviews": (0, 0, 0, 5, 0),
        "weekly_sales": (1,) * 12,
    }
    return Gift(category=category, price=price, tags=tags, **usual | rest)


def some_of(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), unique=True).map(tuple)


PROFILES = st.builds(
    Profile,
    age=st.none() | st.floats(0, 120),
    hobbies=some_of(VOCABULARY.hobbies),
    relationship=st.none() | st.sampled_from(VOCABULARY.relationships),
    budget=st.none() | st.floats(0.01, 1000),
    occasion=st.none() | st.sampled_from(VOCABULARY.occasions),
    preferences=some_of(VOCABULARY.preferences),
)

GIFTS = st.builds(
    gift,
    category=st.sampled_from(VOCABULARY.categories),
    price=st.floats(0.01, 1000),
    tags=some_of(VOCABULARY.hobbies + VOCABULARY.preferences),
    rating=st.floats(1, 5),
    age_range=st.tuples(st.integers(0, 120), st.integers(0, 120)).map(lambda ages: (min(ages), max(ages))),
    occasions=some_of(VOCABULARY.occasions),
)

OPTIONAL = tuple(field.name for field in fields(Gift) if field.default is None)


def partly_known(gifts: st.SearchStrategy[Gift]) -> st.SearchStrategy[Gift]:
    """Gifts with some unknown fields."""
    hidden = st.lists(st.sampled_from(OPTIONAL), unique=True)
    return st.builds(lambda gift, hidden: replace(gift, **dict.fromkeys(hidden)), gifts, hidden)


def random_gifts(rng: np.random.Generator, count: int) -> list[Gift]:
    tags = np.array(VOCABULARY.hobbies + VOCABULARY.preferences)
    return [
        gift(
            category=str(rng.choice(VOCABULARY.categories)),
            price=float(rng.uniform(5, 200)),
            tags=tuple(tags[rng.random(len(tags)) < 0.3].tolist()),
            rating=float(rng.uniform(3, 5)),
        )
        for _ in range(count)
    ]
