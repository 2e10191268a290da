"""Well-formed files with hostile content: settings, sizes, vocabulary, catalogue and weights drawn at random."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.hostile.forging import content_of, forged, smallest_config, untrained
from tests.world.small_world import VOCABULARY, gift
from trm_np.config import ConfigError, flatten, from_flat
from trm_np.recommend.outputs import ModelError
from trm_np.recommend.recommender import Recommender
from trm_np.storage.checkpoint import CheckpointError
from trm_np.world.tools import TOOLS

LISTS = ("categories", "tools", "hobbies", "preferences", "occasions")
ROUNDS = ("latent_steps", "cycles", "supervision_steps")
SIZES = ("category_hidden", "reward_hidden", "gift_features", "gift_slots", "core_hidden", "policy_hidden")


class Cost(NamedTuple):
    """Seconds and bytes of loading and answering, and how it ended: answered, refused or no number."""

    seconds: float
    bytes: int
    ended: str


def files(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Draw so many files, the same ones for the same generator."""
    while count:
        settings: dict[str, Any] = flatten(smallest_config())
        for name in rng.choice((*ROUNDS, *SIZES), rng.integers(0, 4), replace=False):
            settings[f"model.{name}"] = int(10 ** rng.uniform(0, 5 if name in ROUNDS else 4))
        more = {
            str(name): [f"{name}{index}" * long for index in range(int(10 ** rng.uniform(0, 3.5)))]
            for name in rng.choice(LISTS, rng.integers(0, 3), replace=False)
            for long in [int(rng.choice([1, 1, 20]))]
        }
        lists = {name: (*getattr(VOCABULARY, name), *names) for name, names in more.items()}
        vocabulary = replace(VOCABULARY, **{"tools": tuple(TOOLS), **lists})
        kinds = vocabulary.categories
        number = int(10 ** rng.uniform(0.5, 3))
        gifts = [gift(id=f"g{index}", category=kinds[index % len(kinds)]) for index in range(number)]
        try:
            data = untrained(from_flat(settings), vocabulary, gifts)
        except (ConfigError, ValueError):  # larger than a file may be
            continue
        if rng.random() < 0.3:
            header, content = content_of.__wrapped__(data)
            largest = np.float32(10 ** rng.uniform(0, 38))
            weights: Any = {
                name: np.asarray(content[name]) * largest for name in content if name.startswith("weights.")
            }
            data = forged(header, content | weights)
        yield data
        count -= 1


def cost_of_using(path: Path) -> Cost:
    """Cost in this process of loading a file and asking one question, once for the time and once for the memory."""
    began = time.process_time()
    ended = how_it_ends(path)
    seconds = time.process_time() - began
    tracemalloc.start()  # which makes allocations several times as slow
    try:
        how_it_ends(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Cost(seconds, peak, ended)


def how_it_ends(path: Path) -> str:
    try:
        Recommender.load(path).recommend({"age": 30, "hobbies": ["reading"]})
        return "answered"
    except CheckpointError:
        return "refused"
    except ModelError:
        return "no number"
