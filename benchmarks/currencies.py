#!/usr/bin/env python3
"""Train on the shipped data with all amounts of money multiplied, and print how much the test metrics change.

python benchmarks/currencies.py                the whole recipe
python benchmarks/currencies.py --epochs 10    a few minutes
"""

import json
import sys
import tempfile
from importlib import resources
from pathlib import Path
from statistics import mean
from typing import Any

import click

FACTORS = {"x 1": (1.0, "$"), "x 150": (150.0, "¥"), "x 0.05": (0.05, "$")}
FILES = ("realistic_user_scenarios.json", "held_out_scenarios.json", "gift_catalog.json")
SUMS = ("budget", "price")


def times(value: Any, factor: float) -> Any:
    """Multiply every amount of money in a JSON value."""
    if isinstance(value, dict):
        return {
            key: item * factor if key in SUMS and item is not None else times(item, factor)
            for key, item in value.items()
        }
    return [times(item, factor) for item in value] if isinstance(value, list) else value


def in_currency(folder: Path, factor: float, currency: str) -> list[Path]:
    """Write the three shipped files with multiplied amounts to a folder."""
    paths = [folder / name for name in FILES]
    for path in paths:
        shipped = resources.files("trm_np.scenarios").joinpath(path.name).read_text(encoding="utf-8")
        document = times(json.loads(shipped), factor)
        more = {"currency": currency} if "gifts" in document else {}
        path.write_text(json.dumps(more | document), encoding="utf-8")
    return paths


@click.command(help=__doc__)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="At most so many; as in the recipe if not given.")
def main(seeds: int, epochs: int | None) -> None:
    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.evaluation.summary import STRICT, TARGETS, figure, table, title
    from trm_np.lab.together import run_together
    from trm_np.lab.trial import with_seeds

    found: dict[str, list[dict[str, float]]] = {}
    scales = []
    for name, (factor, currency) in FACTORS.items():
        with tempfile.TemporaryDirectory() as folder:
            data = load_dataset(*in_currency(Path(folder), factor, currency))
        money = data.vocabulary.money
        scales.append(
            f"{name}: tiers to {money.tiers[0]:g} and {money.tiers[1]:g} {currency}, middle {money.middle:g}"
        )
        settings = {} if epochs is None else {"training.epochs": str(epochs)}
        trials = with_seeds({name: resolve("tiny", settings=settings)}, seeds)
        found[name] = [run_together([trial], data)[0]["test"] for trial in trials]
        print(f"{name}: {seeds} trained", file=sys.stderr, flush=True)
    first = next(iter(found))
    rows = [("test scenarios", *found, "largest difference of a seed")]
    for metric in (*TARGETS, *STRICT):
        means = [figure({metric: mean(run[metric] for run in runs)}, metric) for runs in found.values()]
        apart = max(
            abs(run[metric] - same[metric])
            for runs in found.values()
            for run, same in zip(runs, found[first], strict=True)
        )
        rows.append((title(metric), *means, f"{apart:.3f}"))
    print("\n".join([*scales, "", f"means of {seeds} seeds", table(rows)]))


if __name__ == "__main__":
    main()
