"""A task of one's own: the example that the page gives, read off it, is learnt, stored and answered like Sudoku."""

import inspect
import textwrap
from pathlib import Path

import numpy as np
import pytest

from trm_np.data.problems import DataError, Place
from trm_np.puzzles import task as page
from trm_np.puzzles.config import PuzzleConfig, resolve
from trm_np.puzzles.evaluating import evaluate
from trm_np.puzzles.files import board_from
from trm_np.puzzles.model import unroll
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.stored import load_puzzle_model, save_puzzle_model
from trm_np.puzzles.task import Symmetries, Task
from trm_np.puzzles.training import PuzzleTrainer


def example() -> Task:
    """The class in the docstring, as a reader would paste it."""
    _, _, rest = (inspect.getdoc(page) or "").partition("class Latin")
    code, _, _ = rest.partition("\n\nA model for them")
    found: dict[str, type[Task]] = {"Task": Task}
    exec(textwrap.dedent(f"import numpy as np\nclass Latin{textwrap.dedent(code)}"), found)
    return found["Latin"]()


def puzzles() -> Puzzles:
    """All Latin squares of 3 × 3, each without its last row and one letter more."""
    orders = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]]) + 1
    squares = np.array([[*a, *b, *c] for a in orders for b in orders for c in orders], np.uint8)
    answers = squares[~example().broken(squares)]
    questions = answers.copy()
    questions[:, [1, 6, 7, 8]] = 0
    return Puzzles.of(example(), questions, answers)


def test_the_example_is_a_task() -> None:
    task, every = example(), puzzles()
    assert len(every) == 12
    assert (task.name, task.cells, len(task.sees)) == ("latin3", 9, 2)
    assert task.fault(every.answers[0]) == ""
    twice = every.answers[0].copy()
    twice[1] = twice[0]
    assert task.fault(twice) == "a letter twice"
    assert task.text(every.questions[0]) == "a.cbca..."
    with pytest.raises(
        DataError, match=r'^BOARD: found "d" at row 1 column 2; allowed: a b c, and \. or 0 for a bl'
    ):
        board_from("ad.......", task, "BOARD")
    assert Place("BOARD").path == ""


def test_the_example_is_learnt_stored_and_answered(tmp_path: Path) -> None:
    task, every = example(), puzzles()
    settings: dict[str, float] = {
        "model.core_heads": 2,
        "model.core_width": 16,
        "model.core_hidden": 24,
        "model.core_blocks": 1,
    }
    settings |= {"model.supervision_steps": 3, "model.answer_steps": 3, "training.learning_rate": 5e-3}
    settings |= {"training.epochs": 1, "training.updates": 150, "training.average": 0.97}
    config = resolve(PuzzleConfig(), settings)
    trainer = PuzzleTrainer(config, task, every, every, seed=0)
    list(trainer.epochs())
    found = evaluate(trainer.model, every, 3)
    assert found["solved"] >= 0.9
    assert [group["puzzles"] for group in found["solved_by_difficulty"]] == [12]
    path = tmp_path / "latin.npz"
    save_puzzle_model(path, "model", trainer.model, config, {"seed": 0, "metrics": {}})
    stored = load_puzzle_model(path, tasks={task.name: task})
    assert (
        unroll(stored.model, every.questions, 3).boards == unroll(trainer.model, every.questions, 3).boards
    ).all()


def test_what_a_task_does_not_say_of_itself_is_nothing() -> None:
    task = Task("plain", ".x", 1, 2, np.ones((1, 2, 2), bool))
    board = np.array([0, 1], np.uint8)
    nothing: Symmetries = task.draw_symmetries(np.random.default_rng(0), 3)
    assert (nothing.applied(np.tile(board, (3, 1))) == board).all()
    assert (task.fault(board), task.solutions(board), task.effort(board, board)) == ("", [], (0, 0))
    assert task.broken(board[None]).tolist() == [False]
    with pytest.raises(NotImplementedError, match="plain: no generator"):
        task.generate(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("symbols", "shape", "message"),
    [
        (".x", (2, 2), "wrong: sees has shape \\(2, 2\\); needed: \\(heads, 2, 2\\)"),
        ("..", (1, 2, 2), "symbols are '..'; needed: a blank and others, each once"),
        (".", (1, 2, 2), "symbols are '.'; needed: a blank and others"),
    ],
)
def test_a_task_that_cannot_be_is_refused(symbols: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Task("wrong", symbols, 1, 2, np.ones(shape, bool))
