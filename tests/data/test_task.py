"""A dataset as arrays for training, with choices as sparse tables."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data import sample_files
from trm_np.data.load import Dataset, gift_from, scenario_from
from trm_np.data.records import Profile, Scenario
from trm_np.data.task import task_from, weights_of

GIFTS = tuple(map(gift_from, sample_files.catalogue()["gifts"]))
IDS = [gift.id for gift in GIFTS]
LABELLED = tuple(map(scenario_from, sample_files.training()["scenarios"]))
CHOSEN = (
    Scenario("a", Profile(history=("seeds",)), chosen=(("pan", 2.5), ("trowel", 1.0))),
    Scenario("b", Profile(), chosen=(("seeds", 1.0),), rejected=("pan", "first_edition")),
)
PLACE = {id: index for index, id in enumerate(IDS)}


def test_a_split_has_sparse_tables_of_chosen_rejected_and_history() -> None:
    everyone = (LABELLED[0], *CHOSEN)
    task = task_from(Dataset(sample_files.VOCABULARY, everyone, LABELLED[:1], CHOSEN, GIFTS), 0)
    assert task.train.chosen.toarray().tolist() == [[0, 0, 0, 0], [1, 2.5, 0, 0], [0, 0, 0, 1]]
    assert task.train.rejected.toarray().tolist() == [[0] * 4, [0] * 4, [0, 1, 1, 0]]
    assert task.train.history.toarray().tolist() == [[0] * 4, [0, 0, 0, 1], [0] * 4]
    assert task.validation.chosen.shape == (1, 4) and task.validation.chosen.nnz == 0
    assert task.train.labels.categories.any(axis=1).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "rows", [[2, 0], np.array([1, 1, 0]), slice(1, 3), np.array([True, False, True])], ids=str
)
def test_taking_rows_of_a_split_takes_them_in_all_tables(rows: list[int]) -> None:
    everyone = (LABELLED[0], *CHOSEN)
    train = task_from(Dataset(sample_files.VOCABULARY, everyone, CHOSEN, CHOSEN, GIFTS), 0).train
    taken = train.take(rows)
    for name in ("chosen", "rejected", "history"):
        assert (getattr(taken, name).toarray() == getattr(train, name).toarray()[rows]).all()
    assert len(taken) == taken.chosen.shape[0] == len(taken.labels)


@given(st.lists(st.dictionaries(st.sampled_from(IDS), st.floats(1e-6, 1e6)), max_size=5))
def test_a_sparse_table_of_weights_equals_the_dense_one(rows: list[dict[str, float]]) -> None:
    table = weights_of([tuple(row.items()) for row in rows], PLACE)
    dense = np.zeros((len(rows), len(IDS)))
    for place, row in enumerate(rows):
        for id, weight in row.items():
            dense[place, IDS.index(id)] = weight
    assert (table.toarray() == dense).all()
    assert table.indices.tolist() == [IDS.index(id) for row in rows for id in row]  # a history stays in order


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(KeyError, match="sofa"):
        weights_of([[("sofa", 1.0)]], PLACE)


def test_a_gift_without_known_fields_has_its_row_in_the_tables() -> None:
    bare = replace(
        GIFTS[0], id="bare", **dict.fromkeys(("price", "rating", "tags", "age_range", "occasions"), None)
    )
    gifts = task_from(Dataset(sample_files.VOCABULARY, LABELLED, LABELLED, LABELLED, (*GIFTS, bare)), 0).gifts
    assert np.isnan(gifts.price[-1]) and np.isnan(gifts.rating[-1]) and np.isnan(gifts.age_range[-1]).all()
    assert not (gifts.hobby_tags[-1].any() or gifts.preference_tags[-1].any() or gifts.occasions[-1].any())
    assert gifts.tags_known.tolist() == gifts.occasions_known.tolist() == [True] * 4 + [False]
