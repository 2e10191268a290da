"""Practice: what is imagined, how it is labelled, and where training uses it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.small_run import dataset, small, trainer
from trm_np.data.load import load_dataset
from trm_np.data.tables import MISSING
from trm_np.data.task import Task, task_from
from trm_np.practice import ENOUGH_FOR_A_WORD, Practice, imagine, is_practice_needed, kinds_of_words
from trm_np.simulation import simulate

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
    np.testing.assert_allclose(drawn.labels.tools.sum(axis=1), 2, atol=1e-5)
    np.testing.assert_allclose(drawn.labels.categories.sum(axis=1), 3, atol=1e-5)
    told = PRACTICE.train.labels
    assert ((told.tools >= 0.5) == (TASK.train.labels.tools > 0)).mean() > 0.95


def test_a_category_in_which_nothing_fits_the_budget_is_unlikely() -> None:
    profiles = imagine(TASK.train.profiles, TASK.vocabulary, 30, np.random.default_rng(2))
    poor = PRACTICE.likely(replace(profiles, budget=np.full(30, 46.0))).categories
    dear = np.array(TASK.vocabulary.categories) == "experience"
    assert PRACTICE.cheapest[dear] > 46
    assert (poor[:, dear] < 0.1).all()


def test_votes_say_more_of_new_people_than_popularity() -> None:
    """Of people that no vote was learnt from: log loss of both kinds of labels."""
    split = TASK.validation
    said = PRACTICE.likely(split.profiles)

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
    enough = ENOUGH_FOR_A_WORD * len(kinds_of_words(TASK.vocabulary))
    assert is_practice_needed(of_size(enough - 1))
    assert not is_practice_needed(of_size(enough))


@pytest.mark.parametrize(("practice", "rows"), [(0, [16, 9]), (16, [16, 16]), (20, [20, 20])])
def test_batches_are_filled_up(practice: int, rows: list[int]) -> None:
    t = trainer(small(training__practice=practice))
    t.begin_epoch()
    batches = [t.draw_batch(chosen) for chosen in t.remaining_batches()]
    assert [len(batch) for batch in batches] == rows
    for batch, labelled in zip(batches, (16, 9), strict=True):
        assert len(batch.inputs.tokens) == len(batch.targets.tools) == len(batch)
        assert (batch.targets.alone[labelled:].std(axis=1) > 0).all()


def test_practice_does_not_move_the_other_dice() -> None:
    config = small(training__practice=0)
    without, with_it = trainer(config), trainer(small(training__practice=16))
    rows = np.arange(16)
    a, b = without.draw_batch(rows), with_it.draw_batch(rows)
    np.testing.assert_array_equal(a.inputs.tokens, b.inputs.tokens)
    np.testing.assert_array_equal(a.picked, b.picked)
    assert len(dataset().train) == 25
