"""Details behind the figures: intervals against theory, hidden fields, confusion and scenarios worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.small_run import dataset, small, trainer
from trm_np.data.tables import Floats, Ints
from trm_np.evaluation.diagnostics import (
    FIELDS,
    by_scenario,
    calibration,
    confusion,
    diagnose,
    hide_field,
    intervals,
    without_field,
)
from trm_np.evaluation.metrics import averages, evaluate_predictions, scenario_values
from trm_np.evaluation.predict import predict
from trm_np.training.trainer import Trainer


@pytest.fixture(scope="module")
def started() -> Trainer:
    return trainer(small())


def values_of(count: int, seed: int) -> dict[str, Floats]:
    """Values as `scenario_values` has them, drawn at random."""
    rng = np.random.default_rng(seed)
    names = ("category_match", "tool_match", "reward", "category_recall", "category_hits", "category_ndcg")
    values = {name: rng.random(count) for name in (*names, "tool_exact", "reward_spearman")}
    return {**values, "best_reward": values["reward"] + 0.2 * rng.random(count)}


# ---------------------------------------------------------------------------------------------- intervals


def test_intervals_of_many_scenarios_are_those_of_the_normal_distribution() -> None:
    values = values_of(400, seed=1)
    found = intervals(values)
    assert list(found) == list(averages(values))
    for metric, name in (("average_reward", "reward"), ("category_recall_at_3", "category_recall")):
        half = 1.96 * values[name].std() / np.sqrt(400)
        mean = values[name].mean()
        assert found[metric] == pytest.approx([mean - half, mean + half], abs=0.1 * half)


def test_a_ratio_keeps_its_pairs() -> None:
    values = values_of(400, seed=2)
    low, high = intervals(values)["reward_vs_best"]
    # The delta method for a ratio of means; drawn apart, the two would make it several times as wide.
    ratio = values["reward"].mean() / values["best_reward"].mean()
    rest = values["reward"] - ratio * values["best_reward"]
    half = 1.96 * rest.std() / np.sqrt(400) / values["best_reward"].mean()
    assert [low, high] == pytest.approx([ratio - half, ratio + half], abs=0.1 * half)


def test_intervals_are_the_same_each_time_and_hold_the_figure_itself(started: Trainer) -> None:
    task = started.task
    said = predict(started.model, task.test.profiles, task)
    values = scenario_values(said, task.test, task)
    found = intervals(values)
    assert found == intervals(values)
    for name, figure in averages(values).items():
        assert found[name][0] <= figure <= found[name][1]
        assert found[name][0] < found[name][1] or figure in (0, 1)


def test_agreement_has_no_width_and_a_single_scenario_no_intervals() -> None:
    values = values_of(10, seed=3) | {"category_match": np.ones(10)}
    assert intervals(values)["category_match_rate"] == [1.0, 1.0]
    assert intervals(values_of(1, seed=3)) == {}


# ------------------------------------------------------------------------------------------ hidden fields


def test_every_field_can_be_hidden_and_only_it(started: Trainer) -> None:
    profiles = started.task.train.profiles
    assert sorted(FIELDS) == sorted(vars(profiles))
    for field in FIELDS:
        hidden = vars(hide_field(profiles, field))
        for name, column in vars(profiles).items():
            if name == field:
                assert (np.isnan(hidden[name]) | (hidden[name] == -1)).all()
                assert hidden[name].shape == column.shape
            else:
                np.testing.assert_array_equal(hidden[name], column)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_hidden_from_the_model_and_not_from_the_truth(started: Trainer, field: str) -> None:
    task, model = started.task, started.model
    seen = averages(scenario_values(predict(model, task.test.profiles, task), task.test, task))
    found = without_field(model, task.test, task, field, seen)
    said = predict(model, hide_field(task.test.profiles, field), task)
    metrics = evaluate_predictions(said, task.test, task)
    assert found["metrics"] == {name: metrics[name] for name in found["metrics"]}
    assert found["drop"] == pytest.approx({name: seen[name] - metrics[name] for name in found["metrics"]})


def test_hiding_the_hobbies_costs_most(started: Trainer) -> None:
    """Even before training: the model starts as a matcher of words, and most of the words are hobbies."""
    drops = diagnose(started.model, started.task, dataset())["hidden"]
    recall = {field: drops[field]["drop"]["category_recall_at_3"] for field in FIELDS}
    assert max(recall, key=recall.__getitem__) == "hobbies" and recall["hobbies"] > 0.1


# -------------------------------------------------------------------------------------------- calibration


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_probabilities_are_those_of_the_head(started: Trainer, head: str) -> None:
    task = started.task
    said = predict(started.model, task.test.profiles, task)
    p = 1 / (1 + np.exp(-said.tool_scores))
    if head == "softmax":
        p = np.exp(said.tool_scores) / np.exp(said.tool_scores).sum(axis=1, keepdims=True)
    bins = calibration(said, task.test, task, head)["tools"]["bins"]
    assert sum(row["count"] for row in bins) == p.size
    assert sum(row["count"] * row["predicted"] for row in bins) == pytest.approx(p.sum(), rel=1e-6)
    assert sum(row["count"] * row["true"] for row in bins) == pytest.approx(task.test.labels.tools.sum())


def test_bins_without_predictions_are_left_out(started: Trainer) -> None:
    task = started.task
    said = replace(
        predict(started.model, task.test.profiles, task),
        category_scores=np.zeros_like(task.test.labels.categories),
    )
    found = calibration(said, task.test, task, "sigmoid")["categories"]
    (row,) = found["bins"]
    assert [row["from"], row["to"], row["predicted"]] == pytest.approx([0.5, 0.6, 0.5])
    assert found["expected_calibration_error"] == pytest.approx(0.5 - task.test.labels.categories.mean())


# ---------------------------------------------------------------------------------------------- confusion


def test_a_confusion_worked_by_hand() -> None:
    labels = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1]], np.float64)
    chosen = np.array([[0, 1], [0, 2], [0, 1]])
    found = confusion(labels, chosen, ["a", "b", "c", "d"])
    assert found["names"] == ["a", "b", "c", "d"]
    assert (found["expected"], found["chosen"]) == ([2, 1, 1, 2], [3, 2, 1, 0])
    assert found["counts"] == [
        [2, 0, 0, 0],  # a was expected twice and always chosen
        [0, 1, 0, 0],
        [1, 1, 0, 0],  # in the third scenario c and d were missed, and a and b came
        [1, 1, 1, 0],  # in the second d was missed, and c came
    ]


@given(st.integers(0, 2**32 - 1))
def test_confusion_counts_every_hit_and_every_miss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((6, 5)) < 0.4).astype(np.float64)
    chosen: Ints = rng.permuted(np.tile(np.arange(5), (6, 1)), axis=1)[:, :2]
    found = confusion(labels, chosen, list("abcde"))
    counts = np.array(found["counts"])
    assert sum(found["chosen"]) == chosen.size
    for e in range(5):
        for c in range(5):
            both = [
                labels[row, e] > 0
                and c in chosen[row]
                and (e == c or (e not in chosen[row] and labels[row, c] == 0))
                for row in range(6)
            ]
            assert counts[e, c] == sum(both)


# ------------------------------------------------------------------------------------- scenario by scenario


def test_scenarios_come_worst_first_with_what_was_expected_and_what_came(started: Trainer) -> None:
    task, data = started.task, dataset()
    said = predict(started.model, task.test.profiles, task)
    values = scenario_values(said, task.test, task)
    found = by_scenario(data.test, said, values, task, data.gifts)
    assert [row["score"] for row in found] == sorted(row["score"] for row in found)
    assert {row["name"] for row in found} == {scenario.name for scenario in data.test}
    for row in found:
        place = next(i for i, scenario in enumerate(data.test) if scenario.name == row["name"])
        assert row["expected_tools"] == list(data.test[place].expected_tools)
        assert row["categories"][0] == data.vocabulary.categories[said.category_scores[place].argmax()]
        assert row["gifts"] == [data.gifts[gift].id for gift in said.choices[place]]
        categories, tools = (
            len(set(row[f"expected_{kind}"]) & set(row[kind])) / len(row[f"expected_{kind}"])
            for kind in ("categories", "tools")
        )
        best = row["reward"] / row["best_reward"]
        assert row["score"] == pytest.approx((categories + tools + best) / 3)
    mean = np.mean([row["reward"] for row in found])
    assert mean == pytest.approx(averages(values)["average_reward"])
