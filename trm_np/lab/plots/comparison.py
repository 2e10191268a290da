"""Configurations compared: as dots with intervals, or against a quantity that was varied."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trm_np.data.tables import Floats
from trm_np.evaluation.summary import title
from trm_np.lab.effects import LOWER_IS_BETTER, RANGES, SHARE, mean_and_interval
from trm_np.lab.plots.style import GREY, INK, LIGHT, LINES, drawing, label, logarithmic, save
from trm_np.lab.trial import Row

Interval = tuple[float, float, float]  # the mean, and the lower and upper end


def intervals(rows: Sequence[Row], names: Sequence[str], metric: str) -> list[Interval]:
    """The mean of a test metric over the seeds of each configuration, and its 95 % interval."""
    values = (
        [row["test"][metric] for row in rows if row["name"] == name and "test" in row] for name in names
    )
    return [mean_and_interval(each) if each else (np.nan, np.nan, np.nan) for each in values]


def better(metric: str) -> str:
    return "lower is better" if metric in LOWER_IS_BETTER else "higher is better"


def reach(found: Sequence[Interval], least: float, most: float) -> Floats:
    """Error bars (2, N) as matplotlib takes them, none beyond `least` and `most`.

    Student's interval knows no bounds, what is measured does. A single seed has no interval: its bar has length 0.
    """
    lengths = np.array([(mean - low, high - mean) for mean, low, high in found])
    room = np.array([(mean - least, most - mean) for mean, _, _ in found])
    bars: Floats = np.fmin(np.nan_to_num(lengths, posinf=0.0), room).T
    return bars


def draw_comparison(rows: Sequence[Row], metrics: Sequence[str], path: Path, baseline: str) -> list[Path]:
    """A line for each configuration, a panel for each metric: the mean over seeds and its 95 % interval.

    The bars end where the metric does. The mean of the `baseline` is a line through all.
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
    """A panel for each metric against a quantity; each line has its values, its rows, and the names that go with them.

    Bars are 95 % intervals over seeds, which end where the metric does. With `ticks` the quantity is on a logarithmic
    scale that shows them.
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
