"""Learning rates that follow a metric: ReduceLROnPlateau, with exactly PyTorch's comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass

from .optim import AdamW
from .tensor import Tensor


@dataclass
class PlateauState:
    """State of the scheduler between steps."""

    best: float
    bad_evaluations: int = 0
    cooldown_left: int = 0


class ReduceLROnPlateau:
    """Multiply each group's learning rate by `factor` when a metric has stopped improving.

    An improvement (mode "min", threshold_mode "rel") is a value < best · (1 - threshold); "abs" means
    < best - threshold; mode "max" turns both around. `patience` bad evaluations in a row are allowed, the
    next one acts; then `cooldown` evaluations are not counted. No rate falls below `min_lr` (one, or one per
    group), and a change of at most `eps` is not made.
    """

    def __init__(
        self,
        optimizer: AdamW,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode is {mode!r}; it must be 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is {threshold_mode!r}; it must be 'rel' or 'abs'")
        if not 0 < factor < 1:
            raise ValueError(f"factor is {factor}; it must lie between 0 and 1")
        floors = (
            list(min_lr) if isinstance(min_lr, Sequence) else [float(min_lr)] * len(optimizer.param_groups)
        )
        if len(floors) != len(optimizer.param_groups):
            raise ValueError(
                f"{len(floors)} values of min_lr for {len(optimizer.param_groups)} parameter groups"
            )
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = floors
        self.eps = eps
        self.state = PlateauState(best=float("inf") if mode == "min" else float("-inf"))

    def step(self, metric: float | Tensor) -> None:
        """Process an evaluation of the metric; lower the learning rates after more than `patience` bad ones."""
        state = self.state
        metric = float(metric)  # a float32 would be compared with fewer digits
        if self.improves(metric):
            state.best = metric
            state.bad_evaluations = 0
        else:
            state.bad_evaluations += 1
        if state.cooldown_left > 0:
            state.cooldown_left -= 1
            state.bad_evaluations = 0
        if state.bad_evaluations > self.patience:
            self._reduce()
            state.cooldown_left = self.cooldown
            state.bad_evaluations = 0

    def improves(self, metric: float) -> bool:
        best, sign = self.state.best, 1 if self.mode == "min" else -1
        relative = self.threshold_mode == "rel"
        bound = best * (1 - sign * self.threshold) if relative else best - sign * self.threshold
        return sign * metric < sign * bound

    def _reduce(self) -> None:
        for group, floor in zip(self.optimizer.param_groups, self.min_lr, strict=True):
            lowered = max(group["lr"] * self.factor, floor)
            if group["lr"] - lowered > self.eps:
                group["lr"] = lowered
