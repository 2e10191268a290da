"""Exercises of lesson 9: two of the three loops."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trm_np.autograd import Tensor, no_grad
from trm_np.exercises.exercise import Attempt, Exercise, same, shown


def latent(f: Callable[[Any], Any], x: Any, y: Any, z: Any, n: int) -> tuple[Any, Any]:
    for _ in range(n):
        z = f(x + y + z)
    return f(y + z), z


def check_latent_recursion(attempt: Attempt) -> None:
    x, y, z = (np.array([number, -number]) for number in (1.0, 0.5, 0.25))
    for n in (1, 3):
        calls: list[Any] = []

        def f(v: Any, calls: list[Any] = calls) -> Any:
            calls.append(v)
            return np.tanh(v + 0.1)

        call = f"latent_recursion(f, x, y, z, {n})"
        found = attempt(f, x, y, z, n, call=call)
        attempt.require(
            len(calls) == n + 1, f"called f {len(calls)} times; expected {n} times for z and once for y"
        )
        for count, argument in enumerate(calls[:-1], 1):
            before = z if count == 1 else np.tanh(calls[count - 2] + 0.1)
            attempt.call = f"{call}: call {count} of f"
            attempt.require(
                same(argument, x + y + before),
                f"got {shown(argument)}; expected x + y + z = {shown(x + y + before)}",
            )
        expected = latent(lambda v: np.tanh(v + 0.1), x, y, z, n)
        attempt.call = f"{call}: the last call of f"
        attempt.require(
            same(calls[-1], y + expected[1]),
            f"got {shown(calls[-1])}; expected y + z = {shown(y + expected[1])}, without x and with the new z",
        )
        attempt.call = call
        attempt.compare(found, expected, mistakes=[(expected[::-1], "the answer y comes first, then z")])


def check_deep_recursion(attempt: Attempt) -> None:
    n, T = 2, 3

    def outcome(recursion: Callable[..., Any]) -> tuple[Any, int, Any]:
        """The result for f(v) = tanh(w·v), the number of calls of f, and the gradient of w."""
        w, calls = Tensor(np.array([0.7, -1.2]), requires_grad=True), 0
        x, y, z = (Tensor(np.array([number, -number])) for number in (1.0, 0.5, 0.25))

        def f(v: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return (w * v).tanh()

        found = recursion(f, x, y, z, n, T)
        if isinstance(found, tuple) and len(found) == 2 and all(isinstance(each, Tensor) for each in found):
            if found[0].requires_grad:
                found[0].sum().backward()
            return tuple(each.data for each in found), calls, w.grad
        return found, calls, None

    def recorded(last: int) -> Callable[..., Any]:
        """The recursion with the last of its latent recursions recorded."""

        def recursion(f: Any, x: Any, y: Any, z: Any, n: int, T: int) -> Any:
            with no_grad():
                for _ in range(T - last):
                    y, z = latent(f, x, y, z, n)
            for _ in range(last):
                y, z = latent(f, x, y, z, n)
            return y, z

        return recursion

    attempt.call = f"deep_recursion(f, x, y, z, n={n}, T={T})"
    found, calls, gradient = attempt.guarded(lambda: outcome(attempt.function))
    expected, count, slope = outcome(recorded(1))
    attempt.require(isinstance(found, tuple), f"returned {shown(found)}; expected two Tensors (y, z)")
    attempt.require(calls == count, f"called f {calls} times; expected T · (n + 1) = {count}")
    attempt.compare(found, expected, mistakes=[(expected[::-1], "the answer y comes first, then z")])
    attempt.require(
        gradient is not None,
        "the result has no gradient; the last latent recursion must be outside of no_grad()",
    )
    attempt.call = f"{attempt.call}: the gradient of the weight of f"
    whole = outcome(recorded(T))[2]
    attempt.compare(
        gradient, slope, mistakes=[(whole, "all of the latent recursions were recorded, not the last alone")]
    )


EXERCISES = (
    Exercise(
        "latent_recursion",
        (
            "A loop of n rounds changes z; y changes once, after the loop.",
            "z = f(x + y + z) uses the z of the round before.",
            "After the loop, return f(y + z), z: the question x is not in the last call.",
        ),
        check_latent_recursion,
    ),
    Exercise(
        "deep_recursion",
        (
            "How many of the T latent recursions are not recorded?",
            "with no_grad(): a loop of T − 1 latent recursions, each from the y and z of the one before.",
            "After the block, one more: return latent_recursion(f, x, y, z, n).",
        ),
        check_deep_recursion,
    ),
)
