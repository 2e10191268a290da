"""Draw an ablation as a forest plot: the effect of each optimization on each metric, with its interval."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trm_np.config import SWITCHES
from trm_np.evaluation.summary import title
from trm_np.lab.effects import LOWER_IS_BETTER, RANGES, SHARE, Effect
from trm_np.lab.grid import ALL_OFF, ALL_ON
from trm_np.lab.plots.style import BAND, GREY, INK, drawing, label, save
from trm_np.lab.tables import AMONG, SHORT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
ROW = {name: row for row, name in enumerate(SWITCHES)}
# The marker for each state of the other switches, and its offset from the middle of the row.
MARKERS = {ALL_ON: ("o", -0.17), ALL_OFF: ("s", 0.17)}


def draw_forest(effects: Sequence[Effect], path: Path) -> list[Path]:
    """Draw one panel per metric in SHORT, one row per switch, and one marker per state of the other switches."""
    rows = -(-len(SHORT) // COLUMNS)
    with drawing(rows, COLUMNS, size=(10, 7.4), sharey=True) as (figure, panels):
        for axes, metric in zip(panels.flat, SHORT, strict=True):
            draw_metric(axes, [each for each in effects if each.metric == metric])
            better = "← better" if metric in LOWER_IS_BETTER else "better →"
            label(axes, f"on − off, {unit(metric)} ({better})", "", title(metric))
        for axes in panels[:, 0]:
            axes.set_ylabel("optimization switched on")
        figure.legend(handles=legend(effects), loc="outside lower center", ncols=2)
        return save(figure, path)


def unit(metric: str) -> str:
    if metric == "generalization_gap":
        return "in units of the loss"
    return "correlation" if metric == "reward_spearman" else "as a share"


def draw_metric(axes: "Axes", effects: Sequence[Effect]) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    for row in range(0, len(ROW), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=BAND, linewidth=0, zorder=-1)
    for each in effects:
        marker, offset = MARKERS[each.among]
        y = ROW[each.switch] + offset
        if np.isfinite(each.high):
            least, most = RANGES.get(each.metric, SHARE)
            ends = np.clip([each.low, each.high], least - most, most - least)  # the range of a difference
            axes.plot(ends, [y, y], color=INK, linewidth=1)
        axes.plot([each.mean], [y], marker, color=INK, markerfacecolor=fill(each), markersize=5)
    axes.set_yticks(list(ROW.values()), [name.replace("_", " ") for name in ROW])
    axes.set_ylim(len(ROW) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def fill(effect: Effect) -> str:
    """The fill of a marker: black if the interval excludes zero, else white."""
    return "white" if effect.low <= 0 <= effect.high else INK


def legend(effects: Sequence[Effect]) -> list[Any]:
    from matplotlib.lines import Line2D

    counts = sorted({each.seeds for each in effects})
    seeds = "–".join(map(str, sorted({counts[0], counts[-1]})))

    def entry(marker: str, face: str, text: str) -> Any:
        return Line2D(
            [], [], marker=marker, linestyle="", color=INK, markerfacecolor=face, markersize=5, label=text
        )

    return [
        *(entry(marker, INK, AMONG[among]) for among, (marker, _) in MARKERS.items()),
        entry("o", INK, f"filled: the 95 % interval excludes zero (seeds: {seeds}, paired)"),
        entry("o", "white", "hollow: it includes zero, or one seed has none"),
    ]
