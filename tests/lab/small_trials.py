"""Trials that take less than a second, and rows like theirs."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from docs.figures.experiments import Experiment
from tests.training.small_run import SMALL
from trm_np.config import Config, LearningRateConfig, flatten, resolve
from trm_np.data.load import Dataset
from trm_np.evaluation.summary import STRICT, TARGETS
from trm_np.lab.trial import Row, Trial, data_digest, identity, row_of, task_of, with_seeds
from trm_np.model.losses import TERMS
from trm_np.training.trainer import Trainer

SETTINGS = {**SMALL, "training.epochs": "2", "training.evaluate_every": "1", "training.scenario_limit": "3"}


def small(**settings: object) -> Config:
    """Two epochs on three scenarios, with further settings of a section as section__name=value."""
    given = {name.replace("__", "."): str(value) for name, value in settings.items()}
    return resolve("tiny", (), {**SETTINGS, **given})


def small_trials(seeds: int = 2) -> list[Trial[Config]]:
    return with_seeds({"one cycle": small(model__cycles=1), "two cycles": small()}, seeds)


def run_trial(trial: Trial[Config], dataset: Dataset) -> Row:
    """The row of a trial that is trained by itself, to compare with."""
    trainer = Trainer(trial.config, task_of(dataset, trial.config), trial.seed)
    curve = [record for record in trainer.epochs() if "validation" in record]
    trainer.stopping.restore(trainer.model)
    ended = {
        "epochs_run": trainer.progress.epochs,
        "best_epoch": trainer.stopping.state.best_epoch,
        "stopped_by": trainer.progress.stopped_by,
    }
    return row_of(trial, data_digest(dataset), trainer, ended, curve)


def row(name: str, seed: int, test: Mapping[str, float], **further: Any) -> Row:
    """The row of a finished trial with these figures."""
    identity = {"seed": seed, "version": "0", "data": "", "settings": flatten(small())}
    ended = {"epochs_run": 2, "best_epoch": 1, "stopped_by": "epochs", "curve": []}
    return {"name": name, **identity, **ended, "test": dict(test), **further}


def made_up(experiment: Experiment, data: str) -> list[Row]:
    """Rows like those of the experiment, with random figures."""
    rng = np.random.default_rng(0)
    rows = []
    for trial in with_seeds(experiment.configs, experiment.seeds):
        curve = [
            {
                "epoch": epoch,
                "learning_rate": {f.name: 1e-4 for f in fields(LearningRateConfig)},
                "losses": dict.fromkeys(TERMS, float(rng.random())),
                "total": float(rng.random()),
                "validation": {
                    **dict.fromkeys((*TARGETS, *STRICT), float(rng.random())),
                    "losses": {"total": float(rng.random())},
                },
            }
            for epoch in (5, 10, 15)
        ]
        ended = {"epochs_run": 15, "best_epoch": 10, "stopped_by": "epochs", "curve": curve}
        test = {name: float(rng.random()) for name in (*TARGETS, *STRICT)}
        rows.append({"name": trial.name, **identity(trial, data), **ended, "test": test})
    return rows
