"""Early stopping: which evaluation is kept, and when to give up waiting for a better one."""

from dataclasses import dataclass

from trm_np.autograd import nn
from trm_np.autograd.ops import Array


@dataclass
class StoppingState:
    """All that early stopping remembers besides the weights; `best_epoch` is 0 while nothing is kept."""

    best: float = float("-inf")
    best_epoch: int = 0
    bad_evaluations: int = 0


class EarlyStopping:
    """Keep the weights of the best evaluation; stop after `patience` bad ones in a row, at the next.

    An evaluation is better if quality > best · (1 + threshold): less may be chance, and a tie or NaN never is
    better. Without patience (None) nothing stops, and the newest evaluation is the one kept.
    """

    def __init__(self, patience: int | None, threshold: float = 0.0) -> None:
        self.patience = patience
        self.threshold = threshold
        self.state = StoppingState()
        self.best_weights: dict[str, Array] = {}

    def step(self, quality: float, epoch: int, model: nn.Module) -> bool:
        """Take one evaluation; returns whether training should stop."""
        state = self.state
        is_newest = self.patience is None and quality == quality  # NaN is not equal to itself
        if quality > state.best * (1 + self.threshold) or is_newest:
            self.state = StoppingState(quality, epoch)
            self.best_weights = model.state_dict()
            return False
        state.bad_evaluations += 1
        return self.patience is not None and state.bad_evaluations > self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights kept; it stays as it is where no evaluation has been."""
        if self.best_weights:
            model.load_state_dict(self.best_weights)
