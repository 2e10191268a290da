"""A trial: a configuration trained with a seed, and its row of results."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic

from trm_np import __version__
from trm_np.config import Config, Settings, flatten
from trm_np.data.load import Dataset, as_json
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import evaluate_model
from trm_np.storage.checkpoint import digest
from trm_np.training.trainer import Record, Trainer

Row = dict[str, Any]  # of a file of results: the identity of a trial, and either its results or an "error"


@dataclass(frozen=True)
class Trial(Generic[Settings]):
    """A run of a configuration. `name` is the name of the configuration in tables."""

    name: str
    config: Settings
    seed: int


def with_seeds(configs: Mapping[str, Settings], seeds: int) -> list[Trial[Settings]]:
    """Each configuration with the seeds from 0 on, seed by seed, so that partial results can be compared."""
    return [Trial(name, config, seed) for seed in range(seeds) for name, config in configs.items()]


def identity(trial: Trial[Any], data: str) -> Row:
    """The fields of a row that identify its trial. `data` is the digest of the data."""
    return {"seed": trial.seed, "version": __version__, "data": data, "settings": flatten(trial.config)}


def data_digest(dataset: Dataset) -> str:
    return digest(as_json(dataset))


def row_of(
    trial: Trial[Config], data: str, trainer: Trainer, ended: Mapping[str, Any], curve: list[Record]
) -> Row:
    """The row of a trial. The trainer's model has the best weights, and `ended` says when and why training ended.

    "curve" holds the records of the evaluated epochs (`Trainer.end_epoch`).
    """
    task, loss = trainer.task, trial.config.loss
    return {
        "name": trial.name,
        **identity(trial, data),
        **ended,
        "validation": evaluate_model(trainer.model, task.validation, task, loss).metrics,
        "test": evaluate_model(trainer.model, task.test, task, loss).metrics,
        "curve": curve,
    }


def failed(trial: Trial[Any], data: str, error: Exception) -> Row:
    return {"name": trial.name, **identity(trial, data), "error": f"{type(error).__name__}: {error}"}


def task_of(dataset: Dataset, config: Config) -> Task:
    """The task of a trial with this configuration. It is cached for the trials that share it."""
    return _task(dataset, config.training.scenario_limit, config.model.gift_features)


@lru_cache(maxsize=4)
def _task(dataset: Dataset, limit: int | None, gift_features: int) -> Task:
    return task_from(dataset.first(limit), gift_features)
