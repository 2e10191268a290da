"""A model beside the baselines: what they are given, what they are asked, and what a stored model needs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.small_run import new_run, small, trainer
from trm_np.config import LossConfig
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.data.tables import LabelTable
from trm_np.data.task import task_from
from trm_np.evaluation.compare import (
    evaluate,
    evaluate_baselines,
    evaluate_stored,
    learnt_predictions,
    trained_on,
)
from trm_np.evaluation.predict import evaluate_model
from trm_np.evaluation.summary import metrics_text, summary_text
from trm_np.storage.checkpoint import load_model
from trm_np.training.trainer import Trainer

BASELINES = ["random", "popularity", "nearest_neighbour", "linear", "oracle"]


@pytest.fixture(scope="module")
def started() -> Trainer:
    return trainer(small())


def test_the_baselines_have_the_metrics_of_the_model_but_the_gap(started: Trainer) -> None:
    task = started.task
    baselines = evaluate_baselines(task.test, task)
    metrics, *_ = evaluate_model(started.model, task.test, task, LossConfig())
    assert list(baselines) == BASELINES
    for found in baselines.values():
        assert list(found) == [name for name in metrics if name != "generalization_gap"]
    assert evaluate_baselines(task.test, task) == baselines


def test_popularity_says_the_same_to_everyone_and_the_oracle_is_right(started: Trainer) -> None:
    baselines = evaluate_baselines(started.task.test, started.task)
    in_use = (baselines["popularity"]["categories_in_use"], baselines["popularity"]["tools_in_use"])
    assert in_use == (3, 2)
    assert baselines["oracle"]["category_recall_at_3"] == baselines["oracle"]["tool_exact_rate"] == 1.0


def test_the_baselines_that_learn_are_not_told_the_answers(started: Trainer) -> None:
    task = started.task
    labels = task.test.labels
    other = replace(task.test, labels=LabelTable(1 - labels.categories, 1 - labels.tools))
    told, not_told = (learnt_predictions(split, task) for split in (task.test, other))
    for name in told:
        for column, values in vars(told[name]).items():
            np.testing.assert_array_equal(values, getattr(not_told[name], column))


def test_the_baselines_that_learn_read_the_training_scenarios_alone(started: Trainer) -> None:
    task = started.task
    elsewhere = replace(task, validation=task.train, test=task.train)
    here, there = (learnt_predictions(task.test, one) for one in (task, elsewhere))
    fewer = learnt_predictions(task.test, replace(task, train=task.train.take(range(20))))
    for name in here:
        np.testing.assert_array_equal(here[name].predicted_reward, there[name].predicted_reward)
        assert not np.array_equal(here[name].category_scores, fewer[name].category_scores)


def test_nobody_is_better_than_the_oracle_and_those_who_look_at_the_profile_beat_popularity() -> None:
    task = task_from(load_dataset(), 96)
    baselines = evaluate_baselines(task.test, task)
    for name in BASELINES[:-1]:
        for metric in ("category_recall_at_3", "tool_exact_rate", "reward_vs_best", "reward_spearman"):
            assert baselines[name][metric] <= baselines["oracle"][metric] + 1e-12
            if name in ("nearest_neighbour", "linear"):
                assert baselines[name][metric] > baselines["popularity"][metric]


def test_a_judgement_has_both_splits_and_the_model_as_it_started(started: Trainer) -> None:
    judged = evaluate(started.model, started.task, started.config, seed=0)
    assert list(judged) == ["validation", "test", "baselines", "ranking"]
    assert list(judged["baselines"]) == [*BASELINES, "untrained"]
    on_test = evaluate_baselines(started.task.test, started.task)
    assert {name: judged["baselines"][name] for name in BASELINES} == on_test
    assert judged["baselines"]["untrained"] == judged["test"]  # nothing has been learnt yet
    assert (
        evaluate(started.model, started.task, started.config, seed=1)["baselines"]["untrained"]
        != judged["test"]
    )


def test_a_stored_model_is_judged_and_examined(tmp_path: Path) -> None:
    summary = new_run(tmp_path, small(training__epochs=1)).train()
    judged: dict[str, Any] = evaluate_stored(load_model(tmp_path / "best.npz"), None)
    assert list(judged) == [
        *("preset", "recipe", "test_is_validation", "trained_on", "validation", "test", "baselines"),
        *("ranking", "intervals", "hidden", "calibration", "confusion", "scenarios"),
    ]
    assert (judged["preset"], judged["test_is_validation"], judged["trained_on"]) == ("tiny", False, 0)
    assert list(summary["baselines"]) == list(judged["baselines"])
    assert len(judged["scenarios"]) == len(load_dataset().test)


def test_a_model_of_another_vocabulary_needs_held_out_scenarios_of_its_own(tmp_path: Path) -> None:
    new_run(tmp_path, small(training__epochs=1)).train()
    stored = load_model(tmp_path / "best.npz")
    other = replace(stored, vocabulary=replace(stored.vocabulary, hobbies=("chess", "gardening")))
    with pytest.raises(DataError, match=r"a vocabulary other than the model's; allowed: .* give --held-out"):
        evaluate_stored(other, None)


def test_test_scenarios_with_the_profile_of_a_training_scenario_are_counted() -> None:
    shipped = load_dataset()
    renamed = replace(shipped.train[0], name="the same person again")
    older = replace(shipped.train[1].profile, age=99.0)
    other = replace(shipped.train[1], profile=older)
    assert trained_on(shipped) == 0
    assert trained_on(replace(shipped, test=(renamed, other, shipped.train[2]))) == 2
    assert trained_on(replace(shipped, validation=shipped.train)) == 0


def test_only_the_summary_of_a_training_says_that_one_list_chose_the_epoch(tmp_path: Path) -> None:
    summary = new_run(tmp_path, small(training__epochs=1)).train()
    said = "one list serves as validation and as test: its figures also chose the epoch"
    assert summary_text({**summary, "test_is_validation": True}).endswith(f"\n{said}")
    assert "chose the epoch" not in summary_text(summary)
    assert "chose the epoch" not in metrics_text({**summary, "test_is_validation": True})
