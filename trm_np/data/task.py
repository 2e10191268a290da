"""A dataset as the trainer uses it: the catalogue encoded once, and the three splits as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from trm_np.data.encode import GiftInputs, content_width, encode_gifts
from trm_np.data.load import Dataset
from trm_np.data.records import Scenario
from trm_np.data.tables import (
    Bools,
    GiftTable,
    Index,
    LabelTable,
    ProfileTable,
    gift_table,
    implied_categories,
    label_table,
    profile_table,
)
from trm_np.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Split:
    """N labelled profiles."""

    profiles: ProfileTable
    labels: LabelTable

    def __len__(self) -> int:
        return len(self.profiles)

    def take(self, index: Index) -> "Split":
        """The rows that `index` picks, in its order."""
        return Split(self.profiles.take(index), self.labels.take(index))

    def join(self, other: "Split") -> "Split":
        """These, then those of another split."""
        return Split(self.profiles.join(other.profiles), self.labels.join(other.labels))


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learnt, and from what."""

    vocabulary: Vocabulary
    gifts: GiftTable
    gift_inputs: GiftInputs
    implied: Bools
    train: Split
    validation: Split
    test: Split


def task_from(dataset: Dataset, gift_features: int) -> Task:
    """Tables of a dataset; gifts encoded at least `gift_features` wide."""
    vocabulary = dataset.vocabulary
    gifts = gift_table(dataset.gifts, vocabulary)

    def split(scenarios: Sequence[Scenario]) -> Split:
        profiles = profile_table([scenario.profile for scenario in scenarios], vocabulary)
        return Split(profiles, label_table(scenarios, vocabulary))

    return Task(
        vocabulary,
        gifts,
        encode_gifts(gifts, vocabulary, max(gift_features, content_width(vocabulary))),
        implied_categories(gifts, vocabulary),
        split(dataset.train),
        split(dataset.validation),
        split(dataset.test),
    )
