"""Mazes: find the way from start to goal.

Rooms are on every other row and column. Between two neighbouring rooms is a wall or an opening. Open cells are blanks
of the question, and the answer marks each blank as on or off the way.
"""

import numpy as np

from trm_np.data.tables import Bools
from trm_np.puzzles.task import BLANK, Board, Effort, Symmetries, Task

SYMBOLS = ".#SGxo"
WALL, START, GOAL, WAY, OFF = range(1, len(SYMBOLS))
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # rows down, columns to the right


class Maze(Task):
    """Perfect mazes of `rooms` × `rooms` rooms, with exactly one way between any two open cells.

    A model has four heads. Each sees the next cell in one direction if it is open, and nothing if it is a wall.
    """

    effort_in = "steps of the way"

    def __init__(self, rooms: int) -> None:
        if rooms < 2:
            raise ValueError(f"a maze of {rooms} × {rooms} rooms; needed: 2 × 2 at least")
        side = 2 * rooms - 1
        row, column = np.divmod(np.arange(side**2), side)
        down, right = row - row[:, None], column - column[:, None]
        sees = np.stack([(down == rows) & (right == columns) for rows, columns in DIRECTIONS])
        rules = (
            "one start, one goal, one way from any open cell to any other, and x on that from start to goal"
        )
        super().__init__(f"maze{rooms}", SYMBOLS, side, side, sees, rules)
        beside: Bools = np.asarray(sees.any(axis=0))
        self.beside: list[list[int]] = [np.flatnonzero(each).tolist() for each in beside]
        grid = np.arange(side**2).reshape(side, side)
        self.rooms_at: list[int] = grid[::2, ::2].reshape(-1).tolist()
        self.turned = np.array([np.rot90(each, k).reshape(-1) for each in (grid, grid.T) for k in range(4)])

    def sees_in(self, questions: Board) -> Bools:
        found: Bools = self.sees & (questions != WALL)[:, None, None, :]
        return found

    # ---------------------------------------------------------------------------------------------- solving

    def fault(self, board: Board) -> str:
        cells = board.tolist()
        for symbol, name in ((START, "start"), (GOAL, "goal")):
            if cells.count(symbol) != 1:
                return f"{cells.count(symbol)} cells are the {name}"
        before = self._reached(cells)
        for cell, symbol in enumerate(cells):
            if symbol != WALL and cell not in before:
                return f"no way to {self.place(cell)}"
        for cell in before:
            known = [other for other in self.beside[cell] if other in before]
            if any(before[other] != cell and before[cell] != other for other in known):
                return f"two ways to {self.place(cell)}"
        way = self._way(cells)
        for cell, symbol in enumerate(cells):
            if symbol == (OFF if cell in way else WAY):
                return (
                    f"{self.symbols[symbol]} at {self.place(cell)}, {'on' if cell in way else 'off'} the way"
                )
        return ""

    def _reached(self, cells: list[int]) -> dict[int, int]:
        """The cells that can be reached from the start, each with its predecessor."""
        start = cells.index(START)
        before, ahead = {start: start}, [start]
        while ahead:
            cell = ahead.pop()
            new = [other for other in self.beside[cell] if cells[other] != WALL and other not in before]
            before.update(dict.fromkeys(new, cell))
            ahead += new
        return before

    def _way(self, cells: list[int]) -> list[int]:
        """The cells of the way, from the goal back to the start."""
        before, way = self._reached(cells), [cells.index(GOAL)]
        while before[way[-1]] != way[-1]:
            way.append(before[way[-1]])
        return way

    def solutions(self, question: Board, most: int = 2) -> list[Board]:
        return [] if self.fault(question) else [self._answer(question)]

    def _answer(self, question: Board) -> Board:
        answer = np.where(question == BLANK, OFF, question).astype(np.uint8)
        answer[self._way(question.tolist())[1:-1]] = WAY
        return answer

    def effort(self, question: Board, answer: Board) -> Effort:
        """The length of the way, in steps from cell to cell."""
        return Effort(len(self._way(question.tolist())) - 1, 0)

    # ----------------------------------------------------------------------------------------------- generating

    def generate(self, rng: np.random.Generator, extra: int = 0) -> tuple[Board, Board]:
        """Generate a maze by random depth-first search. At most `extra` blanks are filled with their answer."""
        question = np.full(self.cells, WALL, np.uint8)
        path: list[int] = [self.rooms_at[rng.integers(len(self.rooms_at))]]
        question[path] = BLANK
        while path:
            doors = [(door, 2 * door - path[-1]) for door in self.beside[path[-1]]]
            ahead = [(door, room) for door, room in doors if question[room] == WALL]
            if ahead:
                door, room = ahead[rng.integers(len(ahead))]
                question[[door, room]] = BLANK
                path.append(room)
            else:
                path.pop()
        question[rng.choice(self.rooms_at, 2, replace=False)] = START, GOAL
        answer = self._answer(question)
        told = rng.permutation(np.flatnonzero(question == BLANK))[: rng.integers(extra, endpoint=True)]
        question[told] = answer[told]
        return question, answer

    # --------------------------------------------------------------------------------------- symmetries

    def draw_symmetries(self, rng: np.random.Generator, count: int) -> Symmetries:
        """Draw rotations and reflections of the square, with start and goal swapped or not."""
        symbols = np.tile(np.arange(len(SYMBOLS)), (count, 1))
        swapped = rng.random(count) < 0.5
        symbols[swapped, START], symbols[swapped, GOAL] = GOAL, START
        return Symmetries(self.turned[rng.integers(len(self.turned), size=count)], symbols)

    def canonical(self, question: Board) -> bytes:
        swapped = question.copy()
        swapped[question == START], swapped[question == GOAL] = GOAL, START
        least: bytes = min(board[cells].tobytes() for board in (question, swapped) for cells in self.turned)
        return least


MAZE_5 = Maze(5)
