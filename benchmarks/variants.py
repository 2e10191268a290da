#!/usr/bin/env python3
"""Train the default model with one setting changed at a time, and print the strict metrics.

python benchmarks/variants.py                     every variant below, at most 20 epochs, five seeds each
python benchmarks/variants.py --only smoothing    the default and the variants with "smoothing" in their name
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from statistics import mean

import click
from seeds import train

from trm_np.config import DropoutConfig

COMPONENTS = ("core", "decision_heads", "user_profiling", "category_matching", "tool_selection")
COMPONENTS += ("reward_prediction", "gift_catalogue", "cross_modal_fusion")
AUXILIARY = ("masked_tokens", "halting", "policy", "value", "outcome", "gift_scorer")
METRICS = (
    "category_recall_at_3",
    "tool_exact_rate",
    "reward_vs_best",
    "reward_spearman",
    "generalization_gap",
)


def learning_rates(factor: float) -> dict[str, float]:
    """The default learning rates of all components, multiplied by a factor."""
    default = {f"learning_rate.{name}": 1e-4 for name in COMPONENTS}
    default["learning_rate.tool_selection"] = 1.5e-4
    return {name: rate * factor for name, rate in default.items()}


VARIANTS: dict[str, dict[str, object]] = {
    "as shipped": {},
    "started at random": {"training.word_start": "false"},
    "nothing imagined": {"training.imagined": 0},
    "half of the places imagined": {"training.imagined": 0.5},
    "three in four imagined": {"training.imagined": 0.75},
    "one place for a scenario": {"training.repeats": 1},
    "batches of 64, four places": {"training.batch_size": 64, "training.repeats": 4},
    "no dropout": {f"dropout.{field.name}": 0 for field in fields(DropoutConfig)},
    "a whole vote adds 1": {"model.tool_vote": 1},
    "label smoothing 0": {"loss.smoothing": 0},
    "label smoothing 0.3": {"loss.smoothing": 0.3},
    "label smoothing 0.6": {"loss.smoothing": 0.6},
    "masked tokens 0 %": {"training.mask_probability": 0},
    "masked tokens 40 %": {"training.mask_probability": 0.4},
    "1 supervision step": {"model.supervision_steps": 1},
    "2 supervision steps": {"model.supervision_steps": 2},
    "4 supervision steps": {"model.supervision_steps": 4},
    "recursion T = 1, n = 1": {"model.cycles": 1, "model.latent_steps": 1},
    "recursion T = 3, n = 6": {"model.cycles": 3, "model.latent_steps": 6},
    "auxiliary losses off": {f"loss.{name}": 0 for name in AUXILIARY},
    "auxiliary losses times 5": {f"loss.{name}": 0.1 for name in AUXILIARY},
    "semantic loss off": {"loss.semantic": 0},
    "loss weights before": {"loss.category": 0.35, "loss.tool": 0.15},
    "learning rates before": {"learning_rate.category_matching": 3e-4, "learning_rate.user_profiling": 2e-4},
    "learning rates times 0.5": learning_rates(0.5),
    "learning rates times 2": learning_rates(2),
    "learning rates times 4": learning_rates(4),
    "softmax tool head": {"model.tool_head": "softmax"},
    "any rise is an improvement": {"training.improvement": 0},
}


def options(settings: dict[str, object], epochs: int) -> list[str]:
    """The settings as options of trm-train."""
    pairs = [f"--set={name}={value}" for name, value in settings.items()]
    return [f"--epochs={epochs}", *pairs]


@click.command()
@click.option("--seeds", default=5, show_default=True, help="How many, from 0.")
@click.option("--epochs", default=20, show_default=True, help="At most.")
@click.option("--processes", default=2, show_default=True, help="Runs at the same time.")
@click.option("--only", default="", help="Variants with this in their name, beside the default.")
def main(seeds: int, epochs: int, processes: int, only: str) -> None:
    """Print means over the seeds on validation scenarios, which decided choices, and on test scenarios."""
    chosen = {name: given for name, given in VARIANTS.items() if only in name or not given}
    short = [
        metric.replace("category_", "").replace("reward_", "").replace("_at_", "@") for metric in METRICS
    ]
    show("", [f"{'validation':>14}", *[""] * (len(short) - 1), f"{'test':>14}"])
    show("", short * 2)
    with ThreadPoolExecutor(processes) as pool:
        for name, settings in chosen.items():
            given = options(settings, epochs)
            started = [pool.submit(train, "tiny", seed, given) for seed in range(seeds)]
            runs = [run.result() for run in started]
            show(
                name,
                [
                    f"{mean(run[split][m] for run in runs):.3f}"
                    for split in ("validation", "test")
                    for m in METRICS
                ],
            )


def show(name: str, cells: Sequence[str]) -> None:
    click.echo(
        "  ".join(
            [
                name.ljust(26),
                *(cell.removesuffix("_rate").removeprefix("generalization_").rjust(9) for cell in cells),
            ]
        ).rstrip()
    )


if __name__ == "__main__":
    main()
