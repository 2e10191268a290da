"""Files of puzzles: every format, any length, and refusals with the line."""

import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.puzzles import bad_files
from trm_np.data.problems import DataError, Place
from trm_np.puzzles.files import PORTION, board_from, csv_of, portions_of, read_portions, read_puzzles
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.sudoku import SUDOKU_6, SUDOKU_9

PUZZLES = make_puzzles(SUDOKU_6, 12, np.random.default_rng(0))
PAIRS = [
    (SUDOKU_6.text(question), SUDOKU_6.text(answer))
    for question, answer in zip(PUZZLES.questions, PUZZLES.answers, strict=True)
]
FORMS = {
    "a board a line": "".join(f"{q}\n" for q, _ in PAIRS),
    "noughts": "".join(f"{q.replace('.', '0')}\n" for q, _ in PAIRS),
    "no end of line at the end": "\n".join(q for q, _ in PAIRS),
    "Windows": "".join(f"{q}\r\n" for q, _ in PAIRS),
    "byte order mark": "\ufeff" + "".join(f"{q}\n" for q, _ in PAIRS),
    "blank lines": "\n" + "".join(f"  {q} \n\n" for q, _ in PAIRS),
    "puzzle,solution": "puzzle,solution\n" + "".join(f"{q},{a}\n" for q, a in PAIRS),
    "published": "source,question,answer,rating\n" + "".join(f"puzzles0,{q},{a},7\n" for q, a in PAIRS),
    "in another order": "Solution,id,Puzzle\n" + "".join(f"{a},5,{q}\n" for q, a in PAIRS),
    "quoted": "source,question,answer,rating\n" + "".join(f'"a, b","{q}",{a},7\n' for q, a in PAIRS),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_in_each_format(form: str, tmp_path: Path) -> None:
    path = tmp_path / "puzzles"
    path.write_bytes(FORMS[form].encode())
    found = read_puzzles(path, SUDOKU_6)
    assert np.array_equal(found.questions, PUZZLES.questions)
    assert np.array_equal(found.answers, PUZZLES.answers)
    assert np.array_equal(found.rounds, PUZZLES.rounds)


def test_puzzles_are_written_as_common_csv() -> None:
    assert csv_of(SUDOKU_6, PUZZLES).decode() == FORMS["puzzle,solution"]


def test_only_the_first_puzzles_of_a_long_file_are_used(tmp_path: Path) -> None:
    (tmp_path / "puzzles").write_text(FORMS["published"])
    found = read_puzzles(tmp_path / "puzzles", SUDOKU_6, most=5)
    assert np.array_equal(found.questions, PUZZLES.questions[:5])
    (tmp_path / "boards").write_text(f"{PAIRS[0][0]}\n{'.' * 36}\n")  # the second has many solutions
    assert len(read_puzzles(tmp_path / "boards", SUDOKU_6, most=1)) == 1


def test_each_of_many_faulty_files_is_refused_as_expected(tmp_path: Path) -> None:
    assert bad_files.listing(tmp_path) == bad_files.EXPECTED.read_text(encoding="utf-8")
    assert len(list(bad_files.bad_files())) >= 60
    assert "  nothing\n" not in bad_files.EXPECTED.read_text(encoding="utf-8")


@given(st.binary(max_size=400) | st.text('0123456789.,\n"puzle,solution', max_size=400).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_line(content: bytes) -> None:
    try:
        for portion in portions_of(BytesIO(content), Place("FILE"), SUDOKU_6):
            assert not SUDOKU_6.broken(portion.questions).any()
    except DataError as error:
        assert str(error).startswith(("FILE: line ", "FILE: found no puzzle", "FILE: found a header"))
        assert "\n" not in str(error)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        next(read_portions(tmp_path / "none", SUDOKU_6))


def test_line_numbers_count_from_the_start_of_the_file() -> None:
    question = PAIRS[0][0]
    content = f"{question}\n" * (PORTION + 7) + f"{question[:-1]}7\n"
    with pytest.raises(DataError, match=f"line {PORTION + 8}: "):
        list(portions_of(BytesIO(content.encode()), Place("FILE"), SUDOKU_6))


class Endless(BytesIO):
    """A file with many lines that does not store them."""

    def __init__(self, header: bytes, line: bytes, lines: int) -> None:
        self.header, self.line, self.left = header, line, lines

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.header:
            header, self.header = self.header, b""
            return header
        self.left -= 1
        return self.line if self.left >= 0 else b""


def peak(lines: int) -> int:
    """The peak memory in bytes of reading this number of lines."""
    file = Endless(b"source,question,answer,rating\n", f"x,{PAIRS[0][0]},{PAIRS[0][1]},3\n".encode(), lines)
    tracemalloc.start()
    try:
        read = sum(len(portion.lines) for portion in portions_of(file, Place("FILE"), SUDOKU_6))
        assert read == lines
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_longer_file_takes_no_more_memory() -> None:
    assert peak(8 * PORTION) < 1.2 * peak(2 * PORTION)


def test_one_board_is_refused_without_a_line() -> None:
    assert SUDOKU_9.text(board_from("." * 81, SUDOKU_9, "BOARD")) == "." * 81
    with pytest.raises(DataError, match=r"^BOARD: found a board of 80 characters; allowed: 81$"):
        board_from("." * 80, SUDOKU_9, "BOARD")
