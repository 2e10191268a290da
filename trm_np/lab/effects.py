"""Effects of the optimizations: differences paired by seed, with confidence intervals and verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from trm_np.config import SWITCHES
from trm_np.html import table
from trm_np.lab.grid import ALL_OFF, ALL_ON, only, without
from trm_np.lab.trial import Row

CONFIDENCE = 0.95
NO_EFFECT = "no effect seen"
LOWER_IS_BETTER = {"generalization_gap"}
# The range of each test metric that is not a share from 0 to 1.
RANGES = {
    "reward_spearman": (-1.0, 1.0),
    "generalization_gap": (0.0, np.inf),
    "categories_in_use": (0.0, np.inf),
    "tools_in_use": (0.0, np.inf),
}
SHARE = (0.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """The effect of turning a switch on, on one metric: the mean over seeds and its 95 % interval.

    `among` is the state of the other seven switches: "all on" or "all off".
    """

    switch: str
    among: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    verdict: str


class Effects(list[Effect]):
    """Effects, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        headings = ("optimization", "with the others", "metric", "effect", "95 % interval", "verdict")
        rows = (
            (
                each.switch,
                each.among,
                each.metric,
                f"{each.mean:+.3f}",
                f"{each.low:+.3f} to {each.high:+.3f}",
                each.verdict,
            )
            for each in self
        )
        return table(headings, rows)


def mean_and_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval by Student's t distribution. With fewer than two values the interval is infinite.

    If all differences are equal, the interval has no width.
    """
    values = np.asarray(differences, float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, -np.inf, np.inf
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return mean, mean - float(half), mean + float(half)


def verdict(metric: str, low: float, high: float) -> str:
    """Whether the effect helps or hurts. It is not seen if the interval contains zero."""
    if low <= 0 <= high:
        return NO_EFFECT
    return "helps" if (low > 0) != (metric in LOWER_IS_BETTER) else "hurts"


def effect(switch: str, among: str, metric: str, on: Sequence[float], off: Sequence[float]) -> Effect:
    """The effect of a switch, from the metric with the switch on and off, paired by seed."""
    mean, low, high = mean_and_interval(np.subtract(on, off).tolist())
    return Effect(switch, among, metric, mean, low, high, len(on), verdict(metric, low, high))


def effects(rows: Iterable[Row]) -> Effects:
    """The effects of each switch on every test metric, with the other switches all on and all off.

    Pairs with a failed run are left out. A switch without pairs has no effects.
    """
    test = {(row["name"], row["seed"]): row["test"] for row in rows if "test" in row}
    seeds = sorted({seed for _, seed in test})
    found = Effects()
    for switch in SWITCHES:
        for among, on, off in ((ALL_ON, ALL_ON, without(switch)), (ALL_OFF, only(switch), ALL_OFF)):
            pairs = [
                (test[on, seed], test[off, seed])
                for seed in seeds
                if (on, seed) in test and (off, seed) in test
            ]
            found += (
                effect(switch, among, metric, [a[metric] for a, _ in pairs], [b[metric] for _, b in pairs])
                for metric in (pairs[0][0] if pairs else ())
            )
    return found
