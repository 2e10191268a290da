"""A profile scored alone and the same profile in a batch: the same answer, but for the last digits of a float32.

Bits differ between batches of different sizes, and in one batch from place to place: linear algebra sums the rows of a
large product in another order than those of a small one. A `Recommender` answers each profile by itself.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.recommend.stored_models import trained
from trm_np import Recommender
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile
from trm_np.data.tables import Floats, profile_table
from trm_np.data.task import task_from
from trm_np.evaluate import predict
from trm_np.world.metrics import Predictions, ranking

SCORES = ("category_scores", "tool_scores", "predicted_reward")
# In probabilities and rewards, which lie between 0 and 1. Measured: 1.1e-6 of 1,085 profiles, and no ranking differs.
TOLERANCE = 3e-6


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


@pytest.fixture(scope="module")
def alone() -> list[Predictions]:
    return [scored([profile]) for profile in people()]


@pytest.mark.parametrize("size", [2, 16, 86])
def test_a_batch_says_what_each_alone_would_be_told(alone: list[Predictions], size: int) -> None:
    profiles = people()
    order = np.random.default_rng(size).permutation(len(profiles))
    for rows in np.split(order, range(size, len(order), size)):
        together = scored([profiles[row] for row in rows])
        for place, row in enumerate(rows):
            for name in SCORES:
                found, wanted = getattr(together, name)[[place]], getattr(alone[row], name)
                assert np.abs(shares(name, found) - shares(name, wanted)).max() <= TOLERANCE, (row, name)
                assert np.array_equal(ranking(found), ranking(wanted)), (row, name)
            assert np.array_equal(together.choices[place], alone[row].choices[0])


def test_a_recommender_gives_the_same_bits_whoever_asked_before() -> None:
    recommender, asked = Recommender(trained()), people()[::8]
    alone = [Recommender(trained()).recommend(profile) for profile in asked]
    backwards = [recommender.recommend(profile) for profile in reversed(asked)]
    assert backwards[::-1] == alone
