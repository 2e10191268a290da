"""Exercises of lesson 10: an optimizer, and a limit on its gradients."""

from typing import Any

import numpy as np

from trm_np.autograd import Tensor, optim
from trm_np.exercises.exercise import Attempt, Exercise, same, shown

RATE, UPDATES = 0.1, 4


def check_adamw(attempt: Attempt) -> None:
    rng = np.random.default_rng(0)
    first = {"matrix": rng.normal(size=(2, 2)), "bias": rng.normal(size=2)}
    steps = [{name: rng.normal(size=weight.shape) for name, weight in first.items()} for _ in range(UPDATES)]
    for decay in (0.0, 0.5):
        tensors = {name: Tensor(weight.copy(), requires_grad=True) for name, weight in first.items()}
        optimizer = optim.AdamW(
            [
                {"params": [tensors["matrix"]], "weight_decay": decay},
                {"params": [tensors["bias"]], "weight_decay": 0.0},
            ],
            lr=RATE,
        )
        weights: dict[str, Any] = first
        state = None
        for t, gradients in enumerate(steps, 1):
            for name, tensor in tensors.items():
                tensor.grad = gradients[name].copy()
            optimizer.step()
            call = f"update {t} with lr {RATE} and decay {decay}"
            found = attempt(weights, gradients, state, t, RATE, decay, call=call)
            attempt.require(
                isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], dict),
                f"returned {shown(found)}; expected the new weights, a dict, and the state",
            )
            before, (weights, state) = weights, found
            for name, tensor in tensors.items():
                fault = f"{name} is {shown(weights.get(name))}, expected {shown(tensor.data)}"
                attempt.require(
                    same(weights.get(name), tensor.data),
                    f"{fault}: {reason(name, decay, t, before[name], gradients[name], weights.get(name))}",
                )


def reason(name: str, decay: float, t: int, before: Any, gradient: Any, found: Any) -> str:
    """The likely fault of a wrong array."""
    if decay and name == "bias":
        return "only arrays with two axes decay"
    if decay:
        return "without decay it was right; all weights shrink by 1 − lr · decay, apart from the update"
    if t > 1:
        return "the first update was right; m and v must be kept from one update to the next"
    if same(found, before - RATE * 0.1 * gradient / (np.sqrt(0.001) * np.abs(gradient) + 1e-8)):
        return "m and v start at zero, which the division by 1 − βᵗ corrects"
    return "the first update has the length lr in every coordinate"


def check_clip(attempt: Attempt) -> None:
    long = [np.array([3.0, 0.0]), np.array([[0.0, 4.0]])]  # of length 5
    mistakes = (
        (
            [each / np.linalg.norm(each) for each in long],
            "all arrays have one length together, and one factor",
        ),
        ([each / np.abs(each).max() for each in long], "all arrays have one length together, and one factor"),
        ([each / 4 for each in long], "the length is √Σg² over all numbers, not the largest of them"),
        ([each / 7 for each in long], "the length is √Σg², not Σ|g|"),
        ([each / 25 for each in long], "the length is the square root of the sum"),
    )
    attempt.expect((long, 1.0), [each / 5 for each in long], "the joint length is 5", mistakes)
    attempt.expect((long, 2.5), [each / 2 for each in long], "the joint length is 5, and 2.5 is allowed")
    attempt.expect((long, 10.0), long, "a length that is allowed is not changed, and nothing is scaled up")
    attempt.expect(([np.zeros(2)], 1.0), [np.zeros(2)], "gradients of zero have the length 0")


EXERCISES = (
    Exercise(
        "adamw",
        (
            "For each name, the state needs m and v; both are zero before the first update.",
            "m = 0.9 m + 0.1 g and v = 0.999 v + 0.001 g²; the update is lr · m̂ / (√v̂ + 1e-8), "
            "with m̂ = m / (1 − 0.9ᵗ) and v̂ = v / (1 − 0.999ᵗ).",
            "Before the update, multiply a weight with two axes by 1 − lr · decay.",
        ),
        check_adamw,
    ),
    Exercise(
        "clip",
        (
            "First compute one length for all arrays together.",
            "length = np.sqrt(sum((g ** 2).sum() for g in gradients))",
            "If length > largest, multiply each array by largest / length.",
        ),
        check_clip,
    ),
)
