"""One trial: a configuration trained with a seed, and the row that tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from trm_np import __version__
from trm_np.config import Config, flatten
from trm_np.data.load import Dataset, as_json
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import evaluate_model
from trm_np.storage.checkpoint import digest
from trm_np.training.allocator import keep_memory
from trm_np.training.trainer import Record, Trainer

Row = dict[str, Any]  # of a file of results: what was run, and either what came of it or its "error"


class AnyTrial(Protocol):
    """A run to be made, of whatever is trained; `name` is what tables call its configuration."""

    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int: ...

    def settings(self) -> dict[str, Any]:
        """All that its outcome depends on besides seed, version and data."""


@dataclass(frozen=True)
class Trial:
    """A run of the recommender."""

    name: str
    config: Config
    seed: int

    def settings(self) -> dict[str, Any]:
        return flatten(self.config)


def with_seeds(configs: Mapping[str, Config], seeds: int) -> list[Trial]:
    """Each configuration with the seeds from 0 on, seed by seed, so that what is done first can be compared."""
    return [Trial(name, config, seed) for seed in range(seeds) for name, config in configs.items()]


def identity(trial: AnyTrial, data: str) -> Row:
    """Identity of a trial, as its row begins; `data` is the digest of its data."""
    return {"seed": trial.seed, "version": __version__, "data": data, "settings": trial.settings()}


def data_digest(dataset: Dataset) -> str:
    return digest(as_json(dataset))


def run_trial(trial: Trial, dataset: Dataset) -> Row:
    """Train to the end and judge the model kept, on validation and test scenarios; raises Diverged, ConfigError.

    "curve" has the records of the epochs that were evaluated (`Trainer.end_epoch`).
    """
    keep_memory()
    trainer = Trainer(trial.config, task_of(dataset, trial.config), trial.seed)
    curve = [record for record in trainer.epochs() if "validation" in record]
    trainer.stopping.restore(trainer.model)
    ended = {
        "epochs_run": trainer.progress.epochs,
        "best_epoch": trainer.stopping.state.best_epoch,
        "stopped_by": trainer.progress.stopped_by,
    }
    return row_of(trial, data_digest(dataset), trainer, ended, curve)


def row_of(trial: Trial, data: str, trainer: Trainer, ended: Mapping[str, Any], curve: list[Record]) -> Row:
    """The row of a trial whose kept weights the trainer's model has; `ended` says when and why training did."""
    task, loss = trainer.task, trial.config.loss
    return {
        "name": trial.name,
        **identity(trial, data),
        **ended,
        "validation": evaluate_model(trainer.model, task.validation, task, loss).metrics,
        "test": evaluate_model(trainer.model, task.test, task, loss).metrics,
        "curve": curve,
    }


def failed(trial: AnyTrial, data: str, error: Exception) -> Row:
    return {"name": trial.name, **identity(trial, data), "error": f"{type(error).__name__}: {error}"}


def task_of(dataset: Dataset, config: Config) -> Task:
    """Task that a trial with this configuration trains on, made once for several trials."""
    return _task(dataset, config.training.scenario_limit, config.model.gift_features)


@lru_cache(maxsize=4)
def _task(dataset: Dataset, limit: int | None, gift_features: int) -> Task:
    return task_from(dataset.first(limit), gift_features)
