"""Rows of all 256 combinations without training, with the size and shape of real ones."""

import math
from collections.abc import Iterator

import numpy as np

from trm_np.config import Config, flatten, switches
from trm_np.evaluation.summary import STRICT, TARGETS
from trm_np.lab.grid import grid
from trm_np.lab.trial import Row

EPOCHS = 150
EVALUATED = (*TARGETS, *STRICT)
DATA = "2357fce66a2ddd02e2a0d116d7a2ac1f"


def full_grid(seeds: int = 1, epochs: int = EPOCHS) -> list[Row]:
    return [
        row(name, config, seed, epochs)
        for seed in range(seeds)
        for name, config in grid("tiny", {}, full=True).items()
    ]


def row(name: str, config: Config, seed: int, epochs: int) -> Row:
    """A row like that of `run_trial`, with random figures seeded by the settings and the seed."""
    settings = flatten(config)
    on = list(switches(config).values())
    dice = np.random.default_rng([seed, *map(int, on)])
    every, patience = settings["training.evaluate_every"], settings["training.patience"]
    waited = every * (patience + int(dice.integers(1, 4))) if patience else epochs
    kept, ended = every if patience else epochs, min(waited, epochs)
    rate = settings["learning_rate.category_matching"]
    return {
        "name": name,
        "seed": seed,
        "version": "0.1.0",
        "data": DATA,
        "settings": settings,
        "epochs_run": ended,
        "best_epoch": kept,
        "stopped_by": "early_stopping" if ended < epochs else "epochs",
        "validation": metrics(kept, on, dice),
        "test": metrics(kept, on, dice),
        "curve": list(records(rate, range(every, ended + 1, every), on, dice)),
    }


def records(rate: float, epochs: range, on: list[bool], dice: np.random.Generator) -> Iterator[Row]:
    for epoch in epochs:
        judged = metrics(epoch, on, dice)
        held_out = 0.28 + 0.1 * (not on[0]) + 0.06 * math.exp(-epoch / 15) + 0.004 * dice.standard_normal()
        yield {
            "epoch": epoch,
            "learning_rate": {"core": 1e-4, "category_matching": rate * 0.5 ** (on[2] * (epoch // 60))},
            "total": 0.4 + 0.2 * math.exp(-epoch / 30) + 0.01 * dice.standard_normal(),
            "validation": {**judged, "losses": {"total": held_out}},
        }


def metrics(epoch: int, on: list[bool], dice: np.random.Generator) -> dict[str, float]:
    level = 0.8 + 0.012 * sum(on) - (0.0006 if not on[0] else -0.0001) * epoch / (1 + on[4])
    found = {name: level + 0.01 * float(dice.standard_normal()) for name in EVALUATED}
    gap = 0.02 + 0.1 * (not on[0]) + 0.0005 * epoch + 0.004 * float(dice.random())
    return {**found, "categories_in_use": 13.0, "tools_in_use": float(4 + on[0]), "generalization_gap": gap}
