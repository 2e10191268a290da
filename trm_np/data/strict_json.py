"""Read JSON strictly. Faults that Python's reader accepts are kept, so that schema.py can report where they are."""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from trm_np.data.problems import Place

MAX_BYTES = 64 * 1024 * 1024
MAX_FILE_BYTES = 256 * 1024 * 1024
LONGEST_INTEGER = 400
DIGITS = b"0123456789"


class RepeatedKeys(dict[str, Any]):
    """A JSON object with repeated keys. `repeated` lists them; each key holds its last value."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(key for key, _ in pairs)
        self.repeated = tuple(key for key in self if times[key] > 1)


def read_json(path: str | os.PathLike[str]) -> object:
    """Read the JSON value in a file of at most 256 MB.

    Raises `DataError` if the file cannot be read, is too large, or is not JSON in UTF-8.
    """
    at = Place(str(path))
    with opened(path) as file:
        # `read(MAX_FILE_BYTES + 1)` would allocate that many bytes even for a small file.
        large = os.fstat(file.fileno()).st_size > MAX_FILE_BYTES
        data = b"" if large else file.read()
    if large or len(data) > MAX_FILE_BYTES:
        raise at.error("more than 256 MB", "at most 256 MB")
    return _parsed(data, at)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to read.

    Raises `DataError` if the file is missing, cannot be read, or is not a regular file. A pipe might never end.
    """
    at = Place(str(path))
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            found = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
            raise at.error(found, "a file")
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, UnicodeEncodeError) as error:  # the file system may not encode every letter
        raise at.error("no such file", "a file that exists") from error
    except OSError as error:
        raise at.error(f"a file that cannot be read ({error.strerror})", "a readable file") from error


def parse_json(data: bytes, file: str) -> object:
    """Parse JSON in UTF-8. `file` names the source in a `DataError`.

    An object with repeated keys becomes `RepeatedKeys`. NaN, Infinity and numbers beyond float64 become non-finite
    floats. No check accepts either.
    """
    at = Place(file)
    if len(data) > MAX_BYTES:
        raise at.error("more than 64 MB", "at most 64 MB")
    return _parsed(data, at)


def _parsed(data: bytes, at: Place) -> object:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise at.key(f"byte {error.start}").error("text that is not UTF-8", "UTF-8") from error
    if not text.strip():
        raise at.error("an empty file", "an object in JSON")
    few_digits = len(data) - len(data.translate(None, DIGITS)) < LONGEST_INTEGER
    try:
        return (QUICK_READER if few_digits else READER).decode(text)
    except json.JSONDecodeError as error:
        where = at.key(f"line {error.lineno} column {error.colno}")
        raise where.error(f"text that is not JSON ({error.msg})", "JSON") from error
    except RecursionError as error:
        raise at.error("lists or objects nested too deeply", "the few levels of the schema") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatedKeys(pairs)


def _integer(digits: str) -> int | float:
    # Python refuses to convert very long integers and does not say where they are. As floats they are infinite.
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


READER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
QUICK_READER = json.JSONDecoder(object_pairs_hook=_object)  # for a text without a very long integer
