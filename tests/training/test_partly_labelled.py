"""Scenarios that lack labels: losses, metrics and baselines are those of the scenarios that have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.small_run import SMALL, dataset, precise_trainer, small
from tests.training.test_ranks import on_ranks
from trm_np.autograd.ops import Array
from trm_np.config import LossConfig, resolve
from trm_np.data.load import Dataset, Scenarios
from trm_np.data.tables import LabelTable
from trm_np.data.task import Split, Task, task_from
from trm_np.evaluation.compare import evaluate_baselines, learnt_predictions
from trm_np.evaluation.diagnostics import diagnose
from trm_np.evaluation.diagnostics_text import evaluation_text
from trm_np.evaluation.metrics import averages, scenario_values
from trm_np.evaluation.predict import evaluate_model, evaluation_loss, predict
from trm_np.evaluation.summary import summary_text
from trm_np.model.losses import TERMS, loss_terms, masked_token_logits, shares_of, weighted_total
from trm_np.storage.checkpoint import load_model
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.run import Run
from trm_np.training.trainer import Trainer

CATEGORY_METRICS = {
    *("category_match_rate", "category_recall_at_3", "category_precision_at_3", "category_ndcg_at_3"),
    "categories_in_use",
}
TOOL_METRICS = {"tool_match_rate", "tool_exact_rate", "tools_in_use"}
LABELS = {"category": "expected_categories", "tool": "expected_tools"}


def without(scenarios: Scenarios, *labels: str, every: int = 1) -> Scenarios:
    """Each such scenario without these labels; the person chose the first gift instead."""
    chosen = ((dataset().gifts[0].id, 1.0),)
    blank = dict.fromkeys(labels, ())
    return tuple(
        replace(each, chosen=chosen, **blank) if place % every == 0 else each
        for place, each in enumerate(scenarios)
    )


def partly(*labels: str, every: int = 1) -> Dataset:
    """The small dataset without some labels in all three splits."""
    data = dataset()
    splits = {
        name: without(getattr(data, name), *labels, every=every) for name in ("train", "validation", "test")
    }
    return replace(data, **splits)


def task_of(data: Dataset) -> Task:
    return task_from(data, small().model.gift_features)


def blank(split: Split, rows: Array, *names: str) -> Split:
    """The split without the labels of some rows."""
    labels = {name: getattr(split.labels, name).copy() for name in ("categories", "tools")}
    for name in names:
        labels[name][rows] = 0
    return replace(split, labels=LabelTable(**labels))


# --------------------------------------------------------------------------------------------- losses


@given(st.sets(st.integers(0, 24), min_size=1), st.sets(st.integers(0, 24), min_size=1))
def test_a_loss_is_that_of_the_scenarios_with_its_labels_alone(
    with_categories: set[int], with_tools: set[int]
) -> None:
    t = TRAINER
    everyone, loss = t.task.train, LossConfig()
    split = blank(everyone, np.setdiff1d(np.arange(25), list(with_categories)), "categories")
    split = blank(split, np.setdiff1d(np.arange(25), list(with_tools)), "tools")
    found = evaluation_loss(t.model, split, t.task, loss)
    for term, rows in (
        ("category", with_categories),
        ("tool", with_tools),
        ("halting", with_categories | with_tools),
    ):
        alone = evaluation_loss(t.model, split.take(sorted(rows)), t.task, loss)
        assert found[term] == pytest.approx(alone[term], rel=1e-9), term
    whole = evaluation_loss(t.model, everyone, t.task, loss)
    same = set(TERMS) - {"category", "tool", "halting"}
    assert {name: found[name] for name in same} == {name: whole[name] for name in same}


def test_without_any_labels_there_is_no_loss_of_them_and_no_gradient() -> None:
    t = precise_trainer(small())
    t.task = task_of(partly("expected_categories", "expected_tools"))
    before = t.model.tool_selection.score.weight.data.copy()
    batch = t.draw_batch(np.arange(8))
    t.learn(batch)
    steps = t.progress.steps
    assert [t.progress.sums[name] for name in ("category", "tool", "halting")] == [0.0] * 3
    assert t.progress.sums["reward"] > 0 and steps == t.config.model.supervision_steps
    assert before.any() or not t.model.tool_selection.score.weight.data.any()


def test_the_terms_of_all_parts_times_their_shares_are_those_of_the_batch() -> None:
    t = precise_trainer(small(loss__smoothing=0.3))
    t.task = task_of(partly("expected_categories", "expected_tools", every=3))
    t.model.eval()
    batch = t.draw_batch(np.arange(11))

    def weighed(rows: slice) -> dict[str, float]:
        part, shares = batch.take(rows), shares_of(rows, batch.inputs.masked_targets, batch.targets)
        carry, outputs = t.model(part.inputs, part.gifts, part.picked)
        tokens = masked_token_logits(t.model, carry, part.inputs)
        terms = loss_terms(t.model, outputs, part.targets, t.config.loss, 0.3, tokens)
        total = weighted_total(terms, t.config.loss, shares).item()
        return {"total": total} | {name: term.item() * shares[name] for name, term in terms.items()}

    whole, parts = weighed(slice(0, 11)), [weighed(slice(0, 1)), weighed(slice(1, 5)), weighed(slice(5, 11))]
    for name, value in whole.items():
        assert sum(part[name] for part in parts) == pytest.approx(value, rel=1e-9), name
    assert parts[0]["category"] == parts[0]["tool"] == parts[0]["halting"] == 0  # its one row has no labels


def test_ranks_learn_together_where_some_have_no_labels() -> None:
    config = small(training__batch_size=6, training__scenario_limit=24)

    def learn(ranks: Ranks) -> Trainer:
        t = precise_trainer(config, ranks)
        t.task = task_of(partly("expected_categories", "expected_tools", every=2))
        for rows in ([0, 2, 4, 1, 3, 5], [0, 2, 4, 6, 8, 10], [1, 0, 2, 3, 4, 6]):
            t.learn(t.draw_batch(np.array(rows)))
        return t

    alone = learn(ALONE)
    for t in on_ranks(2, learn):
        assert t.optimizer.steps == alone.optimizer.steps
        np.testing.assert_allclose(t.optimizer.weights, alone.optimizer.weights, rtol=0, atol=1e-12)


# -------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("names", "absent"),
    [
        (["categories"], CATEGORY_METRICS),
        (["tools"], TOOL_METRICS),
        (["categories", "tools"], CATEGORY_METRICS | TOOL_METRICS),
    ],
    ids=["categories", "tools", "both"],
)
def test_metrics_that_no_scenario_supports_are_absent_for_the_model_and_all_baselines(
    names: list[str], absent: set[str]
) -> None:
    task = TRAINER.task
    split = blank(task.test, np.arange(len(task.test)), *names)
    whole = evaluate_model(TRAINER.model, task.test, task, LossConfig())[0]
    found = evaluate_model(TRAINER.model, split, task, LossConfig())[0]
    assert found.keys() == whole.keys() - absent
    kept = found.keys() - {"recommendation_quality", "generalization_gap"}
    assert {name: found[name] for name in kept} == {name: whole[name] for name in kept}
    if "categories" in names:
        assert found["recommendation_quality"] == found["average_reward"]
    for baseline in evaluate_baselines(split, task).values():
        assert baseline.keys() == found.keys() - {"generalization_gap"}


def test_a_metric_is_that_of_the_scenarios_with_its_labels_alone() -> None:
    task, rows = TRAINER.task, np.array([0, 3, 4])
    others = np.setdiff1d(np.arange(len(task.test)), rows)
    split = blank(task.test, others, "categories", "tools")
    found, alone = (
        evaluate_model(TRAINER.model, each, task, LossConfig())[0] for each in (split, task.test.take(rows))
    )
    for name in CATEGORY_METRICS | TOOL_METRICS:
        if not name.endswith("_in_use"):
            assert found[name] == pytest.approx(alone[name]), name
    predictions = predict(TRAINER.model, split.profiles, task)
    values = scenario_values(predictions, split, task)
    for name, value in values.items():
        assert np.isnan(value).tolist() == [
            name.startswith(("category", "tool")) and row in others for row in range(len(split))
        ]
    resamples = {name: value[np.array([[0, 0, 3], [1, 1, 2]])] for name, value in values.items()}
    assert np.isnan(averages(resamples)["category_recall_at_3"]).tolist() == [False, True]


@pytest.mark.parametrize("baseline", ["popularity", "nearest_neighbour", "linear"])
def test_a_baseline_learns_labels_from_the_scenarios_that_have_them(baseline: str) -> None:
    task, rows = TRAINER.task, np.arange(0, 25, 2)
    blanked = replace(task, train=blank(task.train, np.arange(1, 25, 2), "categories", "tools"))
    fewer = replace(task, train=task.train.take(rows))
    one, other = (learnt_predictions(task.test, each)[baseline] for each in (blanked, fewer))
    np.testing.assert_allclose(one.category_scores, other.category_scores, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(one.tool_scores, other.tool_scores, rtol=1e-5, atol=1e-8)
    assert not np.allclose(one.predicted_reward, other.predicted_reward)


# --------------------------------------------------------------------------------------------- a run


@pytest.mark.parametrize(
    ("labels", "every"),
    [
        pytest.param(["expected_categories"], 1, marks=pytest.mark.slow),
        pytest.param(["expected_tools"], 1, marks=pytest.mark.slow),
        pytest.param(["expected_categories", "expected_tools"], 1, marks=pytest.mark.slow),
        (["expected_categories", "expected_tools"], 2),
    ],
    ids=str,
)
def test_a_run_on_scenarios_without_labels_comes_to_an_end_and_its_model_is_evaluated(
    labels: list[str], every: int, tmp_path: Path
) -> None:
    data = partly(*labels, every=every)
    config = resolve("tiny", settings=SMALL | {"training.epochs": "2", "training.evaluate_every": "1"})
    summary = Run(config, data, 0, tmp_path).train()
    text = summary_text(summary)
    stored = load_model(tmp_path / "best.npz")
    assert stored.scenarios == data.train
    task = task_of(data)
    examined = {"test_is_validation": False, "trained_on": 0, **summary} | diagnose(stored.model, task, data)
    text += evaluation_text(examined)
    assert "nan" not in text
    for kind, label in (("categories", "expected_categories"), ("tools", "expected_tools")):
        gone = label in labels and every == 1
        assert (kind in examined["confusion"]) != gone and (kind in examined["calibration"]) != gone
        assert (f"{kind[:3]}" in text) or gone


TRAINER = precise_trainer(small())
