"""Training curves: every loss term over the epochs, where the learning rate fell, and the epoch kept."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from trm_np.lab.plots.style import GREY, INK, KINDS, LIGHT, LINES, drawing, label, save
from trm_np.lab.results import ResultsError, whole_lines
from trm_np.text import printable
from trm_np.training.trainer import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOTAL, CHOICE = "total", "choice"
MASKED = "masked_tokens"  # nothing is masked at an evaluation: the loss there is 0 and says nothing
MEASURES = {
    "category": "nats per category",
    "tool": "nats per tool",
    "reward": "squared error + nats",
    "semantic": "squared error",
    "embedding": "sum of L2 norms",
    MASKED: "nats per token",
    "halting": "nats",
    "policy": "nats",
    "value": "squared error",
    "outcome": "squared error",
    "gift_scorer": "squared error",
    CHOICE: "nats",
    TOTAL: "weighted sum of all",
}
COLUMNS = 4
MARGINS = {"left": 0.067, "right": 0.99, "top": 0.96, "bottom": 0.105, "wspace": 0.36, "hspace": 0.18}
Series = list[tuple[int, float]]  # (epoch, value)


def read_records(path: Path) -> list[Record]:
    """The record of each epoch in a metrics.jsonl; raises ResultsError, OSError.

    What a killed process left of a last line is not counted.
    """
    if not path.exists():
        raise ResultsError(printable(f"{path}: no such file; trm-train makes one in its --out folder"))
    records: list[Record] = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            records.append(json.loads(line))
            for name in measures_of(records):
                training(records[-1:], name), validation(records[-1:], name)
            rates_left(records[-1], records[0])
        except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
            raise ResultsError(
                printable(f"{path}: line {number} is no record of an epoch ({error!r})")
            ) from error
    if not records:
        raise ResultsError(printable(f"{path}: no epoch is done; there is nothing to draw"))
    return records


def measures_of(records: Sequence[Record]) -> list[str]:
    """The terms to draw: that of choices only where there were any."""
    chosen = any(record["losses"].get(CHOICE) for record in records)
    return [name for name in MEASURES if name != CHOICE or chosen]


def training(records: Sequence[Record], name: str) -> Series:
    """The mean of a term, or of the total, over the steps of each epoch."""
    return [(int(each["epoch"]), float({**each["losses"], TOTAL: each[TOTAL]}[name])) for each in records]


def validation(records: Sequence[Record], name: str) -> Series:
    """The same on the validation scenarios, where it was evaluated and says something."""
    evaluated = [each for each in records if "validation" in each and name != MASKED]
    return [(int(each["epoch"]), float(each["validation"]["losses"][name])) for each in evaluated]


def rates_left(record: Record, first: Record) -> float:
    """Share of its first learning rate that a record has: of the component that has kept most, if they differ.

    What is solved and not learned has a rate of 0 throughout, and is not counted.
    """
    rates = {name: rate for name, rate in first["learning_rate"].items() if rate}
    return max(float(record["learning_rate"][name] / rate) for name, rate in rates.items())


def falls(records: Sequence[Record]) -> Series:
    """Every epoch that began with a lower learning rate, and the share of the first rate that was left then."""
    left = [(int(each["epoch"]), rates_left(each, records[0])) for each in records]
    return [now for before, now in pairwise(left) if now[1] < before[1]]


def draw_curves(
    records: Sequence[Record], best_epoch: int, path: Path, kinds: Sequence[str] = tuple(KINDS)
) -> list[Path]:
    """A panel for each loss term and one for the total; `best_epoch` is that of the model kept."""
    names = measures_of(records)
    rows = -(-len(names) // COLUMNS)
    # Margins known beforehand: to measure every word would take as long again, after every run.
    with drawing(rows, COLUMNS, (11, 7.2), None, gridspec_kw=MARGINS, sharex=True) as (figure, panels):
        for axes, name in zip(panels.flat, names, strict=False):
            draw_term(axes, records, name)
            mark_epochs(axes, records, best_epoch)
            label(axes, "", MEASURES[name], name.replace("_", " "))
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        for axes in panels[-1]:
            axes.set_xlabel("epoch")
        write_rates(panels.flat[len(names) - 1], records)
        handles, told = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, told, loc="lower center", ncols=len(told))
        return save(figure, path, kinds)


def draw_term(axes: "Axes", records: Sequence[Record], name: str) -> None:
    told = "training (with its dropout, smoothing, masking)"
    axes.plot(*zip(*training(records, name), strict=True), color=INK, linewidth=1, label=told)
    evaluated = validation(records, name)
    if evaluated:
        axes.plot(*zip(*evaluated, strict=True), **{**LINES[1], "markersize": 3}, label="validation")


def mark_epochs(axes: "Axes", records: Sequence[Record], best_epoch: int) -> None:
    """The epoch kept, and each fall of the learning rate, on the border between two epochs."""
    axes.axvline(best_epoch, color=LIGHT, linewidth=4, zorder=0, label="epoch kept")
    for place, (epoch, _) in enumerate(falls(records)):
        told = "" if place else "learning rate lowered (last panel: to × the first)"
        axes.axvline(epoch - 0.5, color=GREY, linewidth=0.8, linestyle=":", zorder=0, label=told)


def write_rates(axes: "Axes", records: Sequence[Record]) -> None:
    """Beside each fall, what is left of the learning rate."""
    for epoch, left in falls(records):
        axes.annotate(
            f"×{left:.3g}",
            (epoch - 0.5, 1),
            (1, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize=6.5,
        )
