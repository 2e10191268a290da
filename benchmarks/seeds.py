#!/usr/bin/env python3
"""Train with several seeds and print each test metric: mean, least and most, beside the report's targets.

python benchmarks/seeds.py                                            the default model
python benchmarks/seeds.py --set training.word_start=false            the same, started at random
python benchmarks/seeds.py --without early_stopping --epochs 50       the same, after 50 epochs
python benchmarks/seeds.py --split validation ...                     on the scenarios that choices were made with
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {  # of the report, by epoch 50
    "category_match_rate": ">= 0.80",
    "tool_match_rate": ">= 0.70",
    "average_reward": ">= 0.70",
    "recommendation_quality": ">= 0.75",
    "generalization_gap": "< 0.05",
}


def train(seed: int, options: Sequence[str]) -> dict[str, Any]:
    """The summary of one run in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "bin" / "trm-train"), "--seed", str(seed), "--out", folder]
        done = subprocess.run([*command, "--quiet", "--json", *options], stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--seeds", default=5, show_default=True, help="How many, from 0.")
@click.option("--processes", default=2, show_default=True, help="Runs at the same time.")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(seeds: int, processes: int, split: str, options: tuple[str, ...]) -> None:
    """Train with several seeds; further OPTIONS are those of trm-train."""
    with ThreadPoolExecutor(processes) as pool:
        runs = list(pool.map(lambda seed: train(seed, options), range(seeds)))
    for name in ("best_epoch", "epochs_run", "seconds"):
        click.echo(f"{name:<24}  {'  '.join(str(run[name]) for run in runs)}")
    baselines = ("untrained", "popularity") if split == "test" else ()
    columns = ("mean", "least", "most", *baselines, "report")
    click.echo(f"{f'{split}, {seeds} seeds':<24}{''.join(f'{column:>12}' for column in columns)}")
    for name in runs[0][split]:
        values = [run[split][name] for run in runs]
        others = [[run["baselines"][baseline].get(name) for run in runs] for baseline in baselines]
        figures = (
            mean(values),
            min(values),
            max(values),
            *(mean(o) if None not in o else None for o in others),
        )
        shown = "".join(f"{'-' if figure is None else f'{figure:.3f}':>12}" for figure in figures)
        click.echo(f"{name:<24}{shown}{TARGETS.get(name, ''):>12}")


main()
