"""Settings that depend on how much there is to learn from, in one place."""

from math import sqrt

MOST_SMOOTHING = 0.5
SCENARIOS_FOR_A_WORD = 2


def smoothing(scenarios: int, practised: bool) -> float:
    """Label smoothing where `loss.smoothing` is none.

    The labels of N scenarios are uncertain by about 1 / √N: 0.3 of a label is spread for 25 scenarios, 0.05 for 900.
    Labels that practice gives as probabilities hold most of that doubt already; only a third is spread.
    """
    spread = min(1.5 / sqrt(scenarios), MOST_SMOOTHING)
    return spread / 3 if practised else spread


def are_few(scenarios: int, words: int) -> bool:
    """Whether there are fewer scenarios than training needs to tell the words apart by itself (practice.py)."""
    return scenarios < SCENARIOS_FOR_A_WORD * words
