"""A table gives the same files in every format."""

import json
import random
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.importing.sample_tables import ITEMS, ORDERS, PEOPLE, write_tables
from trm_np.data.problems import DataError
from trm_np.importing import cells
from trm_np.importing.cells import Bad
from trm_np.importing.convert import convert
from trm_np.importing.reading import Reading
from trm_np.importing.report import Report
from trm_np.importing.tables import open_table

MAPPED = {"item.tags": ["theme"]}


def converted(folder: Path, reading: Reading | None = None) -> tuple[dict[str, Any], Report]:
    paths = [str(folder / name) for name in ("orders.csv", "items.csv", "people.csv")]
    contents, report = convert(*paths, mapped=MAPPED, reading=reading or Reading())
    return {name: json.loads(content) for name, content in contents.items()}, report


def json_lines(table: str) -> str:
    names, *rows = (line.split(",") for line in table.splitlines())
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def of_numbers(table: str) -> str:
    """JSON Lines with JSON numbers, and lists of names."""
    rows = []
    for line in json_lines(table).splitlines():
        row = json.loads(line)
        for key in row.keys() & {"age", "price", "rating"}:
            row[key] = float(row[key])
        if "theme" in row:
            row["theme"] = row["theme"].split("|") if row["theme"] else None
        rows.append(json.dumps(row))
    return "\n".join(rows)


FORMS: dict[str, Callable[[str], str | bytes]] = {
    "utf_8_with_mark": lambda table: b"\xef\xbb\xbf" + table.encode(),
    "utf_16_with_mark": lambda table: table.encode("utf-16"),
    "utf_16_little_without": lambda table: table.encode("utf-16-le"),
    "utf_16_big_without": lambda table: table.encode("utf-16-be"),
    "semicolons": lambda table: table.replace(",", ";"),
    "tabs": lambda table: table.replace(",", "\t"),
    "lines_of_windows": lambda table: table.replace("\n", "\r\n"),
    "lines_of_old_macs": lambda table: table.replace("\n", "\r"),
    "no_last_line_end": str.rstrip,
    "blank_lines": lambda table: "\n" + table.replace("\n", "\n \n"),
    "spaces_around": lambda table: table.replace(",", " ,  "),
    "all_quoted": lambda table: "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in table.splitlines()
    ),
    "more_columns": lambda table: table.replace("\n", ",x\n").replace(",x", ",note", 1),
    "other_case": lambda table: table.replace("customer_id", "Customer ID").replace(
        "product_id", "productId"
    ),
    "json_lines": json_lines,
    "json_lines_of_numbers": of_numbers,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_gives_the_same_files_in_every_format(form: str, tmp_path: Path) -> None:
    write_tables(tmp_path)
    plain, _ = converted(tmp_path)
    write_tables(tmp_path, *(FORMS[form](table) for table in (ORDERS, ITEMS, PEOPLE)))
    assert converted(tmp_path)[0] == plain


def test_bars_may_separate_columns(tmp_path: Path) -> None:
    write_tables(tmp_path)
    plain, _ = converted(tmp_path)
    write_tables(tmp_path, ORDERS.replace(",", "|"), ITEMS.replace("|", ";"), PEOPLE.replace(",", "|"))
    assert converted(tmp_path)[0] == plain


def test_parquet_gives_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    from pyarrow import csv, parquet

    write_tables(tmp_path)
    plain, _ = converted(tmp_path)
    for name in ("orders.csv", "items.csv", "people.csv"):
        parquet.write_table(csv.read_csv(tmp_path / name), tmp_path / f"new_{name}")
        (tmp_path / f"new_{name}").replace(tmp_path / name)
    assert open_table(str(tmp_path / "orders.csv")).form == "Parquet"
    assert converted(tmp_path)[0] == plain


def test_broken_parquet_is_refused_or_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    from pyarrow import csv, parquet

    write_tables(tmp_path)
    parquet.write_table(csv.read_csv(tmp_path / "orders.csv"), tmp_path / "orders.parquet")
    good = (tmp_path / "orders.parquet").read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        place = rng.randrange(len(good))
        (tmp_path / "orders.csv").write_bytes(good[:place] + rng.randbytes(1) + good[place + 1 :])
        with suppress(DataError):
            converted(tmp_path)


def test_parquet_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "orders").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a Parquet file; allowed: reading it needs the extra \[parquet\]: "):
        open_table(str(tmp_path / "orders"))


def test_cp1252_is_read_and_reported(tmp_path: Path) -> None:
    write_tables(tmp_path, items=ITEMS.replace("Olive", "Dürüm €").encode("cp1252"))
    files, report = converted(tmp_path)
    assert "Dürüm € Soap" in [gift["name"] for gift in files["gift_catalog.json"]["gifts"]]
    assert "CSV, cp1252 (it is not UTF-8), separated by commas" in report.used[1]


def test_the_report_names_unused_columns(tmp_path: Path) -> None:
    write_tables(tmp_path, people=PEOPLE.replace("sex", "shoe size"))
    _, report = converted(tmp_path)
    assert report.used[2].endswith("profile.preferences = occupation; not used: shoe size")


def test_the_currency_is_that_of_the_catalogue(tmp_path: Path) -> None:
    write_tables(tmp_path)
    paths = [str(tmp_path / name) for name in ("orders.csv", "items.csv", "people.csv")]
    contents, _ = convert(*paths, currency="€")
    assert json.loads(contents["gift_catalog.json"])["currency"] == "€"
    assert "currency" not in json.loads(convert(*paths)[0]["gift_catalog.json"])


# Cells


@pytest.mark.parametrize(
    ("written", "decimal", "value"),
    [
        ("12.5", None, 12.5),
        ("12,5", None, 12.5),
        ("12,50 €", None, 12.5),
        ("$1,234.50", None, 1234.5),
        ("1.234,50", None, 1234.5),
        ("1'234.50", None, 1234.5),
        ("1 234,50", None, 1234.5),
        ("1,234,567", None, 1_234_567),
        ("1.234", None, 1.234),
        ("1,234", ",", 1.234),
        ("1,234", ".", 1234),
        ("1.234", ",", 1234),
        ("0,125", None, 0.125),
        ("1e3", None, 1000),
        (7, ",", 7),
        (7.25, ",", 7.25),
    ],
)
def test_numbers_are_parsed_in_common_notations(written: Any, decimal: str | None, value: float) -> None:
    assert cells.number(written, 0, 10_000_000, decimal) == value


@given(st.floats(0, 1e6).map(lambda value: round(value, 2)), st.sampled_from([",", "."]))
def test_numbers_with_grouped_digits_are_parsed(value: float, decimal: str) -> None:
    groups = {",": ".", ".": ","}[decimal]
    written = f"{value:,.2f}".translate(str.maketrans({",": groups, ".": decimal}))
    assert cells.number(written, 0, 1e6, decimal) == value
    assert cells.number(written, 0, 1e6, None) == value


@pytest.mark.parametrize("unknown", ["", " ", "NA", "n/a", "NaN", "null", "None", "-", None, float("nan")])
def test_unknown_cells_are_no_error(unknown: Any) -> None:
    assert cells.number(unknown, 0, 1, None) != cells.number(unknown, 0, 1, None)
    assert (cells.name(unknown), cells.names(unknown, None)) == ("", ())


@pytest.mark.parametrize(("band", "age"), [("45-54", 49.5), ("65+", 65), ("18 – 24", 21), ("34", 34)])
def test_an_age_may_be_a_range(band: str, age: float) -> None:
    assert cells.age(band, 120, None) == age


MOMENT = datetime(2024, 5, 31, 13, 45, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "written",
    [
        "2024-05-31 13:45",
        "2024-05-31T13:45:00Z",
        "2024-05-31T15:45:00.000+02:00",
        "2024-05-31 09:15:00 -0430",
        "31.5.2024 13:45",
        "31/05/2024 13:45:00",
        "5/31/2024 13:45",
        "1717163100",
        "1717163100000",
        1717163100,
        1717163100.0,
        1717163100000,
        1717163100000000,
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ],
    ids=str,
)
def test_dates_are_parsed_in_common_notations(written: Any) -> None:
    days, months = cells.timestamps(written, float("inf"))
    assert MOMENT.timestamp() in (days, months)
    assert days == months or days != days or months != months


def test_an_ambiguous_date_has_both_readings() -> None:
    day = datetime(2024, 6, 5, tzinfo=timezone.utc).timestamp()
    month = datetime(2024, 5, 6, tzinfo=timezone.utc).timestamp()
    assert cells.timestamps("5/6/2024", float("inf")) == (day, month)


@example(10**400)
@example(-(10**400))
@given(st.text(max_size=30) | st.floats() | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
def test_any_cell_is_parsed_or_bad(cell: Any) -> None:
    for parse in Reading(latest=2e9).parsers().values():
        try:
            parse(cell)
        except Bad as bad:
            assert bad.found and bad.allowed


# Dates of a column


def slashed(table: str, order: str) -> str:
    """The orders with their dates in this order of day and month."""
    header, *rows = (line.split(",") for line in table.splitlines())
    made = [
        [person, item, f"{datetime.fromisoformat(date):{order}}", rating]
        for person, item, date, rating in rows
    ]
    return "\n".join(map(",".join, [header, *made]))


@pytest.mark.parametrize(("order", "said"), [("%d/%m/%Y", "day/month"), ("%m/%d/%Y", "month/day")])
def test_one_unambiguous_date_decides_the_order_of_all(order: str, said: str, tmp_path: Path) -> None:
    write_tables(tmp_path)
    plain, _ = converted(tmp_path)
    write_tables(tmp_path, slashed(ORDERS, order))
    files, report = converted(tmp_path)
    assert files == plain
    assert f"{tmp_path}/orders.csv: order_date is {said}, as line 5 shows" in report.assumed


@pytest.mark.parametrize(("said", "order"), [("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y")])
def test_the_order_of_day_and_month_may_be_given(said: str, order: str, tmp_path: Path) -> None:
    orders = re.sub("-[0-9]{2},", "-07,", ORDERS)
    write_tables(tmp_path, orders)
    plain, _ = converted(tmp_path)
    write_tables(tmp_path, slashed(orders, order))
    assert converted(tmp_path, Reading(dates=said))[0] == plain
