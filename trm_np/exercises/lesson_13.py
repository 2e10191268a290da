"""Exercises of lesson 13: what a choice does to a score, and how far two recipes are apart."""

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, shown

REPEATS = 40_000
BEST_OF_TEN = 1.53875  # the expected maximum of ten standard normal numbers (Harter 1961)


def check_chosen(attempt: Attempt) -> None:
    def found(qualities: list[float], noise: float) -> tuple[float, float]:
        pair = attempt(np.array(qualities), noise, REPEATS, np.random.default_rng(0))
        two = isinstance(pair, tuple) and len(pair) == 2
        numbers = two and all(isinstance(each, float | int | np.number) for each in pair)
        attempt.require(numbers, f"returned {shown(pair)}; expected two numbers")
        return float(pair[0]), float(pair[1])

    def near(number: float, expected: float, name: str, about: str) -> None:
        fault = f"the score {name} is {number:.3f} on average, expected about {expected:.3f}"
        attempt.require(abs(number - expected) < 0.02, f"{fault}; {about}")

    by_choice, on_new = found([0.7], 0.1)
    near(by_choice, 0.7, "by which it is chosen", "a single recipe is not chosen, so no luck is picked")
    near(on_new, 0.7, "on new data", "a single recipe is not chosen, so no luck is picked")
    by_choice, on_new = found([0.5] * 10, 1.0)
    near(
        by_choice,
        0.5 + BEST_OF_TEN,
        "by which it is chosen",
        "choose the highest of the ten scores each time",
    )
    about = "all ten are equally good; the new measurement has new noise, and no luck"
    near(on_new, 0.5, "on new data", about)
    by_choice, on_new = found([0.0, 5.0], 0.1)
    near(
        on_new,
        5.0,
        "on new data",
        "the second recipe is far better; measure the one that was chosen, not any",
    )


def check_chance_of_better(attempt: Attempt) -> None:
    cases = (
        ([0.93, 0.94], [0.88, 0.9, 0.91], "every run of the first is better"),
        ([0.5, 0.7], [0.6], "one of two pairs"),
        ([0.5, 0.5], [0.5, 0.4], "a tie counts half"),
        ([0.1], [0.2, 0.3], "no run of the first is better"),
        ([0.5, 0.6, 0.9], [0.55, 0.8], "all pairs count, not only those of one place"),
    )
    for first, second, about in cases:
        a, b = np.array(first), np.array(second)
        expected = np.mean([(x > y) + (x == y) / 2 for x in first for y in second])
        mistakes = [
            (np.mean([x > y for x in first for y in second]), "a tie counts half"),
            (np.mean([x >= y for x in first for y in second]), "a tie counts half"),
            (1 - expected, "this is the share in which the second is larger"),
        ]
        known = [(value, why) for value, why in mistakes if value != expected]
        attempt.expect((a, b), float(expected), about, known)


EXERCISES = (
    Exercise(
        "chosen",
        (
            "scores = qualities + noise * rng.normal(size=(repeats, len(qualities))) measures all recipes each time.",
            "best = scores.argmax(axis=1) are the recipes chosen, and scores.max(axis=1) their scores.",
            "On new data they have qualities[best] + noise * rng.normal(size=repeats). Return both means.",
        ),
        check_chosen,
    ),
    Exercise(
        "chance_of_better",
        (
            "Compare each number of the first array with each of the second: first[:, None] and second[None, :].",
            "larger = first[:, None] > second, and equal = first[:, None] == second, are arrays of all pairs.",
            "(larger + equal / 2).mean()",
        ),
        check_chance_of_better,
    ),
)
