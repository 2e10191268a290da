"""Judging choices: a small shop through training, summary and evaluation, and figures worked by hand."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from tests.training.small_run import dataset, new_run, small
from trm_np.data.load import Dataset
from trm_np.data.records import Scenario
from trm_np.data.task import Task, task_from
from trm_np.evaluation.choices import choice_metrics
from trm_np.evaluation.compare import evaluate, evaluate_stored, learnt_predictions
from trm_np.evaluation.compare_choices import against_best, evaluate_choices
from trm_np.evaluation.diagnostics_text import choice_texts, evaluation_text
from trm_np.evaluation.predict import choice_scores
from trm_np.evaluation.summary import baselines_ahead, metrics_text, summary_text
from trm_np.model.new import Generators, new_model
from trm_np.storage.checkpoint import load_model
from trm_np.training.run import Run
from trm_np.training.trainer import Trainer

LEARNT = [
    *("popularity", "popular_within_budget", "nearest_neighbour", "ridge", "item_cosine", "ease"),
    *("linear", "untrained"),
]


def with_choices(labelled: bool) -> Dataset:
    """The small data, where each person has one gift and chose two or three that follow it in the catalogue."""
    data, ids = dataset(), [gift.id for gift in dataset().gifts]

    def chosen(place: int, scenario: Scenario) -> Scenario:
        history = (ids[place % len(ids)],)
        some = [(ids[(place + step) % len(ids)], 1.0 + step) for step in range(1, 3 + place % 2)]
        profile = replace(scenario.profile, history=history)
        there = replace(scenario, profile=profile, chosen=tuple(some))
        return there if labelled else replace(there, expected_categories=(), expected_tools=())

    def all_of(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
        return tuple(chosen(*pair) for pair in enumerate(scenarios))

    return replace(data, train=all_of(data.train), validation=all_of(data.validation), test=all_of(data.test))


@pytest.fixture(scope="module")
def task() -> Task:
    return task_from(with_choices(labelled=True), small().model.gift_features)


@pytest.fixture(scope="module")
def judged(task: Task) -> dict[str, Any]:
    trainer = Trainer(small(), task, 0)
    return evaluate(trainer.model, task, trainer.config, 0)["choices"]


def test_the_model_and_every_baseline_are_judged_by_the_same_metrics(
    task: Task, judged: dict[str, Any]
) -> None:
    assert list(judged) == [
        "profiles",
        "people",
        "validation",
        "test",
        "baselines",
        "left_out",
        "against_best",
    ]
    assert (judged["profiles"], judged["left_out"]) == (6, {})
    assert list(judged["baselines"]) == ["random", *LEARNT]
    for name in LEARNT:
        assert list(judged["baselines"][name]) == list(judged["test"])
    assert list(judged["baselines"]["random"]) == list(judged["validation"]) == list(judged["against_best"])
    model = new_model(small(), task, Generators.from_seed(0))
    for name, split in (("validation", task.validation), ("test", task.test)):
        metrics = choice_metrics(choice_scores(model, split, task), split.chosen, split.history)
        assert judged[name] == {key: metrics[key] for key in judged[name]}
    linear = learnt_predictions(task.test, task)["linear"].predicted_reward
    assert judged["baselines"]["linear"] == choice_metrics(linear, task.test.chosen, task.test.history)
    assert judged["baselines"]["untrained"] == judged["test"]  # nothing has been learnt yet


def test_people_without_choices_are_left_out_and_nothing_is_said_where_nobody_chose(task: Task) -> None:
    config = small()
    model = new_model(config, task, Generators.from_seed(0))
    few = csr_array(task.test.chosen.toarray() * (np.arange(6) < 2)[:, None])
    linear = np.zeros(few.shape)
    found = evaluate_choices(model, model, linear, replace(task, test=replace(task.test, chosen=few)))
    first = replace(task, test=task.test.take([0, 1]))
    assert found["profiles"] == found["people"] == 2
    alone = evaluate_choices(model, model, linear[:2], first)
    for metric in alone["against_best"]:
        assert found["test"][metric] == alone["test"][metric]
    nothing = replace(task, test=replace(task.test, chosen=csr_array(few.shape)))
    assert list(evaluate(model, nothing, config, 0)) == ["validation", "test", "baselines"]


# ------------------------------------------------------------------------------------ against the best baseline


def values(**means: list[float]) -> dict[str, dict[str, np.ndarray]]:
    return {name: {"hit_at_10": np.array(value)} for name, value in means.items()}


def test_the_model_stands_against_the_baseline_with_the_highest_mean_person_by_person() -> None:
    model = {"hit_at_10": np.array([1.0, 0.0, 1.0, 1.0])}
    found = against_best(model, values(ease=[1.0, 0.0, 0.0, 1.0], ridge=[0.0, 0.0, 0.0, 1.0]))["hit_at_10"]
    assert (found["baseline"], found["difference"]) == ("ease", 0.25)
    assert found["interval"] == [
        0.0,
        0.75,
    ]  # the one who differs is drawn 0 to 3 times in 95 of 100 resamples
    assert against_best(model, values(ease=[1.0, 0.0, 0.0, 1.0]))["hit_at_10"] == found


def test_what_both_find_in_the_same_people_has_no_spread() -> None:
    rng = np.random.default_rng(0)
    found = rng.random(50)
    (against,) = against_best({"mrr_at_10": found + 0.1}, {"ease": {"mrr_at_10": found}}).values()
    np.testing.assert_allclose(against["interval"], [0.1, 0.1])


def test_the_bounds_are_those_of_the_mean_difference_in_theory() -> None:
    difference = np.random.default_rng(1).normal(0.3, 1.0, 400)
    (against,) = against_best({"mrr_at_10": difference}, {"ease": {"mrr_at_10": np.zeros(400)}}).values()
    half = 1.96 * difference.std() / 20
    np.testing.assert_allclose(
        against["interval"], [difference.mean() - half, difference.mean() + half], atol=0.01
    )


def test_of_one_person_there_are_no_bounds() -> None:
    one = against_best({"mrr_at_10": np.array([0.5])}, {"ease": {"mrr_at_10": np.array([1.0])}})
    assert one["mrr_at_10"] == {"baseline": "ease", "difference": -0.5, "interval": None}
    (text,) = choice_texts({"against_best": one}).values()
    assert text.splitlines()[1].split() == ["mrr@10", "ease", "-0.500"]


# ----------------------------------------------------------------------------------------------- what is said


def test_a_baseline_that_is_ahead_is_named_with_both_figures() -> None:
    ours = {
        "category_recall_at_3": 0.3284,
        "tool_exact_rate": 0.5,
        "tools_in_use": 2.0,
        "precision_at_10": 0.2,
    }
    baselines = {
        "random": {"tools_in_use": 5.0, "tool_exact_rate": 0.1},
        "popularity": {"category_recall_at_3": 0.36, "tool_exact_rate": 0.5004},
        "untrained": {"category_recall_at_3": 0.339, "tool_exact_rate": 0.3},
        "ease": {"precision_at_10": 0.239},
        "oracle": dict.fromkeys(ours, 1.0),
    }
    assert baselines_ahead(ours, baselines, [*ours, "reward_vs_best"]) == [
        "category recall@3 is better by popularity: 0.360, the model 0.328",
        "precision@10 is better by EASE on histories: 0.239, the model 0.200",
    ]
    assert baselines_ahead(baselines["oracle"], baselines, ours) == []


def test_both_tables_are_printed_where_there_are_both(tmp_path: Path) -> None:
    run = Run(small(training__epochs=1), with_choices(labelled=True), 0, tmp_path)
    summary = run.train()
    text = summary_text(summary)
    assert "\nheld-out scenarios " in text and "\nchosen for 6 profiles " in text
    assert max(map(len, text.splitlines())) <= 110
    assert json.loads((tmp_path / "summary.json").read_bytes())["choices"] == summary["choices"]
    summary["choices"]["baselines"]["untrained"]["ndcg_at_10"] = 2.0
    said = baselines_ahead(summary["choices"]["test"], summary["choices"]["baselines"], ["ndcg_at_10"])
    assert len(said) == 1 and said[0] in summary_text(summary)


@pytest.fixture(scope="module", params=[True, False], ids=["labels and choices", "choices alone"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("trained")
    return Run(small(training__epochs=1), with_choices(request.param), 0, folder).train()


@pytest.mark.parametrize(
    ("baseline", "named"),
    [
        ("ridge", "ridge regression from the profile"),
        ("item_cosine", "the cosines of gifts in histories"),
        ("ease", "EASE on histories"),
    ],
)
def test_the_summary_names_a_closed_form_exactly_where_it_is_ahead(
    baseline: str, named: str, trained: dict[str, Any]
) -> None:
    summary = deepcopy(trained)
    ours, baselines = summary["choices"]["test"], summary["choices"]["baselines"]
    strict = [name for name in ours if name.endswith("_at_10")]
    for metrics in baselines.values():
        metrics |= {name: ours[name] - 0.1 for name in strict if name in metrics}
    assert len(strict) == 5 and "is better" not in choice_part(summary)
    for metric in strict:
        for ahead in (-0.01, 0.0, 0.01):
            baselines[baseline][metric] = round(ours[metric], 3) + ahead
            said = [line for line in choice_part(summary).splitlines() if "is better" in line]
            shown = f"{baselines[baseline][metric]:.3f}, the model {ours[metric]:.3f}"
            words = metric.replace("_at_", "@")
            assert said == ([f"{words} is better by {named}: {shown}"] if ahead > 0 else [])
        baselines[baseline][metric] = ours[metric] - 0.1


def choice_part(summary: dict[str, Any]) -> str:
    """The text of a summary from the table of what was chosen on."""
    return summary_text(summary).partition("chosen for ")[2]


def test_choices_alone_are_enough(tmp_path: Path) -> None:
    data = with_choices(labelled=False)
    summary = Run(small(training__epochs=1), data, 0, tmp_path).train()
    text = summary_text(summary)
    assert "held-out scenarios" not in text and "\n\nchosen for 6 profiles " in text
    held_out = tmp_path / "held_out.json"
    held_out.write_text(
        json.dumps({"scenarios": [in_json(scenario) for scenario in data.test]}), encoding="utf-8"
    )
    found = evaluate_stored(load_model(tmp_path / "best.npz"), str(held_out))
    json.dumps(found, allow_nan=False)
    assert found["choices"]["test"] == summary["choices"]["test"]
    text = evaluation_text(found)
    for absent in ("Tools: expected", "Categories: expected", "expected ;"):
        assert absent not in text
    assert "Choices: the model against the best baseline, profile by profile\n---" in text


def in_json(scenario: Scenario) -> dict[str, Any]:
    profile = {name: value for name, value in vars(scenario.profile).items() if value not in (None, ())}
    return {"name": scenario.name, "profile": profile, "chosen": dict(scenario.chosen)}


def test_labels_alone_say_nothing_of_choices(tmp_path: Path) -> None:
    summary = new_run(tmp_path, small(training__epochs=1)).train()
    assert "choices" not in summary and "chosen for" not in metrics_text(summary)
