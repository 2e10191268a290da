"""Orders by person and time: what each had earlier, what they chose later, and who is trained or judged on."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise

import numpy as np

from trm_np.data.problems import DataError, Problem
from trm_np.data.schema import MOST_CHOICES, MOST_WEIGHT
from trm_np.importing.orders import Array, Orders
from trm_np.importing.records import Said
from trm_np.importing.report import Report

FEWEST_PEOPLE = 4  # two to train on, one to validate and one to test on
REJECTED_SHARE = 5 / 8  # of what is liked: with 4 of 5 stars and more liked, fewer than 2.5 are a rejection
FIVE_STARS, FOUR_STARS = 5, 4


@dataclass(frozen=True)
class Rules:
    """Rules for dividing a person's orders, for keeping them, and for dividing people."""

    history_share: float = 0.6
    liked: float | None = None
    disliked: float | None = None
    min_orders: int = 1
    most_people: int = 50_000
    validation_share: float = 0.2
    test_share: float = 0.2


@dataclass(frozen=True)
class Case:
    """Later choices of one person, items by their numbers; `history` holds the items that the person had before."""

    person: int
    said: Said
    history: tuple[int, ...]
    chosen: dict[int, float]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """The cases by what they are for, each list in the order of the people's last orders."""

    train: list[Case]
    validation: list[Case]
    test: list[Case]

    def all(self) -> tuple[list[Case], list[Case], list[Case]]:
        """The three lists in turn."""
        return self.train, self.validation, self.test


def split(orders: Orders, rules: Rules, file: str, report: Report) -> Parts:
    """Divide orders by time and people by their last orders; raises `DataError` where too little is left.

    A person's earlier orders are history, the later ones are chosen. Those people whose last orders are the latest
    are for the test, those before them for validation: no training order is later than a tested person's last one.
    """
    liked = rules.liked if rules.liked is not None else FOUR_STARS
    disliked = rules.disliked if rules.disliked is not None else liked * REJECTED_SHARE
    if orders.rating is not None:
        most = np.nanmax(orders.rating, initial=0)
        if rules.liked is None and most > FIVE_STARS:
            allowed = "at most 5, or --liked with the least rating that is liked"
            raise DataError([Problem(file, "", f"a rating of {most:g}", allowed)])
        report.assumed.append(
            f"ratings from {liked:g} on are choices, those below {disliked:g} rejections, the others only history"
        )
    time = orders.time if orders.time is not None else np.arange(len(orders.item), dtype=float)
    if orders.time is None:
        report.assumed.append(f"no column of times: the rows of {file} stand in the order of time")
    divided = Division(orders, liked, disliked, rules.history_share)
    people: list[tuple[float, int, list[Case]]] = []
    for person, rows in rows_by_person(orders.person, time):
        if len(rows) < rules.min_orders:
            report.drop(f"people with fewer than {rules.min_orders} orders (--min-orders)")
            continue
        cases = list(divided.cases(person, rows))
        if cases:
            people.append((float(time[rows[-1]]), int(rows[0]), cases))
        else:
            report.drop("people who chose nothing later that they had not before")
    report.drop("later orders of an item that the person had before", count=divided.repeats)
    beyond = f"items beyond the latest {MOST_CHOICES:,} that a person chose, rejected or had"
    report.drop(beyond, count=divided.beyond)
    if len(people) > rules.most_people:
        report.drop(
            f"people beyond the {rules.most_people:,} kept (--most-people), drawn at random",
            count=len(people) - rules.most_people,
        )
        kept = np.random.default_rng(0).permutation(len(people))[: rules.most_people]
        people = [people[index] for index in np.sort(kept)]
    return by_last_order(people, rules, file, orders.time is not None, report)


def rows_by_person(person: Array, time: Array) -> Iterator[tuple[int, Array]]:
    """Each person with the numbers of their rows in the order of time, of the file where times are equal."""
    order = np.lexsort((np.arange(len(person)), time, person))
    starts = np.flatnonzero(np.diff(person[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        yield int(person[rows[0]]), rows


class Division:
    """How the rows of one person become cases.

    `repeats` counts the later orders of what was there before, `beyond` the items that a list has no room for.
    """

    def __init__(self, orders: Orders, liked: float, disliked: float, history_share: float) -> None:
        self.orders, self.liked, self.disliked, self.share = orders, liked, disliked, history_share
        self.repeats = self.beyond = 0

    def cases(self, person: int, rows: Array) -> Iterator[Case]:
        """A case for each relationship and occasion of the later orders; one where the orders name none."""
        earlier = int(self.share * len(rows) + 1e-9)
        history = dict.fromkeys(self.orders.item[rows[:earlier]].tolist())
        later = rows[earlier:]
        new = [item not in history for item in self.orders.item[later].tolist()]
        self.repeats += len(later) - sum(new)
        groups: dict[tuple[str, str], tuple[Said, list[int]]] = {}
        for row in later[new].tolist():
            said = self.said(row)
            groups.setdefault((said.relationship, said.occasion), (said, []))[1].append(row)
        for said, together in groups.values():
            chosen, rejected = self.judged(together)
            if chosen:
                lists = [list(items)[-MOST_CHOICES:] for items in (history, chosen, rejected)]
                self.beyond += len(history) + len(chosen) + len(rejected) - sum(map(len, lists))
                latest = {item: chosen[item] for item in lists[1]}
                yield Case(person, said, tuple(lists[0]), latest, tuple(lists[2]))

    def said(self, row: int) -> Said:
        return self.orders.sayings[self.orders.said[row]] if self.orders.said is not None else Said()

    def judged(self, rows: list[int]) -> tuple[dict[int, float], tuple[int, ...]]:
        """The items chosen, with their pieces where nobody rates, and those rejected; an item's last rating counts."""
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
    """The cases of people, divided by the times of their last orders."""
    if len(people) < FEWEST_PEOPLE:
        raise DataError(
            [
                Problem(
                    file,
                    "",
                    f"{len(people)} {'person' if len(people) == 1 else 'people'} with later choices",
                    f"at least {FEWEST_PEOPLE}; --history-share, --min-orders and --liked decide who has some",
                )
            ]
        )
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
