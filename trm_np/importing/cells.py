"""Parse cells: names, numbers with points or commas, ages and times. A cell that cannot be parsed raises `Bad`."""

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timezone
from functools import lru_cache
from typing import Any

from trm_np.data.spelling import composed
from trm_np.text import CONTROLS, shown

UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
CURRENCIES = "$€£¥₹ \u00a0\u202f"  # including the spaces that group thousands
LONGEST_NAME = 200
EARLIEST = 31_536_000  # 1971: a time of 0 usually stands for an unknown one
MOST_SECONDS = 10_000_000_000  # larger numbers are milliseconds, microseconds or nanoseconds
UNITS = (1, 1e3, 1e6, 1e9)
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?"
)
AGES = re.compile(r"(\d{1,3})(?:\+|\s*[-\u2013]\s*(\d{1,3}))")
EPOCH = re.compile(r"\d+(\.\d*)?")
DATES = "a date from 1971 to now, such as 2024-05-31, 31.5.2024, 5/31/2024, or seconds since 1970"


class Bad(ValueError):
    """Raised for a cell that cannot be parsed. It holds what was found and what is allowed."""

    def __init__(self, cell: Any, allowed: str, what: str = "") -> None:
        super().__init__(allowed)
        self.found, self.allowed = what + shown(cell), allowed


def is_unknown(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().casefold() in UNKNOWN
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def text(cell: Any) -> str:
    """The cell as one line of text in the Unicode form NFC. An empty cell gives "", and 3.0 gives "3"."""
    if cell is None or isinstance(cell, str):
        return one_line(cell or "")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (dict, list, bytes)) or (isinstance(cell, float) and not math.isfinite(cell)):
        raise Bad(cell, "text or a number")
    return one_line(str(cell))


@lru_cache(maxsize=1 << 16)
def one_line(cell: str) -> str:
    name = " ".join(cell.split()) if cell.isascii() else " ".join(composed(cell).split())
    if len(name) > LONGEST_NAME:
        raise Bad(cell, f"at most {LONGEST_NAME} characters")
    if not name.isprintable() and not CONTROLS.isdisjoint(map(unicodedata.category, name)):
        raise Bad(cell, "text without control characters")
    return name


def identity(cell: Any) -> str:
    """Parse an id. Raises `Bad` if the cell has none."""
    name = text(cell)
    if not name or (not isinstance(cell, str) and is_unknown(cell)):
        raise Bad(cell, "an id")
    return name


def name(cell: Any) -> str:
    """Parse a name; "" if it is unknown."""
    return "" if is_unknown(cell) else text(cell)


def names(cell: Any, separator: str | None) -> tuple[str, ...]:
    """Parse several names: a list, or text with a separator. The default is a bar, else a semicolon, else a comma."""
    if is_unknown(cell):
        return ()
    if isinstance(cell, str):
        divider = separator or next((each for each in "|;," if each in cell), None)
        parts: Sequence[Any] = cell.split(divider) if divider else [cell]
    else:
        parts = cell if isinstance(cell, (list, tuple)) else [cell]
    return tuple(dict.fromkeys(filter(None, map(name, parts))))


def number(cell: Any, low: float, high: float, decimal: str | None) -> float:
    """Parse a number between two bounds; nan if it is unknown. Raises `Bad`."""
    if is_unknown(cell):
        return math.nan
    allowed = f"a number from {low:,} to {high:,}"
    if isinstance(cell, str):
        value = parse_digits(cell, decimal, allowed)
    elif isinstance(cell, bool) or not hasattr(cell, "__float__"):
        raise Bad(cell, allowed)
    else:
        try:
            value = float(cell)
        except (ValueError, OverflowError):
            raise Bad(cell, allowed) from None
    if not low <= value <= high:
        raise Bad(cell, allowed)
    return value


def age(cell: Any, oldest: int, decimal: str | None) -> float:
    """Parse an age in years: the middle of a range such as 45-54, 65 for 65+; nan if it is unknown. Raises `Bad`."""
    if isinstance(cell, str) and (match := AGES.fullmatch(cell.strip())):
        low, high = int(match[1]), int(match[2] or match[1])
        if low <= high <= oldest:
            return (low + high) / 2
    return number(cell, 0, oldest, decimal)


@lru_cache(maxsize=1 << 16)
def parse_digits(cell: str, decimal: str | None, allowed: str) -> float:
    """Parse a number written as text. `decimal` is its decimal separator, if known."""
    digits = "".join(c for c in cell if c not in CURRENCIES).replace("'", "")
    comma, point = digits.rfind(","), digits.rfind(".")
    if decimal is None:
        if comma < 0 or point >= 0:
            decimal = "," if comma > point else "."
        elif digits.count(",") == 1 and not re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", digits):
            decimal = ","
        elif digits.count(",") > 1:
            decimal = "."
        else:
            raise Bad(cell, "a number whose comma has one meaning; choose by --decimal , or --decimal .")
    whole, sign, fraction = digits.partition(decimal)
    groups = "." if decimal == "," else ","
    if groups in whole and not re.fullmatch(rf"[+-]?\d{{1,3}}(\{groups}\d{{3}})+", whole):
        raise Bad(cell, allowed)
    try:
        value = float(whole.replace(groups, "") + sign.replace(",", ".") + fraction)
    except ValueError:
        raise Bad(cell, allowed) from None
    if not math.isfinite(value) or "_" in digits:
        raise Bad(cell, allowed)
    return value


def timestamps(cell: Any, latest: float) -> tuple[float, float]:
    """Parse a date: seconds since 1970 if the day comes first, and if the month does; nan where a reading is
    impossible.

    The two differ only for dates such as 5/6/2024. Raises `Bad` for anything but a date from 1971 to `latest`.
    """
    found = parse_date(cell.strip()) if isinstance(cell, str) else to_seconds(cell)
    in_time = tuple(
        seconds if seconds is not None and EARLIEST <= seconds <= latest else math.nan for seconds in found
    )
    if all(map(math.isnan, in_time)):
        raise Bad(cell, DATES)
    return in_time[0], in_time[1]


@lru_cache(maxsize=1 << 16)
def parse_date(cell: str) -> tuple[float | None, float | None]:
    """Both readings of a date written as text; `None` where a reading is impossible."""
    if match := SLASHED.fullmatch(cell):
        first, second, year, *clock = match.groups()
        return seconds_of(year, second, first, *clock), seconds_of(year, first, second, *clock)
    if match := DOTTED.fullmatch(cell):
        day, month, year, *clock = match.groups()
        only = seconds_of(year, month, day, *clock)
    elif match := ISO.fullmatch(cell):
        *parts, zone = match.groups()
        only = seconds_of(*parts)
        if only is not None and zone and zone[0] in "+-":
            offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
            only += offset if zone[0] == "-" else -offset
    else:
        only = to_seconds(float(cell))[0] if EPOCH.fullmatch(cell) else None
    return only, only


def to_seconds(cell: Any) -> tuple[float | None, float | None]:
    """Seconds since 1970 of a date, or of a number in seconds, milliseconds, microseconds or nanoseconds; twice."""
    only = None
    if isinstance(cell, datetime):
        only = (cell if cell.tzinfo else cell.replace(tzinfo=timezone.utc)).timestamp()
    elif isinstance(cell, date):
        only = seconds_of(cell.year, cell.month, cell.day)
    elif isinstance(cell, (int, float)) and not isinstance(cell, bool):
        only = next((cell / unit for unit in UNITS if abs(cell) <= MOST_SECONDS * unit), None)
    return only, only


def seconds_of(
    year: Any, month: Any, day: Any, hour: Any = None, minute: Any = None, second: Any = None
) -> float | None:
    """Seconds since 1970 of a time in UTC, or `None` if there is no such date or time of day."""
    hours, minutes, seconds = (int(part or 0) for part in (hour, minute, second))
    try:
        moment = datetime(int(year), int(month), int(day), hours, minutes, seconds, tzinfo=timezone.utc)
    except ValueError:
        return None
    return moment.timestamp()
