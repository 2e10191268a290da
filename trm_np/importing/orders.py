"""The three tables as compact arrays: a million orders take some tens of bytes each."""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trm_np.data.problems import DataError, Problem
from trm_np.data.schema import LARGEST_COUNT, LEAST_MONEY, MOST_MONEY
from trm_np.importing import cells
from trm_np.importing.cells import Bad
from trm_np.importing.columns import Column
from trm_np.importing.report import Report
from trm_np.importing.tables import Table

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
            "profile.age": numbers(0, OLDEST),
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


class Names:
    """Names and their numbers, in the order in which they came."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def all(self) -> tuple[str, ...]:
        return tuple(self.numbers)


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


@dataclass
class Orders:
    """A column of numbers for each field, a row for each order; `said` are the places in `sayings`."""

    people: Names = field(default_factory=Names)
    person: "array[int]" = field(default_factory=lambda: array("i"))
    item: "array[int]" = field(default_factory=lambda: array("i"))
    time: "array[float]" = field(default_factory=lambda: array("d"))
    rating: "array[float]" = field(default_factory=lambda: array("d"))
    pieces: "array[float]" = field(default_factory=lambda: array("d"))
    said: "array[int]" = field(default_factory=lambda: array("i"))
    sayings: list[Said] = field(default_factory=list)


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
    orders = Orders()
    fields = [column.field for column in columns]
    place = {name: fields.index(name) for name in fields if name.startswith("order.")}
    of_person, of_item = place["order.person"], place["order.item"]
    of_time, of_rating = place.get("order.time"), place.get("order.rating")
    of_quantity = place.get("order.quantity")
    saying = [(index, column) for index, column in enumerate(columns) if column.field.startswith("profile.")]
    of_saying = [column for _, column in saying]
    sayings: dict[tuple[Any, ...], int] = {}
    months_first: array[float] = array("d")
    dates = Dates(table, columns[of_time].name if of_time is not None else "")
    for number, values in read(table, columns, reading, report, arrived):
        item = items.get(values[of_item])
        if item is None:
            problem = table.place(number, columns[of_item].name).problem(
                cells.shown(values[of_item]), f"an item of {items_file}"
            )
            report.drop(f"{table.file}: orders of items that are not in {items_file}", str(problem))
            continue
        pieces = 1.0 if of_quantity is None or math.isnan(values[of_quantity]) else values[of_quantity]
        if pieces <= 0:
            report.drop(
                f"{table.file}: orders of no or less than no pieces (returns)", table.place(number).path
            )
            continue
        if of_time is not None:
            days, months = values[of_time]
            dates.see(number, days, months)
            orders.time.append(days)
            months_first.append(months)
        orders.person.append(orders.people.number(values[of_person]))
        orders.item.append(item)
        orders.pieces.append(pieces)
        if of_rating is not None:
            orders.rating.append(values[of_rating])
        if saying:
            key = tuple(values[index] for index, _ in saying)
            # nan is equal to no nan, so that its text serves as the key
            index = sayings.setdefault(tuple(map(repr, key)), len(orders.sayings))
            if index == len(orders.sayings):
                orders.sayings.append(Said(**record_of(of_saying, key)))
            orders.said.append(index)
    if not orders.item:
        first = next(iter(report.examples.values()), "no rows")
        problem = Problem(table.file, "", f"no order that can be used ({first})", "orders of known items")
        raise DataError([problem])
    if dates.months_first(reading.dates):
        orders.time = months_first
    return orders


class Dates:
    """Which of day and month comes first in 5/6/2024: what only one order allows decides for the column."""

    def __init__(self, table: Table, column: str) -> None:
        self.table, self.column = table, column
        self.not_days = self.not_months = self.either = 0  # numbers of the first rows of each kind

    def see(self, number: int, days: float, months: float) -> None:
        """Take notice of the two meanings of a date."""
        if days != months:
            if math.isnan(days):
                self.not_days = self.not_days or number
            elif math.isnan(months):
                self.not_months = self.not_months or number
            else:
                self.either = self.either or number

    def months_first(self, order: str | None) -> bool:
        """Whether the month comes first; raises `DataError` if the column does not show it or shows both."""
        months = order == "mdy" if order else bool(self.not_days)
        wrong = self.not_months if months else self.not_days
        if wrong:
            other = "" if order else f"; the day comes first there, and not in line {self.not_days}"
            found = f"a date that has no {'month' if months else 'day'} first{other}"
            raise DataError(
                [self.table.place(wrong, self.column).problem(found, "one order of day and month")]
            )
        if self.either and not order and not self.not_days and not self.not_months:
            found = "a date that may be day/month or month/day, as all of them"
            raise DataError(
                [self.table.place(self.either, self.column).problem(found, "--dates dmy or --dates mdy")]
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
