"""The puzzle model: it thinks by the recursion of the core, sees what its task lets it see, and learns."""

from dataclasses import replace

import numpy as np
import pytest

from tests.puzzles.small_puzzles import TASK, sets, small, trainer
from trm_np.autograd import Tensor, no_grad
from trm_np.autograd import functional as F
from trm_np.config import ConfigError
from trm_np.model.core import Carry
from trm_np.puzzles.config import PuzzleConfig, ThinkingConfig, resolve
from trm_np.puzzles.model import SURE, Course, PuzzleModel, answer, average_, losses, solved, think, thoughts
from trm_np.puzzles.sudoku import SUDOKU_6, SUDOKU_9
from trm_np.puzzles.task import Task

CONFIG = small(model__latent_steps=2, model__cycles=2).model


def model(config: ThinkingConfig = CONFIG, task: Task = TASK, seed: int = 0) -> PuzzleModel:
    return PuzzleModel(config, task, np.random.default_rng(seed))


def test_the_paper_s_recursion_said_again() -> None:
    """y and z after a step, from attention and SwiGLU of the first block, without the core's code."""
    made, (puzzles, _, _) = model(), sets()
    questions = puzzles.questions[:3]
    carry = Carry(
        *(Tensor(np.random.default_rng(k).normal(size=(3, 16, 8)).astype(np.float32)) for k in (1, 2))
    )
    (block,) = made.core.blocks

    def f(u: Tensor) -> Tensor:
        u = F.rms_norm(u + block.attention.attend_to_itself(u, ~TASK.sees))
        return F.rms_norm(u + block.swiglu(u))

    x = Tensor(made.core.token_embedding.weight.data[questions] * 8**0.5)
    y, z = carry.y, carry.z
    for _ in range(CONFIG.cycles):
        for _ in range(CONFIG.latent_steps):
            z = f(x + y + z)
        y = f(y + z)
    found = made(questions, carry)
    assert np.allclose(found.y.data, y.data, atol=1e-5)
    assert np.allclose(found.z.data, z.data, atol=1e-5)


@pytest.mark.parametrize(("task", "parameters"), [(SUDOKU_6, 82_946), (SUDOKU_9, 83_330)])
def test_the_shipped_models_are_small(task: Task, parameters: int) -> None:
    assert sum(p.size for p in model(PuzzleConfig().model, task).parameters()) == parameters < 85_000


def test_heads_that_the_task_has_no_masks_for_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^model.core_heads=2: sudoku4 has masks for 4$"):
        model(replace(CONFIG, core_heads=2))


def test_nothing_is_thought_right_before_anything_is_learnt() -> None:
    course = think(model(), sets()[0].questions, 3)
    assert (course.right < 0.1).all()


def test_losses_are_those_of_the_cells_and_of_knowing() -> None:
    made, (puzzles, _, _) = model(), sets()
    said = made.read(made(puzzles.questions, made.start(len(puzzles))))
    cells, halting = losses(said, puzzles.answers)
    p = np.exp(said.cells.data) / np.exp(said.cells.data).sum(axis=2, keepdims=True)
    rows, columns = np.indices(puzzles.answers.shape)
    assert cells.item() == pytest.approx(-np.log(p[rows, columns, puzzles.answers]).mean(), rel=1e-5)
    assert not solved(said, puzzles.answers).any()
    assert halting.item() == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-5)
    known = said._replace(cells=Tensor(np.eye(5, dtype=np.float32)[puzzles.answers] * 20))
    assert solved(known, puzzles.answers).all()
    assert losses(known, puzzles.answers)[1].item() == pytest.approx(3 + np.log1p(np.exp(-3.0)), rel=1e-5)


def test_twins_get_twin_answers_where_digits_keep_their_names() -> None:
    """The model knows cells by nothing but who sees whom: a symmetry of the board moves its answer along."""
    made, (puzzles, _, _) = model(), sets()
    symmetries = TASK.draw_symmetries(np.random.default_rng(0), len(puzzles))
    # Turned boards swap what rows and columns mean, which two heads tell apart.
    straight = [same_rows(cells) for cells in symmetries.cells]
    questions = puzzles.questions[straight].astype(np.int64)
    moved = np.take_along_axis(questions, symmetries.cells[straight], axis=1).astype(np.uint8)
    one, other = (next(thoughts(made, each, 1)).probabilities for each in (questions.astype(np.uint8), moved))
    expected = np.take_along_axis(one, symmetries.cells[straight][:, :, None], axis=1)
    assert sum(straight) > 2
    assert np.allclose(other, expected, atol=1e-5)


def same_rows(cells: np.ndarray) -> bool:
    """Whether what stood in a row stands in a row."""
    return len(set(cells[:4] // 4)) == 1


def test_thinking_in_groups_is_thinking_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (puzzles, _, _) = model(), sets()
    together = think(made, puzzles.questions, 4)
    monkeypatch.setattr("trm_np.puzzles.model.GROUP", 5)
    apart = think(made, puzzles.questions, 4)
    assert (together.boards == apart.boards).all()
    assert np.allclose(together.right, apart.right, atol=1e-6)


def test_a_puzzle_halts_at_the_first_step_that_is_sure_or_at_the_last() -> None:
    right = np.array([[0.1, SURE, 0.2], [0.95, 0.1, 0.2], [0.99, 0.99, 0.3]], np.float32)
    assert Course(np.zeros((3, 3, 1), np.uint8), right).halted().tolist() == [1, 0, 2]


@pytest.mark.parametrize("group", [32, 5])
def test_an_answer_is_the_thought_at_which_the_model_halts(
    group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.puzzles.model.GROUP", group)
    made, (puzzles, _, _) = model(seed=3), sets()
    head = made.core.halt_head
    head.weight.data[...] = np.random.default_rng(0).normal(scale=4, size=head.weight.shape)
    course, found = think(made, puzzles.questions, 6), answer(made, puzzles.questions, 6)
    halted = course.halted()
    assert len(set(halted.tolist())) > 1
    each = np.arange(len(puzzles))
    assert (found.steps == halted + 1).all()
    assert (found.boards == course.boards[halted, each]).all()
    assert np.allclose(found.right, course.right[halted, each], atol=1e-5)


def test_the_average_follows_the_weights() -> None:
    mean, learner = model(seed=0), model(seed=1)
    before = [
        (m.data.copy(), w.data.copy()) for m, w in zip(mean.parameters(), learner.parameters(), strict=True)
    ]
    average_(mean, learner, 0.75)
    for (m, w), now, kept in zip(before, mean.parameters(), learner.parameters(), strict=True):
        assert np.allclose(now.data, 0.75 * m + 0.25 * w, atol=1e-7)
        assert (kept.data == w).all()


def test_every_parameter_learns() -> None:
    t = trainer(small())
    for _ in range(3):
        t.take_new_puzzles()
        t.update()
    assert all(np.abs(first).max() > 0 for first, _ in t.optimizer.moments)


@pytest.mark.slow
def test_it_learns_small_boards_and_cannot_without_thinking_again() -> None:
    """All puzzles of 4 × 4 as their own test: whether it can, not whether it generalises."""
    shares = {}
    for steps in (4, 1):
        config = resolve(
            PuzzleConfig(),
            {
                **{"model.core_width": 32, "model.core_hidden": 48, "model.core_blocks": 1},
                **{"model.supervision_steps": steps, "training.learning_rate": 4e-3},
                **{"training.epochs": 1, "training.updates": 350, "training.average": 0.98},
            },
        )
        t = trainer(config)
        list(t.epochs())
        boards = think(t.model, t.puzzles.questions, steps).boards[-1]
        shares[steps] = float((boards == t.puzzles.answers).all(axis=1).mean())
    assert shares[4] >= 0.75
    assert shares[1] <= 0.5 * shares[4]


def test_nothing_is_computed_in_float64() -> None:
    t = trainer(small())
    t.take_new_puzzles()
    t.update()
    with no_grad():
        carry = t.learner(t.places.questions, Carry(Tensor(t.places.y), Tensor(t.places.z)))
        said = t.learner.read(carry)
    arrays = [*(p.data for p in t.model.parameters()), t.optimizer.weights, t.places.y, t.places.z]
    assert {a.dtype for a in [*arrays, carry.y.data, said.cells.data, said.halting.data]} == {
        np.dtype(np.float32)
    }
