"""Practice: what is imagined, how it is labelled, and where training uses it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.small_run import new_run, small, trainer, written
from trm_np.data.load import load_dataset
from trm_np.data.simulation import simulate
from trm_np.data.sizes import SCENARIOS_FOR_A_WORD, smoothing
from trm_np.data.tables import MISSING
from trm_np.data.task import Task, task_from
from trm_np.training.practice import (
    Practice,
    fit_sharpness,
    imagine,
    is_practice_needed,
    kinds_of_words,
    sharpened,
)
from trm_np.training.trainer import Interrupted

TASK = task_from(load_dataset(), 96)
PRACTICE = Practice(TASK, np.random.default_rng(0))


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_imagined_profiles_are_such_as_could_have_been_written(seed: int, count: int) -> None:
    known, vocabulary = TASK.train.profiles, TASK.vocabulary
    found = imagine(known, vocabulary, count, np.random.default_rng(seed))
    assert len(found) == count
    assert ((found.age >= known.age.min()) & (found.age <= known.age.max())).all()
    assert (found.age == np.rint(found.age)).all()
    assert ((found.budget >= known.budget.min() - 1e-9) & (found.budget <= known.budget.max() + 1e-9)).all()
    assert set(found.relationship) <= set(range(len(vocabulary.relationships)))
    assert set(found.occasion) <= set(range(len(vocabulary.occasions)))
    for lists, names in ((found.hobbies, vocabulary.hobbies), (found.preferences, vocabulary.preferences)):
        for row in lists:
            said = row[row != MISSING]
            assert len(said) in (2, 3)  # as the 25 have it
            assert len(set(said)) == len(said) and set(said) <= set(range(len(names)))
            assert (row[len(said) :] == MISSING).all()


def test_what_nobody_says_stays_unsaid() -> None:
    known = TASK.train.profiles
    silent = replace(
        known,
        age=np.full_like(known.age, np.nan),
        budget=np.full_like(known.budget, np.nan),
        hobbies=np.full_like(known.hobbies, MISSING),
    )
    found = imagine(silent, TASK.vocabulary, 7, np.random.default_rng(0))
    assert np.isnan(found.age).all() and np.isnan(found.budget).all()
    assert (found.hobbies == MISSING).all()


def test_every_name_is_imagined() -> None:
    found = imagine(TASK.train.profiles, TASK.vocabulary, 2000, np.random.default_rng(0))
    assert set(found.hobbies.ravel()) - {MISSING} == set(range(len(TASK.vocabulary.hobbies)))
    assert set(found.preferences.ravel()) - {MISSING} == set(range(len(TASK.vocabulary.preferences)))


def test_likely_labels_are_as_many_as_usual_and_those_of_the_scenarios() -> None:
    drawn = PRACTICE.draw(50, np.random.default_rng(1))
    assert ((drawn.labels.tools >= 0.5).sum(axis=1) <= 3).all()
    assert drawn.labels.tools.sum(axis=1).mean() == pytest.approx(2, abs=0.2)
    assert drawn.labels.categories.sum(axis=1).mean() == pytest.approx(3, abs=0.3)
    told = PRACTICE.train.labels
    assert ((told.tools >= 0.5) == (TASK.train.labels.tools > 0)).mean() > 0.95


def test_a_category_in_which_nothing_fits_the_budget_is_unlikely() -> None:
    profiles = imagine(TASK.train.profiles, TASK.vocabulary, 30, np.random.default_rng(2))
    poor = PRACTICE.probabilities(replace(profiles, budget=np.full(30, 46.0))).categories
    dear = np.array(TASK.vocabulary.categories) == "experience"
    assert PRACTICE.cheapest[dear] > 46
    assert (poor[:, dear] < 0.1).all()


def test_votes_say_more_of_new_people_than_popularity() -> None:
    """Log loss of both kinds of labels, for people that no vote was learned from."""
    split = TASK.validation
    said = PRACTICE.probabilities(split.profiles)

    def log_loss(labels: np.ndarray, likely: np.ndarray) -> float:
        p = np.clip(likely, 1e-6, 1 - 1e-6)
        return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())

    for kind in ("categories", "tools"):
        labels = getattr(split.labels, kind)
        popular = np.broadcast_to(getattr(TASK.train.labels, kind).mean(axis=0), labels.shape)
        assert log_loss(labels, getattr(said, kind)) < 0.6 * log_loss(labels, popular)


def test_scenarios_without_labels_teach_no_votes() -> None:
    labels = TASK.train.labels
    none = replace(labels, tools=np.zeros_like(labels.tools))
    found = Practice(replace(TASK, train=replace(TASK.train, labels=none)), np.random.default_rng(0))
    assert (found.draw(3, np.random.default_rng(0)).labels.tools == 0).all()


def of_size(scenarios: int) -> Task:
    shipped = load_dataset()
    drawn = simulate(shipped, scenarios, 1, len(shipped.gifts), np.random.default_rng(0))
    return task_from(replace(shipped, train=drawn.train), 96)


def test_practice_is_for_few_scenarios() -> None:
    enough = SCENARIOS_FOR_A_WORD * len(kinds_of_words(TASK.vocabulary))
    assert is_practice_needed(of_size(enough - 1))
    assert not is_practice_needed(of_size(enough))


@given(st.floats(0, 1), st.integers(0, 2**32))
def test_mixed_rows_are_told_or_imagined_whole(share: float, seed: int) -> None:
    told = PRACTICE.train.take(np.arange(16))
    mixed = PRACTICE.mix(told, share, np.random.default_rng(seed))
    assert len(mixed) == 16
    for row in range(16):
        kept = mixed.profiles.budget[row] == told.profiles.budget[row]
        assert kept == np.array_equal(mixed.labels.tools[row], told.labels.tools[row])
    if share in (0, 1):
        assert (mixed.profiles.budget == told.profiles.budget).all() == (share == 0)


def test_as_many_are_imagined_as_is_asked_for() -> None:
    told = PRACTICE.train.take(np.arange(25))
    rng = np.random.default_rng(0)
    kept = [
        (PRACTICE.mix(told, 0.75, rng).profiles.budget == told.profiles.budget).mean() for _ in range(200)
    ]
    assert np.mean(kept) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("repeats", "rows"), [(1, [16, 9]), (3, [16, 16, 16, 16, 11])])
def test_an_epoch_deals_each_scenario_so_often(repeats: int, rows: list[int]) -> None:
    t = trainer(small(training__repeats=repeats, training__imagined=0.5))
    t.begin_epoch()
    assert sorted(t.progress.order) == sorted(list(range(25)) * repeats)
    assert [len(t.draw_batch(chosen)) for chosen in t.remaining_batches()] == rows


def test_without_practice_an_epoch_deals_each_scenario_once() -> None:
    t = trainer(small(training__repeats=3))
    t.begin_epoch()
    assert sorted(t.progress.order) == list(range(25))


def test_imagining_does_not_move_the_other_dice() -> None:
    rows = np.arange(16)
    a, b = (trainer(small(training__imagined=share)).draw_batch(rows) for share in (0, 1))
    np.testing.assert_array_equal(a.picked, b.picked)
    assert not np.array_equal(a.inputs.tokens, b.inputs.tokens)


def test_nothing_is_imagined_where_it_is_switched_off_or_not_needed() -> None:
    assert trainer(small(training__imagined=0)).practice is None
    assert trainer(small(training__imagined=0.5)).practice is not None


@given(st.floats(1, 4), st.integers(0, 2**32))
def test_the_sharpness_that_labels_were_drawn_with_is_found(sharpness: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hedged = rng.uniform(0.05, 0.95, (3000, 4))
    labels = (rng.random(hedged.shape) < sharpened(hedged, sharpness)).astype(float)
    assert fit_sharpness(hedged, labels) == pytest.approx(sharpness, rel=0.15)


def test_sharpening_keeps_the_order_and_one_half() -> None:
    likely = np.linspace(0, 1, 11)
    assert (np.diff(sharpened(likely, 2.0)) > 0).all()
    assert sharpened(np.array([0.5]), 3.0) == pytest.approx(0.5)
    assert sharpened(np.array([0.8]), 2.0) == pytest.approx(16 / 17)


def test_more_scenarios_are_believed_more() -> None:
    for practised in (True, False):
        values = [smoothing(count, practised) for count in range(1, 2000)]
        assert all(after <= before for before, after in pairwise(values))
    assert [smoothing(count, False) for count in (1, 25, 900)] == pytest.approx([0.5, 0.3, 0.05])
    assert smoothing(25, True) == pytest.approx(0.1)
    assert trainer(small()).loss.smoothing == smoothing(25, False)
    assert trainer(small(training__imagined=0.5)).loss.smoothing == smoothing(25, True)
    assert trainer(small("data_diversity")).loss.smoothing == smoothing(2, False)
    assert trainer(small(loss__smoothing=0.1)).loss.smoothing == 0.1


def test_a_run_that_imagines_ends_with_the_same_bytes_when_interrupted(tmp_path: Path) -> None:
    config = small(
        training__epochs=4, training__evaluate_every=2, training__imagined=0.5, training__repeats=2
    )
    new_run(tmp_path / "whole", config).train()
    answers = iter([False] * 6)  # within the second epoch
    with pytest.raises(Interrupted):
        new_run(tmp_path / "parts", config).train(lambda: next(answers, True))
    new_run(tmp_path / "parts", config, resume=True).train()
    assert written(tmp_path / "parts") == written(tmp_path / "whole")
