"""Records of items and people, read from their tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trm_np.data.problems import Place
from trm_np.data.schema import FEWEST_GIFTS
from trm_np.importing.cells import Bad
from trm_np.importing.columns import Column
from trm_np.importing.reading import Arrived, Reading, read, record_of, refuse_or_drop
from trm_np.importing.report import Report
from trm_np.importing.tables import Table


@dataclass(frozen=True)
class Item:
    """A row of the items. nan or "" means that a field is unknown."""

    id: str
    name: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    price: float = math.nan
    rating: float = math.nan
    stock: float = math.nan
    occasions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileFields:
    """Profile fields read from a row of the people or of the orders. `preferences` are pairs of column and value."""

    age: float = math.nan
    budget: float = math.nan
    relationship: str = ""
    occasion: str = ""
    hobbies: tuple[str, ...] = ()
    preferences: tuple[tuple[str, str], ...] = ()


def read_items(
    table: Table, columns: Sequence[Column], reading: Reading, report: Report, arrived: Arrived
) -> list[Item]:
    """Read the items. Raises `DataError` if two rows of one item differ."""
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
        if differing:
            again = Bad(item.id, "one row for each item", "other values than before for the item ")
            refuse_or_drop(table, number, differing[0].name, again, reading, report)
        else:
            report.drop(f"rows of {table.file} that repeat an item unchanged", table.place(number).path)
    if len(items) < FEWEST_GIFTS:
        raise Place(table.file).error(f"{len(items)} items", f"at least {FEWEST_GIFTS}")
    return list(items.values())


def read_people(
    table: Table,
    columns: Sequence[Column],
    known: Mapping[str, int],
    reading: Reading,
    report: Report,
    arrived: Arrived,
) -> dict[int, ProfileFields]:
    """Read the profiles of the people who ordered something. Raises `DataError` if two rows of one person differ."""
    people: dict[int, ProfileFields] = {}
    id_column = next(column.name for column in columns if column.field == "profile.person")
    for number, values in read(table, columns, reading, report, arrived):
        record = record_of(columns, values)
        person = record.pop("person")
        if person not in known:
            report.drop(f"people of {table.file} without orders", table.place(number).path)
            continue
        profile, before = ProfileFields(**record), people.get(known[person])
        if before is None:
            people[known[person]] = profile
        elif repr(before) == repr(profile):
            report.drop(f"rows of {table.file} that repeat a person unchanged", table.place(number).path)
        else:
            again = Bad(person, "one row for each person", "other values than before for the person ")
            refuse_or_drop(table, number, id_column, again, reading, report)
    if missing := len(known) - len(people):
        report.assumed.append(f"people with orders and no row in {table.file}: {missing:,}")
    return people
