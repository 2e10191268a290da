"""Sudoku with boxes of any size: a solver, a generator, a measure of difficulty, and symmetries."""

from collections.abc import Iterator, Sequence

import numpy as np

from trm_np.data.tables import Bools, Ints
from trm_np.puzzles.task import BLANK, Board, Effort, Symmetries, Task

WORTH_A_SCAN = 30  # blanks; with fewer, looking for hidden singles takes longer than the search
Given = tuple[int, int, int]  # row, column and digit, from 0
Colours = tuple[list[int], list[int], list[int]]  # of rows, columns and digits


class Sudoku(Task):
    """Sudoku with boxes of `box_rows` × `box_columns` cells. Every digit is once in each row, column and box.

    A model has four heads, which see the row, the column and the box of a cell, and all cells.
    """

    simplest = "singles"
    effort_in = "rounds of singles"

    def __init__(self, box_rows: int, box_columns: int) -> None:
        n = self.size = box_rows * box_columns
        if not 2 <= n <= 9:
            raise ValueError(f"boxes of {box_rows} × {box_columns} cells; needed: 2 to 9 cells")
        self.box_rows, self.box_columns = box_rows, box_columns
        row, column = np.divmod(np.arange(n * n), n)
        box = row // box_rows * (n // box_columns) + column // box_columns
        kinds = (row, column, box)
        same = [kind[:, None] == kind for kind in kinds]
        rules = "each digit once in every row, column and box"
        symbols, everything = ".123456789"[: n + 1], np.ones_like(same[0])
        super().__init__(f"sudoku{n}", symbols, n, n, np.stack([*same, everything]), rules)
        self.row: list[int] = row.tolist()
        self.column: list[int] = column.tolist()
        self.box: list[int] = box.tolist()
        self.units: list[list[int]] = [
            np.flatnonzero(kind == place).tolist() for kind in kinds for place in range(n)
        ]

    def fault(self, board: Board) -> str:
        for unit, cells in enumerate(self.units):
            seen: dict[int, int] = {}
            for cell in cells:
                digit = int(board[cell])
                if digit != BLANK and digit in seen:
                    kind, place = ("row", "column", "box")[unit // self.size], unit % self.size + 1
                    where = f"{self.place(seen[digit])} and {self.place(cell)}"
                    return f"two {self.symbols[digit]} in {kind} {place}: {where}"
                seen[digit] = cell
        return ""

    def broken(self, boards: Board) -> Bools:
        bits = np.where(boards == BLANK, 0, 1 << boards.astype(np.int32))[:, self.units]
        # The sum and the union of bits differ if a digit occurs twice.
        found: Bools = (bits.sum(axis=2) != np.bitwise_or.reduce(bits, axis=2)).any(axis=1)
        return found

    # ------------------------------------------------------------------------------------------------- solving

    def solutions(self, question: Board, most: int = 2) -> list[Board]:
        if self.fault(question):
            return []
        return [np.array(found, np.uint8) for found in self._search(question.tolist(), most)]

    def _search(
        self,
        cells: list[int],
        most: int,
        rng: np.random.Generator | None = None,
        banned: tuple[int, int] = (-1, 0),
    ) -> list[list[int]]:
        """Find at most `most` solutions by backtracking, from the cell with the fewest candidates.

        The digit `banned[1]` is not allowed in the cell `banned[0]`. With `rng`, candidates are tried in random order.
        """
        row, column, box = self.row, self.column, self.box
        left = Left(self, cells)
        rows, columns, boxes = left.rows, left.columns, left.boxes
        cells, blanks = list(cells), [cell for cell, digit in enumerate(cells) if not digit]
        found: list[list[int]] = []

        def fill() -> bool:
            """Fill the rest of the board in all ways. Returns whether enough solutions have been found."""
            if not blanks:
                found.append(list(cells))
                return len(found) >= most
            fewest, choice, candidates = self.size + 1, 0, 0
            free = []
            for place, cell in enumerate(blanks):
                here = rows[row[cell]] & columns[column[cell]] & boxes[box[cell]]
                if cell == banned[0]:
                    here &= ~(1 << banned[1])
                free.append(here)
                count = here.bit_count()
                if count < fewest:
                    fewest, choice, candidates = count, place, here
                    if count <= 1:
                        break
            if fewest > 1 and len(blanks) > WORTH_A_SCAN:
                choice, candidates = self._hidden(blanks, free, left) or (choice, candidates)
            if not candidates:
                return False
            cell = blanks.pop(choice)
            r, c, b = row[cell], column[cell], box[cell]
            digits = [digit for digit in range(1, self.size + 1) if candidates >> digit & 1]
            if rng is not None:
                digits = rng.permutation(digits).tolist()
            enough = False
            for digit in digits:
                bit = 1 << digit
                rows[r] ^= bit
                columns[c] ^= bit
                boxes[b] ^= bit
                cells[cell] = digit
                enough = fill()
                rows[r] ^= bit
                columns[c] ^= bit
                boxes[b] ^= bit
                if enough:
                    break
            cells[cell] = BLANK
            blanks.insert(choice, cell)
            return enough

        fill()
        return found

    def _hidden(self, blanks: list[int], free: list[int], left: "Left") -> tuple[int, int] | None:
        """The index of a blank and the digits to try there, if a digit has only one cell in a unit.

        If a digit has no cell in a unit, there are no digits to try. Otherwise `None`.
        """
        for of_cell, digits_left in (
            (self.row, left.rows),
            (self.column, left.columns),
            (self.box, left.boxes),
        ):
            once, twice = [0] * self.size, [0] * self.size
            for cell, digits in zip(blanks, free, strict=True):
                unit = of_cell[cell]
                twice[unit] |= once[unit] & digits
                once[unit] |= digits
            if any(needed & ~found for needed, found in zip(digits_left, once, strict=True)):
                return 0, 0
            for place, cell in enumerate(blanks):
                single = free[place] & once[of_cell[cell]] & ~twice[of_cell[cell]]
                if single:
                    return place, single
        return None

    # -------------------------------------------------------------------------------------------------- generating

    def generate(self, rng: np.random.Generator, extra: int = 0) -> tuple[Board, Board]:
        """Generate a puzzle with one solution in which every given is needed, and add up to `extra` further givens."""
        (answer,) = self._search([BLANK] * self.cells, 1, rng)
        question = list(answer)
        for cell in rng.permutation(self.cells).tolist():
            digit, question[cell] = question[cell], BLANK
            if not self.is_forced(question, cell, digit) and self._search(question, 1, banned=(cell, digit)):
                question[cell] = digit
        blanks = [cell for cell, digit in enumerate(question) if not digit]
        for cell in rng.permutation(blanks)[: rng.integers(extra, endpoint=True)].tolist():
            question[cell] = answer[cell]
        return np.array(question, np.uint8), np.array(answer, np.uint8)

    def is_forced(self, cells: Sequence[int], cell: int, digit: int) -> bool:
        """Whether a naked or hidden single puts this digit in this blank cell."""
        left = Left(self, cells)
        if left.of(cell) == 1 << digit:
            return True
        places = (self.row[cell], self.size + self.column[cell], 2 * self.size + self.box[cell])
        return any(
            not any(
                not cells[other] and other != cell and left.of(other) >> digit & 1
                for other in self.units[unit]
            )
            for unit in places
        )

    def effort(self, question: Board, answer: Board) -> Effort:
        """Count the rounds of naked and hidden singles, and the guesses between them.

        A round fills all singles at once. If there is none, a guess fills the first cell with the fewest candidates
        with its true digit.
        """
        cells, truth = question.tolist(), answer.tolist()
        rounds = guesses = 0
        while BLANK in cells:
            left = Left(self, cells)
            candidates = [0 if digit else left.of(cell) for cell, digit in enumerate(cells)]
            singles = {cell for cell, free in enumerate(candidates) if free.bit_count() == 1}
            for unit in self.units:
                once = twice = 0
                for cell in unit:
                    twice |= once & candidates[cell]
                    once |= candidates[cell]
                once &= ~twice
                if once:
                    singles.update(cell for cell in unit if candidates[cell] & once)
            rounds += 1
            if not singles:
                guesses += 1
                blanks = (cell for cell, digit in enumerate(cells) if not digit)
                singles = {min(blanks, key=lambda cell: candidates[cell].bit_count())}
            for cell in singles:
                cells[cell] = truth[cell]
        return Effort(rounds, guesses)

    # --------------------------------------------------------------------------------------- symmetries

    def draw_symmetries(self, rng: np.random.Generator, count: int) -> Symmetries:
        """Draw permutations of digits, bands, rows in bands, stacks and columns in stacks; with square boxes, also
        transpositions."""
        n, grid = self.size, np.arange(self.cells).reshape(self.size, self.size)
        rows, columns = (self._draw_lines(rng, count, size) for size in (self.box_rows, self.box_columns))
        cells = grid[rows[:, :, None], columns[:, None, :]]
        if self.box_rows == self.box_columns:
            turned = rng.random(count) < 0.5
            cells[turned] = cells[turned].swapaxes(1, 2)
        digits = np.argsort(rng.random((count, n)), axis=1) + 1
        symbols = np.concatenate([np.full((count, 1), BLANK), digits], axis=1)
        return Symmetries(cells.reshape(count, self.cells), symbols)

    def _draw_lines(self, rng: np.random.Generator, count: int, size: int) -> Ints:
        """Draw orders (K, n) of rows or columns that keep groups of `size` together."""
        groups = np.argsort(rng.random((count, self.size // size)), axis=1)
        within = np.argsort(rng.random((count, self.size // size, size)), axis=2)
        lines: Ints = (groups[:, :, None] * size + within).reshape(count, self.size)
        return lines

    def canonical(self, question: Board) -> bytes:
        """The least of the forms of a puzzle whose lines and digits are ordered by their content.

        This is fast for a puzzle with one solution, which has few symmetries. An empty board has all of them.
        """
        grid = question.reshape(self.size, self.size)
        grids = (grid, grid.T) if self.box_rows == self.box_columns else (grid,)
        return min(form for each in grids for form in self._forms(each))

    def _forms(self, grid: Board) -> Iterator[bytes]:
        rows, columns = np.nonzero(grid)
        givens = [
            (int(row), int(column), int(grid[row, column]) - 1)
            for row, column in zip(rows, columns, strict=True)
        ]
        n = self.size
        for by_row, by_column, by_digit in self._told_apart(givens, ([0] * n, [0] * n, [0] * n)):
            names = np.concatenate([[BLANK], np.argsort(np.argsort(by_digit)) + 1]).astype(np.uint8)
            ordered = in_order(by_row, self.box_rows), in_order(by_column, self.box_columns)
            yield names[grid[np.ix_(*ordered)]].tobytes()

    def _told_apart(self, givens: list[Given], colours: Colours) -> Iterator[Colours]:
        """Yield colourings in which all rows, columns and digits have different colours.

        Colours come from the structure of the givens by colour refinement. If some stay equal, each of them is
        individualized in turn.
        """
        colours = self._refined(givens, colours)
        for kind, of_kind in enumerate(colours):
            alike = [colour for colour in sorted(set(of_kind)) if of_kind.count(colour) > 1]
            if alike:
                for place in [place for place, colour in enumerate(of_kind) if colour == alike[0]]:
                    marked = [[2 * colour for colour in each] for each in colours]
                    marked[kind][place] -= 1
                    yield from self._told_apart(givens, (marked[0], marked[1], marked[2]))
                return
        yield colours

    def _refined(self, givens: list[Given], colours: Colours) -> Colours:
        """Refine colours until lines and digits of one colour hold the same colours."""
        sizes, count = (self.box_rows, self.box_columns, 1), 0
        while True:
            held: tuple[list[list[tuple[int, int]]], ...] = tuple([[] for _ in each] for each in colours)
            by_row, by_column, by_digit = colours
            for row, column, digit in givens:
                r, c, d = by_row[row], by_column[column], by_digit[digit]
                held[0][row].append((c, d))
                held[1][column].append((r, d))
                held[2][digit].append((r, c))
            finer = [
                ranked(list(zip(of, groups(of, size), (tuple(sorted(each)) for each in hold), strict=True)))
                for of, hold, size in zip(colours, held, sizes, strict=True)
            ]
            colours = finer[0], finer[1], finer[2]
            before, count = count, sum(len(set(each)) for each in colours)
            if count == before:
                return colours


class Left:
    """The digits, as bits, that each row, column and box still lacks."""

    def __init__(self, task: Sudoku, cells: Sequence[int]) -> None:
        every = (2 << task.size) - 2
        self.task = task
        self.rows, self.columns, self.boxes = ([every] * task.size for _ in range(3))
        for cell, digit in enumerate(cells):
            if digit:
                bit = ~(1 << digit)
                self.rows[task.row[cell]] &= bit
                self.columns[task.column[cell]] &= bit
                self.boxes[task.box[cell]] &= bit

    def of(self, cell: int) -> int:
        """The candidates of a cell."""
        task = self.task
        return self.rows[task.row[cell]] & self.columns[task.column[cell]] & self.boxes[task.box[cell]]


def ranked(values: Sequence[tuple[object, ...]]) -> list[int]:
    """The rank of each value among the distinct values."""
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return [ranks[value] for value in values]


def groups(colours: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """The sorted colours of the group of `size` lines that each line belongs to."""
    starts = (place - place % size for place in range(len(colours)))
    return [tuple(sorted(colours[start : start + size])) for start in starts]


def in_order(colours: Sequence[int], size: int) -> list[int]:
    """Sort lines by colour within groups of `size`, and the groups by the colours of their lines."""
    groups = [
        sorted(range(first, first + size), key=lambda place: colours[place])
        for first in range(0, len(colours), size)
    ]
    groups.sort(key=lambda group: [colours[place] for place in group])
    return [place for group in groups for place in group]


SUDOKU_6, SUDOKU_9 = Sudoku(2, 3), Sudoku(3, 3)
