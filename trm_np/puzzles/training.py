"""Training of a puzzle model: read `PuzzleTrainer` from `epochs` down; run.py writes its files.

The puzzles of a batch are at different supervision steps, each with its own y and z. One update of the weights is one
supervision step for all of them. A puzzle that has halted, or taken all its steps, is replaced by a new one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from trm_np.autograd import Tensor
from trm_np.autograd.ops import Array
from trm_np.autograd.optim import AdamW, clip_factor, global_norm
from trm_np.data.tables import Bools
from trm_np.model.core import Carry
from trm_np.puzzles.config import PuzzleConfig, PuzzleTrainingConfig
from trm_np.puzzles.model import PuzzleModel, PuzzleOutputs, average_, halts, losses, solved, unroll
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.stored import LEARNER
from trm_np.puzzles.task import Board, Task
from trm_np.training.divergence import Diverged
from trm_np.training.state import copy_into, generator_states, in_json, load_stopping
from trm_np.training.stopping import EarlyStopping
from trm_np.training.trainer import Interrupted, Record

TERMS = ("cells", "halting")
LESS_THAN_A_CELL = 1e-9  # relative: evaluations that differ by less are equal
RISING = 10  # updates until the average has about half of its final memory


@dataclass(frozen=True)
class Generators:
    """One generator for each purpose, so that turning one off does not change the numbers of another."""

    init: np.random.Generator
    puzzles: np.random.Generator
    symmetries: np.random.Generator
    exploration: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> "Generators":
        seeds = np.random.SeedSequence(seed).spawn(len(fields(cls)))
        return cls(*map(np.random.default_rng, seeds))


@dataclass
class PuzzleProgress:
    """Progress of training: finished epochs, and the updates and sums of the current one."""

    epochs: int = 0
    updates: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    stopped_by: str = ""


@dataclass
class BatchState:
    """B puzzles, the y and z (B, S, D) of each, the supervision steps taken, and the `least` number of steps."""

    y: Array
    z: Array
    questions: Board
    answers: Board
    steps: Board
    least: Board
    finished: Board  # 1 where a new puzzle takes the place

    @classmethod
    def empty(cls, model: PuzzleModel, count: int) -> "BatchState":
        """A batch in which each place takes a new puzzle at the next update."""
        carry, board = model.initial_carry(count), np.zeros((count, model.task.cells), np.uint8)
        steps = np.zeros(count, np.uint8)
        return cls(carry.y.data, carry.z.data, board, board.copy(), steps, steps.copy(), steps + 1)

    def arrays(self) -> dict[str, Array]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


class PuzzleTrainer:
    """A model in training on puzzles: `model`, which is evaluated and kept, averages the weights of `learner`.

    `build` makes both models, and `seed` seeds all random numbers. Raises ConfigError if no model can be built.
    """

    def __init__(
        self,
        config: PuzzleConfig,
        task: Task,
        puzzles: Puzzles,
        validation: Puzzles,
        seed: int,
        build: type[PuzzleModel] = PuzzleModel,
    ) -> None:
        self.config, self.task = config, task
        self.puzzles, self.validation = puzzles, validation
        self.generators = Generators.from_seed(seed)
        self.learner = build(config.model, task, self.generators.init)
        self.model = build(config.model, task, self.generators.init).eval()
        self.model.load_state_dict(self.learner.state_dict())
        training = config.training
        self.optimizer = AdamW(
            self.learner.parameters(),
            betas=(training.beta1, training.beta2),
            weight_decay=training.weight_decay,
        )
        self.batch = BatchState.empty(self.learner, training.batch_size)
        # It never stops and keeps the best; of equal ones the newest, which was trained at a lower rate.
        self.stopping = EarlyStopping(patience=training.epochs, threshold=-LESS_THAN_A_CELL)
        self.progress = PuzzleProgress()

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Train to the end; yields the record of each epoch.

        Raises Diverged, and Interrupted as soon as `interrupted()`, called before every update, is true.
        """
        while not self.progress.stopped_by:
            while self.progress.updates < self.config.training.updates:
                if interrupted():
                    raise Interrupted
                self.refill()
                self.update()
            yield self.end_epoch()

    def refill(self) -> None:
        """Replace finished puzzles by random ones under a random symmetry, with y = z = 0."""
        batch, generators, training = self.batch, self.generators, self.config.training
        free = np.flatnonzero(batch.finished)
        drawn = generators.puzzles.integers(len(self.puzzles), size=len(free))
        symmetries = self.task.draw_symmetries(generators.symmetries, len(free)) if training.augment else None
        for boards, place in (
            (self.puzzles.questions, batch.questions),
            (self.puzzles.answers, batch.answers),
        ):
            place[free] = symmetries.applied(boards[drawn]) if symmetries else boards[drawn]
        carry = self.learner.initial_carry(len(free))
        batch.y[free], batch.z[free] = carry.y.data, carry.z.data
        batch.steps[free] = batch.finished[free] = 0
        batch.least[free] = draw_least(
            training, self.config.model.supervision_steps, len(free), generators.exploration
        )

    def update(self) -> None:
        """One supervision step from the carry, with its losses and an update of the weights; the carry goes on."""
        batch, training = self.batch, self.config.training
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow ends up in a number checked below
            carry = self.learner(batch.questions, Carry(Tensor(batch.y), Tensor(batch.z)))
            outputs = self.learner.decode(carry)
            cells, halting = losses(outputs, batch.answers)
            self.add_losses(outputs, cells.item(), halting.item())
            (cells + halting * training.halting).backward()
            norm = global_norm(self.optimizer.gradients())
            self.require_finite("gradient norm", norm)
            self.optimizer.param_groups[0]["lr"] = self.learning_rate()
            self.optimizer.step(clip_factor(norm, training.clip_norm))
            self.optimizer.zero_grad()
        self.progress.updates += 1
        done = self.updates_done()
        average_(self.model, self.learner, min(training.average, done / (done + RISING)))
        batch.y, batch.z = carry.y.data, carry.z.data
        batch.steps += 1
        batch.finished = self.is_finished(outputs).astype(np.uint8)

    def is_finished(self, outputs: PuzzleOutputs) -> Bools:
        """Puzzles (B,) that halt after at least the drawn number of steps, or have taken N_sup steps."""
        batch = self.batch
        halted: Bools = halts(outputs) & (batch.steps >= batch.least)
        return halted | (batch.steps >= self.config.model.supervision_steps)

    def updates_done(self) -> int:
        return self.progress.epochs * self.config.training.updates + self.progress.updates

    def learning_rate(self) -> float:
        """Learning rate of the next update: linear warm-up, then half a cosine (Loshchilov and Hutter 2017)."""
        training, done = self.config.training, self.updates_done()
        progress = done / (training.epochs * training.updates)
        cosine = training.final + (1 - training.final) * 0.5 * (1 + math.cos(math.pi * progress))
        return training.learning_rate * cosine * min(1.0, (done + 1) / max(training.warmup, 1))

    def add_losses(self, outputs: PuzzleOutputs, cells: float, halting: float) -> None:
        """Add the losses of an update and the share of solved puzzles to the sums of the epoch; raises Diverged."""
        self.require_finite("loss cells", cells)
        self.require_finite("loss halting", halting)
        share = float(solved(outputs, self.batch.answers).mean())
        for name, value in (("cells", cells), ("halting", halting), ("solved", share)):
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value

    def require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise Diverged(what, value, self.progress.epochs + 1, self.progress.updates)

    def end_epoch(self) -> Record:
        """Record of the epoch, with an evaluation if one is due; resets the sums for the next epoch."""
        done, training = self.progress, self.config.training
        means = {name: total / training.updates for name, total in done.sums.items()}
        record: Record = {
            "epoch": done.epochs + 1,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "losses": {name: means[name] for name in TERMS},
            "total": means["cells"] + training.halting * means["halting"],
            "solved": means["solved"],
        }
        is_last = record["epoch"] == training.epochs
        if record["epoch"] % training.evaluate_every == 0 or is_last:
            record["validation"] = self.evaluate(record["epoch"])
        self.progress = PuzzleProgress(epochs=record["epoch"], stopped_by="epochs" if is_last else "")
        return record

    def evaluate(self, epoch: int) -> dict[str, float]:
        """Shares of solved boards and of right cells on the validation puzzles; keeps the best model.

        Right cells decide between models that solve equally many boards, and the newest of equal models is kept.
        """
        puzzles = self.validation
        boards = unroll(self.model, puzzles.questions, self.config.model.answer_steps).boards[-1]
        right = boards == puzzles.answers
        solved, cells = right.all(axis=1), right.mean(axis=1)
        # All cells together weigh less than a board.
        self.stopping.step(solved + cells / len(puzzles), epoch, self.model)
        return {"solved": float(solved.mean()), "cells": float(cells.mean())}

    # ------------------------------------------------------------------------- state of a training file

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that resuming needs beside the averaged weights: values for JSON, and arrays."""
        values = {
            "progress": asdict(self.progress),
            "generators": generator_states(self.generators),
            "optimizer_steps": self.optimizer.steps,
            "stopping": in_json(self.stopping.state),
        }
        arrays = {f"best.{name}": weight for name, weight in self.stopping.best_weights.items()}
        for (name, weight), (first, second) in zip(
            self.learner.named_parameters(), self.optimizer.moments, strict=True
        ):
            arrays |= {
                LEARNER + name: weight.data,
                f"first_moment.{name}": first,
                f"second_moment.{name}": second,
            }
        return values, {**arrays, **self.batch.arrays()}

    def load_state(self, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """The inverse of `state`; raises KeyError, TypeError or ValueError if something does not fit."""
        progress = PuzzleProgress(**values["progress"])
        require_places(arrays, self.task)
        for (name, weight), (first, second) in zip(
            self.learner.named_parameters(), self.optimizer.moments, strict=True
        ):
            for place, prefix in (
                (weight.data, LEARNER),
                (first, "first_moment."),
                (second, "second_moment."),
            ):
                copy_into(place, arrays[prefix + name])
        for name, place in self.batch.arrays().items():
            copy_into(place, arrays[name])
        for name, rng in vars(self.generators).items():
            rng.bit_generator.state = values["generators"][name]
        counts = zip(self.optimizer.steps, values["optimizer_steps"], strict=True)
        self.optimizer.steps = [int(count) for _, count in counts]
        load_stopping(self.stopping, values["stopping"], arrays, self.model)
        self.progress = progress


def draw_least(training: PuzzleTrainingConfig, most: int, count: int, rng: np.random.Generator) -> Board:
    """Draw the least number of steps (K,) of new puzzles: mostly 0, with probability `explore` from 2 to `most`."""
    drawn = rng.integers(min(2, most), most, count, endpoint=True)
    return np.where(rng.random(count) < training.explore, drawn, 0).astype(np.uint8)


def require_places(arrays: Mapping[str, Array], task: Task) -> None:
    """Raise ValueError for boards of symbols that the task does not have."""
    for name in ("questions", "answers"):
        if arrays[name].max() >= len(task.symbols):
            raise ValueError(f"{name}: found symbol {arrays[name].max()}; allowed: below {len(task.symbols)}")
