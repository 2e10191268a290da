"""The baselines: chance as combinatorics has it, popularity as counted, and an oracle that nothing beats."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.small_tasks import split_of, task_of
from tests.world.small_world import VOCABULARY, random_gifts
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import LabelTable, gift_table, implied_categories, label_table, profile_table
from trm_np.data.task import task_from
from trm_np.evaluation import baselines
from trm_np.evaluation.baselines import (
    nearest_neighbour_predictions,
    neighbour_weights,
    oracle_predictions,
    popularity_predictions,
    profile_features,
    random_metrics,
    random_predictions,
)
from trm_np.evaluation.metrics import Predictions, evaluate_predictions
from trm_np.world.reward import list_reward, reward

SCENARIOS = [
    Scenario(
        "a", Profile(30, ("garden",), "mother", 90, "birthday"), ("garden", "library"), ("compare", "trend")
    ),
    Scenario("b", Profile(50, ("cooking", "reading"), "friend", 40), ("kitchen",), ("review", "trend")),
    Scenario(
        "c", Profile(20, ("painting",), None, 150, "wedding", ("luxury",)), ("library",), ("trend", "review")
    ),
]
GIFTS = gift_table(random_gifts(np.random.default_rng(1), 9), VOCABULARY)
IMPLIED = implied_categories(GIFTS, VOCABULARY)
PROFILES = profile_table([scenario.profile for scenario in SCENARIOS], VOCABULARY)
LABELS = label_table(SCENARIOS, VOCABULARY)
SPLIT = split_of(PROFILES, LABELS)
TASK = task_of(GIFTS, SPLIT)


def test_the_oracle_is_right_in_everything() -> None:
    metrics = evaluate_predictions(oracle_predictions(SPLIT, TASK), SPLIT, TASK)
    for name in (
        "category_match_rate",
        "tool_match_rate",
        "category_recall_at_3",
        "category_ndcg_at_3",
        "tool_exact_rate",
        "reward_vs_best",
        "reward_spearman",
    ):
        assert metrics[name] == pytest.approx(1.0), name


@given(st.integers(0, 2**32 - 1))
def test_nothing_beats_the_oracle(seed: int) -> None:
    guess = random_predictions(np.random.default_rng(seed), len(SCENARIOS), 4, 3, len(GIFTS))
    metrics = evaluate_predictions(guess, SPLIT, TASK)
    best = evaluate_predictions(oracle_predictions(SPLIT, TASK), SPLIT, TASK)
    for name, value in metrics.items():
        if not name.endswith("_in_use"):
            assert value <= best[name] + 1e-12, name


@pytest.mark.slow
def test_chance_is_what_combinatorics_says() -> None:
    # 2 of 13 categories and 2 of 5 tools expected: a random ranking of the size of the shipped data.
    count = 4000
    labels = LabelTable(np.zeros((count, 13)), np.zeros((count, 5)))
    labels.categories[:, :2] = labels.tools[:, :2] = 1
    profiles = PROFILES.take(np.zeros(count, dtype=np.int64))
    guess = random_predictions(np.random.default_rng(2), count, 13, 5, len(GIFTS))
    metrics = evaluate_predictions(guess, split_of(profiles, labels), TASK)
    assert metrics["category_match_rate"] == pytest.approx(1 - comb(11, 3) / comb(13, 3), abs=0.03)
    assert metrics["category_recall_at_3"] == pytest.approx(3 / 13, abs=0.02)
    assert metrics["tool_match_rate"] == pytest.approx(1 - comb(3, 2) / comb(5, 2), abs=0.03)
    assert metrics["tool_exact_rate"] == pytest.approx(1 / comb(5, 2), abs=0.02)
    assert metrics["reward_spearman"] == pytest.approx(0.0, abs=0.03)
    assert metrics["average_reward"] == pytest.approx(random_list_reward(), abs=0.01)


def random_list_reward() -> float:
    """The mean reward of all ordered lists of three gifts for the first profile."""
    lists = np.stack(np.meshgrid(*[np.arange(len(GIFTS))] * 3), axis=-1).reshape(-1, 3)
    lists = lists[(np.diff(np.sort(lists, axis=1), axis=1) > 0).all(axis=1)]
    profile = PROFILES.take(np.zeros(len(lists), dtype=np.int64))
    return float(list_reward(profile, GIFTS, IMPLIED, lists).mean())


def test_random_metrics_are_the_mean_over_the_draws() -> None:
    averaged = random_metrics(np.random.default_rng(3), SPLIT, TASK, draws=4)
    rng = np.random.default_rng(3)
    single = [
        evaluate_predictions(random_predictions(rng, 3, 4, 3, len(GIFTS)), SPLIT, TASK) for _ in range(4)
    ]
    assert averaged == pytest.approx({name: np.mean([one[name] for one in single]) for name in single[0]})


def test_the_same_seed_gives_the_same_guesses() -> None:
    first, second = (random_predictions(np.random.default_rng(4), 5, 4, 3, 9) for _ in range(2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name))


def test_popularity_is_what_training_had_most_of_for_everyone() -> None:
    popular = popularity_predictions(2, TASK)
    # garden 1, kitchen 1, library 2 of 3 scenarios; compare 1, review 2, trend 3.
    np.testing.assert_allclose(popular.category_scores, [[1 / 3, 1 / 3, 2 / 3, 0]] * 2)
    np.testing.assert_allclose(popular.tool_scores, [[1 / 3, 2 / 3, 1]] * 2)
    mean = reward(PROFILES, GIFTS, IMPLIED).mean(axis=0)
    np.testing.assert_allclose(popular.predicted_reward, [mean] * 2)
    for row in popular.choices:
        assert row.tolist() == sorted(range(9), key=lambda gift: -mean[gift])[:3]


def test_popularity_is_the_same_however_many_profiles_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = popularity_predictions(1, TASK)
    monkeypatch.setattr(baselines, "CELLS", len(GIFTS))  # one profile at a time
    parts = popularity_predictions(1, TASK)
    np.testing.assert_allclose(parts.predicted_reward, whole.predicted_reward, rtol=1e-14)


def test_popularity_can_be_measured_on_scenarios_it_has_not_seen() -> None:
    task = task_of(GIFTS, SPLIT.take([0, 1]))
    metrics = evaluate_predictions(popularity_predictions(1, task), SPLIT.take([2]), task)
    assert metrics["category_match_rate"] == 1.0  # garden, kitchen, library tie; library is among the three
    assert metrics["tool_exact_rate"] == 0.0  # trend twice, compare and review once: compare comes first


# ----------------------------------------------------------------------------------- nearest neighbours


def test_neighbours_share_in_proportion_to_their_cosine() -> None:
    features = np.array([[1.0, 1.0, 0.0]])
    train = np.array([[1.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    # The cosines of the first two; nothing in common with the third, and the last is opposed.
    one, half = (
        1.0,
        np.sqrt(0.5),
    )
    expected = np.array([[one, half, 0, 0]]) / (one + half)
    np.testing.assert_allclose(neighbour_weights(features, train, neighbours=4), expected)
    np.testing.assert_allclose(neighbour_weights(features, train, neighbours=1), [[1, 0, 0, 0]])


def test_a_profile_like_none_takes_after_all() -> None:
    nothing = neighbour_weights(np.zeros((1, 2)), np.array([[1.0, 0.0], [0.0, 1.0]]), neighbours=1)
    np.testing.assert_allclose(nothing, [[0.5, 0.5]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8))
def test_shares_are_shares_of_at_most_so_many(seed: int, rows: int, neighbours: int) -> None:
    rng = np.random.default_rng(seed)
    weights = neighbour_weights(rng.normal(size=(4, 3)), rng.normal(size=(rows, 3)), neighbours)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    some_alike = (weights > 0).sum(axis=1)
    assert ((some_alike <= neighbours) | (some_alike == rows)).all()


def test_of_one_neighbour_the_labels_and_rewards_are_taken_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "NEIGHBOURS", 1)
    asked = profile_table([Profile(22, ("painting",), None, 140, "wedding", ("luxury",))], VOCABULARY)
    said = nearest_neighbour_predictions(asked, TASK)
    np.testing.assert_allclose(said.category_scores, LABELS.categories[[2]])  # it is most like scenario c
    np.testing.assert_allclose(said.tool_scores, LABELS.tools[[2]])
    rewards = reward(PROFILES.take([2]), GIFTS, IMPLIED)
    np.testing.assert_allclose(said.predicted_reward, rewards)
    assert said.choices[0].tolist() == np.argsort(-rewards[0], kind="stable")[:3].tolist()


def test_several_neighbours_are_mixed_by_their_weights() -> None:
    asked = profile_table([Profile(40, ("garden", "cooking"), "friend", 60, "birthday")], VOCABULARY)
    said = nearest_neighbour_predictions(asked, TASK)
    (weights,) = neighbour_weights(
        profile_features(asked, VOCABULARY), profile_features(PROFILES, VOCABULARY), neighbours=6
    )
    assert (weights > 0).sum() > 1
    expected = sum(w * LABELS.categories[i] for i, w in enumerate(weights))
    np.testing.assert_allclose(said.category_scores, [expected])
    rewards = reward(PROFILES, GIFTS, IMPLIED)
    np.testing.assert_allclose(said.predicted_reward[0], sum(w * rewards[i] for i, w in enumerate(weights)))


def test_features_are_what_was_said_and_zero_where_nothing_was() -> None:
    told, silent = profile_features(profile_table([SCENARIOS[1].profile, Profile()], VOCABULARY), VOCABULARY)
    assert not silent.any()
    # Age group, budget tier, relationship and two hobbies; then age (50 - 43) / 25, and the budget.
    assert sorted(told[told != 0])[-5:] == [1.0] * 5 and (told == 1.0).sum() == 5
    assert told[-2] == pytest.approx(7 / 25)
    assert told[-1] == pytest.approx(np.log(40 / 110) / np.log(1.25) / 4)


@pytest.mark.parametrize(("neighbours", "figures"), [(6, (0.51, 0.44, 0.77)), (1, (0.40, 0.20, 0.72))])
def test_so_many_neighbours_are_better_than_one_where_one_training_scenario_is_left_out_at_a_time(
    neighbours: int, figures: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "NEIGHBOURS", neighbours)
    task = task_from(load_dataset(), 96)
    train = task.train
    said = []
    for row in range(len(train)):
        others = replace(task, train=train.take(np.arange(len(train)) != row))
        said.append(vars(nearest_neighbour_predictions(train.profiles.take([row]), others)))
    together = Predictions(**{name: np.concatenate([one[name] for one in said]) for name in said[0]})
    metrics = evaluate_predictions(together, train, task)
    found = [metrics[name] for name in ("category_recall_at_3", "tool_exact_rate", "reward_vs_best")]
    assert found == pytest.approx(figures, abs=0.006)
