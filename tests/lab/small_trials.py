"""Trials that end within a second, and rows that look like theirs."""

from collections.abc import Mapping
from typing import Any

from trm_np.config import Config, flatten, resolve
from trm_np.lab.trial import Row, Trial, with_seeds

SETTINGS = {"training.epochs": "2", "training.evaluate_every": "1", "training.scenario_limit": "3"}


def small(**settings: object) -> Config:
    """Two epochs on three scenarios, with further settings of a section as section__name=value."""
    given = {name.replace("__", "."): str(value) for name, value in settings.items()}
    return resolve("tiny", (), {**SETTINGS, **given})


def small_trials(seeds: int = 2) -> list[Trial]:
    return with_seeds({"one cycle": small(model__cycles=1), "two cycles": small()}, seeds)


def row(name: str, seed: int, test: Mapping[str, float], **further: Any) -> Row:
    """A row as a finished trial has it, with the figures given."""
    identity = {"seed": seed, "version": "0", "data": "", "settings": flatten(small())}
    ended = {"epochs_run": 2, "best_epoch": 1, "stopped_by": "epochs", "curve": []}
    return {"name": name, **identity, **ended, "test": dict(test), **further}
