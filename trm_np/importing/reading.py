"""Read the rows of a table as values. A bad cell is an error with its place, or is dropped."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trm_np.data.schema import LARGEST_COUNT, LEAST_MONEY, MOST_MONEY
from trm_np.importing import cells
from trm_np.importing.cells import Bad
from trm_np.importing.columns import FIELDS, Column
from trm_np.importing.report import Report
from trm_np.importing.tables import Table

Parse = Callable[[Any], Any]
Arrived = Callable[[int], None]  # called with the number of rows read since the last call
ROWS_PER_CALL = 20_000
LARGEST_RATING, MOST_PIECES, OLDEST = 1000, 1_000_000, 120


@dataclass(frozen=True)
class Reading:
    """Rules for parsing cells: decimal separator, separator of names, order of day and month, and latest time."""

    decimal: str | None = None
    separator: str | None = None
    dates: str | None = None  # dmy or mdy
    latest: float = math.inf
    drop_bad: bool = False

    def parsers(self) -> dict[str, Parse]:
        """The function that parses the cells of each field."""

        def numbers(low: float, high: float) -> Parse:
            return lambda cell: cells.number(cell, low, high, self.decimal)

        def several(cell: Any) -> tuple[str, ...]:
            return cells.names(cell, self.separator)

        return {
            **dict.fromkeys(FIELDS, cells.name),
            **dict.fromkeys(("order.person", "order.item", "item.id", "profile.person"), cells.identity),
            **dict.fromkeys(("item.tags", "item.occasions", "profile.hobbies"), several),
            **dict.fromkeys(("item.price", "profile.budget"), numbers(LEAST_MONEY, MOST_MONEY)),
            "order.time": lambda cell: cells.timestamps(cell, self.latest),
            "order.rating": numbers(0, LARGEST_RATING),
            "order.quantity": numbers(-MOST_PIECES, MOST_PIECES),
            "item.rating": numbers(1, 5),
            "item.stock": numbers(0, LARGEST_COUNT),
            "profile.age": lambda cell: cells.age(cell, OLDEST, self.decimal),
        }


def read(
    table: Table, columns: Sequence[Column], reading: Reading, report: Report, arrived: Arrived
) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number of each row and a value for each column. Raises `DataError` for a bad cell.

    With `drop_bad`, a bad cell counts as unknown. A row is dropped if it needs the cell.
    """
    parsers = reading.parsers()
    parses = [(column, parsers[column.field]) for column in columns]
    for number, row in table.rows([column.position for column in columns]):
        if number % ROWS_PER_CALL == 0:
            arrived(ROWS_PER_CALL)
        values: list[Any] = []
        for (column, parse), cell in zip(parses, row, strict=True):
            try:
                values.append(parse(cell))
            except Bad as bad:
                refuse_or_drop(table, number, column.name, bad, reading, report)
                try:
                    values.append(parse(None))
                except Bad:
                    break
        else:
            yield number, values


def refuse_or_drop(
    table: Table, number: int, column: str, bad: Bad, reading: Reading, report: Report
) -> None:
    """Raise `DataError` for a bad cell, or count it as dropped."""
    place = table.place(number, column)
    if not reading.drop_bad:
        raise place.error(bad.found, bad.allowed) from bad
    report.drop(f"bad cells in {column} of {table.file}", f"{place.path}: {bad.found}")


def record_of(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    """The values by the last part of their field names. Several columns of one field are joined."""
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
