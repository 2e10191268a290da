#!/usr/bin/env python3
"""Train with several seeds and print a table: targets, the mean and range of each preset, and the baselines.

python benchmarks/seeds.py                                            the default model
python benchmarks/seeds.py --presets tiny,report --processes 1        both presets; the large one is slow
python benchmarks/seeds.py --seeds 10 --recipe measured               the other recipe
python benchmarks/seeds.py --set training.word_start=false            from random weights
python benchmarks/seeds.py --without early_stopping --epochs 50       after 50 epochs
python benchmarks/seeds.py --split validation ...                     on the validation scenarios
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {  # by metric: the report's by epoch 50, and ours on the test scenarios
    "category_match_rate": (">= 0.80", ""),
    "tool_match_rate": (">= 0.70", ""),
    "average_reward": (">= 0.70", ""),
    "recommendation_quality": (">= 0.75", ""),
    "generalization_gap": ("< 0.05", ""),
    "category_recall_at_3": ("", ">= 0.86"),
    "tool_exact_rate": ("", ">= 0.80"),
    "reward_vs_best": ("", ">= 0.96"),
    "reward_spearman": ("", ">= 0.86"),
    "categories_in_use": ("", "all 13"),
    "tools_in_use": ("", "all 5"),
}
# Alike for every seed; of the first preset.
BASELINES = (
    "random",
    "popularity",
    "nearest_neighbour",
    "linear",
    "oracle",
)

Runs = Sequence[Mapping[str, Any]]


def train(preset: str, seed: int, options: Sequence[str]) -> dict[str, Any]:
    """Train once. Returns the summary."""
    with tempfile.TemporaryDirectory() as folder:
        return train_into(folder, preset, seed, options)


def train_into(folder: str, preset: str, seed: int, options: Sequence[str]) -> dict[str, Any]:
    """Train into a folder in a new process. Returns the summary."""
    command = [sys.executable, str(ROOT / "bin" / "trm-train"), "--preset", preset, "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--out", folder, "--quiet", "--json", *options], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def rows(runs: Mapping[str, Runs], split: str) -> Iterator[list[str]]:
    """The rows of the table: for each metric the targets, the figures of each preset, and those of the baselines."""
    with_baselines = split == "test"  # baselines are evaluated only on the test scenarios
    spread = ("mean", "least", "most", *(("untrained",) if with_baselines else ()))
    baselines = BASELINES if with_baselines else ()
    some = next(iter(runs.values()))
    yield ["", "target", "target", *(preset for preset in runs for _ in spread), *("" for _ in baselines)]
    names = [name.removesuffix("_neighbour") for name in baselines]
    yield [f"{split}, {len(some)} seeds", "report", "ours", *(word for _ in runs for word in spread), *names]
    for metric in some[0][split]:
        row = [metric, *TARGETS.get(metric, ("", ""))]
        for trained in runs.values():
            values = [run[split][metric] for run in trained]
            row += [shown(metric, value) for value in (mean(values), min(values), max(values))]
            if with_baselines:
                row.append(shown(metric, mean(run["baselines"]["untrained"][metric] for run in trained)))
        yield row + [shown(metric, some[0]["baselines"][name].get(metric)) for name in baselines]


def ranking_rows(runs: Mapping[str, Runs]) -> Iterator[list[str]]:
    """Rows about the effect of categories on the three gifts shown: two figures per split, without and with it."""
    counted = ("by_reward", "with_categories")
    yield ["", *(preset for preset in runs for _ in counted)]
    yield ["the three gifts shown", *("by reward", "and category") * len(runs)]
    for split in ("validation", "test"):
        for name in ("reward_vs_best", "gifts_in_expected_categories"):
            yield [f"{split} {name}"] + [
                shown(name, mean(run["ranking"][split][way][name] for run in trained))
                for trained in runs.values()
                for way in counted
            ]


def shown(metric: str, figure: float | None) -> str:
    """Format a figure with three decimals, or one for a mean of counts; "-" if a baseline lacks it."""
    if figure is None:
        return "-"
    return f"{figure:.1f}" if metric.endswith("_in_use") else f"{figure:.3f}"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--presets", default="tiny", show_default=True, help="One or several, joined by commas.")
@click.option("--seeds", default=5, show_default=True, help="How many, from 0.")
@click.option("--processes", default=2, show_default=True, help="Runs at the same time.")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(presets: str, seeds: int, processes: int, split: str, options: tuple[str, ...]) -> None:
    """Train with several seeds. Further OPTIONS are those of trm-train, for all presets."""
    if any(option.split("=")[0] == "--preset" for option in options):
        raise click.UsageError("--preset: here it is --presets, which names the columns too")
    runs: dict[str, Runs] = {}
    with ThreadPoolExecutor(processes) as pool:
        for preset in presets.split(","):
            started = [pool.submit(train, preset, seed, options) for seed in range(seeds)]
            runs[preset] = [run.result() for run in started]
            for name in ("best_epoch", "epochs_run", "seconds"):
                click.echo(f"{preset} {name:<12}  {'  '.join(str(run[name]) for run in runs[preset])}")
    print_table(list(rows(runs, split)))
    shares = {preset: [run["ranking"]["category_share"] for run in runs[preset]] for preset in runs}
    click.echo()
    for preset, found in shares.items():
        click.echo(f"{preset} category_share  {'  '.join(map(str, found))}")
    print_table(list(ranking_rows(runs)))


def print_table(table: Sequence[Sequence[str]]) -> None:
    """Print a table, with the first column aligned left and the others right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        click.echo("  ".join([first.ljust(widths[0]), *cells]).rstrip())


if __name__ == "__main__":
    main()
