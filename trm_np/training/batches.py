"""Batches: the inputs and targets of one training step, and how they are drawn."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from trm_np.autograd import nn
from trm_np.autograd.ops import Array
from trm_np.data.choices import Choices
from trm_np.data.encode import GiftInputs, ProfileInputs
from trm_np.data.tables import Bools, Ints, Rows
from trm_np.model.losses import Targets
from trm_np.model.trm import TRM

MOST_PICKED = 2  # gifts already in a list when the model scores the next one: a list holds three


@dataclass(frozen=True)
class Batch(Rows):
    """Inputs and targets of one step for B profiles and G candidates; `picked` (B, G) marks those in each list."""

    shared = ("gifts",)

    inputs: ProfileInputs
    gifts: GiftInputs
    picked: Bools
    targets: Targets
    choices: Choices | None = None

    def __len__(self) -> int:
        return len(self.picked)


class RowGenerator:
    """A generator that draws for all `count` rows of a batch and returns those of `rows`.

    With it the dropout of each rank zeroes what the dropout of a single process would zero in its rows.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.rows, self.count = slice(0), 0

    def random(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """Uniform numbers of this shape, the `rows` of `count` drawn ones."""
        drawn: Array = self.generator.random((self.count, *shape[1:]), dtype)
        return drawn[self.rows]

    def attach_to(self, model: TRM) -> None:
        """Replace the generator of every dropout whose rows are profiles; the rows of the catalogue's are gifts."""
        parts = (part for _, part in model.named_children() if part is not model.gift_catalogue)
        for module in chain.from_iterable(part.modules() for part in parts):
            if isinstance(module, nn.Dropout):
                module.rng = self  # type: ignore[assignment]  # as far as dropout goes, a Generator


def draw_candidates(gifts: int, most: int, rng: np.random.Generator) -> Ints:
    """Draw at most `most` of the gifts, all equally likely; returns their indices in order."""
    if gifts <= most:
        return np.arange(gifts)
    return np.sort(rng.choice(gifts, most, replace=False, shuffle=False))


def draw_picked(profiles: int, gifts: int, rng: np.random.Generator) -> Bools:
    """Mark none, one or two random gifts for each profile (B, G), each number equally likely."""
    count = rng.integers(0, MOST_PICKED, profiles, endpoint=True)
    rank = rng.random((profiles, gifts)).argsort(axis=1).argsort(axis=1)
    picked: Bools = rank < count[:, None]
    return picked
