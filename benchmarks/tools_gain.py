#!/usr/bin/env python3
"""Measure the gain from running tools, in the realised reward (realised.py) of three recommended gifts.

python benchmarks/tools_gain.py                       models trained with five seeds, on the test scenarios
python benchmarks/tools_gain.py --split validation    on the validation scenarios
"""

import tempfile
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import click
import numpy as np
from realised import realised_reward
from scipy.stats import bootstrap
from seeds import train_into

from trm_np import Recommender
from trm_np.data.load import load_held_out
from trm_np.data.records import Profile
from trm_np.data.tables import Floats, implied_categories, profile_table
from trm_np.world.tools import TOOLS

DAYS_LEFT = 10
LIST = 3
Choice = Callable[
    [int], Sequence[str] | None
]  # the tools to run for the scenario with this index; None stands for the selected tools


def realised(recommender: Recommender, people: Sequence[Profile], choose: Choice) -> Floats:
    """The realised reward (N,) of the three gifts recommended for each profile, with these tools."""
    answers = [
        recommender.recommend(person, LIST, DAYS_LEFT, choose(index)) for index, person in enumerate(people)
    ]
    place = {gift.id: index for index, gift in enumerate(recommender.gifts)}
    choices = np.array([[place[gift.id] for gift in answer.gifts] for answer in answers])
    paid = np.array([[gift.paid for gift in answer.gifts] for answer in answers])
    vocabulary = recommender.stored.vocabulary
    implied = implied_categories(recommender.catalogue.table, vocabulary)
    table = profile_table(people, vocabulary)
    return realised_reward(
        table, recommender.gifts, recommender.catalogue.table, implied, choices, paid, DAYS_LEFT
    )


@click.command()
@click.option("--seeds", default=5, show_default=True, help="How many models, from seed 0.")
@click.option("--epochs", default=150, show_default=True, help="At most, of each training.")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
def main(seeds: int, epochs: int, split: str) -> None:
    """Print means over scenarios and seeds, and 95 % bootstrap intervals over scenarios for the gain."""
    pairs = list(combinations(TOOLS, 2))
    found: dict[str, list[Floats]] = {"none": [], "two at random": [], "the two selected": [], "all five": []}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            train_into(folder, "tiny", seed, ["--epochs", str(epochs)])
            recommender = Recommender.load(Path(folder, "best.npz"))
        validation, test = load_held_out(None, recommender.stored.vocabulary)
        people = [scenario.profile for scenario in (test if split == "test" else validation)]
        every_pair = [realised(recommender, people, lambda _, pair=pair: pair) for pair in pairs]
        found["none"].append(realised(recommender, people, lambda _: ()))
        found["two at random"].append(np.mean(every_pair, axis=0))
        found["the two selected"].append(realised(recommender, people, lambda _: None))
        found["all five"].append(realised(recommender, people, lambda _: TOOLS))
    print(f"{f'{split}, {seeds} seeds':<20}  realised reward  gained over none")
    none = np.mean(found["none"], axis=0)
    for name, values in found.items():
        gained = np.mean(values, axis=0) - none
        print(f"{name:<20}  {np.mean(values):>15.4f}  {interval(gained) if gained.any() else ''}".rstrip())


def interval(values: Floats) -> str:
    """Format a mean and the interval of resampled means."""
    low, high = bootstrap((values,), np.mean, method="percentile", random_state=0).confidence_interval
    return f"{values.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
