"""A dataset as arrays for training: the encoded catalogue and the three splits as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trm_np.data.encode import GiftInputs, content_width, encode_gifts
from trm_np.data.load import Dataset
from trm_np.data.records import Scenario
from trm_np.data.tables import (
    Bools,
    GiftTable,
    LabelTable,
    ProfileTable,
    Rows,
    gift_table,
    implied_categories,
    label_table,
    profile_table,
)
from trm_np.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]


@dataclass(frozen=True, eq=False)
class Split(Rows):
    """N labelled profiles, and sparse tables (N, G) of the gifts chosen and rejected for them and in their history.

    `chosen` holds weights; `rejected` and `history` hold ones.
    """

    profiles: ProfileTable
    labels: LabelTable
    chosen: "csr_array"
    rejected: "csr_array"
    history: "csr_array"

    def __len__(self) -> int:
        return len(self.profiles)


@dataclass(frozen=True, eq=False)
class Task:
    """Data to train and evaluate on, as arrays, with the vocabulary and the gifts."""

    vocabulary: Vocabulary
    gifts: GiftTable
    gift_inputs: GiftInputs
    implied: Bools
    train: Split
    validation: Split
    test: Split


def task_from(dataset: Dataset, gift_features: int) -> Task:
    """The task of a dataset, with at least `gift_features` features per gift."""
    vocabulary = dataset.vocabulary
    gifts = gift_table(dataset.gifts, vocabulary)
    place = {id: index for index, id in enumerate(gifts.ids)}

    def split(scenarios: Sequence[Scenario]) -> Split:
        profiles = [scenario.profile for scenario in scenarios]
        return Split(
            profile_table(profiles, vocabulary),
            label_table(scenarios, vocabulary),
            weights_of([scenario.chosen for scenario in scenarios], place),
            weights_of([_ones(scenario.rejected) for scenario in scenarios], place),
            weights_of([_ones(profile.history) for profile in profiles], place),
        )

    return Task(
        vocabulary,
        gifts,
        encode_gifts(gifts, vocabulary, max(gift_features, content_width(vocabulary))),
        implied_categories(gifts, vocabulary),
        split(dataset.train),
        split(dataset.validation),
        split(dataset.test),
    )


def weights_of(rows: Sequence[Sequence[tuple[str, float]]], place: Mapping[str, int]) -> "csr_array":
    """A sparse table (N, G) from rows of (gift id, weight) pairs. `place` holds the column of each id.

    Raises `KeyError` for an unknown id.
    """
    from scipy.sparse import csr_array  # imported here because recommendations must not import SciPy

    columns = np.array([place[id] for row in rows for id, _ in row], dtype=np.int64)
    weights = np.array([weight for row in rows for _, weight in row], dtype=np.float64)
    ends = np.cumsum([0, *map(len, rows)])
    return csr_array((weights, columns, ends), shape=(len(rows), len(place)))


def _ones(ids: Sequence[str]) -> list[tuple[str, float]]:
    return [(id, 1.0) for id in ids]
