"""Training where people chose gifts: what is kept, by what quality, and that files hold what was learnt."""

import json
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.lab.small_trials import run_trial
from tests.training.small_run import dataset, small, written
from trm_np.config import Config
from trm_np.data.load import Dataset
from trm_np.data.records import Scenario
from trm_np.data.task import Task, task_from
from trm_np.evaluation.choices import choice_metrics, choice_values, top_gifts
from trm_np.evaluation.predict import (
    SHARES,
    Evaluation,
    choice_scores,
    evaluate_model,
    fit_shares,
    infer_split,
)
from trm_np.lab.together import run_together
from trm_np.lab.trial import Trial
from trm_np.model.new import Generators, new_model
from trm_np.storage.checkpoint import load_model
from trm_np.training.run import Run
from trm_np.training.trainer import Interrupted, Trainer

SHORT = {"training__epochs": 3, "training__evaluate_every": 1}


@cache
def chosen_data(labels: bool = True) -> Dataset:
    """Everybody but the last has a gift and chose two; with labels or without."""
    data = dataset()
    ids = [gift.id for gift in data.gifts]

    def choose(place: int, scenario: Scenario) -> Scenario:
        mine = [ids[(place + step) % len(ids)] for step in (0, 1, 4)]
        given = {} if labels else {"expected_categories": (), "expected_tools": ()}
        profile = replace(scenario.profile, history=(mine[2],))
        return replace(scenario, profile=profile, chosen=((mine[0], 1.0), (mine[1], 2.0)), **given)

    def part(scenarios: tuple[Scenario, ...]) -> tuple[Scenario, ...]:
        return (*map(choose, range(len(scenarios) - 1), scenarios[:-1]), scenarios[-1])

    return replace(data, train=part(data.train), validation=part(data.validation), test=part(data.test))


def task_of(data: Dataset, config: Config) -> Task:
    return task_from(data, config.model.gift_features)


def chooser(config: Config, labels: bool = True) -> Trainer:
    return Trainer(config, task_of(chosen_data(labels), config), 0)


@pytest.mark.parametrize("labels", [True, False])
def test_quality_is_how_well_choices_and_categories_are_ranked_and_as_ever_of_the_others(
    labels: bool,
) -> None:
    t = chooser(small(), labels)
    split = t.task.validation
    found = evaluate_model(t.model, split, t.task, t.config.loss)
    lists = top_gifts(choice_scores(t.model, split, t.task).__getitem__, split.history)
    ndcg = choice_values(lists, split.chosen, split.history)["ndcg_at_10"]
    assert len(ndcg) == len(split) - 1
    if labels:  # then the categories are half of it, by the same measure at 3
        one_each = (split.take([row]) for row in range(len(ndcg)))
        named = [
            evaluate_model(t.model, one, t.task, t.config.loss).metrics["category_ndcg_at_3"]
            for one in one_each
        ]
        ndcg = (ndcg + named) / 2
    np.testing.assert_allclose(found.quality[:-1], ndcg)
    last = evaluate_model(t.model, split.take([len(split) - 1]), t.task, t.config.loss)
    assert found.quality[-1] == pytest.approx(last.metrics["recommendation_quality"])


def test_where_nobody_chose_the_quality_is_that_of_recommendations() -> None:
    t = chooser(small())
    without = task_of(dataset(), small()).validation
    found = evaluate_model(t.model, without, t.task, t.config.loss)
    assert found.quality.mean() == pytest.approx(found.metrics["recommendation_quality"])
    before = t.model.experience.shares.data.copy()  # type: ignore[union-attr]
    fit_shares(t.model, without, t.task, infer_split(t.model, without, t.task))
    np.testing.assert_array_equal(t.model.experience.shares.data, before)  # type: ignore[union-attr]


def test_the_shares_kept_rank_best_of_those_tried() -> None:
    t = chooser(small(**SHORT))
    split = t.task.validation
    next(t.epochs())
    assert t.model.experience is not None

    def ndcg(shares: tuple[float, float]) -> float:
        t.model.experience.shares.data[...] = shares  # type: ignore[union-attr]
        return choice_metrics(choice_scores(t.model, split, t.task), split.chosen, split.history)[
            "ndcg_at_10"
        ]

    content, reward = t.model.experience.shares.data.tolist()
    assert ndcg((content, reward)) == max(ndcg(shares) for shares in product(SHARES, SHARES))


def judged_as(t: Trainer, qualities: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter(qualities)
    count = len(t.task.validation)
    monkeypatch.setattr(
        t, "validate", lambda: Evaluation({}, {"total": 1.0}, np.full(count, next(found))), raising=True
    )


@pytest.mark.parametrize(("qualities", "kept"), [([0.5, 0.4, 0.5, 0.5], 0), ([0.5, 0.4, 0.9, 0.8], 2)])
def test_the_start_counts_as_epoch_0_and_is_kept_if_nothing_beats_it(
    qualities: list[float], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(**SHORT)
    t = chooser(config)
    start = new_model(config, t.task, Generators.from_seed(0)).state_dict()
    judged_as(t, qualities, monkeypatch)
    assert [record["epoch"] for record in t.epochs()] == [1, 2, 3]
    assert t.stopping.state.best_epoch == kept
    t.stopping.restore(t.model)
    same = [np.array_equal(weight, start[name]) for name, weight in t.model.state_dict().items()]
    assert all(same) == (kept == 0)


def test_without_choices_the_start_is_not_evaluated() -> None:
    t = Trainer(small(**SHORT), task_of(dataset(), small()), 0)
    t.evaluate_initial_model()
    assert not t.stopping.has_kept


@pytest.mark.slow
@pytest.mark.parametrize("improvement", ["none", 0.03])
def test_an_interrupted_run_ends_with_the_same_bytes_and_its_model_loads(
    improvement: object, tmp_path: Path
) -> None:
    config = small(**SHORT, training__improvement=improvement)
    summary = Run(config, chosen_data(), 0, tmp_path / "whole").train()
    answers = iter([False])  # within the first epoch, when only the start is kept
    with pytest.raises(Interrupted):
        Run(config, chosen_data(), 0, tmp_path / "parts").train(lambda: next(answers, True))
    Run(config, chosen_data(), 0, tmp_path / "parts", resume=True).train()
    assert written(tmp_path / "parts") == written(tmp_path / "whole")
    stored = load_model(tmp_path / "whole" / "best.npz")
    assert stored.config.model.experienced_gifts == len(chosen_data().gifts)
    task = task_of(chosen_data(), config)
    again = evaluate_model(stored.model, task.test, task, config.loss)
    assert again.metrics == summary["test"]
    scores = choice_scores(stored.model, task.test, task)
    ndcg = choice_metrics(scores, task.test.chosen, task.test.history)["ndcg_at_10"]
    assert ndcg == summary["choices"]["test"]["ndcg_at_10"]


@pytest.mark.slow
def test_trials_that_read_along_have_the_bits_of_plain_runs() -> None:
    trials = [Trial("", small(**SHORT, training__patience=patience), 0) for patience in (0, 5)]
    rows = run_together(trials, chosen_data())
    assert json.dumps(rows) == json.dumps([run_trial(trial, chosen_data()) for trial in trials])


def test_imagined_profiles_have_no_choices() -> None:
    t = chooser(small(training__imagined=1))
    batch = t.draw_batch(np.arange(5))
    assert batch.choices is not None and not batch.choices.share.any()
    assert t.practice is not None
    told = t.practice.train.take(np.arange(4))
    mixed = told.join(t.practice.draw(3, np.random.default_rng(0)))
    for kind in ("chosen", "rejected", "history"):
        table = getattr(mixed, kind).toarray()
        np.testing.assert_array_equal(table[:4], getattr(told, kind).toarray())
        assert table.shape == (7, len(t.task.gifts)) and not table[4:].any()
