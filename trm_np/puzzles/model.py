"""A Tiny Recursive Model for puzzles, in the notation of Jolicoeur-Martineau (2025), "Less is More".

The question x, the answer y and the latent z have one vector per cell. The core (model/core.py) does the recursion. Its
heads read from y the symbol of each cell, and whether the answer is right.

    latent recursion   n times z ← f(x + y + z), then y ← f(y + z)
    deep recursion     T - 1 latent recursions without gradient, then one with
    deep supervision   at most N_sup times: deep recursion, loss and update; the detached carry (y, z) is passed on

Cells have no positions. The model knows the task only by which cells see each other: row, column and box in Sudoku, the
open neighbours in a maze.
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

GO_ON, HALT = 0, 1  # the two classes of the halt head
RELUCTANCE = 3.0  # initial margin of the logit to go on, since no answer is right at first
# Thinking ends at this probability of being right. In training it ends at 0.5, as in the paper; a puzzle that ends too
# early there will be drawn again.
SURE = 0.9
GROUP = 32  # puzzles computed at once; with 256, a step takes a third longer per puzzle


class Said(NamedTuple):
    """Outputs for an answer y: logits for the symbol of each cell (B, S, V), and for halting (B, 2)."""

    cells: Tensor
    halting: Tensor


class PuzzleModel(nn.Module):
    """The core, with a task's masks for its heads."""

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
        """Take one supervision step on B questions (B, S). Without latent steps there is no recursion: y = f(x)."""
        x = self.core.embed(questions)
        if not self.config.latent_steps:
            carry = Carry(x, Tensor(np.zeros_like(x.data)))
        sees = self.task.sees_in(questions)
        blocked = self.blocked if sees is self.task.sees else ~sees
        after: Carry = self.core(x, carry, None, blocked)
        return after

    def read(self, carry: Carry) -> Said:
        """Compute the outputs: logits for each cell, and for halting from the mean over the cells."""
        return Said(self.core.lm_head(carry.y), self.core.halt_head(carry.y.mean(axis=1)))


def losses(said: Said, answers: Board) -> tuple[Tensor, Tensor]:
    """The cross-entropy of all cells, and that of halting, whose target is whether the whole board is right."""
    cells = F.cross_entropy(said.cells, answers.astype(np.int64))
    return cells, F.cross_entropy(said.halting, solved(said, answers).astype(np.int64))


def solved(said: Said, answers: Board) -> Bools:
    """Mark the boards (B,) that are right in every cell."""
    right: Bools = (said.cells.data.argmax(axis=2) == answers).all(axis=1)
    return right


def halts(said: Said) -> Bools:
    """Mark the answers (B,) that the model holds for more likely right than wrong."""
    found: Bools = said.halting.data[:, HALT] > said.halting.data[:, GO_ON]
    return found


def average_(averaged: nn.Module, learner: nn.Module, share: float) -> None:
    """Update an exponential moving average of weights in place. `share` is its decay."""
    for mean, weight in zip(averaged.parameters(), learner.parameters(), strict=True):
        mean.data *= share
        mean.data += (1 - share) * weight.data


# ------------------------------------------------------------------------------------------------ thinking


class Thought(NamedTuple):
    """The result of a step: the probability of each symbol in each cell (B, S, V), and of being right (B,)."""

    probabilities: Array
    right: Array

    @property
    def boards(self) -> Board:
        """The most probable symbol of each cell (B, S)."""
        likeliest: Board = self.probabilities.argmax(axis=2).astype(np.uint8)
        return likeliest


@no_grad()
def step_of_thought(model: PuzzleModel, questions: Board, carry: Carry) -> tuple[Thought, Carry]:
    """Take a further step without gradient."""
    carry = model(questions, carry)
    said = model.read(carry)
    return Thought(F.softmax(said.cells).data, F.softmax(said.halting).data[:, HALT]), carry


def thoughts(model: PuzzleModel, questions: Board, steps: int) -> Iterator[Thought]:
    """Yield the model's thoughts on B questions after each step."""
    carry = model.start(len(questions))
    for _ in range(steps):
        thought, carry = step_of_thought(model, questions, carry)
        yield thought


class Course(NamedTuple):
    """The boards (steps, N, S) of N puzzles after each step, and the probabilities of being right (steps, N)."""

    boards: Board
    right: Array

    def halted(self) -> Ints:
        """The first step (N,), counted from 0, at which the model is sure of each answer, or the last step."""
        sure = self.right >= SURE
        sure[-1] = True
        first: Ints = sure.argmax(axis=0)
        return first


def think(model: PuzzleModel, questions: Board, steps: int) -> Course:
    """Take `steps` steps on any number of questions (N, S), a group at a time."""
    boards = np.empty((steps, *questions.shape), np.uint8)
    right = np.empty((steps, len(questions)), np.float32)
    for first in range(0, len(questions), GROUP):
        group = slice(first, first + GROUP)
        for step, thought in enumerate(thoughts(model, questions[group], steps)):
            boards[step, group], right[step, group] = thought.boards, thought.right
    return Course(boards, right)


class Answers(NamedTuple):
    """Answers to N questions: boards (N, S), probabilities of being right (N,), and steps taken (N,)."""

    boards: Board
    right: Array
    steps: Ints


def answer(model: PuzzleModel, questions: Board, steps: int) -> Answers:
    """Answer any number of questions (N, S). Each is thought about until the model is sure, at most `steps` steps."""
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
