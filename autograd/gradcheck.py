"""Gradient checks: backward() against finite differences, in float64, along random directions."""

from collections.abc import Callable, Sequence

import numpy as np

from .ops import Array
from .tensor import Tensor, no_grad

STEPS = (1e-3, 1e-4, 1e-5)
RTOL = 1e-6
ATOL = 1e-12  # rounding error of a difference quotient of a function of order one, in float64


class GradientError(AssertionError):
    """Disagreement of backward() and finite differences."""


def check_grads(
    function: Callable[..., Tensor],
    *tensors: Tensor,
    rng: "np.random.Generator",
    names: Sequence[str] = (),
    directions: int = 2,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> float:
    """Check the gradients of `function(*tensors)` for each tensor; returns the largest relative error beyond `atol`.

    The result is projected on a random cotangent (ones would let a wrong softmax pass, whose rows sum to
    one). Each tensor's gradient is then compared with a fourth-order central difference along random unit
    directions, to within `atol` and `rtol` of it; two step sizes must agree with each other first, so that a
    kink near by is not taken for an error. `function` must return the same value each time it is called at
    the same point, and is defined at the tensors' values in another order, times 0.75. Raises GradientError.
    """
    for tensor in tensors:
        if tensor.dtype != np.float64 or not tensor.requires_grad:
            raise ValueError("check_grads needs float64 leaves that require a gradient")
    cotangent = rng.normal(size=_elsewhere(function, tensors).shape)
    for tensor in tensors:
        tensor.grad = None
    function(*tensors).backward(cotangent)

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
            # Typical size of a directional derivative, so that the error stays relative where this one is small.
            typical = float(np.linalg.norm(gradient)) / tensor.size**0.5
            numeric = _settled_difference(projected, tensor, direction, typical, rtol, atol, name)
            error = max(abs(analytic - numeric) - atol, 0.0)
            scale = max(abs(analytic), abs(numeric), typical, np.finfo(np.float64).tiny)
            if not error <= rtol * scale:
                raise GradientError(
                    f"{name} of shape {tensor.shape}: backward() gives {analytic:.12g} along a random "
                    f"direction, finite differences {numeric:.12g} (relative error {error / scale:.2g})"
                )
            worst = max(worst, error / scale)
    return worst


def _elsewhere(function: Callable[..., Tensor], tensors: Sequence[Tensor]) -> Tensor:
    """Run backward at another point: a rule that wrongly keeps state between calls would fail the next check."""
    before = [tensor.data for tensor in tensors]
    try:
        for tensor, data in zip(tensors, before, strict=True):
            tensor.data = 0.75 * data.reshape(-1)[::-1].reshape(data.shape)
        result = function(*tensors)
        result.backward(np.ones(result.shape))
        return result
    finally:
        for tensor, data in zip(tensors, before, strict=True):
            tensor.data = data


def _settled_difference(
    projected: Callable[[], float],
    tensor: Tensor,
    direction: Array,
    typical: float,
    rtol: float,
    atol: float,
    name: str,
) -> float:
    """The first difference quotient that agrees with that of a step ten times as large."""
    before = _central_difference(projected, tensor, direction, STEPS[0])
    for step in STEPS[1:]:
        now = _central_difference(projected, tensor, direction, step)
        if abs(now - before) <= rtol / 2 * max(abs(now), typical) + atol:
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
