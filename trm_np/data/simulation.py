"""Simulated data of any size, to study the effect of size. It has the shipped vocabulary and the guide's labels.

The functions below state the distributions that profiles and gifts are drawn from. No person judged the scenarios.
The cheapest gift of each category costs as much as in the shipped catalogue. The guide therefore gives a profile the
same labels, whatever the number of gifts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import comb

import numpy as np

from trm_np.data.labelling import (
    PREFERENCES,
    PRIMARY,
    SECONDARY,
    affordable_categories,
    cheapest_prices,
    expected_categories,
    expected_tools,
)
from trm_np.data.load import Dataset, Scenarios, as_json
from trm_np.data.records import Gift, Offer, Profile, Scenario
from trm_np.data.tables import AGE_GROUPS
from trm_np.data.vocabulary import Vocabulary

LOWEST_BUDGET, HIGHEST_BUDGET = 45, 250
LIST_LENGTHS = (2, 3)  # of hobbies and of preferences
YOUNGEST = {"mother": 36, "father": 36, "grandparent": 56}
ONLY_FOR = {"mothers_day": "mother", "fathers_day": "father"}

GUEST_HOBBY_SHARE = 0.5  # share of gifts that also suit a hobby of another category
FAVOURED = 5.0  # weight of a tag that the guide connects with the category; other tags have weight 1
CHEAP, DEAR = 50, 120  # dollars: a gift may be tagged affordable up to the first, luxury from the second
OCCASION_SHARE = {"birthday": 1.0, "christmas": 0.85}
OTHER_OCCASION_SHARE = 0.4
SOLD_OUT_SHARE = 0.04
WEEKS = 12

Interests = tuple[frozenset[str], frozenset[str]]


def simulate(
    shipped: Dataset,
    n_scenarios: int,
    n_held_out: int,
    n_gifts: int,
    rng: np.random.Generator,
    drawn: Callable[[], object] = lambda: None,
) -> Dataset:
    """Simulate a dataset with `n_held_out` scenarios in each of the validation and the test split.

    The held-out scenarios depend on `n_held_out` alone. The training scenarios do not depend on `n_gifts`, and a longer
    training list begins with the shorter one. No held-out profile shares all its hobbies and preferences with another
    held-out profile or with a training profile. `drawn` is called after each profile and each gift. Raises
    `ValueError` for fewer gifts than categories.
    """
    vocabulary = shipped.vocabulary
    cheapest = cheapest_prices(shipped.gifts, vocabulary.categories)
    held_out_rng, train_rng, gift_rng = rng.spawn(3)
    seen: set[Interests] = set()
    splits = {}
    for split in ("validation", "test"):
        profiles = []
        for _ in range(n_held_out):
            profiles.append(_profile(vocabulary, seen, held_out_rng))
            seen.add(_interests(profiles[-1]))
            drawn()
        splits[split] = _labelled(split, profiles, cheapest)
    train = []
    for _ in range(n_scenarios):
        train.append(_profile(vocabulary, seen, train_rng))
        drawn()
    gifts = _gifts(shipped, n_gifts, gift_rng, drawn)
    return Dataset(vocabulary, _labelled("training", train, cheapest), gifts=gifts, **splits)


def documents(dataset: Dataset, written: Callable[[], object] = lambda: None) -> dict[str, bytes]:
    """The contents of the three files by name: JSON in UTF-8, one record on each line.

    `written` is called after each record.
    """
    vocabulary = json.dumps(dataset.vocabulary.lists, ensure_ascii=False)
    held_out = [_records("validation", dataset.validation, written), _records("test", dataset.test, written)]
    texts = {
        "scenarios.json": [f'"vocabulary": {vocabulary}', _records("scenarios", dataset.train, written)],
        "held_out_scenarios.json": held_out,
        "gift_catalog.json": [_records("gifts", dataset.gifts, written)],
    }
    return {name: ("{" + ",\n".join(parts) + "}\n").encode() for name, parts in texts.items()}


def _records(key: str, records: Iterable[Scenario | Gift], written: Callable[[], object]) -> str:
    lines = []
    for record in records:
        lines.append(json.dumps(as_json(record), ensure_ascii=False, separators=(",", ":")))
        written()
    return f'"{key}": [\n' + ",\n".join(lines) + "\n]"


# ---------------------------------------------------------------------------------------- scenarios


def _labelled(split: str, profiles: Sequence[Profile], cheapest: Mapping[str, float]) -> Scenarios:
    return tuple(
        Scenario(
            name=f"simulated {split} scenario {number}",
            profile=profile,
            expected_categories=expected_categories(profile, affordable_categories(profile.budget, cheapest)),
            expected_tools=expected_tools(profile),
        )
        for number, profile in enumerate(profiles, start=1)
    )


def _profile(vocabulary: Vocabulary, taken: set[Interests], rng: np.random.Generator) -> Profile:
    """A complete profile whose interests are not among those taken.

    - Age: one of the five groups, then a year of it, each equally likely.
    - Relationship: any that is plausible at that age.
    - Occasion: any; Mother's Day only for a mother, Father's Day only for a father.
    - Budget: whole dollars, uniform on a logarithmic scale from 45 to 250.
    - Hobbies and preferences: two or three of each, all equally likely.
    """
    youngest, oldest = AGE_GROUPS[rng.integers(len(AGE_GROUPS))]
    age = int(rng.integers(youngest, oldest + 1))
    relationship = _one(rng, [name for name in vocabulary.relationships if YOUNGEST.get(name, 0) <= age])
    occasions = [name for name in vocabulary.occasions if ONLY_FOR.get(name, relationship) == relationship]
    while True:
        profile = Profile(
            age=age,
            hobbies=_some(rng, vocabulary.hobbies),
            relationship=relationship,
            budget=round(float(np.exp(rng.uniform(np.log(LOWEST_BUDGET), np.log(HIGHEST_BUDGET))))),
            occasion=_one(rng, occasions),
            preferences=_some(rng, vocabulary.preferences),
        )
        if _interests(profile) not in taken:
            return profile


def _interests(profile: Profile) -> Interests:
    return frozenset(profile.hobbies), frozenset(profile.preferences)


def _one(rng: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(rng.integers(len(names)))]


def _some(rng: np.random.Generator, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[index] for index in rng.permutation(len(names))[: rng.choice(LIST_LENGTHS)])


# -------------------------------------------------------------------------------------------- gifts


def _gifts(
    shipped: Dataset, n_gifts: int, rng: np.random.Generator, drawn: Callable[[], object]
) -> tuple[Gift, ...]:
    """Draw gifts category by category. The numbers of gifts in two categories differ by at most one."""
    categories = shipped.vocabulary.categories
    if n_gifts < len(categories):
        raise ValueError(f"n_gifts: found {n_gifts}; allowed: at least {len(categories)}, one per category")
    gifts: list[Gift] = []
    for index, category in enumerate(categories):
        number = n_gifts // len(categories) + (index < n_gifts % len(categories))
        for gift in _gifts_of(category, number, shipped, rng):
            gifts.append(gift)
            drawn()
    return tuple(gifts)


def _gifts_of(category: str, number: int, shipped: Dataset, rng: np.random.Generator) -> Iterator[Gift]:
    """Draw the gifts of one category.

    - Prices: the cheapest shipped price first, the others uniform on a logarithmic scale up to the dearest.
    - Reviews: a log-normal number, each with 1 star plus a binomial draw from 4.
    - Stock: log-normal, with 4 % of the gifts sold out.
    - Weekly sales: Poisson, with a mean that grows or falls exponentially.
    - Offers: from one to four of the shipped sellers, the first at the list price. Cheaper offers take longer.
    """
    like = [gift for gift in shipped.gifts if gift.category == category]
    sellers = tuple(dict.fromkeys(offer.seller for gift in shipped.gifts for offer in gift.offers or ()))
    prices = [gift.price for gift in like if gift.price is not None]
    listed = np.exp(rng.uniform(np.log(min(prices)), np.log(max(prices)), number)).round()
    listed = np.maximum(listed, min(prices))
    listed[0] = min(prices)
    stars = rng.uniform(0.6, 0.95, number)
    chances = np.stack([comb(4, k) * stars**k * (1 - stars) ** (4 - k) for k in range(5)], axis=1)
    reviews = rng.multinomial(np.ceil(rng.lognormal(4.5, 0.8, number)).astype(np.int64), chances)
    rating = (reviews @ np.arange(1, 6) / reviews.sum(axis=1)).round(1)
    stock = np.ceil(rng.lognormal(3.3, 1.0, number)) * (rng.random(number) >= SOLD_OUT_SHARE)
    level, growth = rng.lognormal(2.9, 0.6, (number, 1)), rng.normal(0.0, 0.05, (number, 1))
    sales = rng.poisson(level * np.exp(growth * (np.arange(WEEKS) - (WEEKS - 1) / 2)))
    hobbies = _hobby_tags(category, number, shipped.vocabulary.hobbies, rng)
    for index in range(number):
        price = float(listed[index])
        yield Gift(
            id=f"{category}_{index + 1}",
            name=f"Simulated {category} gift {index + 1}",
            category=category,
            price=price,
            rating=float(rating[index]),
            tags=hobbies[index] + _preference_tags(category, price, shipped.vocabulary.preferences, rng),
            age_range=(int(rng.integers(16, 29)), int(rng.integers(55, 81))),
            occasions=_occasions(shipped.vocabulary.occasions, rng),
            offers=_offers(price, sellers, rng),
            stock=int(stock[index]),
            reviews=tuple(reviews[index].tolist()),
            weekly_sales=tuple(sales[index].tolist()),
        )


def _hobby_tags(
    category: str, number: int, hobbies: Sequence[str], rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """One to three hobbies for each gift of a category, so that the catalogue implies the guide's table.

    A hobby that rule 1 of the guide assigns to this category is a tag of at least half its gifts. Cooking is also a
    tag of at least half the gifts in food. About half the gifts carry one more hobby. Each of these stays a tag of
    fewer than half the gifts.
    """
    at_home = [name for name in hobbies if PRIMARY[name] == category]
    if category == "food":
        at_home.append("cooking")
    guests = [name for name in hobbies if name not in at_home]
    weights = np.array([FAVOURED if SECONDARY.get(name) == category else 1.0 for name in guests])
    count: Counter[str] = Counter()
    tags = []
    for index in range(number):
        # Two hobbies alternate as both, the first, the second, both, ..., so that each is in at least half the gifts.
        own = at_home if len(at_home) == 1 or index % 3 == 0 else [at_home[index % 3 - 1]]
        guest = guests[rng.choice(len(guests), p=weights / weights.sum())]
        if rng.random() < GUEST_HOBBY_SHARE and 2 * (count[guest] + 1) < number:
            count[guest] += 1
            own = [*own, guest]
        tags.append(tuple(own))
    return tags


def _preference_tags(
    category: str, price: float, preferences: Sequence[str], rng: np.random.Generator
) -> tuple[str, ...]:
    """Two to four preferences.

    Those that point to the category are likelier; the price decides affordable and luxury.
    """
    weights = np.array([FAVOURED if name in PREFERENCES.get(category, ()) else 1.0 for name in preferences])
    weights[preferences.index("affordable")] = FAVOURED if price <= CHEAP else 0.0
    weights[preferences.index("luxury")] = FAVOURED if price >= DEAR else 0.0
    chosen = rng.choice(len(preferences), rng.integers(2, 5), replace=False, p=weights / weights.sum())
    return tuple(preferences[index] for index in chosen)


def _occasions(occasions: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    drawn = rng.random(len(occasions))
    shares = (OCCASION_SHARE.get(name, OTHER_OCCASION_SHARE) for name in occasions)
    return tuple(name for name, share, u in zip(occasions, shares, drawn, strict=True) if u < share)


def _offers(price: float, sellers: Sequence[str], rng: np.random.Generator) -> tuple[Offer, ...]:
    asking = rng.permutation(len(sellers))[: rng.integers(1, 5)]
    shares = [1.0, *rng.uniform(0.8, 1.05, len(asking) - 1)]
    return tuple(
        Offer(
            sellers[seller], round(price * share, 2), int(rng.integers(0, 7) + max(0.0, 60 * (0.98 - share)))
        )
        for seller, share in zip(asking, shares, strict=True)
    )
