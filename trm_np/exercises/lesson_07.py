"""Exercises of lesson 7: what the frequency changes, and the luck of many evaluations."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, shown

# Expected maxima of standard normal numbers (Harter 1961, "Expected Values of Normal Order Statistics").
EXPECTED_BEST = {1: 0.0, 2: 0.56419, 15: 1.73591, 30: 2.04276}


def watched(curve: list[float], every: int, patience: int) -> tuple[int, int, int]:
    best, kept, bad, evaluations = float("-inf"), 0, 0, 0
    for epoch in range(every, len(curve) + 1, every):
        evaluations += 1
        if curve[epoch - 1] > best:
            best, kept, bad = curve[epoch - 1], epoch, 0
        else:
            bad += 1
        if bad > patience:
            return kept, epoch, evaluations
    return kept, len(curve), evaluations


def check_run(attempt: Attempt) -> None:
    peak = [round(1 - abs(epoch - 7) / 20, 3) for epoch in range(1, 31)]  # best after epoch 7
    cases: tuple[tuple[list[float], int, int, str], ...] = (
        (peak, 1, 2, "with an evaluation after each epoch, the best is seen"),
        (peak, 5, 2, "epochs 5, 10, 15, … are evaluated, and epoch 5 is the best of these"),
        (peak, 5, 1, "patience counts evaluations, not epochs"),
        (peak, 4, 5, "epoch 8 is the first evaluated after the peak"),
        (peak, 10, 5, "the run ends at epoch 30 before patience does"),
        (peak[:8], 3, 5, "the last epoch is the last of the curve, also where it is not evaluated"),
    )
    for curve, every, patience, about in cases:
        kept, last, evaluations = watched(curve, every, patience)
        mistakes = [
            (watched(curve, every, patience // every), "patience counts evaluations, not epochs"),
            (
                (kept, evaluations * every, evaluations),
                "a run that nothing stops goes on to the end of the curve",
            ),
        ]
        attempt.expect((curve, every, patience), (kept, last, evaluations), about, mistakes)


def check_luck(attempt: Attempt) -> None:
    repeats = 20_000
    for evaluations, expected in EXPECTED_BEST.items():
        found = attempt(evaluations, repeats, np.random.default_rng(evaluations))
        attempt.require(
            np.ndim(found) == 0 and isinstance(found, float | int | np.floating),
            f"returned {shown(found)}; expected one number",
        )
        about = (
            f"returned {shown(found)}; the best of {evaluations} is above the truth by about {expected:.2f}"
        )
        if found > 3:
            about += ": take the best of each run, and then the mean over the runs"
        elif evaluations > 1 and abs(found) < 0.1:
            about += ": take the best of each run, not the mean of all evaluations"
        attempt.require(abs(found - expected) < 0.05, about)


EXERCISES = (
    Exercise(
        "run",
        (
            "This is early stopping of lesson 6 that sees only every N-th epoch: range(every, len(curve) + 1, every).",
            "The quality after an epoch is curve[epoch - 1].",
            "Count the evaluations in the same loop, and return len(curve) as the last epoch if nothing stops the run.",
        ),
        check_run,
    ),
    Exercise(
        "luck",
        (
            "Draw all numbers at once, one row for each run: shape (repeats, evaluations).",
            "The best of each row is .max(axis=1).",
            "rng.normal(size=(repeats, evaluations)).max(axis=1).mean()",
        ),
        check_luck,
    ),
)
