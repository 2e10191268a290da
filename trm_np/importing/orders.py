"""The three tables as compact arrays: a million orders take some tens of bytes each."""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trm_np.data.problems import DataError, Problem
from trm_np.data.schema import LARGEST_COUNT, LEAST_MONEY, MOST_MONEY
from trm_np.importing import cells
from trm_np.importing.cells import Bad
from trm_np.importing.columns import Column
from trm_np.importing.report import Report
from trm_np.importing.tables import Table

Array = NDArray[Any]
Parse = Callable[[Any], Any]
Arrived = Callable[[int], None]  # told how many rows have been read
ROWS_TOLD = 20_000
LARGEST_RATING, MOST_PIECES, OLDEST = 1000, 1_000_000, 120


@dataclass(frozen=True)
class Reading:
    """How cells are read: the sign before a fraction, what divides names, the order of 5/6/2024, and until when."""

    decimal: str | None = None
    separator: str | None = None
    dates: str | None = None  # dmy or mdy
    latest: float = math.inf
    drop_bad: bool = False

    def parsers(self) -> dict[str, Parse]:
        """How the cells of each field are read."""

        def numbers(low: float, high: float) -> Parse:
            return lambda cell: cells.number(cell, low, high, self.decimal)

        def several(cell: Any) -> tuple[str, ...]:
            return cells.names(cell, self.separator)

        money = numbers(LEAST_MONEY, MOST_MONEY)
        return {
            "order.person": cells.identity,
            "order.item": cells.identity,
            "order.time": lambda cell: cells.moments(cell, self.latest),
            "order.rating": numbers(0, LARGEST_RATING),
            "order.quantity": numbers(-MOST_PIECES, MOST_PIECES),
            "item.id": cells.identity,
            "item.name": cells.name,
            "item.category": cells.name,
            "item.tags": several,
            "item.occasions": several,
            "item.price": money,
            "item.rating": numbers(1, 5),
            "item.stock": numbers(0, LARGEST_COUNT),
            "profile.person": cells.identity,
            "profile.age": lambda cell: cells.age(cell, OLDEST, self.decimal),
            "profile.hobbies": several,
            "profile.preferences": cells.name,
            "profile.relationship": cells.name,
            "profile.occasion": cells.name,
            "profile.budget": money,
        }


def read(
    table: Table, columns: Sequence[Column], reading: Reading, report: Report, arrived: Arrived
) -> Iterator[tuple[int, list[Any]]]:
    """The rows with a value for each column; raises `DataError` for a bad cell, or drops and counts its row."""
    parsers = reading.parsers()
    parses = [parsers[column.field] for column in columns]
    number = 0
    for number, row in table.rows([column.position for column in columns]):
        if number % ROWS_TOLD == 0:
            arrived(ROWS_TOLD)
        values: list[Any] = []
        try:
            for parse, cell in zip(parses, row, strict=True):
                values.append(parse(cell))
        except Bad as bad:
            place = table.place(number, columns[len(values)].name)
            problem = place.problem(bad.found, bad.allowed)
            if not reading.drop_bad:
                raise DataError([problem]) from bad
            report.drop(f"{table.file}: rows with a bad {columns[len(values)].name}", str(problem))
            continue
        yield number, values


@dataclass(frozen=True)
class Item:
    """A row of the items; nan or "" is not known."""

    id: str
    name: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    price: float = math.nan
    rating: float = math.nan
    stock: float = math.nan
    occasions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What is said of a person, in the people or in an order; `preferences` are pairs of column and value."""

    age: float = math.nan
    budget: float = math.nan
    relationship: str = ""
    occasion: str = ""
    hobbies: tuple[str, ...] = ()
    preferences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Orders:
    """Arrays with a row for each order: the numbers of its person and item, seconds, rating, pieces.

    `time` and `rating` are None where the table has none; `said` are places in `sayings`, if there are some.
    """

    people: tuple[str, ...]
    person: Array
    item: Array
    time: Array | None
    rating: Array | None
    pieces: Array
    said: Array | None
    sayings: list[Said]

    def only(self, rows: Array) -> "Orders":
        """The orders in these rows."""
        columns = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **columns)


def record_of(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    """The values by the last part of their field; several columns of one field are joined."""
    record: dict[str, Any] = {}
    for column, value in zip(columns, values, strict=True):
        key = column.field.partition(".")[2]
        if column.field == "profile.preferences":
            record[key] = (*record.get(key, ()), *([(column.name, value)] if value else ()))
        elif isinstance(value, tuple):
            record[key] = tuple(dict.fromkeys((*record.get(key, ()), *value)))
        else:
            record[key] = value
    return record


def read_items(
    table: Table, columns: Sequence[Column], reading: Reading, report: Report, arrived: Arrived
) -> list[Item]:
    """The items; raises `DataError` for one that stands there again with something else."""
    items: dict[str, Item] = {}
    for number, values in read(table, columns, reading, report, arrived):
        item = Item(**record_of(columns, values))
        before = items.setdefault(item.id, item)
        if before is item:
            continue
        differing = [
            column
            for column in columns
            if repr(getattr(before, key := column.field.partition(".")[2])) != repr(getattr(item, key))
        ]
        if not differing:
            report.drop(f"{table.file}: rows that say of an item the same again", table.place(number).path)
            continue
        problem = table.place(number, differing[0].name).problem(
            f"another value than before for the item {cells.shown(item.id)}", "one row for each item"
        )
        if not reading.drop_bad:
            raise DataError([problem])
        report.drop(f"{table.file}: rows that say of an item something else than before", str(problem))
    return list(items.values())


def read_orders(
    table: Table,
    columns: Sequence[Column],
    items: Mapping[str, int],
    items_file: str,
    reading: Reading,
    report: Report,
    arrived: Arrived,
) -> Orders:
    """The orders of known items; raises `DataError` if there are none, or if their dates have two meanings."""
    fields = [column.field for column in columns]
    place = {name: fields.index(name) for name in fields if name.startswith("order.")}
    of_person, of_item, of_quantity = place["order.person"], place["order.item"], place.get("order.quantity")
    of_time, of_rating = place.get("order.time"), place.get("order.rating")
    saying = [index for index, column in enumerate(columns) if column.field.startswith("profile.")]
    of_saying = [columns[index] for index in saying]
    person, item, said = array("i"), array("i"), array("i")
    days_first, months_first, ratings, pieces = array("d"), array("d"), array("d"), array("d")
    people: dict[str, int] = {}
    sayings: dict[str, int] = {}
    records: list[Said] = []
    dates = Dates(table, columns[of_time].name if of_time is not None else "")
    for number, values in read(table, columns, reading, report, arrived):
        found = items.get(values[of_item])
        if found is None:
            problem = table.place(number, columns[of_item].name).problem(
                cells.shown(values[of_item]), f"an item of {items_file}"
            )
            report.drop(f"{table.file}: orders of items that are not in {items_file}", str(problem))
            continue
        ordered = 1.0 if of_quantity is None or math.isnan(values[of_quantity]) else values[of_quantity]
        if ordered <= 0:
            where = table.place(number).path
            report.drop(f"{table.file}: orders of no or less than no pieces (returns)", where)
            continue
        person.append(people.setdefault(values[of_person], len(people)))
        item.append(found)
        pieces.append(ordered)
        if of_time is not None:
            days, months = values[of_time]
            dates.see(number, days, months)
            days_first.append(days)
            months_first.append(months)
        if of_rating is not None:
            ratings.append(values[of_rating])
        if saying:
            values = [values[index] for index in saying]
            index = sayings.setdefault(repr(values), len(sayings))  # their text: nan is not equal to nan
            if index == len(records):
                records.append(Said(**record_of(of_saying, values)))
            said.append(index)
    if not item:
        first = next(iter(report.examples.values()), "it has no rows")
        problem = Problem(table.file, "", f"no order that can be used; {first}", "orders of known items")
        raise DataError([problem])
    times = months_first if dates.months_first(reading.dates, report) else days_first
    return Orders(
        people=tuple(people),
        person=np.array(person),
        item=np.array(item),
        time=np.array(times) if times else None,
        rating=np.array(ratings) if ratings else None,
        pieces=np.array(pieces),
        said=np.array(said) if said else None,
        sayings=records,
    )


def most_ordered(
    items: list[Item], orders: Orders, most: int, file: str, report: Report
) -> tuple[list[Item], Orders]:
    """The items that were ordered most often, in the order of their table, and the orders of them."""
    if len(items) <= most:
        return items, orders
    counts = np.bincount(orders.item, minlength=len(items))
    kept = np.sort(np.argsort(-counts, kind="stable")[:most])
    number = np.full(len(items), -1)
    number[kept] = np.arange(most)
    rows = np.flatnonzero(number[orders.item] >= 0)
    report.drop(
        f"{file}: items that are not among the {most:,} ordered most often (--most-items)",
        count=len(items) - most,
    )
    report.drop("orders of those items", count=len(orders.item) - len(rows))
    left = orders.only(rows)
    return [items[index] for index in kept], replace(left, item=number[left.item])


class Dates:
    """Which of day and month comes first in 5/6/2024: the dates that have one meaning decide for the column."""

    def __init__(self, table: Table, column: str) -> None:
        self.table, self.column = table, column
        self.only_months = self.only_days = self.either = 0  # the first rows with such a date

    def see(self, number: int, days: float, months: float) -> None:
        """Take notice of a date: seconds if the day comes first, and if the month does, nan if it cannot."""
        if math.isnan(days):
            self.only_months = self.only_months or number
        elif math.isnan(months):
            self.only_days = self.only_days or number
        elif days != months:
            self.either = self.either or number

    def months_first(self, order: str | None, report: Report) -> bool:
        """Whether the month comes first; raises `DataError` if the column does not show it or shows both."""
        months = order == "mdy" if order else bool(self.only_months)
        wrong = self.only_days if months else self.only_months
        if wrong:
            first, then = ("month", "day") if months else ("day", "month")
            shown = "as --dates says" if order else f"as in {self.table.unit} {self.only_months}"
            found = f"a date with the {then} first"
            raise DataError(
                [self.table.place(wrong, self.column).problem(found, f"the {first} first, {shown}")]
            )
        if self.either and not order:
            shown_by = self.only_months or self.only_days
            if not shown_by:
                found = "a date that may be day/month or month/day, as all others"
                place = self.table.place(self.either, self.column)
                raise DataError([place.problem(found, "--dates dmy or --dates mdy, to choose")])
            first = "month/day" if months else "day/month"
            report.assumed.append(
                f"{self.table.file}: {self.column} is {first}, as {self.table.unit} {shown_by} shows"
            )
        return months


def read_people(
    table: Table,
    columns: Sequence[Column],
    known: Mapping[str, int],
    reading: Reading,
    report: Report,
    arrived: Arrived,
) -> dict[int, Said]:
    """What is said of the people who ordered something; raises `DataError` for one who is there twice."""
    people: dict[int, Said] = {}
    for number, values in read(table, columns, reading, report, arrived):
        record = record_of(columns, values)
        person = record.pop("person")
        if person not in known:
            report.drop(f"{table.file}: people without orders", table.place(number).path)
            continue
        said, before = Said(**record), people.get(known[person])
        if before is None:
            people[known[person]] = said
        elif repr(before) == repr(said):
            report.drop(f"{table.file}: rows that say of a person the same again", table.place(number).path)
        else:
            problem = table.place(number).problem(
                f"something else than before for the person {cells.shown(person)}", "one row for each person"
            )
            if not reading.drop_bad:
                raise DataError([problem])
            report.drop(f"{table.file}: rows that say of a person something else than before", str(problem))
    if missing := len(known) - len(people):
        report.assumed.append(f"{missing:,} people with orders have no row in {table.file}")
    return people
