"""Runs that nobody trained, for the page of learning rates."""

import numpy as np

from trm_np.lab.rates import DESCENT, OPTIMIZERS, RATES, Run


def made_up(updates: int) -> list[Run]:
    """Losses and slopes at random; gradient descent diverges at the highest rate."""
    rng = np.random.default_rng(0)

    def descent(optimizer: str, rate: float) -> Run:
        done = 3 if (optimizer, rate) == (DESCENT, RATES[-1]) else updates
        losses, factors, lengths = (
            rng.uniform(0.2, 1, done + 1).round(3),
            rng.uniform(-1.5, 1.5, done),
            rng.uniform(0.1, 1, done),
        )
        return Run(optimizer, rate, losses.tolist(), factors.tolist(), lengths.tolist())

    return [descent(optimizer, rate) for optimizer in OPTIMIZERS for rate in RATES]
