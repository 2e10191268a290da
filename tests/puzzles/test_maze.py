"""Mazes: the way agrees with another search, symmetries keep it, and walls block the view."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trm_np.puzzles.config import PuzzleConfig, resolve
from trm_np.puzzles.maze import GOAL, MAZE_5, OFF, START, WALL, WAY, Maze
from trm_np.puzzles.model import PuzzleModel, predictions, unroll
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.task import BLANK, Board

SEEDS = st.integers(0, 2**32 - 1)
ROOMS = st.integers(2, 5)

SMALL = Maze(2)


def board(text: str) -> Board:
    return np.array([".#SGxo".index(each) for each in "".join(text.split())], np.uint8)


Cell = tuple[int, int]


def shortest(question: Board) -> list[Cell]:
    """The way from start to goal, by breadth-first search."""
    side = int(len(question) ** 0.5)
    drawn = {(row, column): question[row * side + column] for row in range(side) for column in range(side)}
    (start,) = (cell for cell, symbol in drawn.items() if symbol == START)
    ways, ahead = {start: [start]}, deque([start])
    while ahead:
        row, column = ahead.popleft()
        if drawn[row, column] == GOAL:
            return ways[row, column]
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if drawn.get(cell, WALL) != WALL and cell not in ways:
                ways[cell] = [*ways[row, column], cell]
                ahead.append(cell)
    raise AssertionError("no way")


@settings(max_examples=40)
@given(SEEDS, ROOMS)
def test_a_maze_is_a_tree_of_rooms_and_its_answer_the_shortest_way(seed: int, rooms: int) -> None:
    task = Maze(rooms)
    question, answer = task.generate(np.random.default_rng(seed))
    way = shortest(question)
    marked = {divmod(int(cell), task.columns) for cell in np.flatnonzero(answer == WAY)}
    assert marked == set(way[1:-1])
    assert ((answer == OFF) | (answer == WAY)).sum() == (question == BLANK).sum()
    open_cells = question.reshape(task.rows, task.columns) != WALL
    assert open_cells[::2, ::2].all() and not open_cells[1::2, 1::2].any()
    assert open_cells.sum() == 2 * rooms**2 - 1  # a tree has one opening less than rooms
    assert task.effort(question, answer) == (len(way) - 1, 0)
    assert [each.tolist() for each in task.solutions(question)] == [answer.tolist()]
    assert task.fault(question) == task.fault(answer) == ""


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 30))
def test_extra_givens_are_those_of_the_answer_in_a_maze(seed: int, extra: int) -> None:
    question, answer = MAZE_5.generate(np.random.default_rng(seed), extra)
    told = (question == WAY) | (question == OFF)
    assert told.sum() <= extra
    assert (question == answer)[question != BLANK].all()
    assert MAZE_5.solutions(question)[0].tolist() == answer.tolist()


FAULTS = {
    "S.# #.. ..S": "2 cells are the start",
    "S.# #.. ...": "0 cells are the goal",
    "S.# ##. ..G": "no way to row 2 column 3",
    "S.. ... ..G": "two ways to row ",
    "S.# #.# x.G": "x at row 3 column 1, off the way",
    "Sx# #o# oxG": "o at row 2 column 2, on the way",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_of_a_maze_is_reported_with_its_place(text: str) -> None:
    assert SMALL.fault(board(text)).startswith(FAULTS[text])
    assert SMALL.solutions(board(text)) == []
    assert SMALL.broken(np.stack([board(text), board("Sx# #x# oxG")])).tolist() == [True, False]


@settings(max_examples=30)
@given(SEEDS, ROOMS)
def test_a_symmetry_maps_a_maze_and_its_answer_and_keeps_the_canonical_form(seed: int, rooms: int) -> None:
    task, rng = Maze(rooms), np.random.default_rng(seed)
    question, answer = task.generate(rng, extra=3)
    symmetries = task.draw_symmetries(rng, 20)
    questions, answers = (symmetries.applied(np.tile(each, (20, 1))) for each in (question, answer))
    for twin, solved in zip(questions.astype(np.uint8), answers, strict=True):
        assert task.solutions(twin)[0].tolist() == solved.tolist()
        assert task.canonical(twin) == task.canonical(question)
    assert len(np.unique(questions, axis=0)) > 2
    other, _ = task.generate(rng)
    same = any(
        (each == other).all() for each in task.draw_symmetries(rng, 400).applied(np.tile(question, (400, 1)))
    )
    assert (task.canonical(other) == task.canonical(question)) == same


def test_a_maze_needs_rooms() -> None:
    with pytest.raises(ValueError, match="a maze of 1 × 1 rooms; needed: 2 × 2 at least"):
        Maze(1)


# --------------------------------------------------------------------------------------------- who sees whom


def test_a_head_sees_the_next_cell_in_its_direction_unless_it_is_a_wall() -> None:
    sees = SMALL.sees_in(np.stack([board("S.# #.. #.G"), board("..G .## ..S")]))
    assert sees.shape == (2, 4, 9, 9)
    middle = [np.flatnonzero(head[4]).tolist() for head in sees[0]]
    assert middle == [[1], [7], [], [5]]
    corner = [np.flatnonzero(head[0]).tolist() for head in sees[1]]
    assert corner == [[], [3], [], [1]]


def model(**more: int) -> PuzzleModel:
    settings = {"model.core_width": 8, "model.core_blocks": 1, "model.core_hidden": 6}
    settings |= {f"model.{name}": value for name, value in more.items()}
    return PuzzleModel(resolve(PuzzleConfig(), settings).model, MAZE_5, np.random.default_rng(1)).eval()


def test_a_cell_depends_only_on_cells_within_reach_of_the_blocks() -> None:
    """n = T = 1: two passes through a block in a step, so two cells along openings, and none through a wall."""
    made = model()
    question, _ = MAZE_5.generate(np.random.default_rng(4))
    other = question.copy()
    (start,) = np.flatnonzero(question == START)
    other[start] = BLANK  # no longer a valid question, but a change in one cell
    (one, two), (further_one, further_two) = (
        [prediction.probabilities[0] for prediction in predictions(made, each[None], 2)]
        for each in (question, other)
    )
    grid = question.reshape(9, 9)
    for first, second, reach in ((one, further_one, 2), (two, further_two, 4)):
        changed = np.flatnonzero((first != second).any(axis=1))
        assert {divmod(int(cell), 9) for cell in changed if question[cell] != WALL} <= within(
            grid, int(start), reach
        )
    assert (one != further_one).any()


def within(grid: Board, start: int, reach: int) -> set[Cell]:
    """The open cells within this number of steps."""
    found = {divmod(start, 9)}
    for _ in range(reach):
        found |= {
            (row, column)
            for row, column in np.argwhere(grid != WALL).tolist()
            if any(abs(row - r) + abs(column - c) == 1 for r, c in found)
        }
    return found


def test_each_maze_of_a_batch_has_its_own_walls() -> None:
    made = model()
    questions = make_puzzles(MAZE_5, 6, np.random.default_rng(0)).questions
    together = unroll(made, questions, 3)
    for place, question in enumerate(questions):
        alone = unroll(made, question[None], 3)
        assert np.allclose(alone.right[:, 0], together.right[:, place], atol=1e-6)
        assert (alone.boards[:, 0] == together.boards[:, place]).all()


def is_decided(task: Maze, question: Board, cell: int, reach: int) -> bool:
    """Whether the cells within reach of a blank decide if it is on the way.

    They do if both ends are in reach, or if all other cells lie in one direction.
    """
    ends, unseen = 0, 0
    for first in task.beside[cell]:
        ahead, further = [(first, cell)] if question[first] != WALL else [], False
        for distance in range(1, reach + 1):
            ends += sum(question[here] in (START, GOAL) for here, _ in ahead)
            beyond = [
                (other, here)
                for here, before in ahead
                for other in task.beside[here]
                if other != before and question[other] != WALL
            ]
            further = distance == reach and bool(beyond)
            ahead = beyond
        unseen += further
    return ends == 2 or unseen <= 1


@pytest.mark.slow
def test_one_step_sees_too_little_of_any_maze() -> None:
    """A step with n = T = 1 reaches 4 cells, twelve blocks in a row reach 12, and 16 steps reach the whole maze."""
    rng = np.random.default_rng(0)
    mazes = [MAZE_5.generate(rng)[0] for _ in range(200)]
    share = {
        reach: np.mean([
            all(is_decided(MAZE_5, maze, cell, reach) for cell in np.flatnonzero(maze == BLANK).tolist())
            for maze in mazes
        ])
        for reach in (4, 12, 64)
    }  # fmt: skip
    assert share == {4: 0, 12: pytest.approx(0.05, abs=0.04), 64: 1}
