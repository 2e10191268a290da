"""Effects of the optimizations: differences paired by seed, with an interval, and a verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from trm_np.config import SWITCHES
from trm_np.lab.grid import ALL_OFF, ALL_ON, only, without
from trm_np.lab.trial import Row

CONFIDENCE = 0.95
NO_EFFECT = "no effect seen"
LOWER_IS_BETTER = {"generalization_gap"}
# The least and the most that a test metric can be, where it is not a share from 0 to 1.
RANGES = {
    "reward_spearman": (-1.0, 1.0),
    "generalization_gap": (0.0, np.inf),
    "categories_in_use": (0.0, np.inf),
    "tools_in_use": (0.0, np.inf),
}
SHARE = (0.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """Effect of turning a switch on, on one metric: the mean over seeds and its 95 % interval.

    `among` says what the other seven are: "all on" or "all off".
    """

    switch: str
    among: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    verdict: str


def mean_and_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The mean and Student's 95 % interval for it; no interval (infinite) from less than two.

    Differences that are all the same have an interval of no width.
    """
    values = np.asarray(differences, float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, -np.inf, np.inf
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return mean, mean - float(half), mean + float(half)


def verdict(metric: str, low: float, high: float) -> str:
    """Whether the whole interval lies on one side of zero, and which that is for this metric."""
    if low <= 0 <= high:
        return NO_EFFECT
    return "helps" if (low > 0) != (metric in LOWER_IS_BETTER) else "hurts"


def effect(switch: str, among: str, metric: str, on: Sequence[float], off: Sequence[float]) -> Effect:
    """The effect from the metric with the switch on and off, paired by seed."""
    mean, low, high = mean_and_interval(np.subtract(on, off).tolist())
    return Effect(switch, among, metric, mean, low, high, len(on), verdict(metric, low, high))


def effects(rows: Iterable[Row]) -> list[Effect]:
    """Each switch's effects on every test metric, among all on and among all off.

    A pair of which either run failed is left out; a switch without any pair has no effects.
    """
    test = {(row["name"], row["seed"]): row["test"] for row in rows if "test" in row}
    seeds = sorted({seed for _, seed in test})
    found = []
    for switch in SWITCHES:
        for among, on, off in ((ALL_ON, ALL_ON, without(switch)), (ALL_OFF, only(switch), ALL_OFF)):
            pairs = [
                (test[on, seed], test[off, seed])
                for seed in seeds
                if (on, seed) in test and (off, seed) in test
            ]
            found += [
                effect(switch, among, metric, [a[metric] for a, _ in pairs], [b[metric] for _, b in pairs])
                for metric in (pairs[0][0] if pairs else ())
            ]
    return found
