"""Exercises of lesson 0: the vjp of division, and the walk along the tape."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, Wrong, same, shown

STEP = 1e-6  # of the central differences


def check_div(attempt: Attempt) -> None:
    rng = np.random.default_rng(0)
    a, b, g = rng.uniform(1, 3, (3, 2)), rng.uniform(1, 3, (3, 2)), rng.normal(size=(3, 2))
    found = attempt(a, b)
    if not (isinstance(found, tuple) and len(found) == 2 and callable(found[1])):
        raise Wrong(f"div(a, b) returned {shown(found)}; expected two things: the value, and a function of g")
    value, vjp = found
    attempt.call = f"div({shown(a)}, {shown(b)})[0]"
    attempt.compare(value, a / b, "the value is a / b")
    attempt.call = f"the vjp of div({shown(a)}, {shown(b)}) for g = {shown(g)}"
    gradients = attempt.guarded(lambda: vjp(g.copy()))
    attempt.require(isinstance(gradients, tuple | list) and len(gradients) == 2, "must return two gradients")
    of_a = g * ((a + STEP) / b - (a - STEP) / b) / (2 * STEP)
    of_b = g * (a / (b + STEP) - a / (b - STEP)) / (2 * STEP)
    for place, name, slope in ((0, "a", of_a), (1, "b", of_b)):
        wrong = [
            (
                -slope,
                f"its sign is wrong: when {name} grows, the quotient {'grows' if name == 'a' else 'falls'}",
            ),
            (slope * b, "one division by b is missing"),
            (slope / g, "the cotangent g is not used"),
        ]
        attempt.call = f"the gradient of {name} that div gives"
        if not same(gradients[place], slope):
            reason = next((why for value, why in wrong if same(gradients[place], value)), "")
            attempt.require(
                False,
                f"{shown(gradients[place])} where central differences give {shown(slope)}"
                + (f"; {reason}" if reason else ""),
            )


class Tape:
    """The tape of the lesson, with three rules."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.calls: list[tuple[int, tuple[int, ...], Callable[[Any], tuple[Any, ...]]]] = []

    def leaf(self, value: Any) -> int:
        self.values.append(np.asarray(value, float))
        return len(self.values) - 1

    def _note(self, value: Any, arguments: tuple[int, ...], vjp: Callable[[Any], tuple[Any, ...]]) -> int:
        self.calls.append((self.leaf(value), arguments, vjp))
        return len(self.values) - 1

    def mul(self, a: int, b: int) -> int:
        x, y = self.values[a], self.values[b]
        return self._note(x * y, (a, b), lambda g: (g * y, g * x))

    def add(self, a: int, b: int) -> int:
        return self._note(self.values[a] + self.values[b], (a, b), lambda g: (g, g))

    def total(self, a: int) -> int:
        x = self.values[a]
        return self._note(x.sum(), (a,), lambda g: (g * np.ones_like(x),))


def check_backward(attempt: Attempt) -> None:
    def expect(tape: Tape, end: int, gradients: dict[int, list[float]], text: str, about: str) -> None:
        call = f"backward(tape, {end}) for the tape of {text}"
        found = attempt(tape.calls, end, call=call, about=about)
        attempt.require(
            isinstance(found, dict), f"returned {shown(found)}; expected a dict of cotangents by place"
        )
        for place, gradient in gradients.items():
            attempt.require(place in found, f"place {place} has no cotangent in {shown(found)}; {about}")
            attempt.call = f"{call}: the cotangent of place {place}"
            attempt.compare(found[place], np.array(gradient), about)
        strangers = set(found) - set(gradients) - {result for result, _, _ in tape.calls}
        attempt.require(not strangers, f"has places {shown(strangers)} that the loss does not depend on")

    def leaves() -> tuple[Tape, int, int]:
        tape = Tape()
        return tape, tape.leaf([1.0, 2.0]), tape.leaf([3.0, 5.0])

    tape, x, w = leaves()
    end = tape.total(tape.mul(x, w))
    expect(tape, end, {x: [3, 5], w: [1, 2]}, "sum(x·w)", "walk through the tape from its end")
    tape, x, w = leaves()
    end = tape.total(tape.add(tape.mul(x, w), x))
    about = "x is used twice, so its two contributions must be added"
    expect(tape, end, {x: [4, 6], w: [1, 2]}, "sum(x·w + x)", about)
    tape, x, w = leaves()
    y = tape.mul(x, w)
    end = tape.total(tape.mul(y, y))
    about = "y = x·w is used twice, and must pass on its whole cotangent once"
    expect(tape, end, {x: [18, 100], w: [6, 40]}, "sum(y·y) with y = x·w", about)
    tape, x, w = leaves()
    product = tape.mul(x, w)
    unused = tape.leaf([7.0, 7.0])
    tape.mul(product, unused)
    end = tape.total(product)
    tape.add(unused, unused)
    about = "what the loss does not depend on has no cotangent, and passes nothing on"
    expect(tape, end, {x: [3, 5], w: [1, 2]}, "sum(x·w), with computations that it does not use", about)


EXERCISES = (
    Exercise(
        "div",
        (
            "A small change of a changes the quotient by da / b. By how much does a small change of b change it?",
            "d(a / b) = da / b − a · db / b². The factor beside da, times g, is the gradient of a.",
            "return a / b, lambda g: (g / b, …), where the second part is −g · a / b².",
        ),
        check_div,
    ),
    Exercise(
        "backward",
        (
            "Start with {end: 1.0}. In which order must the tape be read, so that each cotangent is whole when used?",
            "For each entry from the end: if its result has a cotangent, call vjp with it.",
            "Add what vjp returns to what the argument already has: found[place] = found.get(place, 0) + g.",
        ),
        check_backward,
    ),
)
