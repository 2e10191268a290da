"""Train a puzzle model. Read `PuzzleTrainer` from `epochs` down; run.py writes the files of a run.

The puzzles of a batch are at different steps of thinking, each with its own y and z. An update of the weights is one
supervision step for all of them. A finished puzzle is replaced by a new one.
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
from trm_np.puzzles.config import PracticeConfig, PuzzleConfig
from trm_np.puzzles.model import PuzzleModel, Said, average_, halts, losses, solved, think
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.stored import LEARNER
from trm_np.puzzles.task import Board, Task
from trm_np.training.divergence import Diverged
from trm_np.training.stopping import EarlyStopping, StoppingState
from trm_np.training.trainer import Interrupted, Record, copy_into, in_json, out_of_json

TERMS = ("cells", "halting")
LESS_THAN_A_CELL = 1e-9  # evaluations that differ by less count as equal
RISING = 10  # updates after which the average covers about half of them


@dataclass(frozen=True)
class Generators:
    """One generator for each purpose, so that switching one off does not change the draws of another."""

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
    """The state of training: finished epochs, updates in the current epoch, and its sums so far."""

    epochs: int = 0
    updates: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    stopped_by: str = ""


@dataclass
class Places:
    """The places of a batch: B puzzles with their y and z (B, S, D), steps taken, and minimum of steps `least`."""

    y: Array
    z: Array
    questions: Board
    answers: Board
    steps: Board
    least: Board
    finished: Board  # 1 for places that need a new puzzle

    @classmethod
    def empty(cls, model: PuzzleModel, count: int) -> "Places":
        """Places that all need a puzzle."""
        carry, board = model.start(count), np.zeros((count, model.task.cells), np.uint8)
        steps = np.zeros(count, np.uint8)
        return cls(carry.y.data, carry.z.data, board, board.copy(), steps, steps.copy(), steps + 1)

    def arrays(self) -> dict[str, Array]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


class PuzzleTrainer:
    """Trains the `learner` on puzzles. `model` is the moving average of its weights; it is evaluated and kept.

    `build` is the class of both models. All randomness comes from `seed`. Raises ConfigError if the configuration does
    not allow a model.
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
        self.places = Places.empty(self.learner, training.batch_size)
        # It never stops and keeps the best model. Of equal ones it keeps the newest, trained with lower rates.
        self.stopping = EarlyStopping(patience=training.epochs, threshold=-LESS_THAN_A_CELL)
        self.progress = PuzzleProgress()

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Train to the end. Yields the record of each epoch.

        `interrupted` is called before every update. Raises Interrupted once it returns True, and Diverged.
        """
        while not self.progress.stopped_by:
            while self.progress.updates < self.config.training.updates:
                if interrupted():
                    raise Interrupted
                self.take_new_puzzles()
                self.update()
            yield self.end_epoch()

    def take_new_puzzles(self) -> None:
        """Put a new puzzle in each finished place, with a random symmetry applied and an initial carry."""
        places, dice, training = self.places, self.generators, self.config.training
        free = np.flatnonzero(places.finished)
        drawn = dice.puzzles.integers(len(self.puzzles), size=len(free))
        twins = self.task.draw_symmetries(dice.symmetries, len(free)) if training.augment else None
        for boards, place in (
            (self.puzzles.questions, places.questions),
            (self.puzzles.answers, places.answers),
        ):
            place[free] = twins.applied(boards[drawn]) if twins else boards[drawn]
        start = self.learner.start(len(free))
        places.y[free], places.z[free] = start.y.data, start.z.data
        places.steps[free] = places.finished[free] = 0
        places.least[free] = draw_least(
            training, self.config.model.supervision_steps, len(free), dice.exploration
        )

    def update(self) -> None:
        """Take one supervision step from the carry, update the weights, and pass the carry on."""
        places, training = self.places, self.config.training
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow makes a number below non-finite
            carry = self.learner(places.questions, Carry(Tensor(places.y), Tensor(places.z)))
            said = self.learner.read(carry)
            cells, halting = losses(said, places.answers)
            self.count(said, cells.item(), halting.item())
            (cells + halting * training.halting).backward()
            norm = global_norm(self.optimizer.gradients())
            self.require_finite("gradient norm", norm)
            self.optimizer.param_groups[0]["lr"] = self.learning_rate()
            self.optimizer.step(clip_factor(norm, training.clip_norm))
            self.optimizer.zero_grad()
        self.progress.updates += 1
        done = self.updates_done()
        average_(self.model, self.learner, min(training.average, done / (done + RISING)))
        places.y, places.z = carry.y.data, carry.z.data
        places.steps += 1
        places.finished = self.is_finished(said).astype(np.uint8)

    def is_finished(self, said: Said) -> Bools:
        """Mark the finished places: after N_sup steps, or after `least` steps if the model halts."""
        places = self.places
        found: Bools = halts(said) & (places.steps >= places.least)
        return found | (places.steps >= self.config.model.supervision_steps)

    def updates_done(self) -> int:
        return self.progress.epochs * self.config.training.updates + self.progress.updates

    def learning_rate(self) -> float:
        """The learning rate of the next update: linear warm-up, then cosine decay (Loshchilov and Hutter 2017)."""
        training, done = self.config.training, self.updates_done()
        way = done / (training.epochs * training.updates)
        cosine = training.final + (1 - training.final) * 0.5 * (1 + math.cos(math.pi * way))
        return training.learning_rate * cosine * min(1.0, (done + 1) / max(training.warmup, 1))

    def count(self, said: Said, cells: float, halting: float) -> None:
        """Add the losses of an update and the share solved to the sums of the epoch. Raises Diverged."""
        self.require_finite("loss cells", cells)
        self.require_finite("loss halting", halting)
        share = float(solved(said, self.places.answers).mean())
        for name, value in (("cells", cells), ("halting", halting), ("solved", share)):
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value

    def require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise Diverged(what, value, self.progress.epochs + 1, self.progress.updates)

    def end_epoch(self) -> Record:
        """Make the record of the epoch, with an evaluation if one is due, and reset the sums."""
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
        """Evaluate the shares of boards solved and of cells right in validation, and keep the best model.

        Of two models that solve as many boards, the one with more cells right is better. Of equal ones the newest wins.
        """
        puzzles = self.validation
        boards = think(self.model, puzzles.questions, self.config.model.answer_steps).boards[-1]
        right = boards == puzzles.answers
        solved, cells = right.all(axis=1), right.mean(axis=1)
        # All cells of all puzzles together weigh no more than one board.
        self.stopping.step(solved + cells / len(puzzles), epoch, self.model)
        return {"solved": float(solved.mean()), "cells": float(cells.mean())}

    # ------------------------------------------------------------------------- resuming

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The state that training needs to resume, except the averaged weights: values for JSON, and arrays."""
        values = {
            "progress": asdict(self.progress),
            "generators": {name: dice.bit_generator.state for name, dice in vars(self.generators).items()},
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
        return values, {**arrays, **self.places.arrays()}

    def load_state(self, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """The inverse of `state`. Raises KeyError, TypeError or ValueError if something does not fit."""
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
        for name, place in self.places.arrays().items():
            copy_into(place, arrays[name])
        for name, dice in vars(self.generators).items():
            dice.bit_generator.state = values["generators"][name]
        counts = zip(self.optimizer.steps, values["optimizer_steps"], strict=True)
        self.optimizer.steps = [int(count) for _, count in counts]
        self.stopping.state = StoppingState(**out_of_json(values["stopping"]))
        if self.stopping.has_kept:
            best = self.model.state_dict()
            for name, own in best.items():
                copy_into(own, arrays[f"best.{name}"])
            self.stopping.best_weights = best
        self.progress = progress


def draw_least(training: PracticeConfig, most: int, count: int, rng: np.random.Generator) -> Board:
    """Draw the minimum of steps (K,) for new puzzles: 0, or rarely a number from 2 to `most`."""
    drawn = rng.integers(min(2, most), most, count, endpoint=True)
    return np.where(rng.random(count) < training.explore, drawn, 0).astype(np.uint8)


def require_places(arrays: Mapping[str, Array], task: Task) -> None:
    """Raise ValueError for boards with symbols that the task does not have."""
    for name in ("questions", "answers"):
        if arrays[name].max() >= len(task.symbols):
            raise ValueError(f"{name}: found symbol {arrays[name].max()}; allowed: below {len(task.symbols)}")
