"""A second Sudoku solver: Knuth's Algorithm X (2000) on sets."""

from collections.abc import Iterator

import numpy as np

from trm_np.puzzles.sudoku import Sudoku

Choice = tuple[int, int]  # cell and digit


def solutions(task: Sudoku, question: np.ndarray) -> Iterator[tuple[int, ...]]:
    """All solutions: every cell is filled, and every digit is in every row, column and box exactly once."""
    n = task.size

    def conditions(cell: int, digit: int) -> list[tuple[str, int, int]]:
        row, column = divmod(cell, n)
        box = row // task.box_rows * task.box_rows + column // task.box_columns
        return [("cell", row, column), ("row", row, digit), ("column", column, digit), ("box", box, digit)]

    choices = {
        (cell, digit): conditions(cell, digit)
        for cell, given in enumerate(question.tolist())
        for digit in ([given] if given else range(1, n + 1))
    }
    met: dict[tuple[str, int, int], set[Choice]] = {}
    for choice, needs in choices.items():
        for need in needs:
            met.setdefault(need, set()).add(choice)
    if len(met) < 4 * n * n:
        return

    def cover(choice: Choice) -> list[set[Choice]]:
        taken = []
        for need in choices[choice]:
            for other in met[need]:
                for elsewhere in choices[other]:
                    if elsewhere != need:
                        met[elsewhere].remove(other)
            taken.append(met.pop(need))
        return taken

    def uncover(choice: Choice, taken: list[set[Choice]]) -> None:
        for need in reversed(choices[choice]):
            met[need] = taken.pop()
            for other in met[need]:
                for elsewhere in choices[other]:
                    if elsewhere != need:
                        met[elsewhere].add(other)

    def search(chosen: tuple[Choice, ...]) -> Iterator[tuple[int, ...]]:
        if not met:
            yield tuple(digit for _, digit in sorted(chosen))
            return
        for choice in sorted(met[min(met, key=lambda need: len(met[need]))]):
            taken = cover(choice)
            yield from search((*chosen, choice))
            uncover(choice, taken)

    yield from search(())
