"""Exercises of lesson 6: when to stop, and how much better is better."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise


def stopped(qualities: list[float], patience: int, improvement: float) -> tuple[int, int]:
    best, kept, bad = float("-inf"), 0, 0
    for epoch, quality in enumerate(qualities, 1):
        if kept == 0 or quality > best * (1 + improvement):
            best, kept, bad = quality, epoch, 0
        else:
            bad += 1
        if bad > patience:
            return kept, epoch
    return kept, len(qualities)


def check_train_until(attempt: Attempt) -> None:
    lesson = [0.80, 0.85, 0.86, 0.84, 0.87, 0.86, 0.86, 0.86, 0.86]
    cases: tuple[tuple[list[float], int, float, str], ...] = (
        ([0.5, 0.6, 0.7], 1, 0.0, "every quality is better, so the run is not stopped"),
        (
            [0.7, 0.6, 0.6, 0.6, 0.6],
            2,
            0.0,
            "patience bad evaluations are allowed, and the next one stops the run",
        ),
        ([0.7, 0.7, 0.7], 1, 0.0, "a tie is not better"),
        ([0.5, 0.4, 0.6, 0.5, 0.7, 0.6], 1, 0.0, "a better evaluation sets the count of bad ones to zero"),
        (lesson, 3, 0.0, "the example of the lesson"),
        (lesson, 3, 0.03, "with a bar of 3 %, 0.87 is not better than 0.85"),
        ([0.5, 0.4], 5, 0.0, "the run ends before patience does"),
    )
    for qualities, patience, improvement, about in cases:
        expected = stopped(qualities, patience, improvement)
        attempt.expect((qualities, patience, improvement), expected, about)


def check_exceeds_its_error(attempt: Attempt) -> None:
    cases = (
        ([0.0, 0.05, 0.05, 0.1], True, "most rise a little; the mean is twice its error"),
        ([0.3, -0.3, 0.1, -0.1], False, "the mean is 0"),
        ([-1.0, 10.0], False, "the deviation of a sample has N − 1 below the sum of squares: ddof=1"),
        ([0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0], True, "the error of a mean is s / √N, not s"),
        ([-0.05, -0.05, -0.1], False, "the mean falls"),
        ([0.02], True, "with one scenario any rise counts"),
        ([0.0, 0.0, 0.0], False, "nothing has changed"),
    )
    for rises, expected, about in cases:
        attempt.expect((np.array(rises),), expected, about)


EXERCISES = (
    Exercise(
        "train_until",
        (
            "Go through the qualities with their epochs, and remember the best, its epoch, and the count of bad ones.",
            "If quality > best * (1 + improvement), keep this epoch and set the count to 0; otherwise count one more.",
            "Return (kept, epoch) as soon as the count is above patience, and (kept, len(qualities)) after the loop.",
        ),
        check_train_until,
    ),
    Exercise(
        "exceeds_its_error",
        (
            "You need the mean, the standard deviation and the number of rises.",
            "rises.std(ddof=1) has N − 1 below the sum. For a single rise it is not defined.",
            "len(rises) == 1: return rises[0] > 0. Otherwise: rises.mean() > rises.std(ddof=1) / len(rises) ** 0.5.",
        ),
        check_exceeds_its_error,
    ),
)
