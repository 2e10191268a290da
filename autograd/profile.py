"""Timing by rule: `profile()` times every rule and every vjp."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from .ops import Array, Rule, Ruled
from .tensor import metered


@dataclass
class Cost:
    """Cost of one rule so far: calls, seconds, and bytes of the arrays that it returned."""

    forward_calls: int = 0
    forward_seconds: float = 0.0
    backward_calls: int = 0
    backward_seconds: float = 0.0
    bytes: int = 0

    @property
    def seconds(self) -> float:
        return self.forward_seconds + self.backward_seconds


@contextmanager
def profile(costs: dict[str, Cost]) -> Iterator[None]:
    """Add the cost of each rule within the block to `costs`, by the name of the rule."""

    def timed(rule: Rule) -> Rule:
        cost = costs.setdefault(rule.__name__, Cost())

        @wraps(rule)
        def timed_rule(*arrays: Array, **settings: Any) -> Ruled:
            started = time.perf_counter()
            value, vjp = rule(*arrays, **settings)
            cost.forward_seconds += time.perf_counter() - started
            cost.forward_calls += 1
            cost.bytes += value.nbytes

            def timed_vjp(g: Array) -> Sequence[Array]:
                started = time.perf_counter()
                gradients = vjp(g)
                cost.backward_seconds += time.perf_counter() - started
                cost.backward_calls += 1
                cost.bytes += sum(gradient.nbytes for gradient in gradients)
                return gradients

            return value, timed_vjp

        return timed_rule

    with metered(timed):
        yield
