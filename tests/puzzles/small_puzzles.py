"""A quick run on puzzles: boards of 4 × 4 and small widths."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig, resolve
from trm_np.puzzles.model import PuzzleModel
from trm_np.puzzles.run import PuzzleRun
from trm_np.puzzles.sets import Puzzles, make_puzzles
from trm_np.puzzles.sudoku import Sudoku
from trm_np.puzzles.task import Task
from trm_np.puzzles.training import PuzzleTrainer
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.trainer import Record

TASK = Sudoku(2, 2)
SMALL = {
    "model.core_width": 8,
    "model.core_blocks": 1,
    "model.core_hidden": 6,
    "model.supervision_steps": 3,
    "model.answer_steps": 3,
    "training.epochs": 3,
    "training.updates": 4,
    "training.batch_size": 5,
    "training.evaluate_every": 2,
    "training.explore": 0.5,
}


@cache
def sets() -> tuple[Puzzles, Puzzles, Puzzles]:
    """Training, validation and test puzzles."""
    every = make_puzzles(TASK, 24, np.random.default_rng(0))
    return every.take(slice(0, 12)), every.take(slice(12, 18)), every.take(slice(18, 24))


def small(**settings: Any) -> PuzzleConfig:
    """The small configuration. `training__epochs=3` sets training.epochs."""
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(PuzzleConfig(), SMALL | given)


def trainer(config: PuzzleConfig, seed: int = 0) -> PuzzleTrainer:
    return PuzzleTrainer(config, TASK, *sets()[:2], seed)


class Precise(PuzzleModel):
    """The model in float64, where rounding differences stay far below real errors."""

    def __init__(self, config: PuzzleModelConfig, task: Task, rng: np.random.Generator) -> None:
        super().__init__(config, task, rng)
        self.astype(np.float64)


def precisely_trained(epochs: int, ranks: Ranks = ALONE) -> tuple[PuzzleTrainer, list[Record]]:
    """A precise trainer after so many epochs, and their records."""
    t = PuzzleTrainer(small(training__epochs=epochs), TASK, *sets()[:2], 0, Precise, ranks)
    return t, list(t.epochs())


def new_run(folder: Path, config: PuzzleConfig, seed: int = 0, resume: bool = False) -> PuzzleRun:
    return PuzzleRun(config, TASK, *sets(), seed, folder, resume)
