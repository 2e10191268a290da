"""A kind of puzzle: its symbols and cells, which cells see which, and what leaves it the same puzzle.

A task of your own is a small class. Here are Latin squares of 3 × 3, of which each head sees rows or columns:

    class Latin(Task):
        def __init__(self):
            row, column = np.divmod(np.arange(9), 3)
            sees = np.stack([key[:, None] == key for key in (row, column)])
            super().__init__("latin3", ".abc", 3, 3, sees)

        def fault(self, board):
            lines = [*board.reshape(3, 3), *board.reshape(3, 3).T]
            return "a letter twice" if any(len(set(line[line > 0])) < (line > 0).sum() for line in lines) else ""

A model for them has two heads. Symmetries make few puzzles many: `draw_symmetries` of Sudoku (sudoku.py) is an example.
Where a question itself says who sees whom, there is `sees_in`: walls of mazes (maze.py) block the view.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trm_np.data.tables import Bools, Ints

# (S,), or (N, S) for many: of each cell the place of its symbol among the task's, 0 for a blank.
Board = NDArray[np.uint8]
BLANK = 0


class Symmetries(NamedTuple):
    """K symmetries: new[i] = symbols[old[cells[i]]], for cells (K, S) and symbols (K, V)."""

    cells: Ints
    symbols: Ints

    def applied(self, boards: NDArray[Any]) -> Ints:
        """Each to one of K boards (K, S)."""
        moved = np.take_along_axis(boards.astype(np.int64), self.cells, axis=1)
        return np.take_along_axis(self.symbols, moved, axis=1)


class Effort(NamedTuple):
    """Effort of a person for a puzzle: rounds of the simplest reasoning, and guesses where that is not enough.

    Where another number says how hard a puzzle is, it stands in place of rounds, and `effort_in` of the task names it.
    """

    rounds: int
    guesses: int


class Task:
    """A kind of puzzle. `symbols` are written as one character each, first the blank, which an answer fills.

    Cells stand in `rows` × `columns`. `sees` (heads, S, S) is True where a head of the model may look, from cell to
    cell; `rules` say what is allowed. Below is what a task may know of itself: without it, it has no symmetries, no
    rules, and one difficulty.
    """

    effort_in = "rounds"
    simplest = ""  # the name of the simplest reasoning, if guesses are counted where it is not enough

    def __init__(
        self, name: str, symbols: str, rows: int, columns: int, sees: Bools, rules: str = "anything"
    ) -> None:
        cells = rows * columns
        if sees.ndim != 3 or sees.shape[1:] != (cells, cells):
            raise ValueError(f"{name}: sees has shape {sees.shape}; needed: (heads, {cells}, {cells})")
        if len(set(symbols)) != len(symbols) or len(symbols) < 2:
            raise ValueError(f"{name}: symbols are {symbols!r}; needed: a blank and others, each once")
        self.name, self.symbols, self.rules = name, symbols, rules
        self.rows, self.columns, self.cells = rows, columns, cells
        self.sees = sees

    def sees_in(self, questions: Board) -> Bools:
        """`sees`, or (B, heads, S, S) where what stands in each of B questions (B, S) blocks the view."""
        return self.sees

    def draw_symmetries(self, rng: np.random.Generator, count: int) -> Symmetries:
        """So many, each drawn evenly from all that leave every puzzle of this kind one of this kind."""
        identity = np.arange(self.cells), np.arange(len(self.symbols))
        return Symmetries(*(np.tile(each, (count, 1)) for each in identity))

    def canonical(self, question: Board) -> bytes:
        """The same for two questions if, and only if, a symmetry makes one of the other."""
        return question.tobytes()

    def fault(self, board: Board) -> str:
        """Which rule a board breaks, and where; empty if none, blanks or not."""
        return ""

    def broken(self, boards: Board) -> Bools:
        """Which of N boards (N, S) break a rule."""
        return np.array([self.fault(board) != "" for board in boards], bool)

    def solutions(self, question: Board, most: int = 2) -> list[Board]:
        """At most so many answers; a task without a solver has none."""
        return []

    def generate(self, rng: np.random.Generator, extra: int = 0) -> tuple[Board, Board]:
        """A question with one answer, and that; `extra` makes it easier. Raises NotImplementedError."""
        raise NotImplementedError(f"{self.name}: no generator")

    def effort(self, question: Board, answer: Board) -> Effort:
        """How hard a puzzle is for a person."""
        return Effort(0, 0)

    def place(self, cell: int) -> str:
        """Where a cell is, in words."""
        row, column = divmod(cell, self.columns)
        return f"row {row + 1} column {column + 1}"

    def text(self, board: Sequence[int] | NDArray[Any]) -> str:
        """A board on one line."""
        return "".join(self.symbols[each] for each in board)
