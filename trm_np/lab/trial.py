"""A trial: a configuration trained with a seed, and its row of results."""

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

Row = dict[str, Any]  # of a file of results: the identity of a trial, and either its results or an "error"


class AnyTrial(Protocol):
    """A run of any kind of model. `name` is the name of its configuration in tables."""

    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int: ...

    def settings(self) -> dict[str, Any]:
        """All settings that the results depend on, besides seed, version and data."""


@dataclass(frozen=True)
class Trial:
    """A run of the recommender."""

    name: str
    config: Config
    seed: int

    def settings(self) -> dict[str, Any]:
        return flatten(self.config)


def with_seeds(configs: Mapping[str, Config], seeds: int) -> list[Trial]:
    """Each configuration with the seeds from 0 on, seed by seed, so that partial results can be compared."""
    return [Trial(name, config, seed) for seed in range(seeds) for name, config in configs.items()]


def identity(trial: AnyTrial, data: str) -> Row:
    """The fields of a row that identify its trial. `data` is the digest of the data."""
    return {"seed": trial.seed, "version": __version__, "data": data, "settings": trial.settings()}


def data_digest(dataset: Dataset) -> str:
    return digest(as_json(dataset))


def run_trial(trial: Trial, dataset: Dataset) -> Row:
    """Train to the end and evaluate the best model on validation and test scenarios. Raises Diverged and ConfigError.

    "curve" in the row holds the records of the evaluated epochs (`Trainer.end_epoch`).
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
    """The row of a trial. The trainer's model has the best weights, and `ended` says when and why training ended."""
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
    """The task of a trial with this configuration. It is cached for the trials that share it."""
    return _task(dataset, config.training.scenario_limit, config.model.gift_features)


@lru_cache(maxsize=4)
def _task(dataset: Dataset, limit: int | None, gift_features: int) -> Task:
    return task_from(dataset.first(limit), gift_features)
