"""Sudoku: unique solutions, symmetries, the canonical form and the effort."""

from functools import cache
from itertools import islice, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.puzzles.exact_cover import solutions
from trm_np.puzzles.sets import TooFewPuzzles, make_puzzles
from trm_np.puzzles.sudoku import SUDOKU_6, SUDOKU_9, Sudoku
from trm_np.puzzles.task import BLANK, Board

TASKS = {task.name: task for task in (Sudoku(2, 2), SUDOKU_6, SUDOKU_9)}
SEEDS = st.integers(0, 2**32 - 1)
KINDS = pytest.mark.parametrize("name", TASKS)

# Published: Arto Inkala's puzzle of 2012, and its solution; and the 17 givens that A. Royle's list begins with.
INKALA = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
SOLVED = "812753649943682175675491283154237896369845721287169534521974368438526917796318452"
SEVENTEEN = "000000010400000000020000000000050407008000300001090000300400200050100000000806000"


def board(text: str) -> Board:
    return np.array([int(each) if each.isdigit() else BLANK for each in text], np.uint8)


@cache
def generated(name: str, seed: int, extra: int = 0) -> tuple[Board, Board]:
    return TASKS[name].generate(np.random.default_rng(seed), extra)


def keeps_rules(task: Sudoku, answer: Board) -> bool:
    """Check the rules without the units of the task."""
    n, grid = task.size, answer.reshape(task.size, task.size)
    boxes = grid.reshape(n // task.box_rows, task.box_rows, n // task.box_columns, task.box_columns)
    lines = [*grid, *grid.T, *boxes.swapaxes(1, 2).reshape(n, n)]
    return all(sorted(line) == list(range(1, n + 1)) for line in lines)


@KINDS
@settings(max_examples=15)
@given(SEEDS)
def test_a_puzzle_has_one_solution_and_needs_every_given(name: str, seed: int) -> None:
    task, (question, answer) = TASKS[name], generated(name, seed)
    assert keeps_rules(task, answer)
    assert list(solutions(task, question)) == [tuple(answer)]
    for cell in np.flatnonzero(question)[: 6 if name == "sudoku9" else None]:
        fewer = question.copy()
        fewer[cell] = BLANK
        assert len(list(islice(solutions(task, fewer), 2))) == 2


@KINDS
@settings(max_examples=15)
@given(SEEDS, st.integers(1, 20))
def test_more_givens_are_those_of_the_answer(name: str, seed: int, extra: int) -> None:
    question, answer = generated(name, seed, extra)
    given_cells = question != BLANK
    assert (question[given_cells] == answer[given_cells]).all()
    assert list(solutions(TASKS[name], question)) == [tuple(answer)]


@KINDS
@settings(max_examples=25)
@given(SEEDS, st.data())
def test_the_solver_finds_all_solutions(name: str, seed: int, data: st.DataObject) -> None:
    task, (_, answer) = TASKS[name], generated(name, seed % 50)
    question = answer.copy()
    blanks = data.draw(st.sets(st.integers(0, task.cells - 1), max_size=task.cells * 5 // 9))
    question[list(blanks)] = BLANK
    if data.draw(st.booleans()):  # a digit that may be wrong
        cell, digit = data.draw(st.tuples(st.integers(0, task.cells - 1), st.integers(1, task.size)))
        question[cell] = digit
    expected = sorted(islice(solutions(task, question), 8))
    found = task.solutions(question, most=8)
    assert len(found) == len(expected)
    assert all(keeps_rules(task, each) for each in found)
    if len(expected) < 8:
        assert sorted(map(tuple, found)) == expected


@pytest.mark.parametrize("text", [INKALA, SEVENTEEN])
def test_published_puzzles_have_their_one_solution(text: str) -> None:
    (found,) = SUDOKU_9.solutions(board(text))
    assert keeps_rules(SUDOKU_9, found)
    assert [tuple(found)] == list(solutions(SUDOKU_9, board(text)))
    assert text != INKALA or SUDOKU_9.text(found) == SOLVED


@KINDS
def test_a_broken_board_has_no_solution_and_a_fault(name: str) -> None:
    task, (question, answer) = TASKS[name], generated(name, 3)
    twice = answer.copy()
    twice[1] = twice[0]
    assert task.solutions(twice) == []
    assert task.fault(twice) == f"two {answer[0]} in row 1: row 1 column 1 and row 1 column 2"
    assert task.fault(question) == task.fault(answer) == ""


@KINDS
@settings(max_examples=30)
@given(SEEDS, st.data())
def test_many_boards_are_checked_like_single_ones(name: str, seed: int, data: st.DataObject) -> None:
    task = TASKS[name]
    boards = np.stack([generated(name, seed % 20)[place] for place in (0, 1)] * 3)
    for row in range(2, 6):
        boards[row, data.draw(st.integers(0, task.cells - 1))] = data.draw(st.integers(0, task.size))
    assert task.broken(boards).tolist() == [task.fault(each) != "" for each in boards]


# ----------------------------------------------------------------------------------------------- symmetries


@KINDS
@settings(max_examples=20)
@given(SEEDS, SEEDS)
def test_a_symmetry_makes_another_puzzle_of_the_same_kind(name: str, seed: int, other: int) -> None:
    task, (question, answer) = TASKS[name], generated(name, seed % 30)
    symmetry = task.draw_symmetries(np.random.default_rng(other), 1)
    new_question, new_answer = (symmetry.applied(each[None])[0] for each in (question, answer))
    assert keeps_rules(task, new_answer)
    assert list(solutions(task, new_question)) == [tuple(new_answer)]
    assert task.effort(new_question, new_answer).rounds == task.effort(question, answer).rounds or (
        task.effort(question, answer).guesses  # guesses may choose another cell
    )


@KINDS
@settings(max_examples=20)
@given(SEEDS, SEEDS)
def test_the_canonical_form_is_equal_for_every_symmetric_copy(name: str, seed: int, other: int) -> None:
    task, (question, _) = TASKS[name], generated(name, seed % 30)
    twins = task.draw_symmetries(np.random.default_rng(other), 4).applied(np.tile(question, (4, 1)))
    assert {task.canonical(twin.astype(np.uint8)) for twin in twins} == {task.canonical(question)}


@settings(max_examples=settings().max_examples // 5)
@given(SEEDS)
def test_the_canonical_form_is_itself_a_symmetric_copy(seed: int) -> None:
    question, _ = generated("sudoku6", seed % 30)
    form = np.frombuffer(SUDOKU_6.canonical(question), np.uint8)
    assert least_twin(form) == least_twin(question)


def test_equal_canonical_forms_mean_symmetric_puzzles() -> None:
    """4 × 4 has only 36 different minimal puzzles, so many contain symmetric copies."""
    task = TASKS["sudoku4"]
    questions = [generated("sudoku4", seed)[0] for seed in range(60)]
    by_form = {task.canonical(each): least_twin(each, task) for each in questions}
    assert len(by_form) == len({least_twin(each, task) for each in questions})
    assert all(by_form[task.canonical(each)] == least_twin(each, task) for each in questions)
    assert 10 < len(by_form) <= 36


def least_twin(question: Board, task: Sudoku = SUDOKU_6) -> tuple[int, ...]:
    """The least of all symmetric copies, with digits renamed in order of appearance. Every symmetry is tried."""
    n, grid = task.size, question.reshape(task.size, task.size)

    def orders(size: int) -> list[list[int]]:
        return [
            [group * size + line for group, within in zip(order, inner, strict=True) for line in within]
            for order in permutations(range(n // size))
            for inner in product(permutations(range(size)), repeat=n // size)
        ]

    grids = [grid, grid.T] if task.box_rows == task.box_columns else [grid]
    pairs = list(product(orders(task.box_rows), orders(task.box_columns)))
    twins = np.stack([each[np.ix_(*pair)].reshape(-1) for each in grids for pair in pairs])
    first = np.stack(
        [np.where(twins == d, np.arange(n * n), n * n + d).min(axis=1) for d in range(1, n + 1)], 1
    )
    names = np.concatenate([np.zeros((len(twins), 1), int), first.argsort(1).argsort(1) + 1], axis=1)
    renamed = np.take_along_axis(names, twins.astype(int), axis=1)
    return tuple(min(map(tuple, renamed.tolist())))


def test_every_symmetry_of_a_board_is_drawn() -> None:
    """4 × 4 has 8 orders of rows, 8 of columns, 2 transpositions and 24 permutations of digits."""
    drawn = TASKS["sudoku4"].draw_symmetries(np.random.default_rng(0), 2000)
    assert len(set(map(bytes, drawn.cells))) == 8 * 8 * 2
    assert len(set(map(bytes, drawn.symbols))) == 24
    assert (drawn.symbols[:, 0] == BLANK).all()


# --------------------------------------------------------------------------------------------------- effort


def test_rounds_agree_with_a_plain_reference_implementation() -> None:
    """By hand: of a full board without its first cell and then without its first two rows of digits."""
    _, answer = generated("sudoku6", 0)
    one = answer.copy()
    one[0] = BLANK
    assert SUDOKU_6.effort(answer, answer) == (0, 0)
    assert SUDOKU_6.effort(one, answer) == (1, 0)
    # Inkala's puzzle starts without a single.
    rounds, guesses = SUDOKU_9.effort(board(INKALA), board(SOLVED))
    assert guesses > 0
    assert rounds > guesses


@pytest.mark.parametrize("name", ["sudoku6", "sudoku9"])
@settings(max_examples=10)
@given(SEEDS)
def test_a_puzzle_without_guesses_falls_to_singles_alone(name: str, seed: int) -> None:
    """A second solver by singles: candidates as sets, one single at a time, until none is left."""
    task, (question, answer) = TASKS[name], generated(name, seed % 100)
    cells = question.tolist()
    while True:
        free = {
            cell: set(range(1, task.size + 1))
            - {cells[other] for unit in units_of(task, cell) for other in unit}
            for cell, digit in enumerate(cells)
            if not digit
        }
        single = next(
            (
                (cell, digit)
                for cell, digits in free.items()
                for digit in digits
                if len(digits) == 1
                or any(
                    sum(digit in free.get(each, ()) for each in unit) == 1 for unit in units_of(task, cell)
                )
            ),
            None,
        )
        if single is None:
            break
        cells[single[0]] = single[1]
    assert (cells == answer.tolist()) == (task.effort(question, answer).guesses == 0)


def units_of(task: Sudoku, cell: int) -> list[list[int]]:
    return [unit for unit in task.units if cell in unit]


# ----------------------------------------------------------------------------------------------------- sets


def test_a_set_holds_no_symmetric_copies_and_no_known_puzzles() -> None:
    known: set[bytes] = set()
    rng = np.random.default_rng(0)
    first, second = (make_puzzles(SUDOKU_6, 40, rng, known=known) for _ in range(2))
    forms = [SUDOKU_6.canonical(each) for puzzles in (first, second) for each in puzzles.questions]
    assert len(set(forms)) == 80
    assert set(forms) == known
    efforts = [SUDOKU_6.effort(*pair) for pair in zip(first.questions, first.answers, strict=True)]
    assert list(zip(first.rounds.tolist(), first.guesses.tolist(), strict=True)) == efforts


def test_the_same_seed_makes_the_same_puzzles() -> None:
    one, other = (make_puzzles(SUDOKU_6, 5, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.questions, other.questions)


def test_more_puzzles_than_exist_are_refused() -> None:
    with pytest.raises(TooFewPuzzles, match=r"^sudoku2: found 1 different puzzles; needed: 5$"):
        make_puzzles(Sudoku(1, 2), 5, np.random.default_rng(0))


def test_heads_see_the_units_of_a_cell_and_all_cells() -> None:
    for cell, head in product(range(81), range(3)):
        unit = next(each for each in SUDOKU_9.units[9 * head : 9 * head + 9] if cell in each)
        assert np.flatnonzero(SUDOKU_9.sees[head, cell]).tolist() == unit
    assert SUDOKU_9.sees[3].all()
