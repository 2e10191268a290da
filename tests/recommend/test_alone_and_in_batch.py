"""A profile scored alone and the same profile in a batch: the same answer, but for the last digits of a float32.

Bits differ between batches of different sizes, and in one batch from place to place: linear algebra sums the rows of a
large product in another order than those of a small one. `recommend` answers a profile by itself, `recommend_many` in
portions.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.recommend.stored_models import trained
from trm_np import Recommender
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.data.records import Profile
from trm_np.data.tables import Floats, profile_table
from trm_np.data.task import task_from
from trm_np.evaluation.metrics import Predictions
from trm_np.evaluation.predict import predict
from trm_np.recommend.outputs import CELLS
from trm_np.recommend.selection import SHORTLIST

SCORES = ("category_scores", "tool_scores", "predicted_reward")
# In probabilities and rewards, which lie between 0 and 1. Measured: 1.1e-6 of 1,085 profiles. Rankings are not
# compared: with some builds of OpenBLAS, two gifts whose rewards differ by less than this change places.
TOLERANCE = 3e-6
ONE: dict[str, Any] = {"hobbies": ["cooking"]}
OTHER: dict[str, Any] = {"hobbies": ["gaming"], "age": 20}


def people() -> list[Profile]:
    """Every other one that is shipped, the rest with a field missing: their questions have from one word to ten."""
    data = load_dataset()
    whole = [scenario.profile for scenario in (*data.train, *data.validation, *data.test)]
    missing: list[dict[str, object]] = [{"age": None}, {"hobbies": ()}, {"budget": None}, {"preferences": ()}]
    return [*whole[::2], *(replace(each, **missing[i % 4]) for i, each in enumerate(whole[1::2])), Profile()]


def scored(profiles: Sequence[Profile]) -> Predictions:
    stored, data = trained(), load_dataset()
    task = task_from(data, stored.config.model.gift_features)
    return predict(stored.model, profile_table(profiles, stored.vocabulary), task)


def shares(name: str, scores: Floats) -> Floats:
    return scores if name == "predicted_reward" else 1 / (1 + np.exp(-scores))


@cache
def alone(row: int) -> Predictions:
    return scored([people()[row]])


@pytest.mark.parametrize(
    ("size", "every"), [(16, 4), *(pytest.param(size, 1, marks=pytest.mark.slow) for size in (2, 16, 86))]
)
def test_a_batch_says_what_each_alone_would_be_told(size: int, every: int) -> None:
    profiles = people()
    order = np.random.default_rng(size).permutation(len(profiles))[::every]
    for rows in np.split(order, range(size, len(order), size)):
        together = scored([profiles[row] for row in rows])
        for place, row in enumerate(rows):
            for name in SCORES:
                found, wanted = getattr(together, name)[[place]], getattr(alone(row), name)
                assert np.abs(shares(name, found) - shares(name, wanted)).max() <= TOLERANCE, (row, name)
            # The chosen gifts may differ where their rewards nearly agree.
            rewards = alone(row).predicted_reward[0]
            difference = rewards[together.choices[place]] - rewards[alone(row).choices[0]]
            assert np.abs(difference).max() <= TOLERANCE, (row, "choices")


def test_a_recommender_gives_the_same_bits_whoever_asked_before() -> None:
    recommender, asked = Recommender(trained()), people()[::8]
    alone = [Recommender(trained()).recommend(profile) for profile in asked]
    backwards = [recommender.recommend(profile) for profile in reversed(asked)]
    assert backwards[::-1] == alone


@pytest.mark.parametrize("cells", [pytest.param(45, marks=pytest.mark.slow), 45 * 7, CELLS])
def test_many_answers_are_the_answers_to_each(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the last digits, whatever the portions; on other catalogues shortlists differ in length."""
    monkeypatch.setattr("trm_np.recommend.recommender.CELLS", cells)
    stored, asked = trained(), people()[::5]
    copies = [
        replace(each, id=f"{each.id}_{i}", name=f"{i}", price=each.price + i)
        for i in range(3)
        for each in stored.gifts
    ]
    for recommender in (Recommender(stored), Recommender(stored, copies)):
        together = recommender.recommend_many(asked, k=4, days_left=6)
        for one, profile in zip(together, asked, strict=True):
            alone = recommender.recommend(profile, k=4, days_left=6)
            assert one.to_dict() == nearly(alone.to_dict())


@pytest.mark.slow
def test_no_gift_is_given_twice_to_one_whose_shortlist_is_shorter_than_another_s() -> None:
    """Two gifts are in stock: the first person's best and the last that is looked at, which the other would not see."""
    stored = trained()
    gifts = [
        replace(each, id=f"{each.id}_{i}", name=f"{i}", price=each.price + i)
        for i in range(3)
        for each in stored.gifts
    ]
    recommender = Recommender(stored, gifts)
    rank, other_rank = (
        {each.id: recommender.explain(person, each.id).rank for each in gifts} for person in (ONE, OTHER)
    )
    best, last = (
        min(rank, key=lambda gift: rank[gift]),
        next(gift for gift in rank if rank[gift] == SHORTLIST),
    )
    assert max(other_rank[best], other_rank[last]) > SHORTLIST
    in_stock = [replace(each, stock=9 if each.id in (best, last) else 0) for each in gifts]
    answers = Recommender(stored, in_stock).recommend_many(
        [ONE, OTHER], k=4, days_left=1000, tools=["inventory_check"], allow=["over_budget"], any_age=True
    )
    assert [sorted(gift.id for gift in answer.gifts) for answer in answers] == [sorted([best, last])] * 2


def nearly(value: Any) -> Any:
    """Equal, with the numbers to five digits."""
    if isinstance(value, dict):
        return {name: nearly(item) for name, item in value.items()}
    if isinstance(value, list):
        return [nearly(item) for item in value]
    return pytest.approx(value, rel=1e-5, abs=TOLERANCE) if isinstance(value, float) else value


def test_of_nobody_many_answers_are_none() -> None:
    assert Recommender(trained()).recommend_many([]) == []


def test_a_refused_profile_is_named_by_its_place() -> None:
    with pytest.raises(
        DataError, match=r"^profiles: \[1\]\.age: found 200; allowed: a number from 0 to 120$"
    ):
        Recommender(trained()).recommend_many([{}, {"age": 200}])
