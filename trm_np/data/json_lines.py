"""Read one JSON value, or one on each line. No more lines are read than needed to tell the two apart."""

import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from trm_np.data.problems import Place
from trm_np.data.strict_json import MAX_BYTES, parse_json

MOST_LINES = 1000  # that one value may span
PIECE = 2**16  # bytes read at a time
WHOLE, UNFINISHED, BROKEN = range(3)  # states of a text as JSON

Line = tuple[int, bytes]  # the line's number, from 1, and its text, which is not blank


class Stream(Protocol):
    """A binary file or pipe."""

    def read1(self, size: int, /) -> bytes:
        """Read at most `size` bytes. Block only if none are available; return none at the end."""


class Lines:
    """The lines of a stream that are not blank, one by one or in portions that are available without blocking."""

    def __init__(self, stream: Stream, file: str) -> None:
        self.stream, self.file = stream, file
        self.ready: deque[Line] = deque()
        self.number = 0
        self.partial = bytearray()  # start of a line whose end has not been read

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        while not self.ready:
            self._read()
        return self.ready.popleft()

    def portions(self) -> Iterator[list[Line]]:
        """Yield the remaining lines in lists, as they become available."""
        for line in self:
            portion = [line, *self.ready]
            self.ready.clear()
            yield portion

    def _read(self) -> None:
        """Read the next bytes.

        Raises StopIteration at the end, `DataError` for a line of more than 64 MB, and an OSError that names the file.
        """
        if len(self.partial) > MAX_BYTES:
            raise Place(self.file, f"line {self.number + 1}").error("more than 64 MB", "at most 64 MB")
        try:
            piece = self.stream.read1(PIECE)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.file) from error
        if not piece and not self.partial:
            raise StopIteration
        ended, *others = piece.split(b"\n") if piece else (b"", b"")
        self.partial += ended
        for text in others:
            if len(self.partial) > MAX_BYTES:
                return  # the lines before it are delivered first; the next read refuses it
            self.number += 1
            if self.partial.strip():
                self.ready.append((self.number, bytes(self.partial)))
            self.partial = bytearray(text)


def read_json_or_lines(stream: Stream, file: str, live: bool) -> object | Iterator[list[Line]]:
    """Return the one JSON value of a stream, or an iterator over portions of its lines if each line is a value.

    The stream holds lines if its first line is not the start of a longer value and another line follows. A `live`
    stream counts as lines without waiting for a second one, so that its first line is answered at once. Blank lines
    are skipped.

    Raises `DataError` if the stream is empty, is not JSON, or has text after its one value. A line of more than 64 MB
    also raises `DataError`, here or in the iterator, and ends the reading.
    """
    lines = Lines(stream, file)
    head: list[Line] = []
    state = UNFINISHED
    while state == UNFINISHED and len(head) < MOST_LINES and (line := next(lines, None)):
        head.append(line)
        text = _text(head)
        state = _state(text) if len(text) <= MAX_BYTES else BROKEN

    if len(head) == 1 and state != UNFINISHED:
        following = () if live else tuple(islice(lines, 1))
        if live or following:
            return _after([*head, *following], lines)
    elif state == BROKEN and _is_object(
        head[-1]
    ):  # the first line was cut short, and the next one is a whole value
        return _after(head, lines)
    elif state == WHOLE:
        for number, _ in lines:
            at = Place(file, f"line {number}")
            raise at.error("more text after the object", "one object, or one on each line")
    return parse_json(_text(head), file)


def parse_line(line: Line, file: str) -> object:
    """Parse the JSON value of a line. Raises `DataError`."""
    number, text = line
    return parse_json(text, f"{file} line {number}")


def in_portions_of(size: int, portions: Iterator[list[Line]]) -> Iterator[list[Line]]:
    """Regroup lines into lists of `size`; the last may be shorter. Blocks until a list is full."""
    lines = (line for portion in portions for line in portion)
    return iter(lambda: list(islice(lines, size)), [])


def _after(head: list[Line], lines: Lines) -> Iterator[list[Line]]:
    """Portions that begin with the lines already read."""
    lines.ready.extendleft(reversed(head))
    return lines.portions()


def _text(lines: list[Line]) -> bytes:
    """Join lines with the blank lines between them, so that the place of an error is its place in the file."""
    text, before = b"", 0
    for number, line in lines:
        text += b"\n" * (number - before - 1) + line + b"\n"
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
