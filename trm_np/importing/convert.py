"""Convert tables of orders, items and people to the contents of the three files and a report."""

from collections.abc import Mapping, Sequence

from trm_np.data import schema
from trm_np.data.load import checked
from trm_np.data.problems import Place
from trm_np.importing.columns import Column, find_columns
from trm_np.importing.documents import documents
from trm_np.importing.orders import most_ordered, read_orders
from trm_np.importing.reading import Arrived, Reading
from trm_np.importing.records import read_items, read_people
from trm_np.importing.report import Report
from trm_np.importing.splitting import Rules, split
from trm_np.importing.tables import Table, open_table
from trm_np.text import listed, printable

DEFAULT_READING, DEFAULT_RULES = Reading(), Rules()


def convert(
    orders: str,
    items: str,
    people: str | None = None,
    mapped: Mapping[str, Sequence[str]] | None = None,
    reading: Reading = DEFAULT_READING,
    rules: Rules = DEFAULT_RULES,
    most_items: int = 20_000,
    most_names: int = 200,
    currency: str | None = None,
    arrived: Arrived = lambda rows: None,
) -> tuple[dict[str, bytes], Report]:
    """Convert the tables in these files. Returns the contents of the three files by name, and the report.

    `mapped` holds columns by field, from `columns.parse_map`. `arrived` is called with the number of rows read since
    its last call. Raises `DataError`.
    """
    if currency is not None:
        checked(schema.currency, currency, Place("--currency"))
    report = Report()
    files = {"orders": orders, "items": items} | ({"people": people} if people is not None else {})
    tables = {kind: open_table(file) for kind, file in files.items()}
    columns = find_columns(tables, mapped or {})
    for kind, table in tables.items():
        report.used.append(
            f"{table.file}: {table.form}; {pairs(columns[kind])}{unused(table, columns[kind])}"
        )
    kept = read_items(tables["items"], columns["items"], reading, report, arrived)
    numbers = {item.id: number for number, item in enumerate(kept)}
    ordered = read_orders(tables["orders"], columns["orders"], numbers, items, reading, report, arrived)
    kept, ordered = most_ordered(kept, ordered, most_items, items, report)
    known = {person: number for number, person in enumerate(ordered.people)}
    profiles = (
        read_people(tables["people"], columns["people"], known, reading, report, arrived)
        if people is not None
        else {}
    )
    parts = split(ordered, rules, orders, report)
    contents = documents(kept, ordered.people, profiles, parts, most_names, currency, report)
    report.made.append(
        f"{len(kept):,} gifts; {len(parts.train):,} scenarios to train on, {len(parts.validation):,} to validate "
        f"and {len(parts.test):,} to test on"
    )
    return contents, report


def unused(table: Table, columns: Sequence[Column]) -> str:
    """Part of a report line that names the unused columns."""
    used = {column.name for column in columns}
    left = [name for name in table.columns if name and name not in used]
    return f"; not used: {printable(listed(left))}" if left else ""


def pairs(columns: Sequence[Column]) -> str:
    """Part of a report line that names each field and its columns."""
    names: dict[str, list[str]] = {}
    for column in columns:
        names.setdefault(column.field, []).append(column.name)
    return ", ".join(printable(f"{field} = {' + '.join(each)}") for field, each in names.items())
