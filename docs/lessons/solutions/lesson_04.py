"""Solutions of the exercises of lesson 4."""

import numpy as np


def lowest_loss(right, tools):
    return right * np.log(right) / tools


def search(right, tools, draws, rng):
    p = rng.dirichlet([0.2] * tools, size=draws).clip(1e-12, 1 - 1e-12)
    loss = -(np.log(p[:, :right]).sum(axis=1) + np.log(1 - p[:, right:]).sum(axis=1)) / tools
    return loss.min()
