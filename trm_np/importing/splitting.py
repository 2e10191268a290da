"""Split orders by person and time into histories, later choices, and the three parts of the data."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from trm_np.data.problems import Place
from trm_np.data.schema import MOST_CHOICES, MOST_WEIGHT
from trm_np.importing.orders import Array, Orders
from trm_np.importing.records import ProfileFields
from trm_np.importing.report import Report

FEWEST_PEOPLE = 4  # two for training, one for validation and one for the test
REJECTED_SHARE = 5 / 8  # of the least liked rating: if 4 stars are liked, fewer than 2.5 are a rejection
FIVE_STARS, FOUR_STARS = 5, 4


@dataclass(frozen=True)
class Rules:
    """Rules for splitting the orders of each person, for keeping people, and for splitting people into parts."""

    history_share: float = 0.6
    liked: float | None = None
    disliked: float | None = None
    min_orders: int = 1
    most_people: int = 50_000
    validation_share: float = 0.2
    test_share: float = 0.2


@dataclass(frozen=True)
class Case:
    """Later choices of one person. Items are indices; `history` holds the items that the person had before."""

    person: int
    profile: ProfileFields
    history: tuple[int, ...]
    chosen: dict[int, float]
    rejected: tuple[int, ...]


class Parts(NamedTuple):
    """The cases of the three parts, each in the order of the last orders of their people."""

    train: list[Case]
    validation: list[Case]
    test: list[Case]


def split(orders: Orders, rules: Rules, file: str, report: Report) -> Parts:
    """Split the orders of each person by time, and people by the times of their last orders.

    The earlier orders of a person are the history, and the later ones are chosen. People with the latest last orders
    form the test part, and those before them the validation part. So no training order is later than the last order
    of a person in the test part. Raises `DataError` if too little is left.
    """
    liked = rules.liked if rules.liked is not None else FOUR_STARS
    disliked = rules.disliked if rules.disliked is not None else liked * REJECTED_SHARE
    if orders.rating is not None:
        most = np.nanmax(orders.rating, initial=0)
        if rules.liked is None and most > FIVE_STARS:
            allowed = "at most 5, or --liked with the least rating that is liked"
            raise Place(file).error(f"a rating of {most:g}", allowed)
        report.assumed.append(
            f"ratings from {liked:g} on are choices, those below {disliked:g} rejections, the others only history"
        )
    time = orders.time if orders.time is not None else np.arange(len(orders.item), dtype=float)
    if orders.time is None:
        report.assumed.append(f"no column of times: the rows of {file} are in order of time")
    division = Division(orders, liked, disliked, rules.history_share)
    people: list[tuple[float, int, list[Case]]] = []
    for person, rows in rows_by_person(orders.person, time):
        if len(rows) < rules.min_orders:
            report.drop(f"people with fewer than {rules.min_orders} orders (--min-orders)")
            continue
        cases = list(division.cases(person, rows))
        if cases:
            people.append((float(time[rows[-1]]), int(rows[0]), cases))
        else:
            report.drop("people who chose no new item later")
    report.drop("later orders of an item that the person had before", count=division.repeats)
    beyond = f"items beyond the latest {MOST_CHOICES:,} that a person chose, rejected or had"
    report.drop(beyond, count=division.beyond)
    if len(people) > rules.most_people:
        report.drop(
            f"people beyond the {rules.most_people:,} kept (--most-people), drawn at random",
            count=len(people) - rules.most_people,
        )
        kept = np.random.default_rng(0).permutation(len(people))[: rules.most_people]
        people = [people[index] for index in np.sort(kept)]
    return by_last_order(people, rules, file, orders.time is not None, report)


def rows_by_person(person: Array, time: Array) -> Iterator[tuple[int, Array]]:
    """Yield each person and the indices of their rows in order of time. Equal times keep the order of the file."""
    order = np.lexsort((np.arange(len(person)), time, person))
    starts = np.flatnonzero(np.diff(person[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        yield int(person[rows[0]]), rows


class Division:
    """Turns the rows of a person into cases.

    `repeats` counts later orders of items in the history. `beyond` counts items that exceed the length of a list.
    """

    def __init__(self, orders: Orders, liked: float, disliked: float, history_share: float) -> None:
        self.orders, self.liked, self.disliked, self.share = orders, liked, disliked, history_share
        self.repeats = self.beyond = 0

    def cases(self, person: int, rows: Array) -> Iterator[Case]:
        """Yield a case for each relationship and occasion of the later orders, or one if the orders have neither."""
        earlier = int(self.share * len(rows) + 1e-9)
        history = dict.fromkeys(self.orders.item[rows[:earlier]].tolist())
        later = rows[earlier:]
        new = [item not in history for item in self.orders.item[later].tolist()]
        self.repeats += len(later) - sum(new)
        groups: dict[tuple[str, str], tuple[ProfileFields, list[int]]] = {}
        for row in later[new].tolist():
            profile = self.profile(row)
            groups.setdefault((profile.relationship, profile.occasion), (profile, []))[1].append(row)
        for profile, together in groups.values():
            chosen, rejected = self.chosen_and_rejected(together)
            if chosen:
                lists = [list(items)[-MOST_CHOICES:] for items in (history, chosen, rejected)]
                self.beyond += len(history) + len(chosen) + len(rejected) - sum(map(len, lists))
                latest = {item: chosen[item] for item in lists[1]}
                yield Case(person, profile, tuple(lists[0]), latest, tuple(lists[2]))

    def profile(self, row: int) -> ProfileFields:
        orders = self.orders
        return ProfileFields() if orders.profile is None else orders.profiles[orders.profile[row]]

    def chosen_and_rejected(self, rows: list[int]) -> tuple[dict[int, float], tuple[int, ...]]:
        """The chosen items with their weights, and the rejected items.

        Without ratings, all items are chosen and the number of pieces is the weight. The last rating of an item counts.
        """
        items = self.orders.item[rows].tolist()
        if self.orders.rating is None:
            pieces: defaultdict[int, float] = defaultdict(float)
            for item, count in zip(items, self.orders.pieces[rows].tolist(), strict=True):
                pieces[item] += count
            return {item: min(count, MOST_WEIGHT) for item, count in pieces.items()}, ()
        ratings = dict(zip(items, self.orders.rating[rows].tolist(), strict=True))
        chosen = {item: 1.0 for item, rating in ratings.items() if rating >= self.liked}
        return chosen, tuple(item for item, rating in ratings.items() if rating < self.disliked)


def by_last_order(
    people: list[tuple[float, int, list[Case]]], rules: Rules, file: str, timed: bool, report: Report
) -> Parts:
    """Divide the cases into parts by the times of the last orders."""
    if len(people) < FEWEST_PEOPLE:
        found = f"{len(people)} {'person' if len(people) == 1 else 'people'} with later choices"
        allowed = f"at least {FEWEST_PEOPLE}; change --history-share, --min-orders or --liked to keep more"
        raise Place(file).error(found, allowed)
    people.sort(key=lambda each: each[:2])
    test = max(1, round(len(people) * rules.test_share))
    validation = max(1, round(len(people) * rules.validation_share))
    ends = [0, len(people) - test - validation, len(people) - test, len(people)]
    sections = [people[start:end] for start, end in pairwise(ends)]
    if timed:
        days = ", ".join(day(section[-1][0]) for section in sections)
        report.made.append(f"last orders of people to train, validate and test on: until {days}")
    return Parts(*([case for _, _, cases in section for case in cases] for section in sections))


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
