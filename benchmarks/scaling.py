#!/usr/bin/env python3
"""Measure how the time and memory of a training step grow with the batch, the core's width, the sequence, both depths
of the recursion, and the gifts; and those of puzzles with the cells of the board, the width and the depths.

python benchmarks/scaling.py                     every table, in some minutes
python benchmarks/scaling.py "puzzle: cells"     one of them, by name
python benchmarks/scaling.py --quick             the three smallest sizes of each
python benchmarks/scaling.py --plot scaling.svg  the same as a figure too (needs the extra `bench`)

One quantity of the preset tiny, or of maze5 for puzzles, changes at a time. The data are simulated with seed 0, and
everything runs on one thread. Each size runs in a new process, because earlier allocations change the speed of later
ones.

step ms  an optimizer step: the median processor time of calls of Trainer.learn, divided by the supervision steps of a
         call, or that of PuzzleTrainer.update, which is one step
held MB  the memory that one call adds at its peak to that of weights, moments and batch, as counted by tracemalloc:
         NumPy arrays and Python objects
"""

import os
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import log
from pathlib import Path
from statistics import linear_regression, median
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

import click
from measuring import in_own_process

sys.path.append(str(Path(__file__).resolve().parent.parent))

# NumPy reads the number of threads when it is imported. So it is imported only in the measuring processes, after `main`
# has set the number.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.random import Generator

    from trm_np.data.load import Dataset
    from trm_np.data.records import Profile

SEED = 0
SCENARIOS = 512  # the largest batch
NAMES = 128  # hobbies, and as many preferences, for long sequences: enough for 256 tokens
FEWEST_CALLS = 3  # calls of `learn` for a median
SECONDS, QUICK_SECONDS = 2.5, 0.2  # least duration of these calls
FEW = 3  # sizes with --quick

DEPTHS = (1, 2, 3, 4, 6, 8)
WIDTHS = (32, 64, 128, 256, 512)
GIFTS = (45, 200, 1000, 5000, 20_000)
ROOMS = {(2 * rooms + 1) ** 2: rooms for rooms in (3, 4, 5, 7, 9)}  # of a side, by the cells of the board


class Cost(NamedTuple):
    """The time of an optimizer step, and the memory of the call of `learn` that it is part of."""

    milliseconds: float
    megabytes: float


class Work(NamedTuple):
    """A call of `learn` on what `draw` returns takes so many optimizer steps."""

    learn: Callable[..., object]
    draw: Callable[[], object]
    steps: int


@dataclass(frozen=True)
class Case:
    """Changes to the preset tiny, whose profiles have up to 11 tokens. `tokens` sets an exact number."""

    settings: Mapping[str, int] = field(default_factory=dict)
    gifts: int = GIFTS[0]
    tokens: int | None = None

    def work(self) -> Work:
        import numpy as np

        from trm_np.config import resolve
        from trm_np.data.load import load_dataset
        from trm_np.data.simulation import simulate
        from trm_np.data.task import task_from
        from trm_np.training.batches import Batch
        from trm_np.training.trainer import Trainer

        config = resolve("tiny", [], {name: str(value) for name, value in self.settings.items()})
        rng = np.random.default_rng(SEED)
        data = simulate(load_dataset(), SCENARIOS, 1, self.gifts, rng)
        if self.tokens is not None:
            data = of_length(data, self.tokens, rng)
        trainer = Trainer(config, task_from(data, config.model.gift_features), SEED)

        def draw() -> Batch:
            return trainer.draw_batch(rng.choice(SCENARIOS, config.training.batch_size, replace=False))

        return Work(trainer.learn, draw, config.model.supervision_steps)


@dataclass(frozen=True)
class PuzzleCase:
    """Changes to the preset maze5. A board of so many rooms a side has (2 · rooms + 1)² cells."""

    settings: Mapping[str, int] = field(default_factory=dict)
    rooms: int = 5

    def work(self) -> Work:
        import numpy as np

        from trm_np.puzzles.config import PRESETS, resolve
        from trm_np.puzzles.maze import Maze
        from trm_np.puzzles.sets import make_puzzles
        from trm_np.puzzles.training import PuzzleTrainer

        config, task = resolve(PRESETS["maze5"], self.settings), Maze(self.rooms)
        puzzles = make_puzzles(task, config.training.batch_size, np.random.default_rng(SEED))
        trainer = PuzzleTrainer(config, task, puzzles, puzzles, SEED)
        return Work(lambda _: trainer.update(), trainer.refill, 1)


@dataclass(frozen=True)
class Quantity:
    """A quantity that grows: its sizes, their meaning, and the exponents in the limit of large sizes.

    The exponents are the degrees of the number of operations and of the number of array elements held.
    """

    sizes: tuple[int, ...]
    case: Callable[[int], Case | PuzzleCase]
    limit: tuple[int, int]


def of_width(width: int) -> dict[str, int]:
    """Settings for a core of this width. SwiGLU is twice as wide, as in tiny."""
    return {"model.core_width": width, "model.core_hidden": 2 * width}


QUANTITIES = {
    "batch size": Quantity(
        (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), lambda size: Case({"training.batch_size": size}), (1, 1)
    ),
    "core width": Quantity(WIDTHS, lambda width: Case(of_width(width) | {"model.user_width": 32}), (2, 2)),
    "sequence length": Quantity((8, 16, 32, 64, 128, 256), lambda tokens: Case(tokens=tokens), (2, 2)),
    "latent steps n": Quantity(DEPTHS, lambda n: Case({"model.latent_steps": n}), (1, 1)),
    "cycles T": Quantity(DEPTHS, lambda cycles: Case({"model.cycles": cycles}), (1, 0)),
    "gifts (64 candidates)": Quantity(GIFTS, lambda gifts: Case(gifts=gifts), (0, 0)),
    "gifts (all candidates)": Quantity(
        GIFTS, lambda gifts: Case({"loss.candidates": gifts}, gifts=gifts), (1, 1)
    ),
    "puzzle: cells": Quantity(tuple(ROOMS), lambda cells: PuzzleCase(rooms=ROOMS[cells]), (2, 2)),
    "puzzle: core width": Quantity(WIDTHS, lambda width: PuzzleCase(of_width(width)), (2, 2)),
    "puzzle: latent steps n": Quantity(DEPTHS, lambda n: PuzzleCase({"model.latent_steps": n}), (1, 1)),
    "puzzle: cycles T": Quantity(DEPTHS, lambda cycles: PuzzleCase({"model.cycles": cycles}), (1, 0)),
}

Row = tuple[int, Cost]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(QUANTITIES)))
@click.option("--quick", is_flag=True, help="Fewer sizes, fewer steps of each.")
@click.option("--plot", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="An SVG file.")
def main(names: tuple[str, ...], quick: bool, plot: Path | None) -> None:
    """Measure and print the tables of these NAMES, by default all, and draw them with --plot."""
    if plot and not find_spec("matplotlib"):
        click.echo("--plot needs matplotlib, which the extra brings: pip install -e '.[bench]'", err=True)
        raise SystemExit(2)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    tables = {}
    for name in names or QUANTITIES:
        quantity = QUANTITIES[name]
        sizes, seconds = (quantity.sizes[:FEW], QUICK_SECONDS) if quick else (quantity.sizes, SECONDS)
        tables[name] = tabulate(name, quantity, sizes, seconds)
    if plot:
        draw(tables, plot)


def tabulate(name: str, quantity: Quantity, sizes: Sequence[int], seconds: float) -> list[Row]:
    """Measure and print a table, each row as soon as it is measured, with the slopes since the row before."""
    click.echo(f"\n{name:<24}{'step ms':>10}{'slope':>8}{'held MB':>12}{'slope':>8}")
    rows: list[Row] = []
    for size in sizes:
        rows.append((size, in_own_process(measure, quantity.case(size), seconds)))
        slopes = exponents(rows[-2:]) if len(rows) > 1 else ("", "")
        time, memory = (f"{value:.4g}" for value in rows[-1][1])
        click.echo(f"{size:<24,}{time:>10}{slopes[0]:>8}{memory:>12}{slopes[1]:>8}")
    time, memory = exponents(upper_half(rows))
    click.echo(f"{f'exponent, {upper_half(rows)[0][0]:,} and more':<34}{time:>8}{memory:>20}")
    click.echo(f"{'in the limit':<34}{quantity.limit[0]:>8}{quantity.limit[1]:>20}")
    return rows


def upper_half(rows: Sequence[Row]) -> Sequence[Row]:
    """The larger half of the sizes, where constant costs matter less."""
    return rows[len(rows) // 2 :]


def exponents(rows: Sequence[Row]) -> tuple[str, str]:
    """The exponents p of time and of memory in the best fit c · sizeᵖ, by linear regression of the logarithms."""
    sizes = [log(size) for size, _ in rows]
    time, memory = (
        linear_regression(sizes, [log(value) for value in values]).slope
        for values in zip(*(cost for _, cost in rows), strict=True)
    )
    return f"{round(time, 2) + 0:.2f}", f"{round(memory, 2) + 0:.2f}"  # + 0: no "-0.00"


# ------------------------------------------------------------------------- run in separate processes


def measure(case: Case | PuzzleCase, seconds: float) -> Cost:
    """Trace the memory of a first call of `learn`, which also warms up; then time calls without tracing."""
    learn, draw, steps = case.work()
    held = held_at_peak(learn, draw())
    calls: list[float] = []
    while len(calls) < FEWEST_CALLS or sum(calls) < seconds:
        given, started = draw(), process_time()
        learn(given)
        calls.append(process_time() - started)
    return Cost(median(calls) / steps * 1e3, held / 1e6)


def held_at_peak(work: Callable[..., object], *arguments: object) -> int:
    """The largest number of bytes that the work allocates and holds at one time."""
    tracemalloc.start()
    work(*arguments)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def of_length(data: "Dataset", tokens: int, rng: "Generator") -> "Dataset":
    """The same scenarios with a larger vocabulary, and enough hobbies and preferences for this number of tokens."""
    from trm_np.data.encode import SINGLE_FIELDS

    hobbies, preferences = (
        names + tuple(f"{kind} {number}" for number in range(len(names), NAMES))
        for kind, names in (("hobby", data.vocabulary.hobbies), ("preference", data.vocabulary.preferences))
    )
    words = tokens - 1 - SINGLE_FIELDS  # besides [STATE] and the fields with one token

    def some(names: Sequence[str], number: int) -> tuple[str, ...]:
        return tuple(names[index] for index in rng.choice(len(names), number, replace=False))

    def talkative(profile: "Profile") -> "Profile":
        return replace(
            profile, hobbies=some(hobbies, words // 2), preferences=some(preferences, words - words // 2)
        )

    return replace(
        data,
        vocabulary=replace(data.vocabulary, hobbies=hobbies, preferences=preferences),
        train=tuple(replace(scenario, profile=talkative(scenario.profile)) for scenario in data.train),
    )


# ------------------------------------------------------------------------------------------ the figure


def draw(tables: Mapping[str, Sequence[Row]], file: Path) -> None:
    """Draw one panel per table with logarithmic axes, and the legend in the place of one more panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    panels = figure.subplots(2, -(-(len(tables) + 1) // 2), sharey=True).flat
    for panel, (name, rows) in zip(panels, tables.items(), strict=False):
        draw_table(panel, name, rows)
    first, last = figure.axes[0], figure.axes[-1]
    first.yaxis.set_major_formatter("{x:g}")
    last.axis("off")
    last.legend(
        *first.get_legend_handles_labels(),
        title="beside each its fitted exponent",
        loc="center",
        frameon=False,
        alignment="left",
    )
    figure.supylabel("milliseconds, megabytes")
    figure.savefig(file, format="svg", metadata={"Date": None})


def draw_table(panel: "Axes", name: str, rows: Sequence[Row]) -> None:
    """Draw time and memory as two lines, each with its exponent beside its end."""
    sizes = [size for size, _ in rows]
    end = rows[-1][1]
    lines = (("time of a step (ms)", "o-"), ("memory held at its peak (MB)", "s--"))
    for index, (label, style) in enumerate(lines):
        values = [cost[index] for _, cost in rows]
        panel.loglog(sizes, values, style, color="black", label=label, markersize=4, linewidth=1)
        panel.annotate(
            exponents(upper_half(rows))[index],
            (sizes[-1], end[index]),
            (5, 0),
            textcoords="offset points",
            va="bottom" if end[index] == max(end) else "top",
        )
    panel.set_xlabel(name)
    marked = sizes[::-2]  # every other size, from the largest down, since labels of all would touch
    panel.set_xticks(marked, [f"{size:,}" for size in marked])
    panel.set_xlim(right=sizes[-1] * (sizes[-1] / sizes[0]) ** 0.2)
    panel.minorticks_off()
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
