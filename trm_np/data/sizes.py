"""Settings that depend on the number of training scenarios."""

from math import sqrt

MOST_SMOOTHING = 0.5
SCENARIOS_FOR_A_WORD = 2


def smoothing(scenarios: int, practised: bool) -> float:
    """Default label smoothing, for a `loss.smoothing` of none.

    The labels of N scenarios are uncertain by about 1 / √N. The smoothing is 0.3 for 25 scenarios and 0.05 for 900.
    Labels from practice are probabilities and already express most of this uncertainty, so they get a third of it.
    """
    spread = min(1.5 / sqrt(scenarios), MOST_SMOOTHING)
    return spread / 3 if practised else spread


def are_few(scenarios: int, words: int) -> bool:
    """Whether there are too few scenarios for training alone to learn each word's effect (see practice.py)."""
    return scenarios < SCENARIOS_FOR_A_WORD * words
