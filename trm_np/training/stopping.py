"""Early stopping: which evaluation to keep, and when to stop waiting for a better one."""

from dataclasses import dataclass, field

import numpy as np

from trm_np.autograd import nn
from trm_np.autograd.ops import Array
from trm_np.data.tables import Floats
from trm_np.evaluation.metrics import exceeds_its_error


@dataclass
class StoppingState:
    """State of early stopping, beside the weights.

    `best` is the mean of `best_values`, the quality of each validation scenario in the kept evaluation; -inf if no
    evaluation is kept.
    """

    best: float = float("-inf")
    best_epoch: int = 0
    bad_evaluations: int = 0
    best_values: list[float] = field(default_factory=list)


class EarlyStopping:
    """Keep the weights of the best evaluation; stop at the first bad evaluation after `patience` bad ones in a row.

    An evaluation is better if it improves on the best by more than the standard error of the difference, paired by
    scenario. With a `threshold` it is better if quality > best · (1 + threshold). A tie or NaN is never better. Without
    patience (None) training never stops, and the newest evaluation is kept.
    """

    def __init__(self, patience: int | None, threshold: float | None = None) -> None:
        self.patience = patience
        self.threshold = threshold
        self.state = StoppingState()
        self.best_weights: dict[str, Array] = {}

    def step(self, values: Floats, epoch: int, model: nn.Module) -> bool:
        """Process an evaluation, the quality (N,) of each validation scenario; returns whether to stop training."""
        state, quality = self.state, float(values.mean())
        is_newest = self.patience is None and quality == quality  # NaN is not equal to itself
        if self.is_better(values) or is_newest:
            self.state = StoppingState(quality, epoch, best_values=values.tolist())
            self.best_weights = model.state_dict()
            return False
        state.bad_evaluations += 1
        return self.patience is not None and state.bad_evaluations > self.patience

    def is_better(self, values: Floats) -> bool:
        """Whether this evaluation is better than the one kept."""
        state, quality = self.state, float(values.mean())
        if self.threshold is not None:
            return quality > state.best * (1 + self.threshold)
        if not self.has_kept:
            return quality > state.best
        return exceeds_its_error(values - np.array(state.best_values))

    @property
    def has_kept(self) -> bool:
        """Whether an evaluation is kept."""
        return self.state.best > float("-inf")

    def require_values(self, scenarios: int) -> None:
        """Raise ValueError unless a loaded state has the values to compare the next evaluation with."""
        values = self.state.best_values
        known = len(values) == scenarios and bool(np.isfinite(np.array(values, np.float64)).all())
        if self.threshold is None and self.has_kept and not known:
            raise ValueError(f"best_values must be {scenarios} numbers")

    def restore(self, model: nn.Module) -> None:
        """Load the kept weights into the model, if there are any."""
        if self.best_weights:
            model.load_state_dict(self.best_weights)
