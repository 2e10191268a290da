"""Draw training curves: every loss term over the epochs, the falls of the learning rate, and the best epoch."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from trm_np.lab.plots.style import GREY, INK, KINDS, LIGHT, LINES, drawing, label, save
from trm_np.lab.results import ResultsError, whole_lines
from trm_np.training.trainer import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOTAL, CHOICE = "total", "choice"
MASKED = "masked_tokens"  # its loss is always 0 in evaluations, since they mask nothing
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
    """Read the record of each epoch from a metrics.jsonl. Raises ResultsError and OSError.

    An incomplete last line, which a killed process may leave, is ignored.
    """
    if not path.exists():
        raise ResultsError(f"{path}: no such file; trm-train makes one in its --out folder")
    records: list[Record] = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            records.append(json.loads(line))
            for name in measures_of(records):
                training(records[-1:], name), validation(records[-1:], name)
            rates_left(records[-1], records[0])
        except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
            raise ResultsError(f"{path}: line {number} is not the record of an epoch ({error!r})") from error
    if not records:
        raise ResultsError(f"{path}: no finished epoch, so there is nothing to draw")
    return records


def measures_of(records: Sequence[Record]) -> list[str]:
    """The terms to draw. That of choices is left out if the data have none."""
    chosen = any(record["losses"].get(CHOICE) for record in records)
    return [name for name in MEASURES if name != CHOICE or chosen]


def training(records: Sequence[Record], name: str) -> Series:
    """The mean of a term, or of the total, over the steps of each epoch."""
    return [(int(each["epoch"]), float({**each["losses"], TOTAL: each[TOTAL]}[name])) for each in records]


def validation(records: Sequence[Record], name: str) -> Series:
    """The value of a term on the validation scenarios at each evaluation; empty for masked tokens."""
    evaluated = [each for each in records if "validation" in each and name != MASKED]
    return [(int(each["epoch"]), float(each["validation"]["losses"][name])) for each in evaluated]


def rates_left(record: Record, first: Record) -> float:
    """The current learning rate as a share of the first one: the largest share of all components.

    Components with a rate of 0, which are solved and not trained, do not count.
    """
    rates = {name: rate for name, rate in first["learning_rate"].items() if rate}
    return max(float(record["learning_rate"][name] / rate) for name, rate in rates.items())


def falls(records: Sequence[Record]) -> Series:
    """The epochs that began with a lower learning rate, each with its share of the first rate."""
    left = [(int(each["epoch"]), rates_left(each, records[0])) for each in records]
    return [now for before, now in pairwise(left) if now[1] < before[1]]


def draw_curves(
    records: Sequence[Record], best_epoch: int, path: Path, kinds: Sequence[str] = tuple(KINDS)
) -> list[Path]:
    """Draw one panel for each loss term and one for the total. `best_epoch` is that of the best model."""
    names = measures_of(records)
    rows = -(-len(names) // COLUMNS)
    # Fixed margins: a constrained layout would take twice the time, and this runs after every training.
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
        handles, names = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="lower center", ncols=len(names))
        return save(figure, path, kinds)


def draw_term(axes: "Axes", records: Sequence[Record], name: str) -> None:
    text = "training (with its dropout, smoothing, masking)"
    axes.plot(*zip(*training(records, name), strict=True), color=INK, linewidth=1, label=text)
    evaluated = validation(records, name)
    if evaluated:
        axes.plot(*zip(*evaluated, strict=True), **{**LINES[1], "markersize": 3}, label="validation")


def mark_epochs(axes: "Axes", records: Sequence[Record], best_epoch: int) -> None:
    """Mark the best epoch, and each fall of the learning rate between two epochs."""
    axes.axvline(best_epoch, color=LIGHT, linewidth=4, zorder=0, label="epoch kept")
    for place, (epoch, _) in enumerate(falls(records)):
        text = "" if place else "learning rate lowered (last panel: to × the first)"
        axes.axvline(epoch - 0.5, color=GREY, linewidth=0.8, linestyle=":", zorder=0, label=text)


def write_rates(axes: "Axes", records: Sequence[Record]) -> None:
    """Write the remaining share of the learning rate beside each fall."""
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
