"""The baselines: chance as combinatorics has it, popularity as counted, and an oracle that nothing beats."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.world.small_world import VOCABULARY, random_gifts
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import LabelTable, gift_table, implied_categories, label_table, profile_table
from trm_np.world.baselines import (
    oracle_predictions,
    popularity_predictions,
    random_metrics,
    random_predictions,
)
from trm_np.world.metrics import evaluate_predictions
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


def test_the_oracle_is_right_in_everything() -> None:
    metrics = evaluate_predictions(
        oracle_predictions(LABELS, PROFILES, GIFTS, IMPLIED), LABELS, PROFILES, GIFTS, IMPLIED
    )
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
    metrics = evaluate_predictions(guess, LABELS, PROFILES, GIFTS, IMPLIED)
    oracle = oracle_predictions(LABELS, PROFILES, GIFTS, IMPLIED)
    best = evaluate_predictions(oracle, LABELS, PROFILES, GIFTS, IMPLIED)
    for name, value in metrics.items():
        if not name.endswith("_in_use"):
            assert value <= best[name] + 1e-12, name


def test_chance_is_what_combinatorics_says() -> None:
    # 2 of 13 categories and 2 of 5 tools expected: a random ranking of the size of the shipped data.
    count = 4000
    labels = LabelTable(np.zeros((count, 13)), np.zeros((count, 5)))
    labels.categories[:, :2] = labels.tools[:, :2] = 1
    profiles = PROFILES.take(np.zeros(count, dtype=np.int64))
    guess = random_predictions(np.random.default_rng(2), count, 13, 5, len(GIFTS))
    metrics = evaluate_predictions(guess, labels, profiles, GIFTS, IMPLIED)
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
    averaged = random_metrics(np.random.default_rng(3), LABELS, PROFILES, GIFTS, IMPLIED, draws=4)
    rng = np.random.default_rng(3)
    single = [
        evaluate_predictions(random_predictions(rng, 3, 4, 3, len(GIFTS)), LABELS, PROFILES, GIFTS, IMPLIED)
        for _ in range(4)
    ]
    assert averaged == pytest.approx({name: np.mean([one[name] for one in single]) for name in single[0]})


def test_the_same_seed_gives_the_same_guesses() -> None:
    first, second = (random_predictions(np.random.default_rng(4), 5, 4, 3, 9) for _ in range(2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name))


def test_popularity_is_what_training_had_most_of_for_everyone() -> None:
    popular = popularity_predictions(LABELS, PROFILES, GIFTS, IMPLIED, n_profiles=2)
    # garden 1, kitchen 1, library 2 of 3 scenarios; compare 1, review 2, trend 3.
    np.testing.assert_allclose(popular.category_scores, [[1 / 3, 1 / 3, 2 / 3, 0]] * 2)
    np.testing.assert_allclose(popular.tool_scores, [[1 / 3, 2 / 3, 1]] * 2)
    mean = reward(PROFILES, GIFTS, IMPLIED).mean(axis=0)
    np.testing.assert_allclose(popular.predicted_reward, [mean] * 2)
    for row in popular.choices:
        assert row.tolist() == sorted(range(9), key=lambda gift: -mean[gift])[:3]


def test_popularity_can_be_measured_on_scenarios_it_has_not_seen() -> None:
    train, unseen = LABELS.take([0, 1]), LABELS.take([2])
    popular = popularity_predictions(train, PROFILES.take([0, 1]), GIFTS, IMPLIED, n_profiles=1)
    metrics = evaluate_predictions(popular, unseen, PROFILES.take([2]), GIFTS, IMPLIED)
    assert metrics["category_match_rate"] == 1.0  # garden, kitchen, library tie; library is among the three
    assert metrics["tool_exact_rate"] == 0.0  # trend twice, compare and review once: compare comes first
