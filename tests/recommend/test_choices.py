"""Recommendations of a model that learned from what people chose."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.small_run import dataset, small
from tests.training.test_learning_from_choices import TRIBES, tribal
from trm_np import Recommender
from trm_np.storage.checkpoint import Checkpoint, CheckpointError, load_model, save_checkpoint
from trm_np.training.run import Run


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("tribal")
    Run(small(training__epochs=1), tribal(), 0, folder).train()
    return Recommender.load(folder / "best.npz")


def tribe_of(recommender: Recommender, id: str) -> int:
    return [gift.id for gift in tribal().gifts].index(id) % TRIBES


def test_it_recommends_what_people_with_the_same_history_chose(recommender: Recommender) -> None:
    for scenario in tribal().test:
        history = scenario.profile.history
        (best,) = recommender.recommend(
            {"history": list(history)}, k=1, allow=["sold_out"], any_age=True
        ).gifts
        assert tribe_of(recommender, best.id) == tribe_of(recommender, history[0])
        assert best.id not in history


def test_predicted_rewards_never_rise_here_either(recommender: Recommender) -> None:
    for scenario in tribal().test:
        answer = recommender.recommend(scenario.profile, k=8, any_age=True)
        rewards = [gift.predicted_reward for gift in answer.gifts]
        assert rewards == sorted(rewards, reverse=True)


def test_a_gift_that_nobody_could_choose_is_ranked_too(recommender: Recommender) -> None:
    gifts = tribal().gifts
    new = replace(gifts[0], id="new", name="Something Else Entirely")
    another = Recommender(replace(recommender.stored, gifts=(*gifts[1:], new)))
    found = another.recommend(
        tribal().test[0].profile, k=len(gifts), any_age=True, allow=["sold_out", "over_budget"]
    )
    assert "new" in {gift.id for gift in found.gifts}
    told = another.recommend({"history": [gifts[0].id, gifts[TRIBES].id]}, any_age=True)
    assert told.gifts  # what is no longer sold still says who one is


def test_many_are_answered_as_one(recommender: Recommender) -> None:
    people = [scenario.profile for scenario in tribal().test]
    together = recommender.recommend_many(people, any_age=True)
    alone = [recommender.recommend(person, any_age=True) for person in people]
    ids = [[[gift.id for gift in answer.gifts] for answer in answers] for answers in (together, alone)]
    assert ids[0] == ids[1]


def test_a_file_with_another_number_of_gifts_is_refused(recommender: Recommender, tmp_path: Path) -> None:
    stored = recommender.stored
    odd = tmp_path / "odd.npz"
    told = {"seed": 0, "best_epoch": 0, "metrics": {}}
    content = Checkpoint(
        stored.model, stored.config, stored.vocabulary, stored.gifts[1:], dataset().train[:1]
    )
    save_checkpoint(odd, "model", content, told)
    with pytest.raises(CheckpointError, match="choices of 13 gifts, and has 12"):
        load_model(odd)
