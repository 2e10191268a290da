"""Weight of learned categories in the ranking: what the share maximizes, where it is kept, and who reads it."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.recommend.stored_models import outputs_of, trained
from tests.training.small_run import dataset, new_run, small
from tests.training.small_run import trainer as small_trainer
from tests.training.test_learning_from_choices import started, tribal
from trm_np import Recommender
from trm_np.autograd import no_grad
from trm_np.data.load import load_dataset
from trm_np.data.tables import LabelTable
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import choice_scores, evaluate_model, infer_split, predict
from trm_np.evaluation.ranking import CATEGORY_SHARES, fit_category_share, list_values, ranking_figures
from trm_np.evaluation.summary import metrics_text, ranking_text
from trm_np.export.reduced import export_reduced
from trm_np.storage.checkpoint import CheckpointError, StoredModel, load_model, save_checkpoint
from trm_np.world.reward import best_lists, list_reward

CONTENT = {"seed": 0, "metrics": {}}


@cache
def task() -> Task:
    return task_from(load_dataset(), trained().config.model.gift_features)


def stored_with(share: float) -> StoredModel:
    return replace(trained(), header={"category_share": share})


def quality(share: float) -> np.ndarray:
    """Worked out gift by gift: the mean of the reward over the best, and of the share in expected categories."""
    split, gifts = task().validation, load_dataset().gifts
    lists = predict(trained().model, split.profiles, task(), category_share=share).choices
    world = (split.profiles, task().gifts, task().implied)
    rewards = list_reward(*world, lists) / best_lists(*world)[1]
    expected = [
        np.mean([gifts[place].category in scenario.expected_categories for place in row])
        for row, scenario in zip(lists, load_dataset().validation, strict=True)
    ]
    return (rewards + np.array(expected)) / 2


@pytest.mark.slow
def test_the_share_makes_the_lists_of_the_validation_scenarios_better_by_more_than_chance() -> None:
    """Shares are tried from 0 upward; a larger one that was passed over is not better by more than its error."""
    found = fit_category_share(trained().model, task().validation, task())
    assert 0 < found < max(CATEGORY_SHARES)
    kept = quality(0.0)
    for share in CATEGORY_SHARES[1:]:
        rise = quality(share) - kept
        better = rise.mean() > rise.std(ddof=1) / len(rise) ** 0.5
        assert better == (share == found) or (better and share < found)
        if better:
            kept = quality(share)
    assert quality(found).mean() > quality(0.0).mean()


def test_a_value_is_the_reward_and_a_share_of_the_probability_of_the_category() -> None:
    people = [scenario.profile for scenario in load_dataset().test[:5]]
    shared, plain = Recommender(stored_with(0.4)), Recommender(trained())
    with no_grad():
        thought, alone = outputs_of(shared, people), outputs_of(plain, people)
    likely = np.array(
        [[named[gift.category] for gift in load_dataset().gifts] for named in thought.categories]
    )
    assert thought.reward == pytest.approx(alone.value)
    assert thought.value == pytest.approx(thought.reward + 0.4 * likely)


def test_the_scores_by_which_choices_are_judged_are_those_of_a_recommendation() -> None:
    people = [scenario.profile for scenario in load_dataset().test]
    recommender = Recommender(stored_with(0.2))
    with no_grad():
        wanted = outputs_of(recommender, people).value
    found = choice_scores(trained().model, task().test, task(), category_share=0.2)
    assert found == pytest.approx(wanted, abs=1e-5)


def test_metrics_judge_lists_by_reward_alone() -> None:
    figures = ranking_figures(trained().model, task(), 0.2)
    for name, split in (("validation", task().validation), ("test", task().test)):
        metrics = evaluate_model(trained().model, split, task(), trained().config.loss).metrics
        assert figures[name]["by_reward"]["reward_vs_best"] == pytest.approx(metrics["reward_vs_best"])
        assert figures[name]["with_categories"] != figures[name]["by_reward"]


def test_rewards_never_rise_down_a_list_that_categories_count_in() -> None:
    recommender = Recommender(stored_with(0.4))
    answers = recommender.recommend_many([scenario.profile for scenario in load_dataset().test], k=8)
    for answer in answers:
        rewards = [gift.predicted_reward for gift in answer.gifts]
        assert rewards == sorted(rewards, reverse=True)
    without = Recommender(trained()).recommend_many(
        [scenario.profile for scenario in load_dataset().test], k=8
    )
    assert [answer.gifts for answer in answers] != [answer.gifts for answer in without]


def test_it_is_the_place_in_this_order_that_is_explained() -> None:
    person = load_dataset().test[0].profile
    recommender = Recommender(stored_with(1.0))
    with no_grad():
        value = outputs_of(recommender, [person]).value[0]
    first, last = (recommender.gifts[place].id for place in (value.argmax(), value.argmin()))
    assert recommender.explain(person, first).rank == 1
    assert recommender.explain(person, last).rank == len(recommender.gifts)


def test_where_no_categories_are_expected_or_choices_were_learned_from_there_is_no_share() -> None:
    t = small_trainer(small(training__epochs=1))
    labels = t.task.validation.labels
    none = LabelTable(np.zeros_like(labels.categories), labels.tools)
    assert fit_category_share(t.model, replace(t.task.validation, labels=none), t.task) == 0
    unlabelled = replace(t.task, validation=replace(t.task.validation, labels=none))
    figures = ranking_figures(t.model, unlabelled, 0.0)
    assert list(figures["validation"]["by_reward"]) == ["reward_vs_best"]
    chooser = started(tribal())
    assert fit_category_share(chooser.model, chooser.task.validation, chooser.task) == 0


def test_scenarios_without_expected_categories_do_not_count() -> None:
    split = task().validation
    some = split.labels.categories.copy()
    some[::2] = 0
    partly = replace(split, labels=LabelTable(some, split.labels.tools))
    rest = split.take(np.arange(1, len(split), 2))
    model = trained().model
    assert fit_category_share(model, partly, task()) == fit_category_share(model, rest, task())
    reward, expected = list_values(model, split, task(), infer_split(model, split, task()), 0.0)
    assert quality(0.0) == pytest.approx(
        (reward / best_lists(split.profiles, task().gifts, task().implied)[1] + expected) / 2
    )


def test_a_run_fits_stores_and_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trm_np.training.run.fit_category_share", lambda *_: 0.2)
    summary = new_run(tmp_path, small(training__epochs=1)).train()
    assert load_model(tmp_path / "best.npz").category_share == 0.2
    written = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert written["ranking"] == summary["ranking"] and summary["ranking"]["category_share"] == 0.2
    text = ranking_text(summary["ranking"], test_is_validation=False)
    assert text in metrics_text(summary)
    assert "with 0.2 × category" in text and "test: gifts in expected categories" in text
    assert "validation:" not in ranking_text(summary["ranking"], test_is_validation=True)


def test_a_file_without_it_ranks_by_reward_alone(tmp_path: Path) -> None:
    stored = trained()
    save_checkpoint(tmp_path / "before.npz", "model", stored, CONTENT)
    assert load_model(tmp_path / "before.npz").category_share == 0
    person = dataset().test[0].profile
    with no_grad():
        thought = outputs_of(Recommender.load(tmp_path / "before.npz"), [person])
    assert np.array_equal(thought.value, thought.reward)


def test_a_smaller_file_ranks_as_the_file_that_it_is_made_of(tmp_path: Path) -> None:
    stored = replace(trained(), header={**CONTENT, "category_share": 0.2})
    export_reduced(stored, tmp_path / "small.npz", "float16", None)
    assert load_model(tmp_path / "small.npz").category_share == 0.2


@pytest.mark.parametrize("share", [True, "0.1", -0.1, 1.5, 1, None, [0.1]])
def test_a_file_with_a_share_that_is_none_is_refused(share: object, tmp_path: Path) -> None:
    stored = trained()
    save_checkpoint(tmp_path / "odd.npz", "model", stored, {**CONTENT, "category_share": share})
    with pytest.raises(CheckpointError, match=r"category_share .*; allowed: 0\.0 to 1\.0"):
        load_model(tmp_path / "odd.npz")
