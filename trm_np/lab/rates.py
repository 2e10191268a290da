"""Learning rate and curvature on real runs, as one HTML file in which the reader moves the rate.

rates.html is the template. Each run descends the same loss, without noise, so that the rate alone makes the difference.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trm_np import __version__
from trm_np.autograd.optim import AdamW, global_norm
from trm_np.config import Config, resolve
from trm_np.data.tables import Floats
from trm_np.data.task import Task
from trm_np.lab.page import filled
from trm_np.training.divergence import Diverged
from trm_np.training.trainer import Trainer

DESCENT, ADAMW = OPTIMIZERS = ("gradient descent", "AdamW")
RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0)
DIGITS = 4


class Run(NamedTuple):
    """Some updates at one rate; a run that diverged has fewer of them.

    `losses` are those before the first update and after each. `factors` are the slopes along each update after it, in
    units of the slope before; on a parabola of curvature c, gradient descent has 1 - rate · c. `lengths` are those of
    the updates, as the root mean square over the weights, in units of the rate.
    """

    optimizer: str
    rate: float
    losses: list[float]
    factors: list[float]
    lengths: list[float]


def noiseless() -> Config:
    """The tiny preset with batches of the training scenarios as they are."""
    off = {"training.imagined": "0", "training.augment": "false", "training.mask_probability": "0"}
    return resolve("tiny", settings=off)


def run(task: Task, optimizer: str, rate: float, updates: int, seed: int) -> Run:
    """Descend the loss on all training scenarios, without dropout, decay and clipping."""
    trainer = Trainer(noiseless(), task, seed)
    trainer.model.eval()
    part, shares = trainer.own_part(trainer.draw_batch(np.arange(len(task.train))))
    weights, gradient = trainer.optimizer.weights, trainer.optimizer.gradient
    found = Run(optimizer, rate, [], [], [])

    def slopes_here() -> Floats:
        """The gradient; notes the loss, raises Diverged."""
        trainer.optimizer.zero_grad()
        gradient[:] = 0  # of a parameter that takes no part
        carry, outputs = trainer.model(part.inputs, part.gifts, part.picked)
        loss = trainer.total_loss(carry, outputs, part, shares, masked=False)
        loss.backward()
        trainer.require_finite_gradients(global_norm([gradient]))
        found.losses.append(loss.item())
        return gradient.astype(np.float64)

    for group in trainer.optimizer.param_groups:
        group.update(lr=rate, weight_decay=0.0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            slopes = slopes_here()
            for _ in range(updates):
                start = weights.astype(np.float64)
                take_step(trainer.optimizer, optimizer, rate)
                update, before = weights - start, slopes
                slopes = slopes_here()
                found.factors.append(slope_left(update, before, slopes))
                found.lengths.append(float(np.sqrt(np.mean(update**2)) / rate))
    except Diverged:
        pass
    return found


def slope_left(update: Floats, before: Floats, after: Floats) -> float:
    """Slope along an update after it, in units of the slope before, from the two gradients."""
    return float(after @ update / (before @ update))


def take_step(adamw: AdamW, optimizer: str, rate: float) -> None:
    """Update the weights by AdamW, or by gradient descent from the gradient that it holds."""
    if optimizer == ADAMW:
        adamw.step()
    else:
        adamw.weights -= rate * adamw.gradient


def page(runs: Sequence[Run], updates: int, seed: int, data: str) -> str:
    """The document, for runs on the data of this digest. Its links are relative to docs/."""
    return filled("rates.html", {
        "version": __version__,
        "data": data,
        "seed": seed,
        "updates": updates,
        "rates": RATES,
        "optimizers": OPTIMIZERS,
        "runs": [shown(run) for run in runs],
    })  # fmt: skip


def shown(run: Run) -> dict[str, Any]:
    curves = {
        name: [significant(value) for value in getattr(run, name)]
        for name in ("losses", "factors", "lengths")
    }
    return {"optimizer": run.optimizer, "rate": run.rate, **curves}


def significant(value: float) -> float:
    """The value to four significant digits."""
    return float(f"{value:.{DIGITS}g}")
