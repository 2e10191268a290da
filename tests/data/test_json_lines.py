"""One JSON value or one per line: telling them apart, line numbers, and reading no further than needed."""

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trm_np.data import json_lines, strict_json
from trm_np.data.json_lines import MOST_LINES, PIECE, in_portions_of, parse_line, read_json_or_lines
from trm_np.data.problems import DataError

VALUES = st.dictionaries(
    st.text(max_size=3), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
)


def read(text: str, live: bool = False) -> object:
    """The value, or the list of lines as (number, value). An error is represented by its message."""
    found = read_json_or_lines(io.BytesIO(text.encode()), "f", live)
    if not isinstance(found, Iterator):
        return found
    return [(line[0], attempt(line)) for portion in found for line in portion]


def attempt(line: tuple[int, bytes]) -> object:
    try:
        return parse_line(line, "f")
    except DataError as error:
        return str(error)


@given(st.lists(VALUES, min_size=2, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_each_line_is_returned_with_its_number(values: list[object], live: bool, end: str) -> None:
    text = end.join(map(json.dumps, values))
    step = 2 if end == "\n\n" else 1
    assert read(text, live) == [(1 + step * index, value) for index, value in enumerate(values)]


@given(VALUES.filter(len), st.integers(0, 4), st.booleans())
def test_a_value_may_span_several_lines(value: object, indent: int, live: bool) -> None:
    assert read(json.dumps(value, indent=indent) + "\n\n", live) == value


def test_one_line_is_a_value_in_a_file_and_a_line_in_a_live_stream() -> None:
    assert read('{"age": 3}\n') == {"age": 3}
    assert read('{"age": 3}', live=True) == [(1, {"age": 3})]


class Pipe:
    """A pipe whose pieces arrive one by one. The next may be read only once the last one is answered."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = [piece.encode() for piece in pieces]
        self.is_answered = True

    def read1(self, size: int, /) -> bytes:
        assert self.is_answered, "more was asked for before the last piece was answered"
        if not self.pieces:
            return b""
        self.is_answered = not self.pieces[0].endswith(b"\n")  # half a line has no answer
        return self.pieces.pop(0)


@pytest.mark.parametrize("first", ['{"age": 1}', "nonsense", "3"])
def test_a_live_stream_is_not_read_ahead(first: str) -> None:
    pipe = Pipe(f"{first}\n", '{"age": 2}\n{"age": 3}\n{"ag', 'e": 4}\n')
    portions = read_json_or_lines(pipe, "f", live=True)
    assert isinstance(portions, Iterator)
    sizes = []
    for portion in portions:
        sizes.append(len(portion))
        pipe.is_answered = True
    assert sizes == [1, 2, 1]


class InPieces(io.BytesIO):
    """A stream that returns at most `size` bytes at a time."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self.most = most

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read(self.most)


@given(st.lists(VALUES, min_size=2, max_size=6), st.integers(1, 40))
def test_lines_do_not_depend_on_how_the_bytes_arrive(values: list[object], size: int) -> None:
    text = "\n".join(map(json.dumps, values))
    portions = read_json_or_lines(InPieces(text.encode(), size), "f", live=True)
    assert isinstance(portions, Iterator)
    assert [line for portion in portions for line in portion] == [
        (number, line.encode()) for number, line in enumerate(text.split("\n"), 1)
    ]


def test_a_bad_line_is_an_error_and_reading_continues() -> None:
    for live in (False, True):
        assert read('{"a": 1}\n{"a": \n\xff\n{"a": 2}', live) == [
            (1, {"a": 1}),
            (2, "f line 2: line 1 column 7: found text that is not JSON (Expecting value); allowed: JSON"),
            (3, "f line 3: line 1 column 1: found text that is not JSON (Expecting value); allowed: JSON"),
            (4, {"a": 2}),
        ]


def test_a_truncated_first_line_is_a_bad_line_if_an_object_follows() -> None:
    for live in (False, True):
        found = read('{"a": 1\n{"a": 2}\n{"a": 3}', live)
        assert isinstance(found, list)
        assert [number for number, _ in found] == [1, 2, 3]
        assert str(found[0][1]).startswith("f line 1: ") and [value for _, value in found[1:]] == [
            {"a": 2},
            {"a": 3},
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: found an empty file"),
        (" \n\n", "f: found an empty file"),
        ("nonsense", "f: line 1 column 1: found text that is not JSON"),
        ('{"a": 1,\n"b": }\n', "f: line 2 column 6: found text that is not JSON"),
        ('\n\n{"a": [\n"x"\n"y"]}', "f: line 5 column 1: found text that is not JSON"),
        ('{"a":\n', "f: line 2 column 1: found text that is not JSON"),
        (
            '{"a":\n1}\n\n{"a": 2}',
            "f: line 4: found more text after the object; allowed: one object, or one on",
        ),
        ("[\n" * 2 * MOST_LINES, "f: "),
    ],
)
def test_text_that_is_neither_a_value_nor_lines_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DataError) as refused:
        read(text)
    assert str(refused.value).startswith(message)


class Endless:
    """A stream like /dev/zero, whose first line never ends."""

    read_so_far = 0

    def read1(self, size: int, /) -> bytes:
        self.read_so_far += size
        assert self.read_so_far < 3 * PIECE, "it reads on"
        return b"0" * size


@pytest.mark.parametrize("live", [False, True])
def test_a_line_without_end_is_refused(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_BYTES", 100)
    with pytest.raises(DataError, match=r"^f: line 1: found more than 64 MB; allowed: at most 64 MB$"):
        read_json_or_lines(Endless(), "f", live)
    text = b'{"a": 1}\n' + b" " * 101 + b'{"a": 2}\n{"a": 3}\n'
    lines = read_json_or_lines(InPieces(text, 9), "f", live=True)
    assert isinstance(lines, Iterator)
    assert [attempt(line) for line in next(lines)] == [{"a": 1}]
    with pytest.raises(DataError, match=r"^f: line 2: found more than 64 MB"):
        next(lines)


def test_lines_before_a_too_long_one_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if they come in one piece with it."""
    monkeypatch.setattr(json_lines, "MAX_BYTES", 100)
    lines = read_json_or_lines(io.BytesIO(b"{}\n" * 3 + b" " * 101 + b"\n{}\n"), "f", live=True)
    assert isinstance(lines, Iterator)
    assert [number for number, _ in next(lines)] == [1, 2, 3]
    with pytest.raises(DataError, match=r"^f: line 4: found more than 64 MB"):
        next(lines)


def test_a_value_over_several_lines_may_not_be_larger_than_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (json_lines, strict_json):
        monkeypatch.setattr(module, "MAX_BYTES", 100)
    lines = "[" + "1,\n" * 32
    assert read(f"{lines}1]") == [1] * 33
    stream = InPieces(f"{lines * 10}1]".encode(), 3)
    with pytest.raises(DataError, match=r"^f: found more than 64 MB"):
        read_json_or_lines(stream, "f", live=False)
    assert stream.tell() < 110  # no more than it takes to know


def test_a_line_that_is_not_utf8_is_a_bad_line() -> None:
    stream = io.BytesIO(b'{"a": 1}\n{"a": "\xff"}\n')
    lines = read_json_or_lines(stream, "f", live=True)
    assert isinstance(lines, Iterator)
    assert [attempt(line) for portion in lines for line in portion] == [
        {"a": 1},
        "f line 2: byte 7: found text that is not UTF-8; allowed: UTF-8",
    ]


def test_a_byte_order_mark_is_accepted_before_lines() -> None:
    assert read('\ufeff{"a": 1}\n{"a": 2}') == [(1, {"a": 1}), (2, {"a": 2})]
    assert read('\ufeff{"a":\n1}') == {"a": 1}


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.just(b"{}")), max_size=5), max_size=6),
    st.integers(1, 7),
)
def test_portions_of_a_size_hold_the_same_lines(portions: list[list[tuple[int, bytes]]], size: int) -> None:
    found = list(in_portions_of(size, iter(portions)))
    assert [line for portion in found for line in portion] == [
        line for portion in portions for line in portion
    ]
    assert all(len(portion) == size for portion in found[:-1]) and all(found)
