"""One JSON value, or one on each line: told apart without waiting for more lines than that takes."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

from trm_np.data.problems import DataError, Place
from trm_np.data.strict_json import MAX_BYTES, parse_json

MOST_LINES = 1000  # over which one value may stretch
WHOLE, UNFINISHED, BROKEN = range(3)  # what a text can be as JSON

Line = tuple[int, bytes]  # its number, from 1, and its text, which is not blank


def read_json_or_lines(stream: BinaryIO, file: str, live: bool) -> object | Iterator[Line]:
    """The one JSON value that the stream holds, or an iterator of its lines if each is to be a value.

    A first line that is no unfinished value makes it lines: at once if the stream is `live`, so that whoever waits
    for the answer to that line gets it; otherwise only if another line follows. Blank lines are skipped. Raises
    `DataError` if there is no value, or only one that is not JSON or that is followed by something; and, from the
    iterator too, for a line of more than 64 MB, after which nothing can be read.
    """
    lines = _numbered(stream, file)
    head: list[Line] = []
    state = UNFINISHED
    while state == UNFINISHED and len(head) < MOST_LINES and (line := next(lines, None)):
        head.append(line)
        text = _text(head)
        state = _state(text) if len(text) <= MAX_BYTES else BROKEN

    if len(head) == 1 and state != UNFINISHED:
        following = () if live else tuple(islice(lines, 1))
        if live or following:
            return chain(head, following, lines)
    elif state == BROKEN and _is_object(head[-1]):  # the first line was cut short, and the next is another
        return chain(head, lines)
    elif state == WHOLE:
        for number, _ in lines:
            at = Place(file, f"line {number}")
            raise DataError([at.problem("more text after the object", "one object, or one on each line")])
    return parse_json(_text(head), file)


def parse_line(line: Line, file: str) -> object:
    """The JSON value of a line; raises `DataError`."""
    number, text = line
    return parse_json(text, f"{file} line {number}")


def _numbered(stream: BinaryIO, file: str) -> Iterator[Line]:
    texts: Iterable[bytes] = iter(lambda: stream.readline(MAX_BYTES + 1), b"")
    for number, text in enumerate(texts, 1):
        if len(text) > MAX_BYTES:
            at = Place(file, f"line {number}")
            raise DataError([at.problem("more than 64 MB", "at most 64 MB")])
        if text.strip():
            yield number, text


def _text(lines: list[Line]) -> bytes:
    """The lines as they stood, so that the place of an error is that in the file."""
    text, before = b"", 0
    for number, line in lines:
        text += b"\n" * (number - before - 1) + line
        before = number
    return text


def _state(text: bytes) -> int:
    try:
        json.loads(text.decode("utf-8-sig"), parse_int=float)
    except json.JSONDecodeError as error:
        return UNFINISHED if error.pos >= len(error.doc.rstrip()) else BROKEN
    except (ValueError, RecursionError):
        return BROKEN
    return WHOLE


def _is_object(line: Line) -> bool:
    return line[1].lstrip().startswith(b"{") and _state(line[1]) == WHOLE
