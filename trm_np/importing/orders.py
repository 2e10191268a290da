"""Read orders into arrays, which take some tens of bytes per order."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trm_np.data.problems import Place
from trm_np.importing.columns import Column
from trm_np.importing.reading import Arrived, Reading, read, record_of
from trm_np.importing.records import Item, ProfileFields
from trm_np.importing.report import Report
from trm_np.importing.tables import Table
from trm_np.text import shown

Array = NDArray[Any]


@dataclass(frozen=True)
class Orders:
    """Arrays with one entry per order: indices of its person and item, time in seconds, rating, and pieces.

    `time` and `rating` are `None` if the table has no such column. `profile` holds indices into `profiles`, or is
    `None` if the orders have no profile fields.
    """

    people: tuple[str, ...]
    person: Array
    item: Array
    time: Array | None
    rating: Array | None
    pieces: Array
    profile: Array | None
    profiles: list[ProfileFields]

    def take(self, rows: Array) -> "Orders":
        """The orders in these rows."""
        columns: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **columns)


def read_orders(
    table: Table,
    columns: Sequence[Column],
    items: Mapping[str, int],
    items_file: str,
    reading: Reading,
    report: Report,
    arrived: Arrived,
) -> Orders:
    """Read the orders of known items. Raises `DataError` if there are none, or if their dates are ambiguous."""
    fields = [column.field for column in columns]
    place = {name: fields.index(name) for name in fields if name.startswith("order.")}
    of_person, of_item, of_quantity = place["order.person"], place["order.item"], place.get("order.quantity")
    of_time, of_rating = place.get("order.time"), place.get("order.rating")
    of_profile = [index for index, column in enumerate(columns) if column.field.startswith("profile.")]
    profile_columns = [columns[index] for index in of_profile]
    person, item, profile = array("i"), array("i"), array("i")
    days_first, months_first, ratings, pieces = array("d"), array("d"), array("d"), array("d")
    people: dict[str, int] = {}
    known: dict[str, int] = {}
    profiles: list[ProfileFields] = []
    dates = Dates(table, columns[of_time].name if of_time is not None else "")
    for number, values in read(table, columns, reading, report, arrived):
        found = items.get(values[of_item])
        if found is None:
            where = table.place(number, columns[of_item].name).path
            report.drop(f"orders of items that are not in {items_file}", f"{where}: {shown(values[of_item])}")
            continue
        ordered = 1.0 if of_quantity is None or math.isnan(values[of_quantity]) else values[of_quantity]
        if ordered <= 0:
            where = table.place(number).path
            report.drop("orders of 0 pieces or fewer, which are returns", where)
            continue
        person.append(people.setdefault(values[of_person], len(people)))
        item.append(found)
        pieces.append(ordered)
        if of_time is not None:
            days, months = values[of_time]
            dates.add(number, days, months)
            days_first.append(days)
            months_first.append(months)
        if of_rating is not None:
            ratings.append(values[of_rating])
        if of_profile:
            values = [values[index] for index in of_profile]
            index = known.setdefault(repr(values), len(known))  # as text, since nan is not equal to nan
            if index == len(profiles):
                profiles.append(ProfileFields(**record_of(profile_columns, values)))
            profile.append(index)
    if not item:
        dropped = report.dropped_lines()
        instead = f"no usable order; {dropped[-1]}" if dropped else "no row below the header"
        raise Place(table.file).error(instead, f"orders of items in {items_file}")
    times = months_first if dates.months_first(reading.dates, report) else days_first
    return Orders(
        people=tuple(people),
        person=np.asarray(person),
        item=np.asarray(item),
        time=np.asarray(times) if times else None,
        rating=np.asarray(ratings) if ratings else None,
        pieces=np.asarray(pieces),
        profile=np.asarray(profile) if profile else None,
        profiles=profiles,
    )


def most_ordered(
    items: list[Item], orders: Orders, most: int, file: str, report: Report
) -> tuple[list[Item], Orders]:
    """Keep the items that were ordered most often, in the order of their table, and the orders of these items."""
    if len(items) <= most:
        return items, orders
    counts = np.bincount(orders.item, minlength=len(items))
    kept = np.sort(np.argsort(-counts, kind="stable")[:most])
    number = np.full(len(items), -1)
    number[kept] = np.arange(most)
    rows = np.flatnonzero(number[orders.item] >= 0)
    report.drop(
        f"items of {file} that are not among the {most:,} ordered most often (--most-items)",
        count=len(items) - most,
    )
    report.drop("orders of those items", count=len(orders.item) - len(rows))
    left = orders.take(rows)
    return [items[index] for index in kept], replace(left, item=number[left.item])


class Dates:
    """Decides whether the day or the month comes first in dates such as 5/6/2024, by the unambiguous ones."""

    def __init__(self, table: Table, column: str) -> None:
        self.table, self.column = table, column
        self.only_months = self.only_days = self.either = 0  # number of the first row with such a date

    def add(self, number: int, days: float, months: float) -> None:
        """Count both readings of a date, as `cells.timestamps` returns them."""
        if math.isnan(days):
            self.only_months = self.only_months or number
        elif math.isnan(months):
            self.only_days = self.only_days or number
        elif days != months:
            self.either = self.either or number

    def months_first(self, order: str | None, report: Report) -> bool:
        """Whether the month comes first. Raises `DataError` if no date decides it, or if two dates contradict."""
        months = order == "mdy" if order else bool(self.only_months)
        wrong = self.only_days if months else self.only_months
        if wrong:
            first, then = ("month", "day") if months else ("day", "month")
            as_what = "as --dates says" if order else f"as in {self.table.unit} {self.only_months}"
            place = self.table.place(wrong, self.column)
            raise place.error(f"a date with the {then} first", f"the {first} first, {as_what}")
        if self.either and not order:
            shown_by = self.only_months or self.only_days
            if not shown_by:
                found = "a date that may be day/month or month/day, like all others"
                place = self.table.place(self.either, self.column)
                raise place.error(found, "--dates dmy or --dates mdy, to choose")
            first = "month/day" if months else "day/month"
            report.assumed.append(
                f"{self.table.file}: {self.column} is {first}, as {self.table.unit} {shown_by} shows"
            )
        return months
