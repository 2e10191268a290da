"""What the tables of items and people say, a record for each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trm_np.data.problems import DataError, shown
from trm_np.importing.columns import Column
from trm_np.importing.reading import Arrived, Reading, read, record_of
from trm_np.importing.report import Report
from trm_np.importing.tables import Table


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
            f"another value than before for the item {shown(item.id)}", "one row for each item"
        )
        if not reading.drop_bad:
            raise DataError([problem])
        report.drop(f"{table.file}: rows that say of an item something else than before", str(problem))
    return list(items.values())


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
                f"something else than before for the person {shown(person)}", "one row for each person"
            )
            if not reading.drop_bad:
                raise DataError([problem])
            report.drop(f"{table.file}: rows that say of a person something else than before", str(problem))
    if missing := len(known) - len(people):
        report.assumed.append(f"{missing:,} people with orders have no row in {table.file}")
    return people
