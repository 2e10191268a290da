"""Exercises of lesson 12: the singles of a Sudoku, and the rounds that it needs."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, same, shown
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.sudoku import SUDOKU_6
from trm_np.puzzles.task import Board

PUZZLES = 12


def found_singles(
    board: Board, answer: Board
) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """The cells with one candidate, and the cells that alone in a unit have one, each with its digit."""
    grid = board.reshape(6, 6)
    candidates = {}
    for row, column in zip(*np.nonzero(grid == 0), strict=True):
        top, left = row // 2 * 2, column // 3 * 3
        seen = {*grid[row], *grid[:, column], *grid[top : top + 2, left : left + 3].ravel()}
        candidates[int(row), int(column)] = set(range(1, 7)) - set(map(int, seen))
    naked = {cell: min(digits) for cell, digits in candidates.items() if len(digits) == 1}
    hidden = {}
    for unit in SUDOKU_6.units:
        cells = [divmod(cell, 6) for cell in unit]
        for digit in range(1, 7):
            places = [cell for cell in cells if digit in candidates.get(cell, ())]
            if len(places) == 1:
                hidden[places[0]] = digit
    return naked, hidden


def check_singles(attempt: Attempt) -> None:
    made = make_puzzles(SUDOKU_6, PUZZLES, np.random.default_rng(0))
    for question, answer in zip(made.questions, made.answers, strict=True):
        board = question.reshape(6, 6).astype(int)
        naked, hidden = found_singles(question, answer)
        expected = {**hidden, **naked}
        call = f"singles of the board {SUDOKU_6.text(question)}"
        found = attempt(board, call=call)
        attempt.require(
            isinstance(found, dict), f"returned {shown(found)}; expected a dict from cells to digits"
        )
        for cell, digit in expected.items():
            kind = (
                "it has only that candidate"
                if cell in naked
                else "no other cell of a row, column or box can have it"
            )
            attempt.require(cell in found, f"cell {cell} is missing; it must be {digit}, because {kind}")
            attempt.require(
                same(found[cell], digit),
                f"cell {cell} is {shown(found[cell])}; it must be {digit}, because {kind}",
            )
        more = [cell for cell in found if cell not in expected]
        attempt.require(
            not more,
            f"cell {shown(more[0]) if more else ''} is no single of this board; only cells that are blank at the "
            "start count, with the digits of the start",
        )


def check_rounds(attempt: Attempt) -> None:
    made = make_puzzles(SUDOKU_6, PUZZLES, np.random.default_rng(1))
    full = made.answers[0].reshape(6, 6).astype(int)
    attempt.expect((full,), 0, "a full board needs no round", call="rounds(a full board)")
    one = full.copy()
    one[2, 3] = 0
    attempt.expect((one,), 1, "one cell is blank", call="rounds(a board with one blank)")
    for question, count, guesses in zip(made.questions, made.rounds, made.guesses, strict=True):
        board = question.reshape(6, 6).astype(int)
        expected = None if guesses else int(count)
        about = "after some rounds there is no single, and still a blank" if guesses else ""
        mistakes = () if guesses else ((int(count) + 1, "the last round fills nothing, and does not count"),)
        call = f"rounds of the board {SUDOKU_6.text(question)}"
        attempt.expect((board,), expected, about, mistakes, call)
    empty = np.zeros((6, 6), int)
    attempt.expect((empty,), None, "an empty board has no singles", call="rounds(an empty board)")


EXERCISES = (
    Exercise(
        "singles",
        (
            "First compute the set of candidates of each blank cell: 1 to 6 without the digits of its three units.",
            "A cell with one candidate is a single. Then look at each unit and digit: which blank cells have it?",
            "If exactly one cell of a unit has the digit as a candidate, that cell is a single. Fill none meanwhile.",
        ),
        check_singles,
    ),
    Exercise(
        "rounds",
        (
            "Repeat: find all singles, fill them in, count one round, until no cell is blank.",
            "What if there are no singles, but blanks? Then return None, or the loop would never end.",
            "while (board == 0).any(): found = singles(board); if not found: return None; fill; count += 1.",
        ),
        check_rounds,
    ),
)
