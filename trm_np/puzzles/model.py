"""A Tiny Recursive Model for puzzles, in the notation of Jolicoeur-Martineau (2025), "Less is More".

The question x, the answer y and the latent z have a vector for each cell. The core (model/core.py) does the recursion.
Its heads compute from y the symbol of each cell, and whether the answer is right.

    latent recursion   n times z ← f(x + y + z), then y ← f(y + z)
    deep recursion     T - 1 latent recursions without gradient, then one with
    deep supervision   at most N_sup times: deep recursion, loss and update; the detached carry (y, z) is passed on

Cells have no positions. The attention masks are all that the model knows of the task: each cell sees its row, column
and box in Sudoku, and its open neighbours in a maze.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.config import ConfigError
from trm_np.data.tables import Bools, Ints
from trm_np.model.core import Carry, Core
from trm_np.puzzles.config import PuzzleModelConfig
from trm_np.puzzles.task import Board, Task

GO_ON, HALT = 0, 1  # the halt head's two classes
HALT_MARGIN = 3.0  # initial logit of going on minus that of halting: at first no answer is right
# Probability of being right at which inference halts. Training halts at 0.5, as in the paper; a puzzle that halts too
# early there is drawn again.
SURE = 0.9
GROUP = 32  # puzzles in a batch of inference: with 256 a step takes a third longer for each


class PuzzleOutputs(NamedTuple):
    """Logits of each cell's symbol (B, S, V), and of halting (B, 2)."""

    cells: Tensor
    halting: Tensor


class PuzzleModel(nn.Module):
    """The core, with the attention masks of a task."""

    def __init__(self, config: PuzzleModelConfig, task: Task, rng: np.random.Generator) -> None:
        if config.core_heads != len(task.sees):
            raise ConfigError(
                f"model.core_heads={config.core_heads}: {task.name} has masks for {len(task.sees)}"
            )
        self.config, self.task = config, task
        self.core = Core(config, len(task.symbols), rng)
        self.blocked = None if task.sees.all() else ~task.sees
        head = self.core.halt_head
        head.weight.data[...] = 0
        head.bias.data[...] = HALT_MARGIN / 2, -HALT_MARGIN / 2  # type: ignore[union-attr]

    def initial_carry(self, count: int) -> Carry:
        """The carry before the first step: y = z = 0."""
        y = np.zeros((count, self.task.cells, self.config.core_width), self.core.token_embedding.weight.dtype)
        return Carry(Tensor(y), Tensor(y.copy()))

    def forward(self, questions: Board, carry: Carry) -> Carry:
        """One supervision step on B questions (B, S); without latent steps it is y = f(x), with no recursion."""
        x = self.core.embed(questions)
        if not self.config.latent_steps:
            carry = Carry(x, Tensor(np.zeros_like(x.data)))
        sees = self.task.sees_in(questions)
        blocked = self.blocked if sees is self.task.sees else ~sees
        after: Carry = self.core(x, carry, None, blocked)
        return after

    def decode(self, carry: Carry) -> PuzzleOutputs:
        """Compute the outputs from the answer y; halting is computed from the mean over its cells."""
        return PuzzleOutputs(self.core.lm_head(carry.y), self.core.halt_head(carry.y.mean(axis=1)))


def losses(outputs: PuzzleOutputs, answers: Board) -> tuple[Tensor, Tensor]:
    """Cross-entropies of all cells, and of halting, whose target is whether the whole board is right."""
    cells = F.cross_entropy(outputs.cells, answers.astype(np.int64))
    return cells, F.cross_entropy(outputs.halting, solved(outputs, answers).astype(np.int64))


def solved(outputs: PuzzleOutputs, answers: Board) -> Bools:
    """Marks (B,) of the boards that are right in every cell."""
    right: Bools = (outputs.cells.data.argmax(axis=2) == answers).all(axis=1)
    return right


def halts(outputs: PuzzleOutputs) -> Bools:
    """Marks (B,) of the answers that the halting head holds more likely right than wrong."""
    marks: Bools = outputs.halting.data[:, HALT] > outputs.halting.data[:, GO_ON]
    return marks


def average_(averaged: nn.Module, learner: nn.Module, share: float) -> None:
    """Update an exponential moving average of weights in place, with decay `share`."""
    for mean, weight in zip(averaged.parameters(), learner.parameters(), strict=True):
        mean.data *= share
        mean.data += (1 - share) * weight.data


# ------------------------------------------------------------------------------------------------ inference


class Prediction(NamedTuple):
    """Probabilities after a step: of each symbol in each cell (B, S, V), and of being `right` (B,)."""

    probabilities: Array
    right: Array

    @property
    def boards(self) -> Board:
        """Most probable symbol of each cell (B, S)."""
        boards: Board = self.probabilities.argmax(axis=2).astype(np.uint8)
        return boards


@no_grad()
def predict_step(model: PuzzleModel, questions: Board, carry: Carry) -> tuple[Prediction, Carry]:
    """One supervision step without gradient: its prediction and the next carry."""
    carry = model(questions, carry)
    outputs = model.decode(carry)
    return Prediction(F.softmax(outputs.cells).data, F.softmax(outputs.halting).data[:, HALT]), carry


def predictions(model: PuzzleModel, questions: Board, steps: int) -> Iterator[Prediction]:
    """Yield the prediction for B questions after each of so many steps."""
    carry = model.initial_carry(len(questions))
    for _ in range(steps):
        prediction, carry = predict_step(model, questions, carry)
        yield prediction


class Trajectory(NamedTuple):
    """Boards (steps, N, S) of N puzzles after each step, and the probability of each being `right` (steps, N)."""

    boards: Board
    right: Array

    def halted(self) -> Ints:
        """First step (N,), from 0, at which the model was sure of each board, or the last step."""
        sure = self.right >= SURE
        sure[-1] = True
        first: Ints = sure.argmax(axis=0)
        return first


def unroll(
    model: PuzzleModel, questions: Board, steps: int, advance: Callable[[int], object] = lambda count: None
) -> Trajectory:
    """Run so many steps on any number of questions (N, S), a group at a time; `advance` is called with its size."""
    boards = np.empty((steps, *questions.shape), np.uint8)
    right = np.empty((steps, len(questions)), np.float32)
    for first in range(0, len(questions), GROUP):
        group = slice(first, first + GROUP)
        for step, prediction in enumerate(predictions(model, questions[group], steps)):
            boards[step, group], right[step, group] = prediction.boards, prediction.right
        advance(len(questions[group]))
    return Trajectory(boards, right)


class Solutions(NamedTuple):
    """Boards (N, S) for N questions, the probability of each being `right` (N,), and the steps taken (N,)."""

    boards: Board
    right: Array
    steps: Ints


def solutions(model: PuzzleModel, questions: Board, steps: int) -> Solutions:
    """Run each of N questions (N, S) until the model is sure, or for so many steps."""
    count = len(questions)
    result = Solutions(np.empty_like(questions), np.empty(count, np.float32), np.zeros(count, np.int64))
    for first in range(0, count, GROUP):
        going = np.arange(first, min(first + GROUP, count))
        carry = model.initial_carry(len(going))
        for step in range(1, steps + 1):
            prediction, carry = predict_step(model, questions[going], carry)
            result.boards[going], result.right[going] = prediction.boards, prediction.right
            result.steps[going] = step
            unsure = prediction.right < SURE
            going, carry = going[unsure], carry.take(unsure)
            if not len(going):
                break
    return result
