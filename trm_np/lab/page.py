"""The 256 combinations of the switches as one HTML file, in which the reader turns them on and off.

page.html is the template. This module computes the data that is put into it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any

from trm_np.config import SWITCHES
from trm_np.evaluation.summary import STRICT, TARGETS, title
from trm_np.lab.grid import Off, place_of, subsets, unusable
from trm_np.lab.results import ResultsError
from trm_np.lab.trial import Row
from trm_np.training.trainer import Record

RESULTS = "{{results}}"
SHARED = {
    "{{head}}": "head.html",
    "{{style}}": "style.css",
    "{{lesson}}": "lesson.css",
    "{{charts}}": "charts.css",
    "{{elements}}": "elements.js",
    "{{plot}}": "plot.js",
}  # file names by placeholder
COMBINATIONS = len(list(subsets()))
METRICS = (*TARGETS, *STRICT)
DIGITS = 3  # decimals of every figure
# Curves over the epochs, from the record of an evaluated epoch. The learning rate is the one that a switch changes.
CURVES: dict[str, Callable[[Record], float]] = {
    "quality": lambda record: record["validation"]["recommendation_quality"],
    "training": lambda record: record["total"],
    "validation": lambda record: record["validation"]["losses"]["total"],
    "gap": lambda record: record["validation"]["generalization_gap"],
    "rate": lambda record: record["learning_rate"]["category_matching"] / 1e-4,
}

Grid = dict[int, dict[Off, Row]]  # rows by seed and by the switches that are off; they differ in nothing else


def page(rows: Iterable[Row]) -> str:
    """The document, from the seeds with all 256 combinations finished. Its links are relative to docs/.

    Raises ResultsError if there is no such seed, or if a row is not from an ablation.
    """
    grid = fullest_grid(rows)
    seeds = sorted(seed for seed, runs in grid.items() if len(runs) == COMBINATIONS)
    if not seeds:
        raise incomplete(grid)
    return filled("page.html", results(grid, seeds))


def filled(template: str, data: dict[str, Any]) -> str:
    """Fill a template of this folder with the shared files and its data."""
    folder = resources.files("trm_np.lab")
    text = folder.joinpath(template).read_text(encoding="utf-8")
    for place, name in SHARED.items():
        text = text.replace(place, folder.joinpath(name).read_text(encoding="utf-8").rstrip("\n"))
    return text.replace(RESULTS, as_script(data))


def fullest_grid(rows: Iterable[Row]) -> Grid:
    """The grid with the most complete seeds, and among equals with the most runs.

    Grids differ in version, data, or settings besides the switches. If a run was repeated, the newest counts.
    """
    grids: dict[str, Grid] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if "error" not in row:
            with_all_on, seed, off = place_of(row)
            grids[with_all_on][seed][off] = row

    def fullness(grid: Grid) -> tuple[int, int]:
        sizes = [len(runs) for runs in grid.values()]
        return sizes.count(COMBINATIONS), sum(sizes)

    return max(grids.values(), key=fullness, default={})


def incomplete(grid: Grid) -> ResultsError:
    seed, runs = max(grid.items(), key=lambda item: len(item[1]), default=(0, {}))
    return ResultsError(
        f"{COMBINATIONS - len(runs)} of the {COMBINATIONS} combinations are missing for seed {seed}; "
        f"make them with: trm lab ablate --full --seeds {seed + 1}"
    )


def results(grid: Grid, seeds: Sequence[int]) -> dict[str, Any]:
    """The data of the page."""
    any_row = grid[seeds[0]][()]
    return {
        "switches": list(SWITCHES),
        "metrics": {name: title(name) for name in METRICS},
        "seeds": seeds,
        "preset": any_row["settings"]["preset"],
        "version": str(any_row["version"]),
        "data": str(any_row["data"]),
        "combinations": {
            ",".join(off): combination([grid[seed][off] for seed in seeds]) for off in subsets()
        },
    }


def combination(runs: Sequence[Row]) -> dict[str, Any]:
    """The results of one combination over the seeds: epochs, test metrics and curves. Raises ResultsError."""
    try:
        return {
            "kept": [int(run["best_epoch"]) for run in runs],
            "ended": [int(run["epochs_run"]) for run in runs],
            "test": {name: spread([run["test"][name] for run in runs]) for name in METRICS},
            **curves([run["curve"] for run in runs]),
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise unusable(runs[0], error) from error


def curves(runs: Sequence[Sequence[Record]]) -> dict[str, Any]:
    """The epochs that every run has evaluated, and the spread over the runs for each.

    The curves end with the shortest run. A mean over only the longer runs would jump.
    """
    reached: dict[int, list[Record]] = defaultdict(list)
    for record in (record for run in runs for record in run):
        reached[int(record["epoch"])].append(record)
    epochs = [epoch for epoch in sorted(reached) if len(reached[epoch]) == len(runs)]
    return {
        "epochs": epochs,
        **{
            name: [spread([value(record) for record in reached[epoch]]) for epoch in epochs]
            for name, value in CURVES.items()
        },
    }


def spread(values: Sequence[float]) -> list[float]:
    """The mean, the minimum and the maximum."""
    return rounded((sum(values) / len(values), min(values), max(values)))


def rounded(values: Iterable[float], digits: int = DIGITS) -> list[float]:
    """Round values to so many decimals, as numbers that JSON has."""
    return [round(float(value), digits) for value in values]


def as_script(data: dict[str, Any]) -> str:
    """JSON that is safe inside a script element: no text in it can end the element or start a comment."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
