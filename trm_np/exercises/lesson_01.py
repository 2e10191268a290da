"""Exercises of lesson 1: recall, and reading a learning curve."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise

# The simulated scenarios of the lesson.
SIZES = [2, 5, 10, 25, 100, 1000]
GAPS = [0.386, 0.274, 0.243, 0.216, 0.059, 0.008]


def check_recall_at(attempt: Attempt) -> None:
    scores = np.array([0.9, 0.1, 0.8, 0.3, 0.7])
    for expected, k in (([0, 3], 2), ([0, 2], 3), ([1], 4), ([4, 0, 2], 3), ([1, 3, 0], 3)):
        first = np.argsort(-scores)[:k]
        hits = sum(place in first for place in expected)
        mistakes = (
            (hits / k, "divide by the number of expected places, not by k, which would be the precision"),
            (float(hits > 0), "count how many of the expected places are found, not whether any is"),
            (
                sum(place in np.argsort(scores)[:k] for place in expected) / len(expected),
                "these are the lowest scores; argsort begins with them",
            ),
        )
        attempt.expect((scores, expected, k), hits / len(expected), mistakes=mistakes)


def check_needed(attempt: Attempt) -> None:
    def crossing(wanted: float, place: int) -> tuple[float, float]:
        share = (GAPS[place] - wanted) / (GAPS[place] - GAPS[place + 1])
        low, high = SIZES[place], SIZES[place + 1]
        return low * (high / low) ** share, low + (high - low) * share

    for wanted, place in ((0.05, 4), (0.1, 3), (0.25, 1)):
        by_logarithm, by_size = crossing(wanted, place)
        mistakes = (
            (by_size, "the line is straight against the logarithm of the size, not against the size"),
            (SIZES[place + 1], "this is the next size that was measured; the gap falls to it before"),
            (SIZES[place], "the gap is still larger there"),
        )
        attempt.expect((SIZES, GAPS, wanted), by_logarithm, mistakes=mistakes)
    attempt.expect((SIZES, GAPS, 0.4), 2, "the gap is small enough at the first size")
    attempt.expect(
        (SIZES, GAPS, 0.001), None, "the gap never falls so low, and the curve does not say what follows"
    )


EXERCISES = (
    Exercise(
        "recall_at",
        (
            "Which places have the k highest scores? np.argsort sorts from the lowest.",
            "Count the expected places among np.argsort(-scores)[:k].",
            "Divide that count by len(expected).",
        ),
        check_recall_at,
    ),
    Exercise(
        "needed",
        (
            "First find the two neighbouring sizes between which the gap falls to `wanted`.",
            "share = (gap before − wanted) / (gap before − gap after) is how far along the line it is.",
            "Go that share of the way from log(size before) to log(size after), and take the exponential.",
        ),
        check_needed,
    ),
)
