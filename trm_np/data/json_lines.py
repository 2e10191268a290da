"""One JSON value, or one on each line: told apart without waiting for more lines than that takes."""

import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from trm_np.data.problems import DataError, Place
from trm_np.data.strict_json import MAX_BYTES, parse_json

MOST_LINES = 1000  # over which one value may stretch
PIECE = 2**16  # bytes read at a time
WHOLE, UNFINISHED, BROKEN = range(3)  # what a text can be as JSON

Line = tuple[int, bytes]  # its number, from 1, and its text, which is not blank


class Stream(Protocol):
    """A binary file or pipe."""

    def read1(self, size: int, /) -> bytes:
        """Read at most `size` bytes. Wait only if none are there; return none at the end."""


class Lines:
    """Lines of a stream that are not blank: one by one, or all at once that can be read without waiting."""

    def __init__(self, stream: Stream, file: str) -> None:
        self.stream, self.file = stream, file
        self.ready: deque[Line] = deque()
        self.number = 0
        self.begun = bytearray()  # of a line whose end has not been read

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        while not self.ready:
            self._read()
        return self.ready.popleft()

    def portions(self) -> Iterator[list[Line]]:
        """Yield the remaining lines in lists, as they arrive."""
        for line in self:
            portion = [line, *self.ready]
            self.ready.clear()
            yield portion

    def _read(self) -> None:
        """Read on; raises StopIteration at the end, `DataError` for a line of more than 64 MB, OSError by name."""
        if len(self.begun) > MAX_BYTES:
            at = Place(self.file, f"line {self.number + 1}")
            raise DataError([at.problem("more than 64 MB", "at most 64 MB")])
        try:
            piece = self.stream.read1(PIECE)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.file) from error
        if not piece and not self.begun:
            raise StopIteration
        ended, *others = piece.split(b"\n") if piece else (b"", b"")
        self.begun += ended
        for text in others:
            if len(self.begun) > MAX_BYTES:
                return  # to those who want the lines before it; then it is refused
            self.number += 1
            if self.begun.strip():
                self.ready.append((self.number, bytes(self.begun)))
            self.begun = bytearray(text)


def read_json_or_lines(stream: Stream, file: str, live: bool) -> object | Iterator[list[Line]]:
    """The one JSON value that the stream holds, or its lines, if each is to be a value, in the portions that come.

    A first line that is no unfinished value makes it lines: at once if the stream is `live`, so that whoever waits
    for the answer to that line gets it; otherwise only if another line follows. Blank lines are skipped. Raises
    `DataError` if there is no value, or only one that is not JSON or that is followed by something; and, from the
    iterator too, for a line of more than 64 MB, after which nothing can be read.
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
    elif state == BROKEN and _is_object(head[-1]):  # the first line was cut short, and the next is another
        return _after(head, lines)
    elif state == WHOLE:
        for number, _ in lines:
            at = Place(file, f"line {number}")
            raise DataError([at.problem("more text after the object", "one object, or one on each line")])
    return parse_json(_text(head), file)


def parse_line(line: Line, file: str) -> object:
    """The JSON value of a line; raises `DataError`."""
    number, text = line
    return parse_json(text, f"{file} line {number}")


def in_portions_of(size: int, portions: Iterator[list[Line]]) -> Iterator[list[Line]]:
    """The same lines, so many at a time, waited for."""
    lines = (line for portion in portions for line in portion)
    return iter(lambda: list(islice(lines, size)), [])


def _after(head: list[Line], lines: Lines) -> Iterator[list[Line]]:
    """Lines that have been read, and those that can be had with them; then the rest."""
    lines.ready.extendleft(reversed(head))
    return lines.portions()


def _text(lines: list[Line]) -> bytes:
    """The lines as they stood, so that the place of an error is that in the file."""
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
