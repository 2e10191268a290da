"""Read tables in CSV, JSON Lines or Parquet, one row at a time."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from trm_np.data.problems import Place
from trm_np.data.strict_json import opened
from trm_np.extras import needs_extra
from trm_np.text import shown

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LONGEST_LINE = 1_000_000  # characters, so that a file without line breaks does not fill the memory
MOST_COLUMNS = 10_000
LINES_FOR_KEYS = 1000  # lines of JSON Lines whose keys become the columns
PARQUET_ROWS = 10_000  # held at a time
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3": "a database",
    b"%PDF": "a PDF document",
}
ALLOWED = "a table in CSV, JSON Lines or Parquet"

Row = Sequence[Any]
Rows = Iterator[tuple[int, Row]]


@dataclass(frozen=True)
class Table:
    """A table in a file. `rows(positions)` yields the number of each row and its cells at these column positions.

    `unit` says what the numbers count, line or row. `form` describes the format that was recognized.
    """

    file: str
    form: str
    columns: tuple[str, ...]
    unit: str
    rows: Callable[[Sequence[int]], Rows]

    def place(self, number: int, column: str = "") -> Place:
        return Place(self.file, f"{self.unit} {number}" + (f", column {column}" if column else ""))


def open_table(path: str) -> Table:
    """Open a table. Its format is recognized by the contents of the file. Raises `DataError`."""
    at = Place(path)
    with opened(path) as file:
        head = file.read(4096)
        for start, name in OTHER_FORMATS.items():
            if head.startswith(start):
                raise at.error(name, ALLOWED)
        if head.startswith(b"PAR1"):
            return parquet_table(path)
        encoding = encoding_of(path, head)
        first = next((line for _, line in lines(path, encoding) if line.strip()), "").lstrip()
    if not first:
        raise at.error("an empty file", ALLOWED)
    if first.startswith("["):
        raise at.error("a JSON list", "JSON Lines, an object on each line")
    return json_table(path, encoding) if first.startswith("{") else csv_table(path, encoding, first)


# Text


def lines_in(path: str) -> int | None:
    """Number of line ends in a file, about that of its rows; None if it has none or is Parquet.

    Raises `DataError`.
    """
    with opened(path) as file:
        head = file.read(4)
        if head == b"PAR1":
            return None
        rest = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return head.count(b"\n") + rest or None


def encoding_of(path: str, head: bytes) -> str:
    """The encoding of a file. Raises `DataError` if it cannot be decoded.

    A byte order mark or zero bytes tell UTF-8 and UTF-16. Other files are UTF-8 if they decode, and else cp1252.
    """
    if head.startswith(codecs.BOM_UTF8):
        likely = ["utf-8-sig"]
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        likely = ["utf-16"]
    elif head[1::2].count(0) > len(head) / 3:
        likely = ["utf-16-le"]
    elif head[::2].count(0) > len(head) / 3:
        likely = ["utf-16-be"]
    else:
        likely = ["utf-8", "cp1252"]
    for encoding in likely:
        if decodes(path, encoding):
            return encoding
    known = encoding_name(likely[0]) if len(likely) == 1 else "UTF-8, UTF-16 or cp1252"
    raise Place(path).error(f"bytes that are not text in {known}", f"text in {known}")


def decodes(path: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open(path, "rb") as file:
        try:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def lines(path: str, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their line ends, numbered from 1. Raises `DataError` for a line too long or with a zero byte."""
    with open(path, encoding=encoding, newline="") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), ""), 1):
            if len(line) > LONGEST_LINE:
                raise Place(path, f"line {number}").error(
                    f"more than {LONGEST_LINE:,} characters", "shorter lines"
                )
            if "\0" in line:
                raise Place(path, f"line {number}").error("a zero byte", "text")
            yield number, line


def encoding_name(encoding: str) -> str:
    names = {"cp1252": "cp1252 (it is not UTF-8)", "utf-8": "UTF-8", "utf-8-sig": "UTF-8"}
    return names.get(encoding, "UTF-16")


# CSV


def csv_table(path: str, encoding: str, first: str) -> Table:
    """A CSV table whose first row holds the column names. `first` is its first line, which shows the separator."""
    separator = separator_of(first)
    _, header = next(csv_rows(path, encoding, separator))
    if len(header) > MOST_COLUMNS:
        found = f"{len(header)} columns"
        raise Place(path, "line 1").error(found, f"at most {MOST_COLUMNS:,}")
    names = tuple(name.strip() for name in header)

    def rows(positions: Sequence[int]) -> Rows:
        pick = picker(positions)
        for number, cells in islice(csv_rows(path, encoding, separator), 1, None):
            if len(cells) != len(names):
                found = f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}"
                raise Place(path, f"line {number}").error(found, f"{len(names)}, as in the header")
            yield number, pick(cells)

    form = f"CSV, {encoding_name(encoding)}, separated by {SEPARATORS[separator]}"
    return Table(path, form, names, "line", rows)


def separator_of(line: str) -> str:
    """The most frequent separator of a header, not counting quoted names; a comma if there is none."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(SEPARATORS, key=bare.count)


def csv_rows(path: str, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that are not blank, with the number of the line on which each begins."""
    reader = csv.reader((line for _, line in lines(path, encoding)), delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            found, allowed = f"a cell of more than {csv.field_size_limit():,} characters", "shorter cells"
        else:
            found, allowed = f"quotes that do not match ({error})", 'cells such as "a ""quoted"" word"'
        raise Place(path, f"line {number}").error(found, allowed) from error


def picker(positions: Sequence[int]) -> Callable[[Sequence[Any]], Row]:
    """Return a function that picks the cells at these positions of a row."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda cells: [cells[position] for position in positions]


# JSON Lines


def json_table(path: str, encoding: str) -> Table:
    """A table of JSON objects, one on each line. Its columns are the keys of the first thousand."""
    keys = dict.fromkeys(
        chain.from_iterable(value for _, value in islice(json_objects(path, encoding), LINES_FOR_KEYS))
    )
    names = tuple(keys)

    def rows(positions: Sequence[int]) -> Rows:
        wanted = [names[position] for position in positions]
        for number, value in json_objects(path, encoding):
            yield number, [value.get(name) for name in wanted]

    return Table(path, f"JSON Lines, {encoding_name(encoding)}", names, "line", rows)


def json_objects(path: str, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines(path, encoding):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Place(path, f"line {number}").error("text that is not JSON", "an object in JSON") from error
        if not isinstance(value, dict):
            raise Place(path, f"line {number}").error(shown(value), "an object in JSON")
        yield number, value


# Parquet


def parquet_table(path: str) -> Table:
    """A table in a Parquet file, read some rows at a time. Raises `DataError` if pyarrow is not installed."""
    at = Place(path)
    try:
        from pyarrow import ArrowException  # type: ignore[import-untyped]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise at.error("a Parquet file", needs_extra("reading it needs", "parquet")) from error
    try:
        names = tuple(map(str, ParquetFile(path).schema_arrow.names))
    except (ArrowException, OSError, ValueError) as error:
        raise at.error("a broken Parquet file", ALLOWED) from error

    def rows(positions: Sequence[int]) -> Rows:
        wanted = [names[position] for position in positions]
        number = 0
        try:
            with ParquetFile(path) as file:
                for batch in file.iter_batches(PARQUET_ROWS, columns=wanted):
                    columns = [batch.column(name).to_pylist() for name in wanted]
                    for cells in zip(*columns, strict=True):
                        number += 1
                        yield number, cells
        except (ArrowException, OSError, ValueError, OverflowError) as error:
            raise at.error("a broken Parquet file", ALLOWED) from error

    return Table(path, "Parquet", names, "row", rows)
