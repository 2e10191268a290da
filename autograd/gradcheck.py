"""Gradient checks: backward() against finite differences, in float64, along random directions."""

from collections.abc import Callable, Sequence

import numpy as np

from .ops import Array
from .tensor import Tensor, no_grad

STEPS = (1e-3, 1e-4, 1e-5)
ROUNDING = 1e-12  # what float64 leaves uncertain in a difference quotient of a function of order one


class GradientError(AssertionError):
    """backward() and finite differences disagree."""


def check_grads(
    function: Callable[..., Tensor],
    *tensors: Tensor,
    rng: np.random.Generator,
    names: Sequence[str] = (),
    directions: int = 2,
    tolerance: float = 1e-6,
) -> float:
    """Check the gradients of `function(*tensors)` for each tensor; returns the largest relative error.

    The result is projected on a random cotangent (ones would let a wrong softmax pass, whose rows sum to
    one). Each tensor's gradient is then compared with a fourth-order central difference along random unit
    directions; two step sizes must agree with each other first, so that a kink near by is not taken for an
    error. `function` must return the same value each time it is called. Raises GradientError.
    """
    for tensor in tensors:
        if tensor.dtype != np.float64 or not tensor.requires_grad:
            raise ValueError("check_grads needs float64 leaves that require a gradient")
        tensor.grad = None
    result = function(*tensors)
    cotangent = rng.normal(size=result.shape)
    result.backward(cotangent)

    def projected() -> float:
        with no_grad():
            return float(np.sum(function(*tensors).data * cotangent))

    worst = 0.0
    for place, tensor in enumerate(tensors):
        name = names[place] if names else f"argument {place}"
        gradient = np.zeros_like(tensor.data) if tensor.grad is None else tensor.grad
        for _ in range(directions if tensor.size else 0):
            direction = rng.normal(size=tensor.shape)
            direction /= np.linalg.norm(direction)
            analytic = float(np.sum(gradient * direction))
            # What a direction typically sees: keeps the error relative where this one happens to see little.
            typical = float(np.linalg.norm(gradient)) / tensor.size**0.5
            numeric = _settled_difference(projected, tensor, direction, typical, tolerance, name)
            error = max(abs(analytic - numeric) - ROUNDING, 0.0)
            scale = max(abs(analytic), abs(numeric), typical, np.finfo(np.float64).tiny)
            if not error <= tolerance * scale:
                raise GradientError(
                    f"{name} of shape {tensor.shape}: backward() gives {analytic:.12g} along a random "
                    f"direction, finite differences {numeric:.12g} (relative error {error / scale:.2g})"
                )
            worst = max(worst, error / scale)
    return worst


def _settled_difference(
    projected: Callable[[], float],
    tensor: Tensor,
    direction: Array,
    typical: float,
    tolerance: float,
    name: str,
) -> float:
    """The first difference quotient that agrees with the one before it, of a step ten times as large."""
    before = _central_difference(projected, tensor, direction, STEPS[0])
    for step in STEPS[1:]:
        now = _central_difference(projected, tensor, direction, step)
        if abs(now - before) <= tolerance / 2 * max(abs(now), typical) + ROUNDING:
            return now
        before = now
    raise GradientError(
        f"{name} of shape {tensor.shape}: finite differences do not settle; is it smooth here?"
    )


def _central_difference(
    projected: Callable[[], float], tensor: Tensor, direction: Array, step: float
) -> float:
    start = tensor.data

    def at(t: float) -> float:
        tensor.data = start + t * direction
        return projected()

    try:
        return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    finally:
        tensor.data = start
