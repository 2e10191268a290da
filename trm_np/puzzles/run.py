"""A training run of a puzzle model in a folder, with the same files as trm_np/training/run.py."""

from operator import index
from pathlib import Path
from typing import Any

from trm_np.config import flatten
from trm_np.puzzles.config import PuzzleConfig
from trm_np.puzzles.evaluating import evaluate
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.stored import StoredPuzzleModel, load_puzzle_model, save_puzzle_model
from trm_np.puzzles.task import Task
from trm_np.puzzles.training import PuzzleTrainer
from trm_np.storage.checkpoint import digest
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.run import FolderRun


class PuzzleRun(FolderRun):
    """A run on puzzles. `validation` selects the best model, and `test` measures it at the end."""

    trainer: PuzzleTrainer

    def __init__(
        self,
        config: PuzzleConfig,
        task: Task,
        puzzles: Puzzles,
        validation: Puzzles,
        test: Puzzles,
        seed: int,
        folder: Path,
        resume: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.task, self.test = task, test
        seed = index(seed)
        sets = {"training": puzzles, "validation": validation, "test": test}
        digests = {name: digest([*map(task.text, each.questions)]) for name, each in sets.items()}
        trainer = PuzzleTrainer(config, task, puzzles, validation, seed, ranks=ranks)
        super().__init__(trainer, config, digests, seed, folder, resume, ranks)

    def load(self, path: Path) -> StoredPuzzleModel:
        return load_puzzle_model(path, "training", {self.task.name: self.task})

    def write(
        self, name: str, kind: str, extra: dict[str, Any], arrays: dict[str, Any] | None = None
    ) -> None:
        save_puzzle_model(self.folder / name, kind, self.trainer.model, self.config, extra, arrays)

    def finish(self) -> dict[str, Any]:
        trainer = self.trainer
        found = evaluate(trainer.model, self.test, self.config.model.answer_steps)
        summary = {
            "puzzle": self.task.name,
            "seed": self.seed,
            "parameters": sum(parameter.size for parameter in trainer.model.parameters()),
            "epochs_run": trainer.progress.epochs,
            "best_epoch": trainer.stopping.state.best_epoch,
            "updates": trainer.progress.epochs * self.config.training.updates,
            "settings": flatten(self.config),
            **found,
        }
        test = {name: found[name] for name in ("solved", "cells")}
        if self.writes:
            self.save_model({"validation": self.best_metrics, "test": test})
            self.end(summary)
        return summary
