"""Exercises of lesson 11: an interval for a claim, and a baseline to compare it with."""

from collections import Counter

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from trm_np.data.load import load_dataset
from trm_np.exercises.exercise import Attempt, Exercise


def check_paired_interval(attempt: Attempt) -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(0.8, 0.05, 10)
    on, off = (
        np.round(seeds + 0.01 + rng.normal(0, 0.005, 10), 3),
        np.round(seeds + rng.normal(0, 0.005, 10), 3),
    )
    paired, apart = stats.ttest_rel(on, off), stats.ttest_ind(on, off)
    d = on - off
    error, t = d.std(ddof=1) / 10**0.5, stats.t.ppf(0.975, 9)
    population = d.std() / 10**0.5

    def around(half: float) -> tuple[float, float]:
        return float(d.mean() - half), float(d.mean() + half)

    expected = tuple(map(float, paired.confidence_interval(0.95)))
    mistakes = (
        (
            tuple(map(float, apart.confidence_interval(0.95))),
            "this is the interval of runs that share no seeds",
        ),
        (around(1.959963984540054 * error), "1.96 is for very many runs; ten need Student's t"),
        (around(1.96 * error), "1.96 is for very many runs; ten need Student's t"),
        (around(t * population), "the deviation of a sample has N − 1 below the sum: ddof=1"),
        (around(t * error * 10**0.5), "the error of a mean is s / √N"),
        (around(stats.t.ppf(0.95, 9) * error), "5 % are outside on both sides together: 2.5 % on each"),
        (tuple(-each for each in reversed(expected)), "the difference is on − off"),
    )
    attempt.expect((on, off), expected, "", mistakes)
    attempt.expect(
        (on[:3], off[:3]), tuple(map(float, stats.ttest_rel(on[:3], off[:3]).confidence_interval(0.95)))
    )


def most_frequent(train: list[list[str]], shown: int) -> set[str]:
    counts = Counter(name for names in train for name in names)
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:shown])


def check_popularity(attempt: Attempt) -> None:
    rng, names = np.random.default_rng(0), list("abcdefgh")

    def drawn(count: int, likely: list[float]) -> list[list[str]]:
        return [rng.choice(names, rng.integers(1, 4), False, likely).tolist() for _ in range(count)]

    falling = [0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05]
    train, test = drawn(50, falling), drawn(101, falling[::-1])
    best, rarest, of_test = (
        most_frequent(train, 2),
        most_frequent(train, 8) - most_frequent(train, 6),
        most_frequent(test, 2),
    )
    enough = "one expected category among those shown is enough"
    mistakes = (
        (hit_rate(of_test, test), "count the categories of train; those of test are not known yet"),
        (hit_rate(rarest, test), "these are the rarest categories"),
        (float(np.mean([len(best & set(names)) / len(names) for names in test])), enough),
        (float(np.mean([best <= set(names) for names in test])), f"{enough}; not all of them"),
    )
    call = "popularity(train, test, 2) for 50 and 101 profiles"
    attempt.expect(
        (train, test, 2), hit_rate(best, test), f"shown are {' and '.join(sorted(best))}", mistakes, call
    )
    few = [
        ["books", "art"],
        ["books", "food"],
        ["food", "home"],
        ["books", "home"],
        ["home", "tech"],
        ["home"],
    ]
    for shown in (1, 2, 3):
        best = most_frequent(few, shown)
        about = f"shown are {', '.join(sorted(best))}; food, with 2, comes before art and tech"
        attempt.expect((few, few[1:4], shown), hit_rate(best, few[1:4]), about)
    dataset = load_dataset()
    shipped = [[list(each.expected_categories) for each in part] for part in (dataset.train, dataset.test)]
    best = most_frequent(shipped[0], 3)
    call = "popularity(train, test, 3) for the scenarios of the project"
    attempt.expect(
        (*shipped, 3), hit_rate(best, shipped[1]), f"shown are {', '.join(sorted(best))}", (), call
    )


def hit_rate(best: set[str], test: list[list[str]]) -> float:
    return float(np.mean([bool(best & set(names)) for names in test]))


EXERCISES = (
    Exercise(
        "paired_interval",
        (
            "The seed affects on and off alike. Which array does not contain its effect?",
            "d = on − off has a mean and a standard deviation, d.std(ddof=1).",
            "half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5; return mean − half, mean + half.",
        ),
        check_paired_interval,
    ),
    Exercise(
        "popularity",
        (
            "Counter(name for names in train for name in names) counts the categories.",
            "sorted(counts, key=lambda name: (-counts[name], name)) is the order: by frequency, then by name.",
            "Return the share of test whose set of names has an element in common with the first `shown`.",
        ),
        check_popularity,
    ),
)
