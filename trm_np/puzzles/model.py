"""A Tiny Recursive Model of puzzles, in the letters of Jolicoeur-Martineau (2025), "Less is More".

The question x has a vector for each cell, and so have the answer y and the latent z. The core (model/core.py) does
the recursion; its heads read, from y, the symbol of each cell, and whether the answer is right already.

    latent recursion   n times z ← f(x + y + z), then y ← f(y + z)
    deep recursion     T - 1 latent recursions without gradient, then one with
    deep supervision   at most N_sup times: deep recursion, loss, an update, and the carry (y, z), detached, handed on

Cells have no positions. What a cell may see is all that the model knows of the task: row, column and box of Sudoku,
the open neighbours in a maze.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.config import ConfigError
from trm_np.data.tables import Bools, Ints
from trm_np.model.core import Carry, Core
from trm_np.puzzles.config import ThinkingConfig
from trm_np.puzzles.task import Board, Task

GO_ON, HALT = 0, 1  # the halt head's two classes
RELUCTANCE = 3.0  # how much the first logit to go on is above that to halt: at first no answer is right
# The probability of being right at which thinking ends. In training it ends at a half, as in the paper; there a puzzle
# that is left too early comes again.
SURE = 0.9
GROUP = 32  # puzzles thought about at once: with 256 a step takes a third longer for each


class Said(NamedTuple):
    """Outputs read from an answer: logits of each cell's symbol (B, S, V), and of halting (B, 2)."""

    cells: Tensor
    halting: Tensor


class PuzzleModel(nn.Module):
    """The core, with the masks of a task for its heads."""

    def __init__(self, config: ThinkingConfig, task: Task, rng: np.random.Generator) -> None:
        if config.core_heads != len(task.sees):
            raise ConfigError(
                f"model.core_heads={config.core_heads}: {task.name} has masks for {len(task.sees)}"
            )
        self.config, self.task = config, task
        self.core = Core(config, len(task.symbols), rng)
        self.blocked = None if task.sees.all() else ~task.sees
        head = self.core.halt_head
        head.weight.data[...] = 0
        head.bias.data[...] = RELUCTANCE / 2, -RELUCTANCE / 2  # type: ignore[union-attr]

    def start(self, count: int) -> Carry:
        """The carry before the first step: y = z = 0."""
        y = np.zeros((count, self.task.cells, self.config.core_width), self.core.token_embedding.weight.dtype)
        return Carry(Tensor(y), Tensor(y.copy()))

    def forward(self, questions: Board, carry: Carry) -> Carry:
        """One supervision step on B questions (B, S); without a latent step there is no recursion: y = f(x)."""
        x = self.core.embed(questions)
        if not self.config.latent_steps:
            carry = Carry(x, Tensor(np.zeros_like(x.data)))
        sees = self.task.sees_in(questions)
        blocked = self.blocked if sees is self.task.sees else ~sees
        after: Carry = self.core(x, carry, None, blocked)
        return after

    def read(self, carry: Carry) -> Said:
        """Read the answer y: logits of each cell, and of halting from the mean of its cells."""
        return Said(self.core.lm_head(carry.y), self.core.halt_head(carry.y.mean(axis=1)))


def losses(said: Said, answers: Board) -> tuple[Tensor, Tensor]:
    """Cross-entropy of all cells, and of halting, which is to say whether the whole board is right."""
    cells = F.cross_entropy(said.cells, answers.astype(np.int64))
    return cells, F.cross_entropy(said.halting, solved(said, answers).astype(np.int64))


def solved(said: Said, answers: Board) -> Bools:
    """Which boards (B,) are right in every cell."""
    right: Bools = (said.cells.data.argmax(axis=2) == answers).all(axis=1)
    return right


def halts(said: Said) -> Bools:
    """Which answers (B,) are more likely right than not, as the model sees it."""
    found: Bools = said.halting.data[:, HALT] > said.halting.data[:, GO_ON]
    return found


def average_(averaged: nn.Module, learner: nn.Module, share: float) -> None:
    """Exponential moving average of weights, in place: `share` of it stays."""
    for mean, weight in zip(averaged.parameters(), learner.parameters(), strict=True):
        mean.data *= share
        mean.data += (1 - share) * weight.data


# ------------------------------------------------------------------------------------------------ thinking


class Thought(NamedTuple):
    """After a step: the probability of each symbol in each cell (B, S, V), and that of being right (B,)."""

    probabilities: Array
    right: Array

    @property
    def boards(self) -> Board:
        """The likeliest symbol of each cell (B, S)."""
        likeliest: Board = self.probabilities.argmax(axis=2).astype(np.uint8)
        return likeliest


@no_grad()
def step_of_thought(model: PuzzleModel, questions: Board, carry: Carry) -> tuple[Thought, Carry]:
    """A further step, without gradient."""
    carry = model(questions, carry)
    said = model.read(carry)
    return Thought(F.softmax(said.cells).data, F.softmax(said.halting).data[:, HALT]), carry


def thoughts(model: PuzzleModel, questions: Board, steps: int) -> Iterator[Thought]:
    """Yield the model's thoughts on B questions, one after each of so many steps."""
    carry = model.start(len(questions))
    for _ in range(steps):
        thought, carry = step_of_thought(model, questions, carry)
        yield thought


class Course(NamedTuple):
    """How N puzzles went: the boards (steps, N, S) after each step, and how sure the model was of each (steps, N)."""

    boards: Board
    right: Array

    def halted(self) -> Ints:
        """The step (N,), from 0, at which the model first was sure of each answer, or the last."""
        sure = self.right >= SURE
        sure[-1] = True
        first: Ints = sure.argmax(axis=0)
        return first


def think(model: PuzzleModel, questions: Board, steps: int) -> Course:
    """Think about any number of questions (N, S), a group at a time."""
    boards = np.empty((steps, *questions.shape), np.uint8)
    right = np.empty((steps, len(questions)), np.float32)
    for first in range(0, len(questions), GROUP):
        group = slice(first, first + GROUP)
        for step, thought in enumerate(thoughts(model, questions[group], steps)):
            boards[step, group], right[step, group] = thought.boards, thought.right
    return Course(boards, right)


class Answers(NamedTuple):
    """To N questions: the boards (N, S), how sure the model is of each (N,), and after how many steps (N,)."""

    boards: Board
    right: Array
    steps: Ints


def answer(model: PuzzleModel, questions: Board, steps: int) -> Answers:
    """Think about each of any number of questions (N, S) until the model is sure, or for so many steps."""
    count = len(questions)
    found = Answers(np.empty_like(questions), np.empty(count, np.float32), np.zeros(count, np.int64))
    for first in range(0, count, GROUP):
        going = np.arange(first, min(first + GROUP, count))
        carry = model.start(len(going))
        for step in range(1, steps + 1):
            thought, carry = step_of_thought(model, questions[going], carry)
            found.boards[going], found.right[going], found.steps[going] = thought.boards, thought.right, step
            unsure = thought.right < SURE
            going, carry = going[unsure], Carry(Tensor(carry.y.data[unsure]), Tensor(carry.z.data[unsure]))
            if not len(going):
                break
    return found
