"""Splits and tasks made of tables, without choices."""

from scipy.sparse import csr_array  # type: ignore[import-untyped]

from tests.world.small_world import VOCABULARY
from trm_np.data.encode import content_width, encode_gifts
from trm_np.data.tables import GiftTable, LabelTable, ProfileTable, implied_categories
from trm_np.data.task import Split, Task


def split_of(profiles: ProfileTable, labels: LabelTable) -> Split:
    nothing = csr_array((len(profiles), 0))
    return Split(profiles, labels, nothing, nothing, nothing)


def task_of(gifts: GiftTable, train: Split) -> Task:
    """A task of the small world whose three splits are the same."""
    inputs = encode_gifts(gifts, VOCABULARY, content_width(VOCABULARY))
    return Task(VOCABULARY, gifts, inputs, implied_categories(gifts, VOCABULARY), train, train, train)
