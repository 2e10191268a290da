"""Read files of puzzles: one board per line, or CSV with `puzzle,solution` or `source,question,answer,rating`.

Files are read and checked in portions, so they may have any length.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np

from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.strict_json import opened
from trm_np.data.tables import Bools
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.task import BLANK, Board, Task
from trm_np.text import shown

HEADERS = (("puzzle", "solution"), ("question", "answer"))  # names of the two columns that are read
PORTION = 4096  # lines checked at once
LONGEST_LINE = 4096  # bytes
ZERO = "0"  # another sign for a blank, unless it is a symbol
NO_SYMBOL = 255

Line = tuple[int, str]  # the line's number, from 1, and its text


class Portion(NamedTuple):
    """N puzzles of a file: their line numbers, questions (N, S), and answers (N, S) if the file has them."""

    lines: list[int]
    questions: Board
    answers: Board | None

    def first(self, most: int | None) -> "Portion":
        """The first puzzles, at most `most`."""
        answers = None if self.answers is None else self.answers[:most]
        return Portion(self.lines[:most], self.questions[:most], answers)


def read_portions(path: str | os.PathLike[str], task: Task) -> Iterator[Portion]:
    """Read and check the puzzles of a file. Raises `DataError` with all problems of the first bad portion."""
    at = Place(str(path))
    with opened(path) as file:
        yield from portions_of(file, at, task)


def portions_of(file: BinaryIO, at: Place, task: Task) -> Iterator[Portion]:
    """Read and check the puzzles of an open file, pipe or terminal. Raises `DataError` like `read_portions`."""
    lines = text_lines(file, at)
    first = next(lines, None)
    if first is None:
        raise DataError([at.problem("no puzzle", f"a board of {task.cells} characters on each line")])
    columns = columns_of(first, at) if "," in first[1] else None
    rest = lines if columns else chained(first, lines)
    width = len(cells_of(first, at))
    empty = True
    while some := list(islice(rest, PORTION)):
        empty = False
        numbers = [number for number, _ in some]
        if columns is None:
            yield Portion(numbers, boards_of([text for _, text in some], numbers, at, task), None)
            continue
        rows = [cells_of(line, at, width) for line in some]
        question, answer = ([row[column] for row in rows] for column in columns)
        questions = boards_of(question, numbers, at, task)
        answers = boards_of(answer, numbers, at, task)
        refuse_wrong_answers(questions, answers, numbers, at, task)
        yield Portion(numbers, questions, answers)
    if empty:
        raise DataError([at.problem("a header and no puzzle", "a puzzle on each line after it")])


def read_puzzles(path: str | os.PathLike[str], task: Task, most: int | None = None) -> Puzzles:
    """Read the first puzzles of a file. Answers that it lacks are computed. Raises `DataError`."""
    questions, answers, left = [], [], most
    for portion in read_portions(path, task):
        taken = portion.first(left)
        questions.append(taken.questions)
        answers.append(taken.answers if taken.answers is not None else answered(taken, str(path), task))
        left = None if left is None else left - len(taken.lines)
        if left == 0:
            break
    return Puzzles.of(task, np.concatenate(questions), np.concatenate(answers))


def answered(portion: Portion, file: str, task: Task) -> Board:
    """Solve each puzzle. Raises `DataError` for puzzles without exactly one answer."""
    found = [task.solutions(question) for question in portion.questions]
    refuse(
        Place(file, f"line {line}").problem(
            "no solution" if not solutions else "more than one solution", "a puzzle with one solution"
        )
        for line, solutions in zip(portion.lines, found, strict=True)
        if len(solutions) != 1
    )
    return np.stack([solutions[0] for solutions in found])


def csv_of(task: Task, puzzles: Puzzles) -> bytes:
    """Encode puzzles as CSV with `puzzle,solution`."""
    pairs = zip(puzzles.questions, puzzles.answers, strict=True)
    rows = (f"{task.text(question)},{task.text(answer)}\n" for question, answer in pairs)
    return "".join([f"{','.join(HEADERS[0])}\n", *rows]).encode()


# --------------------------------------------------------------------------------------------------- lines


def text_lines(file: BinaryIO, at: Place) -> Iterator[Line]:
    """Yield the lines that are not blank."""
    number = 0
    while data := file.readline(LONGEST_LINE + 1):
        number += 1
        here = Place(at.file, f"line {number}")
        if len(data) > LONGEST_LINE:
            raise DataError([here.problem(f"more than {LONGEST_LINE:,} bytes", "a board on each line")])
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise DataError([here.problem("text that is not UTF-8", "UTF-8")]) from None
        if text:
            yield number, text


def chained(first: Line, rest: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from rest


def columns_of(header: Line, at: Place) -> tuple[int, int]:
    """The positions of question and answer in CSV with this header."""
    number, text = header
    names = [name.strip().lower() for name in cells_of(header, at)]
    for question, answer in HEADERS:
        if names.count(question) == names.count(answer) == 1:
            return names.index(question), names.index(answer)
    allowed = f"{' or '.join(map(','.join, HEADERS))} among the columns, each once"
    raise DataError([Place(at.file, f"line {number}").problem(f"the header {shown(text)}", allowed)])


def cells_of(line: Line, at: Place, width: int | None = None) -> list[str]:
    """The cells of a line of CSV. Raises `DataError` if their number is not `width`."""
    number, text = line
    here = Place(at.file, f"line {number}")
    try:
        cells = next(csv.reader([text])) if '"' in text else text.split(",")
    except csv.Error as error:
        raise DataError([here.problem(f"text that is not CSV ({error})", "CSV")]) from error
    if width is not None and len(cells) != width:
        raise DataError([here.problem(f"a line of {len(cells)}", f"{width} cells, as in the header")])
    return cells


# -------------------------------------------------------------------------------------------------- boards


def boards_of(texts: list[str], numbers: list[int], at: Place, task: Task) -> Board:
    """Parse boards (N, S). Raises `DataError` with all texts that are not a board or break a rule."""
    refuse(
        place_of(at, number).problem(f"a board of {len(text)} characters", f"{task.cells}")
        for text, number in zip(texts, numbers, strict=True)
        if len(text) != task.cells
    )
    codes = np.array(texts).view(np.uint32).reshape(len(texts), -1)[:, : task.cells]
    boards = symbol_table(task)[np.minimum(codes, 255)]
    refuse(unknown_symbols(boards, texts, numbers, at, task))
    refuse(
        place_of(at, numbers[row]).problem(task.fault(boards[row]), task.rules)
        for row in np.flatnonzero(task.broken(boards)).tolist()
    )
    return boards


def symbol_table(task: Task) -> Board:
    """The index of each symbol by the code of its character; NO_SYMBOL for other codes."""
    table = np.full(256, NO_SYMBOL, np.uint8)
    if ZERO not in task.symbols:
        table[ord(ZERO)] = BLANK
    for place, symbol in enumerate(task.symbols):
        table[ord(symbol)] = place
    return table


def unknown_symbols(
    boards: Board, texts: list[str], numbers: list[int], at: Place, task: Task
) -> Iterator[Problem]:
    """A problem for the first character of each board that is not a symbol."""
    blanks = task.symbols[BLANK] if ZERO in task.symbols else f"{task.symbols[BLANK]} or {ZERO}"
    allowed = f"{' '.join(task.symbols[1:])}, and {blanks} for a blank"
    unknown: Bools = boards == NO_SYMBOL
    for row in np.flatnonzero(unknown.any(axis=1)).tolist():
        cell = int(unknown[row].argmax())
        yield place_of(at, numbers[row]).problem(f"{shown(texts[row][cell])} at {task.place(cell)}", allowed)


def refuse_wrong_answers(questions: Board, answers: Board, numbers: list[int], at: Place, task: Task) -> None:
    blank, other = answers == BLANK, (answers != questions) & (questions != BLANK)
    for wrong, found, allowed in (
        (blank, "an answer with a blank", "a symbol in every cell"),
        (other, "an answer that changes the question", "an answer that keeps what is given"),
    ):
        refuse(
            place_of(at, numbers[row]).problem(f"{found} at {task.place(int(wrong[row].argmax()))}", allowed)
            for row in np.flatnonzero(wrong.any(axis=1)).tolist()
        )


def place_of(at: Place, number: int) -> Place:
    """The place of a line in a file, or of the whole source if the number is 0."""
    return Place(at.file, f"line {number}") if number else at


def board_from(text: str, task: Task, name: str) -> Board:
    """Parse one board, such as an argument of a command. `name` names it in a `DataError`."""
    board: Board = boards_of([text.strip()], [0], Place(name), task)[0]
    return board


def refuse(problems: Iterable[Problem]) -> None:
    found = list(problems)
    if found:
        raise DataError(found)
