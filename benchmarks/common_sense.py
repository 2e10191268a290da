#!/usr/bin/env python3
"""Check the rules of common sense and the variety of gifts in recommendations for profiles of every kind.

python benchmarks/common_sense.py                   train a model as `bin/trm-train` does, and ask it for 1,000 profiles
python benchmarks/common_sense.py --model best.npz  use this model

The rules are checked against the catalogue's records, not by the code that enforces them.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, islice
from math import inf
from pathlib import Path
from typing import Any

import click
import numpy as np
from people import people
from realised import realised_reward
from seeds import train_into

from trm_np import Recommender
from trm_np.data.records import Gift, Profile
from trm_np.data.tables import profile_table
from trm_np.recommend.common_sense import near_doubles, signature_of
from trm_np.recommend.recommendation import Recommendation
from trm_np.world.tools import price_paid

MISSING = 0.25  # share of profiles that lack a field, for each field, and of missing dates
AGES, BUDGETS, DAYS = (1, 95), (5, 500), (1, 30)


def questions(seed: int = 0) -> Iterator[tuple[dict[str, Any], int | None]]:
    """Yield random profiles as JSON values without end, each with the days left or `None`."""
    rng = np.random.default_rng(seed)
    for person in people(seed, MISSING, AGES, BUDGETS):
        days = int(rng.integers(DAYS[0], DAYS[1] + 1))
        yield person, None if rng.random() < MISSING else days


def broken(gifts: dict[str, Gift], answer: Recommendation, days: int | None) -> Iterator[str]:
    """The rules that a recommendation breaks."""
    person, shown = answer.profile, [gifts[each.id] for each in answer.gifts]
    in_time = {gift.id: days is None or earliest(gift) <= days for gift in gifts.values()}
    fitting = [
        gift
        for gift in gifts.values()
        if gift.stock
        and in_time[gift.id]
        and suits(gift, person)
        and price_paid(gift) <= (person.budget or inf)
    ]
    if any(gift.stock == 0 for gift in shown):
        yield "sold out"
    if not all(in_time[gift.id] for gift in shown):
        yield "too late"
    if fitting and any(each.paid > (person.budget or inf) for each in answer.gifts):
        yield "too dear while something fits"
    if not all(suits(gift, person) for gift in shown):
        yield "meant for another age"
    if any(near_doubles(signature_of(one), signature_of(other)) for one, other in combinations(shown, 2)):
        yield "near-doubles"
    rewards = [each.predicted_reward for each in answer.gifts]
    if rewards != sorted(rewards, reverse=True):
        yield "predicted reward rises"


RULES = (
    "sold out",
    "too late",
    "too dear while something fits",
    "meant for another age",
    "near-doubles",
    "predicted reward rises",
)


def earliest(gift: Gift) -> int:
    fair = [offer for offer in gift.offers if offer.price <= gift.price] or gift.offers
    return min(offer.shipping_days for offer in fair)


def suits(gift: Gift, person: Profile) -> bool:
    return person.age is None or gift.age_range[0] <= person.age <= gift.age_range[1]


def realised(recommender: Recommender, answer: Recommendation, days: int | None) -> float:
    """The realised reward of a recommendation with at least one gift."""
    choices = np.array([[recommender.catalogue.place[gift.id] for gift in answer.gifts]])
    table = profile_table([answer.profile], recommender.stored.vocabulary)
    world = (table, recommender.gifts, recommender.catalogue.table, recommender.catalogue.implied)
    paid = np.array([[gift.paid for gift in answer.gifts]])
    return float(realised_reward(*world, choices, paid, inf if days is None else days)[0])


def row(name: str, values: list[Any]) -> None:
    print(f"{name:<34}" + "".join(f"{value:>14}" for value in values))


@click.command()
@click.option("--model", type=click.Path(exists=True), help="In place of one that is trained first.")
@click.option("--people", "number", default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the people, and of the training.")
def main(model: str | None, number: int, seed: int) -> None:
    """Print a table for random profiles, the same without hobbies, and the same with only age and budget."""
    with tempfile.TemporaryDirectory() as folder:
        if model is None:
            train_into(folder, "tiny", seed, [])
        recommender = Recommender.load(model or Path(folder, "best.npz"))
    gifts = {gift.id: gift for gift in recommender.gifts}
    drawn = list(islice(questions(seed), number))
    columns: dict[str, list[Any]] = {}
    for kind, left_out in (
        ("of all kinds", ()),
        ("no hobbies", ("hobbies",)),
        ("no tastes", ("hobbies", "preferences")),
    ):
        reduced = [
            ({field: person[field] for field in person if field not in left_out}, days)
            for person, days in drawn
        ]
        recommendations = [recommender.recommend(person, days_left=days) for person, days in reduced]
        found = Counter(
            rule
            for each, (_, days) in zip(recommendations, reduced, strict=True)
            for rule in broken(gifts, each, days)
        )
        with_gifts = [
            (each, days) for each, (_, days) in zip(recommendations, reduced, strict=True) if each.gifts
        ]
        used = Counter(gift.id for each, _ in with_gifts for gift in each.gifts)
        worth = [realised(recommender, *each) for each in with_gifts]
        columns[kind] = [
            len(recommendations) - len(with_gifts),
            sum(0 < len(each.gifts) < 3 for each, _ in with_gifts),
            *(found[rule] for rule in RULES),
            f"{len(used)} of {len(gifts)}",
            *(f"{max(used.values()) / lists:.1%}" for lists in (len(recommendations), len(with_gifts))),
            f"{np.mean(worth):.4f}",
        ]
    row(f"{number:,} people, seed {seed}", list(columns))
    names = ("lists without a gift", "lists of one or two", *RULES)
    names += ("gifts in use", "commonest gift, of all lists", "of those that have a gift", "realised reward")
    for index, name in enumerate(names):
        row(name, [values[index] for values in columns.values()])


if __name__ == "__main__":
    main()
