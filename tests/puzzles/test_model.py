"""The puzzle model: its recursion, its masks, its losses and that it learns."""

from dataclasses import replace

import numpy as np
import pytest

from tests.puzzles.small_puzzles import TASK, sets, small, trainer
from trm_np.autograd import Tensor, no_grad
from trm_np.autograd import functional as F
from trm_np.config import ConfigError
from trm_np.model.core import Carry
from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig, resolve
from trm_np.puzzles.model import (
    SURE,
    PuzzleModel,
    Trajectory,
    average_,
    losses,
    predictions,
    solutions,
    solved,
    unroll,
)
from trm_np.puzzles.sudoku import SUDOKU_6, SUDOKU_9
from trm_np.puzzles.task import Task

CONFIG = small(model__latent_steps=2, model__cycles=2).model


def model(config: PuzzleModelConfig = CONFIG, task: Task = TASK, seed: int = 0) -> PuzzleModel:
    return PuzzleModel(config, task, np.random.default_rng(seed))


def test_the_recursion_agrees_with_a_second_implementation() -> None:
    """Compute y and z after a step from attention and SwiGLU of the first block, without the code of the core."""
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


def test_a_wrong_number_of_heads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^model.core_heads=2: sudoku4 has masks for 4$"):
        model(replace(CONFIG, core_heads=2))


def test_an_untrained_model_does_not_halt() -> None:
    trajectory = unroll(model(), sets()[0].questions, 3)
    assert (trajectory.right < 0.1).all()


def test_losses_are_cross_entropies_of_cells_and_of_halting() -> None:
    made, (puzzles, _, _) = model(), sets()
    said = made.decode(made(puzzles.questions, made.initial_carry(len(puzzles))))
    cells, halting = losses(said, puzzles.answers)
    p = np.exp(said.cells.data) / np.exp(said.cells.data).sum(axis=2, keepdims=True)
    rows, columns = np.indices(puzzles.answers.shape)
    assert cells.item() == pytest.approx(-np.log(p[rows, columns, puzzles.answers]).mean(), rel=1e-5)
    assert not solved(said, puzzles.answers).any()
    assert halting.item() == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-5)
    known = said._replace(cells=Tensor(np.eye(5, dtype=np.float32)[puzzles.answers] * 20))
    assert solved(known, puzzles.answers).all()
    assert losses(known, puzzles.answers)[1].item() == pytest.approx(3 + np.log1p(np.exp(-3.0)), rel=1e-5)


def test_symmetries_that_keep_digits_map_answers_to_answers() -> None:
    """The model knows only which cells see each other, so a symmetry of the board moves the answer along."""
    made, (puzzles, _, _) = model(), sets()
    symmetries = TASK.draw_symmetries(np.random.default_rng(0), len(puzzles))
    # Transposed boards swap rows and columns, which two heads tell apart.
    straight = [same_rows(cells) for cells in symmetries.cells]
    questions = puzzles.questions[straight].astype(np.int64)
    moved = np.take_along_axis(questions, symmetries.cells[straight], axis=1).astype(np.uint8)
    one, other = (
        next(predictions(made, each, 1)).probabilities for each in (questions.astype(np.uint8), moved)
    )
    expected = np.take_along_axis(one, symmetries.cells[straight][:, :, None], axis=1)
    assert sum(straight) > 2
    assert np.allclose(other, expected, atol=1e-5)


def same_rows(cells: np.ndarray) -> bool:
    """Whether cells of one row stay in one row."""
    return len(set(cells[:4] // 4)) == 1


def test_groups_give_the_results_of_single_puzzles(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (puzzles, _, _) = model(), sets()
    together = unroll(made, puzzles.questions, 4)
    monkeypatch.setattr("trm_np.puzzles.model.GROUP", 5)
    apart = unroll(made, puzzles.questions, 4)
    assert (together.boards == apart.boards).all()
    assert np.allclose(together.right, apart.right, atol=1e-6)


def test_a_puzzle_halts_at_the_first_step_that_is_sure_or_at_the_last() -> None:
    right = np.array([[0.1, SURE, 0.2], [0.95, 0.1, 0.2], [0.99, 0.99, 0.3]], np.float32)
    assert Trajectory(np.zeros((3, 3, 1), np.uint8), right).halted().tolist() == [1, 0, 2]


@pytest.mark.parametrize("group", [32, 5])
def test_an_answer_is_the_board_at_which_the_model_halts(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trm_np.puzzles.model.GROUP", group)
    made, (puzzles, _, _) = model(seed=3), sets()
    head = made.core.halt_head
    head.weight.data[...] = np.random.default_rng(0).normal(scale=4, size=head.weight.shape)
    trajectory, found = unroll(made, puzzles.questions, 6), solutions(made, puzzles.questions, 6)
    halted = trajectory.halted()
    assert len(set(halted.tolist())) > 1
    each = np.arange(len(puzzles))
    assert (found.steps == halted + 1).all()
    assert (found.boards == trajectory.boards[halted, each]).all()
    assert np.allclose(found.right, trajectory.right[halted, each], atol=1e-5)


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
        t.refill()
        t.update()
    assert all(np.abs(first).max() > 0 for first, _ in t.optimizer.moments)


@pytest.mark.slow
def test_it_learns_small_boards_but_not_without_recursion() -> None:
    """Train and test on all puzzles of 4 × 4. This tests capacity, not generalization."""
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
        boards = unroll(t.model, t.puzzles.questions, steps).boards[-1]
        shares[steps] = float((boards == t.puzzles.answers).all(axis=1).mean())
    assert shares[4] >= 0.75
    assert shares[1] <= 0.5 * shares[4]


def test_nothing_is_computed_in_float64() -> None:
    t = trainer(small())
    t.refill()
    t.update()
    with no_grad():
        carry = t.learner(t.batch.questions, Carry(Tensor(t.batch.y), Tensor(t.batch.z)))
        said = t.learner.decode(carry)
    arrays = [*(p.data for p in t.model.parameters()), t.optimizer.weights, t.batch.y, t.batch.z]
    assert {a.dtype for a in [*arrays, carry.y.data, said.cells.data, said.halting.data]} == {
        np.dtype(np.float32)
    }
