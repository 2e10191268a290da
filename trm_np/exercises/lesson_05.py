"""Exercises of lesson 5: dropout, and the gradient through it."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, Wrong, shown

ROWS, COLUMNS = 200, 300


def check_dropout(attempt: Attempt) -> None:
    x = np.random.default_rng(0).uniform(1, 2, (ROWS, COLUMNS))
    for p in (0.3, 0.8):
        rng = np.random.default_rng(1)
        call = f"dropout(x, {p}, rng) for x of shape {x.shape}"
        y = np.asarray(attempt(x, p, rng, call=call))
        attempt.require(y.shape == x.shape, f"returned {shown(y)} of shape {y.shape}")
        dropped = y == 0
        rows, columns = dropped.mean(axis=1), dropped.mean(axis=0)
        together = "rows" if rows.std() > 0.2 else "columns" if columns.std() > 0.2 else ""
        attempt.require(not together, f"whole {together} are zero; draw a number for each entry")
        share, error = dropped.mean(), (p * (1 - p) / x.size) ** 0.5
        turned = "; p is the probability to drop, not to keep" if abs(share - 1 + p) < 6 * error else ""
        attempt.require(abs(share - p) < 6 * error, f"{share:.1%} of the numbers are zero{turned}")
        kept = ~dropped
        if not np.allclose(y[kept], x[kept] / (1 - p)):
            factor = float((y[kept] / x[kept]).mean())
            fault = f"the numbers that are left are {factor:.4g} times x; expected 1 / (1 − p) = {1 / (1 - p):.4g}"
            attempt.require(False, f"{fault}, so that the mean stays")
    # Two calls with one generator: copies of it would draw the same.
    function, rng = attempt.function, np.random.default_rng(2)
    first, second = (attempt.guarded(lambda: function(x.copy(), 0.5, rng)) for _ in range(2))
    attempt.call = "dropout(x, 0.5, rng), called twice"
    attempt.require(
        not np.array_equal(first, second), "drops the same numbers both times; draw from rng each time"
    )


def check_dropout_rule(attempt: Attempt) -> None:
    x = np.array([1.0, -2.0, 3.0, 4.0])
    keep, g, p = np.array([True, False, True, False]), np.array([1.0, 10.0, 100.0, 1000.0]), 0.2
    found = attempt(x, keep, p)
    if not (isinstance(found, tuple) and len(found) == 2 and callable(found[1])):
        raise Wrong(
            f"{attempt.call} returned {shown(found)}; expected two things: the value, and a function of g"
        )
    value, vjp = found
    call = attempt.call
    attempt.call = f"the value of {call}"
    attempt.compare(
        value, x * keep / (1 - p), mistakes=[(x * keep, "divide by 1 − p"), (x, "apply the mask")]
    )
    attempt.call = f"the vjp of {call} for g = {shown(g)}"
    gradients = attempt.guarded(lambda: vjp(g.copy()))
    attempt.require(
        isinstance(gradients, tuple) and len(gradients) == 1, f"returned {shown(gradients)}, not a tuple"
    )
    mistakes = (
        (g, "a number that was dropped has no effect on the output, so its gradient is 0"),
        (g / (1 - p), "a number that was dropped has no effect on the output, so its gradient is 0"),
        (g * keep, "a number that was kept was divided by 1 − p, and so is its gradient"),
        (x * keep * g / (1 - p), "the slope is that of x · keep / (1 − p), in which x itself does not occur"),
    )
    attempt.compare(gradients[0], g * keep / (1 - p), mistakes=mistakes)


EXERCISES = (
    Exercise(
        "dropout",
        (
            "Draw one number for each entry of x: rng.random(x.shape).",
            "An entry is kept where its number is at least p, which has the probability 1 − p.",
            "x * keep / (1 - p)",
        ),
        check_dropout,
    ),
    Exercise(
        "dropout_rule",
        (
            "For a given mask the value is x times a constant array. Which one?",
            "y = x · c with c = keep / (1 − p). The slope of y with respect to x is c.",
            "return x * c, lambda g: (g * c,)",
        ),
        check_dropout_rule,
    ),
)
