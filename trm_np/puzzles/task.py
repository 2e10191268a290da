"""A kind of puzzle: its symbols, its cells, which cells see each other, and its symmetries.

You can write a task of your own as a small class. This one is for Latin squares of 3 × 3, with a head for rows and one
for columns:

    class Latin(Task):
        def __init__(self):
            row, column = np.divmod(np.arange(9), 3)
            sees = np.stack([key[:, None] == key for key in (row, column)])
            super().__init__("latin3", ".abc", 3, 3, sees)

        def fault(self, board):
            lines = [*board.reshape(3, 3), *board.reshape(3, 3).T]
            return "a letter twice" if any(len(set(line[line > 0])) < (line > 0).sum() for line in lines) else ""

Its models have two heads. Override `draw_symmetries` to augment the data, as sudoku.py does. Override `sees_in` if the
question decides which cells see each other: in maze.py, walls block the view.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trm_np.data.tables import Bools, Ints

# The index of the symbol in each cell, 0 for a blank: (S,) for one board, (N, S) for many.
Board = NDArray[np.uint8]
BLANK = 0


class Symmetries(NamedTuple):
    """K symmetries: new[i] = symbols[old[cells[i]]], for cells (K, S) and symbols (K, V)."""

    cells: Ints
    symbols: Ints

    def applied(self, boards: NDArray[Any]) -> Ints:
        """Apply each symmetry to one of K boards (K, S)."""
        moved = np.take_along_axis(boards.astype(np.int64), self.cells, axis=1)
        return np.take_along_axis(self.symbols, moved, axis=1)


class Effort(NamedTuple):
    """The effort of a person for a puzzle: rounds of the simplest reasoning, and guesses if that is not enough.

    A task may count something else in place of rounds, which its `effort_in` names.
    """

    rounds: int
    guesses: int


class Task:
    """A kind of puzzle. `symbols` has one character per symbol; the first is the blank, which an answer fills.

    Cells are in `rows` × `columns`. `sees` (heads, S, S) is True where a head may look from the first cell to the
    second. `rules` describe what is allowed, for messages. All methods may be overridden. By default, a task has no
    symmetries, no rules, no solver, no generator and no differences in difficulty.
    """

    effort_in = "rounds"
    simplest = ""  # name of the simplest reasoning, if `effort` counts guesses

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
        """`sees`, or an array (B, heads, S, S) if the view depends on the questions (B, S)."""
        return self.sees

    def draw_symmetries(self, rng: np.random.Generator, count: int) -> Symmetries:
        """Draw `count` symmetries uniformly from all that map puzzles of this kind to puzzles of this kind."""
        identity = np.arange(self.cells), np.arange(len(self.symbols))
        return Symmetries(*(np.tile(each, (count, 1)) for each in identity))

    def canonical(self, question: Board) -> bytes:
        """A form that is equal for two questions if and only if a symmetry maps one to the other."""
        return question.tobytes()

    def fault(self, board: Board) -> str:
        """The rule that a board breaks, and where, or "" if it breaks none. Blanks break no rule."""
        return ""

    def broken(self, boards: Board) -> Bools:
        """Mark those of N boards (N, S) that break a rule."""
        return np.array([self.fault(board) != "" for board in boards], bool)

    def solutions(self, question: Board, most: int = 2) -> list[Board]:
        """Find at most `most` answers. A task without a solver finds none."""
        return []

    def generate(self, rng: np.random.Generator, extra: int = 0) -> tuple[Board, Board]:
        """Generate a question with one answer, and the answer. `extra` makes it easier. Raises NotImplementedError."""
        raise NotImplementedError(f"{self.name}: no generator")

    def effort(self, question: Board, answer: Board) -> Effort:
        """The effort of a person for a puzzle."""
        return Effort(0, 0)

    def place(self, cell: int) -> str:
        """The place of a cell in words."""
        row, column = divmod(cell, self.columns)
        return f"row {row + 1} column {column + 1}"

    def text(self, board: Sequence[int] | NDArray[Any]) -> str:
        """A board as one line of text."""
        return "".join(self.symbols[each] for each in board)
