"""A run small enough to be trained in a moment: narrow widths, some of the shipped data."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trm_np.autograd.optim import AdamW
from trm_np.config import Config, resolve
from trm_np.data.load import Dataset, load_dataset
from trm_np.data.task import task_from
from trm_np.lab.gradient_checks import NARROW
from trm_np.model.groups import parameter_groups
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.run import Run
from trm_np.training.trainer import Interrupted, Trainer

SMALL = {
    **NARROW,
    "model.core_blocks": "1",
    "model.latent_steps": "1",
    "model.cycles": "2",
    "model.supervision_steps": "2",
    "model.fusion_layers": "1",
    "training.epochs": "6",
    "training.batch_size": "16",
    "training.imagined": "0",
    "training.repeats": "1",
}
SET = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]


@cache
def dataset() -> Dataset:
    """All that is trained on, the first held-out scenarios, and one gift of each category."""
    data = load_dataset()
    one_each = tuple({gift.category: gift for gift in data.gifts}.values())
    return replace(data, validation=data.validation[:6], test=data.test[:6], gifts=one_each)


def small(*off: str, **settings: Any) -> Config:
    """The small configuration; a setting `training__epochs=3` is training.epochs."""
    given = {key.replace("__", "."): str(value) for key, value in settings.items()}
    return resolve("tiny", off, SMALL | given)


def trainer(config: Config, seed: int = 0, ranks: Ranks = ALONE) -> Trainer:
    data = dataset().first(config.training.scenario_limit)
    return Trainer(config, task_from(data, config.model.gift_features), seed, ranks)


def precise_trainer(config: Config, ranks: Ranks = ALONE) -> Trainer:
    """Trainer in float64, where rounding differences stay far below real errors."""
    t = trainer(config, ranks=ranks)
    t.model.astype(np.float64)
    t.optimizer = AdamW(parameter_groups(t.model, config))
    return t


def trained(config: Config, batches: int, ranks: Ranks = ALONE) -> tuple[Trainer, list[dict[str, float]]]:
    """A precise trainer after so many batches, as epochs deal them, and the mean losses of each epoch that is done."""
    t, losses = precise_trainer(config, ranks), []
    t.evaluate = lambda epoch: ({}, False)  # type: ignore[method-assign]
    answers = iter([False] * batches)
    with suppress(Interrupted):
        for record in t.epochs(lambda: next(answers, True)):
            losses.append({**record["losses"], "total": record["total"]})
    return t, losses


def new_run(folder: Path, config: Config, seed: int = 0, resume: bool = False) -> Run:
    return Run(config, dataset(), seed, folder, resume)


def records(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def written(folder: Path) -> dict[str, bytes]:
    """All that a run wrote, but for when it ran and which process it was: that is never the same."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("times.jsonl", ".lock")
    }
