"""Draw comparisons of configurations: dots with intervals, or a metric against a varied quantity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trm_np.data.tables import Floats
from trm_np.evaluation.summary import title
from trm_np.lab.effects import LOWER_IS_BETTER, RANGES, SHARE, mean_and_interval
from trm_np.lab.plots.style import GREY, INK, LIGHT, LINES, drawing, label, save
from trm_np.lab.trial import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Interval = tuple[float, float, float]  # the mean, and the lower and upper end


def intervals(rows: Sequence[Row], names: Sequence[str], metric: str) -> list[Interval]:
    """The mean of a test metric over the seeds of each configuration, with its 95 % interval."""
    values = (
        [row["test"][metric] for row in rows if row["name"] == name and "test" in row] for name in names
    )
    return [mean_and_interval(each) if each else (np.nan, np.nan, np.nan) for each in values]


def better(metric: str) -> str:
    return "lower is better" if metric in LOWER_IS_BETTER else "higher is better"


def reach(found: Sequence[Interval], least: float, most: float) -> Floats:
    """Lengths of error bars (2, N) for matplotlib, clipped to the range from `least` to `most`.

    Student's interval may exceed the range of a metric. A single seed has no interval, and its bar has length 0.
    """
    lengths = np.array([(mean - low, high - mean) for mean, low, high in found])
    room = np.array([(mean - least, most - mean) for mean, _, _ in found])
    bars: Floats = np.fmin(np.nan_to_num(lengths, posinf=0.0), room).T
    return bars


def draw_comparison(rows: Sequence[Row], metrics: Sequence[str], path: Path, baseline: str) -> list[Path]:
    """Draw one row per configuration and one panel per metric: the mean over seeds and its 95 % interval.

    Bars are clipped to the range of the metric. A vertical line marks the mean of the `baseline`.
    """
    names = list(dict.fromkeys(row["name"] for row in rows))
    places = np.arange(len(names))[::-1]
    with drawing(1, len(metrics), (2.0 + 1.9 * len(metrics), 0.9 + 0.27 * len(names))) as (figure, panels):
        for axes, metric in zip(np.atleast_1d(panels), metrics, strict=True):
            found = intervals(rows, names, metric)
            axes.axvline(found[names.index(baseline)][0], color=LIGHT, zorder=0)
            means = [mean for mean, _, _ in found]
            bars = reach(found, *RANGES.get(metric, SHARE))
            axes.errorbar(means, places, xerr=bars, fmt="o", color=INK, ecolor=GREY, capsize=2, markersize=4)
            axes.set_yticks(places, names if metric == metrics[0] else [])
            label(axes, better(metric), "", title(metric))
        return save(figure, path)


def draw_against(
    lines: Mapping[str, tuple[Sequence[float], Sequence[Row], Sequence[str]]],
    quantity: str,
    metrics: Sequence[str],
    path: Path,
    ticks: Sequence[float] = (),
) -> list[Path]:
    """Draw one panel per metric against a quantity.

    Each of the `lines` has the values of the quantity, its rows, and the name of the configuration for each value.
    Bars are 95 % intervals over seeds, clipped to the range of the metric. With `ticks`, the quantity has a
    logarithmic scale with these ticks.
    """
    with drawing(1, len(metrics), (0.8 + 2.3 * len(metrics), 2.9)) as (figure, panels):
        for axes, metric in zip(np.atleast_1d(panels), metrics, strict=True):
            for (name, (values, rows, names)), look in zip(lines.items(), LINES, strict=False):
                found = intervals(rows, names, metric)
                means = [mean for mean, _, _ in found]
                bars = reach(found, *RANGES.get(metric, SHARE))
                axes.errorbar(values, means, yerr=bars, label=name, capsize=2, elinewidth=0.8, **look)
            if ticks:
                logarithmic(axes, "x", ticks)
            label(axes, quantity, better(metric), title(metric))
        if len(lines) > 1:
            np.atleast_1d(panels)[0].legend()
        return save(figure, path)


def logarithmic(axes: "Axes", which: str, numbers: Sequence[float]) -> None:
    """Make the "x" or "y" scale logarithmic, with ticks at these numbers."""
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_ticks(numbers, [f"{number:g}" for number in numbers])
    axis.set_ticks([], minor=True)
