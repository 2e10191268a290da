"""Time of training steps: in each rule, forward and backward, and outside the rules."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from trm_np.autograd.profile import Cost, profile


class StepProfile:
    """Time of the batches that are trained inside `measuring`, in all and by rule."""

    def __init__(self, steps_of_a_batch: int) -> None:
        self.costs: dict[str, Cost] = {}
        self.seconds = 0.0
        self.steps = 0
        self.steps_of_a_batch = steps_of_a_batch

    @contextmanager
    def measuring(self) -> Iterator[None]:
        started = time.perf_counter()
        with profile(self.costs):
            yield
        self.seconds += time.perf_counter() - started
        self.steps += self.steps_of_a_batch


def profile_text(measured: StepProfile) -> str:
    """A table of the time of one step by rule, the slowest first; time outside the rules comes last."""
    steps = measured.steps
    lines = [
        f"{'one step, by rule':<34}{'share':>7}{'forward':>11}{'calls':>7}{'backward':>11}{'calls':>7}{'made':>10}"
    ]
    total = measured.seconds / steps
    for name, cost in sorted(measured.costs.items(), key=lambda item: -item[1].seconds):
        lines.append(
            f"{name:<34}{cost.seconds / measured.seconds:>7.1%}"
            f"{cost.forward_seconds / steps * 1e3:>8.3f} ms{cost.forward_calls / steps:>7.1f}"
            f"{cost.backward_seconds / steps * 1e3:>8.3f} ms{cost.backward_calls / steps:>7.1f}"
            f"{cost.bytes / steps / 1e6:>7.2f} MB"
        )
    rest = total - sum(cost.seconds for cost in measured.costs.values()) / steps
    lines.append(f"{'outside the rules':<34}{rest / total:>7.1%}{rest * 1e3:>8.3f} ms")
    lines.append(f"{'all':<34}{1:>7.1%}{total * 1e3:>8.3f} ms, including the measuring itself")
    return "\n".join(lines)
