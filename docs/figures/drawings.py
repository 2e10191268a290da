"""Draw the pictures that belong to a single lesson."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import log
from pathlib import Path

import numpy as np

from docs.figures.comparison import logarithmic, reach
from trm_np.config import LearningRateConfig
from trm_np.data.augment import BUDGET_SHARE
from trm_np.data.tables import BUDGET_TIERS
from trm_np.lab.effects import mean_and_interval
from trm_np.lab.plots.style import GREY, INK, LIGHT, LINES, drawing, label, save
from trm_np.lab.trial import Row

TOOL_LOSS_FLOOR = 2 * log(2) / 5  # lower bound for a softmax over five tools, two of which are right
MEAN_OF_SEEDS, BAND_OF_SEEDS = "mean of the seeds", "least to most of the seeds"


def curve(rows: Sequence[Row], name: str, *keys: str) -> tuple[list[int], np.ndarray]:
    """The evaluated epochs, and the values (S, E) under `keys` in the records of the S runs of that name."""
    runs = [row["curve"] for row in rows if row["name"] == name and "curve" in row]
    epochs = [record["epoch"] for record in runs[0]]
    values = [[_under(record, keys) for record in run] for run in runs]
    return epochs, np.array(values, float)


def _under(record: Mapping[str, object], keys: Sequence[str]) -> object:
    for key in keys:
        record = record[key]  # type: ignore[assignment]
    return record


def draw_tool_heads(rows: Sequence[Row], path: Path) -> list[Path]:
    """Draw the tool loss in training for each head and weight, and the lower bound of the softmax."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    with drawing() as (figure, axes):
        for name, look in zip(names, LINES, strict=False):
            epochs, values = curve(rows, name, "losses", "tool")
            axes.plot(epochs, values.mean(axis=0), label=name, markevery=5, **look)
        axes.axhline(TOOL_LOSS_FLOOR, color=GREY, linewidth=0.8)
        axes.annotate(
            "2·ln 2 / 5 = 0.2773",
            (epochs[-1], TOOL_LOSS_FLOOR),
            (0, -11),
            ha="right",
            textcoords="offset points",
            color=GREY,
        )
        axes.set_ylim(0)
        axes.legend()
        label(axes, "epoch", "tool loss (nats per tool)", "Two scenarios learnt by heart: one head cannot")
        return save(figure, path)


def draw_rates(rows: Sequence[Row], path: Path) -> list[Path]:
    """Draw one panel per parameter group: the last validation loss against the factor on the learning rate."""
    with drawing(2, 4, (9.2, 4.8), sharey=True) as (figure, panels):
        shipped = _last_losses(rows, "as shipped")
        learned = [field for field in fields(LearningRateConfig) if field.default]
        for axes, group in zip(panels.flat, learned, strict=True):
            factors = sorted(
                {
                    1.0,
                    *(float(row["name"].split(" × ")[1]) for row in rows if f"{group.name} ×" in row["name"]),
                }
            )
            found = [
                shipped if factor == 1 else _last_losses(rows, f"{group.name} × {factor:g}")
                for factor in factors
            ]
            axes.axhline(shipped.mean(), color=GREY, linewidth=0.8, linestyle=":", label="as shipped")
            low, high = [f.min() for f in found], [f.max() for f in found]
            axes.fill_between(factors, low, high, color=LIGHT, linewidth=0, label=BAND_OF_SEEDS)
            axes.plot(factors, [f.mean() for f in found], **LINES[0], label=MEAN_OF_SEEDS)
            logarithmic(axes, "x", (0.1, 1, 10))
            label(axes, "", "", group.name.replace("_", " "))
        figure.supxlabel("learning rate, as a multiple of the shipped one")
        figure.supylabel("validation loss after 10 epochs")
        handles, names = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        return save(figure, path)


def _last_losses(rows: Sequence[Row], name: str) -> np.ndarray:
    return curve(rows, name, "validation", "losses", "total")[1][:, -1]


def draw_plateau(row: Row, path: Path) -> list[Path]:
    """Draw one run: the validation loss with good and bad evaluations, and below it the learning rate."""
    curve = row["curve"]
    epochs = [record["epoch"] for record in curve]
    losses = [record["validation"]["losses"]["total"] for record in curve]
    good = improvements(losses)
    rates = [record["learning_rate"]["core"] for record in curve]
    with drawing(2, 1, (6.4, 4.2), sharex=True) as (figure, (above, below)):
        above.plot(epochs, losses, color=GREY, zorder=0)
        for wanted, look, name in ((True, INK, "improves"), (False, "white", "bad")):
            chosen = [(e, v) for e, v, g in zip(epochs, losses, good, strict=True) if g is wanted]
            above.scatter(*zip(*chosen, strict=True), s=22, facecolor=look, edgecolor=INK, label=name)
        above.legend()
        label(above, "", "validation loss", "Six bad evaluations in a row, and the rate is halved")
        below.step([0, *epochs], [rates[0], *rates], where="pre", color=INK)
        logarithmic(below, "y", sorted(set(rates)))
        label(below, "epoch", "learning rate of the core")
        return save(figure, path)


def improvements(losses: Sequence[float], threshold: float = 1e-4) -> list[bool]:
    """Whether ReduceLROnPlateau counts each evaluation as an improvement."""
    best, found = float("inf"), []
    for loss in losses:
        found.append(loss < best * (1 - threshold))
        best = loss if found[-1] else best
    return found


def draw_stopping(rows: Sequence[Row], name: str, stopped: Sequence[Row], path: Path) -> list[Path]:
    """Draw quality and losses of runs without early stopping, and mark where the same runs stopped with it."""
    marks = [
        (max(row[key] for row in stopped), mark)
        for key, mark in (("best_epoch", "kept"), ("epochs_run", "stopped"))
    ]
    with drawing(1, 2, (7.6, 3.2)) as (figure, (left, right)):
        _band(left, *curve(rows, name, "validation", "recommendation_quality"), "", LINES[0])
        label(left, "epoch", "recommendation quality (validation)", f"Watched (grey: {BAND_OF_SEEDS})")
        _band(right, *curve(rows, name, "validation", "losses", "total"), "validation", LINES[0])
        _band(right, *curve(rows, name, "total"), "training", LINES[1])
        right.set_ylim(0)
        label(right, "epoch", "loss", "What goes on meanwhile")
        right.legend()
        for axes in (left, right):
            for epoch, mark in marks:
                axes.axvline(epoch, color=GREY, linewidth=0.8, linestyle=":")
                axes.annotate(
                    mark, (epoch, axes.get_ylim()[0]), (2, 3), textcoords="offset points", color=GREY
                )
        return save(figure, path)


def _band(axes, epochs, values, name, look) -> None:  # type: ignore[no-untyped-def]
    """Draw the mean over seeds, and a band from the minimum to the maximum."""
    axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=LIGHT, linewidth=0)
    axes.plot(epochs, values.mean(axis=0), label=name, markevery=5, **look)


def draw_evaluations(rows: Sequence[Row], path: Path) -> list[Path]:
    """Draw the epoch kept, the last epoch and the number of evaluations against the epochs between evaluations."""
    every = sorted({int(row["name"]) for row in rows})
    of = {n: [row for row in rows if row["name"] == str(n) and "curve" in row] for n in every}
    with drawing(1, 2, (7.2, 3.0)) as (figure, (left, right)):
        for name, key, look in (("last", "epochs_run", LINES[1]), ("kept", "best_epoch", LINES[0])):
            _bars(left, every, [[row[key] for row in of[n]] for n in every], name, look)
        left.legend()
        label(left, "epochs between evaluations", "epoch", "Where training stops, and what it keeps")
        _bars(right, every, [[len(row["curve"]) for row in of[n]] for n in every], "", LINES[0])
        label(right, "epochs between evaluations", "evaluations made", "What it costs")
        for axes in (left, right):
            axes.set_ylim(0)
        return save(figure, path)


def _bars(axes, places, samples, name, look) -> None:  # type: ignore[no-untyped-def]
    found = [mean_and_interval(sample) for sample in samples]
    bars = reach(found, 1, np.inf)  # epochs and evaluations are counted from 1
    axes.errorbar(places, [mean for mean, _, _ in found], yerr=bars, label=name, capsize=2, **look)


def crossing(budget: float) -> float:
    """The probability that a budget is in another tier after a uniform change of up to 15 %."""
    low, high = budget * (1 - BUDGET_SHARE), budget * (1 + BUDGET_SHARE)
    bottom, top = next(tier for tier in BUDGET_TIERS if budget <= tier[1])
    return 1 - (min(high, top) - max(low, bottom)) / (high - low)


def draw_crossing(budgets: Sequence[float], path: Path) -> list[Path]:
    """Draw the probability that augmentation moves a budget to another tier, and mark the training budgets."""
    grid = np.linspace(45, 250, 800)
    with drawing(size=(6.4, 3.0)) as (figure, axes):
        axes.plot(grid, [crossing(budget) for budget in grid], color=INK)
        chances = [crossing(budget) for budget in budgets]
        axes.plot(
            budgets, chances, "o", color=INK, markerfacecolor="white", label="budget of a training scenario"
        )
        for _, top in BUDGET_TIERS[:-1]:
            axes.axvline(top, color=GREY, linewidth=0.8, linestyle=":")
        axes.lines[-1].set_label("border of two tiers")
        axes.legend(loc="upper right")
        label(axes, "budget ($)", "probability of another tier", "A budget moved by up to 15 %")
        return save(figure, path)


def draw_gradient_check(path: Path) -> list[Path]:
    """Draw the error of a central difference against its step, for a correct vjp in two precisions and a wrong one."""
    steps = np.logspace(-12, -0.5, 47)
    cases = (
        ("float64", np.float64, 1.0),
        ("float32", np.float32, 1.0),
        ("float64, vjp × 1.001", np.float64, 1.001),
    )
    with drawing(size=(6.4, 3.4)) as (figure, axes):
        for (name, dtype, spoilt), look in zip(cases, LINES, strict=False):
            axes.plot(
                steps,
                [difference_error(dtype, step, spoilt) for step in steps],
                label=name,
                markevery=4,
                **look,
            )
        logarithmic(axes, "x", [10.0**power for power in range(-12, 0, 2)])
        logarithmic(axes, "y", [10.0**power for power in range(-14, 1, 2)])
        axes.axhline(1e-6, color=GREY, linewidth=0.8)
        axes.annotate(
            "tolerance 1e-6",
            (1, 1e-6),
            (0, -3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="top",
            color=GREY,
        )
        axes.legend()
        label(axes, "step ε of the difference", "relative error", "A gradient check has its best step")
        return save(figure, path)


def difference_error(dtype: type, step: float, spoilt: float) -> float:
    """|(f(x + ε) − f(x − ε)) / 2ε − spoilt · f′(x)| / |f′(x)| for f = tanh at 0.7, all in one precision."""
    x, step = dtype(0.7), dtype(step)
    slope = 1 - np.tanh(0.7) ** 2
    numeric = (np.tanh(x + step) - np.tanh(x - step)) / (2 * step)
    return max(float(abs(numeric - spoilt * slope) / slope), 1e-16)
