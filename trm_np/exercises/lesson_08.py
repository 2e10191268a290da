"""Exercises of lesson 8: how often augmentation makes a label wrong, and one that does not."""

from math import inf

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, shown

TIERS: list[tuple[float, float]] = [(0, 80), (80, 150), (150, inf)]
NARROW: list[tuple[float, float]] = [(0, 95), (95, 105), (105, inf)]
SHARE = 0.15


def parts(budget: float, tiers: list[tuple[float, float]], share: float) -> tuple[float, float, float]:
    """The parts of the range below, within and above the tier of the budget."""
    low, high = budget * (1 - share), budget * (1 + share)
    bottom, top = next(tier for tier in tiers if tier[0] < budget <= tier[1])
    below, above = max(bottom - low, 0) / (high - low), max(high - top, 0) / (high - low)
    return below, 1 - below - above, above


def check_leaving(attempt: Attempt) -> None:
    cases = (
        (120.0, TIERS, "the whole range lies in the tier"),
        (80.0, TIERS, "80 is in the tier that ends there, and half of its range is above"),
        (170.0, TIERS, "a part of the range is below the tier"),
        (76.0, TIERS, "a part of the range is above the tier"),
        (100.0, NARROW, "the range leaves the tier on both sides"),
        (400.0, TIERS, "the last tier has no top"),
    )
    for budget, tiers, about in cases:
        below, within, above = parts(budget, tiers, SHARE)
        mistakes = [(within, "this is the probability to stay")] if not np.isclose(within, 0.5) else []
        if below and above:
            mistakes += [(below, "only the part below is counted"), (above, "only the part above is counted")]
        elif above:
            mistakes.append((0.0, "the part above the tier is not counted"))
        elif below:
            mistakes.append((0.0, "the part below the tier is not counted"))
        attempt.expect((budget, tiers, SHARE), below + above, about, mistakes)


def check_moved(attempt: Attempt) -> None:
    draws = 2000
    for budget in (120.0, 79.0, 155.0):
        bottom, top = next(tier for tier in TIERS if tier[0] < budget <= tier[1])
        low, high = max(budget * (1 - SHARE), bottom), min(budget * (1 + SHARE), top)
        attempt.call = f"moved({budget:g}, tiers, {SHARE}, rng), drawn {draws} times"
        rng = np.random.default_rng(0)

        def draw(budget: float = budget, rng: np.random.Generator = rng) -> list[float]:
            return [float(attempt.function(budget, list(TIERS), SHARE, rng)) for _ in range(draws)]

        found = np.array(attempt.guarded(draw))
        outside = found[(found <= bottom) | (found > top)]
        attempt.require(
            not len(outside), f"{len(outside)} draws are in another tier, such as {shown(outside[:3])}"
        )
        border = np.isclose(found, low) | np.isclose(found, high)
        attempt.require(
            border.mean() < 0.01, f"{border.mean():.1%} of the draws are at a border; clipping is no draw"
        )
        far = found[(found < low) | (found > high)]
        attempt.require(
            not len(far), f"{len(far)} draws are further away than {SHARE:.0%}, such as {shown(far[:3])}"
        )
        attempt.require(found.std() > 0, f"always gives {shown(found[0])}")
        error = (high - low) / (12 * draws) ** 0.5
        expected = f"{low:.2f} … {high:.2f}, has the mean {(low + high) / 2:.2f}"
        attempt.require(
            abs(found.mean() - (low + high) / 2) < 6 * error,
            f"the mean is {found.mean():.2f}; the allowed range, {expected}",
        )


EXERCISES = (
    Exercise(
        "leaving",
        (
            "Find the tier of the budget. Which part of the range lies below it, and which above?",
            "low, high = budget * (1 - share), budget * (1 + share): the length of the range is high − low.",
            "Within the tier lies min(high, top) − max(low, bottom); the rest, as a part of the range, is the answer.",
        ),
        check_leaving,
    ),
    Exercise(
        "moved",
        (
            "You can draw again until the tier is right, or draw from the right range at once.",
            "The right range begins at the larger of budget · (1 − share) and the bottom of the tier.",
            "rng.uniform(max(budget * (1 - share), bottom), min(budget * (1 + share), top))",
        ),
        check_moved,
    ),
)
