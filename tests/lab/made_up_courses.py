"""Runs that nobody trained, for the page of early stopping."""

import numpy as np

from trm_np.lab.stopping import TESTED, Course

EPOCHS = 50


def made_up(seed: int) -> Course:
    """Qualities that climb with noise, as large as that of 30 scenarios."""
    rng = np.random.default_rng(seed)
    climb = np.linspace(0.8, 0.9, EPOCHS)[:, None]
    qualities = list(climb + rng.normal(0, 0.02, (EPOCHS, 30)))
    return Course(seed, qualities, [{name: float(rng.uniform()) for name in TESTED} for _ in range(EPOCHS)])
