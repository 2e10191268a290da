"""The linear baseline: both regressions against a second way to fit them, and its strength chosen on rows left out."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.small_tasks import split_of, task_of
from tests.some_quick import some_quick
from tests.world.small_world import VOCABULARY, random_gifts
from trm_np.data.encode import content_width, encode_gifts
from trm_np.data.records import Profile
from trm_np.data.tables import Floats, LabelTable, gift_table, implied_categories, profile_table
from trm_np.evaluation.linear import linear_predictions
from trm_np.evaluation.metrics import Predictions, evaluate_predictions
from trm_np.model.regression import (
    MOST_ROWS,
    STRENGTHS,
    fit_best,
    log_loss,
    logistic_weights,
    ridge_weights,
    squared_error,
)
from trm_np.world.reward import reward

GIFTS = gift_table(random_gifts(np.random.default_rng(1), 12), VOCABULARY)
IMPLIED = implied_categories(GIFTS, VOCABULARY)
FEATURES = encode_gifts(GIFTS, VOCABULARY, content_width(VOCABULARY)).features.astype(np.float64)


def newton(features: Floats, label: Floats, strength: float) -> Floats:
    """Logistic regression of one label by Newton's method; the first weight is free of the penalty."""
    weights = np.zeros(features.shape[1])
    penalty = np.diag([0.0, *[strength] * (features.shape[1] - 1)])
    for _ in range(50):
        p = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (p - label) + penalty @ weights
        curvature = features.T @ (features * (p * (1 - p))[:, None]) + penalty
        weights = weights - np.linalg.solve(curvature, slope)
    return weights


@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
def test_logistic_regression_is_what_newton_finds_for_each_label(strength: float) -> None:
    rng = np.random.default_rng(2)
    features = np.column_stack([np.ones(40), rng.normal(size=(40, 3))])
    labels = (rng.random((40, 2)) < [0.3, 0.6]).astype(np.float64)
    weights = logistic_weights(features, labels, strength)
    for column in range(2):
        expected = newton(features, labels[:, column], strength)
        np.testing.assert_allclose(weights[:, column], expected, atol=1e-3)


def test_the_log_loss_is_that_of_the_probabilities() -> None:
    rng = np.random.default_rng(3)
    features, weights = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    labels = rng.integers(0, 2, (5, 2)).astype(np.float64)
    p = 1 / (1 + np.exp(-features @ weights))
    expected = -np.log(np.where(labels > 0, p, 1 - p)).sum()
    assert log_loss(features, labels, weights) == pytest.approx(expected)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.floats(0.01, 100))
def test_ridge_regression_is_that_on_all_products_written_down(
    seed: int, width: int, gift_width: int, strength: float
) -> None:
    rng = np.random.default_rng(seed)
    features, described = rng.normal(size=(6, width)), rng.normal(size=(5, gift_width))
    rewards = rng.normal(size=(6, 5))
    products = np.kron(features, described)  # a row for each pair, a column for each product
    expected = np.linalg.solve(
        products.T @ products + strength * np.eye(width * gift_width), products.T @ rewards.ravel()
    )
    weights = ridge_weights(described, features, rewards, strength)
    np.testing.assert_allclose(weights.ravel(), expected, atol=1e-9)
    error = ((products @ expected - rewards.ravel()) ** 2).sum()
    assert squared_error(described, features, rewards, weights) == pytest.approx(error)


def test_a_strength_is_judged_on_rows_that_the_fit_has_not_seen() -> None:
    rows = np.arange(7.0)[:, None]
    seen: list[set[float]] = []
    judged: dict[float, list[float]] = {}

    def fit(features: Floats, known: Floats, strength: float) -> Floats:
        seen.append(set(features[:, 0]))
        return np.array([strength])

    def error(features: Floats, known: Floats, weights: Floats) -> float:
        np.testing.assert_array_equal(features, known)
        assert not seen[-1] & set(features[:, 0]) and seen[-1] | set(features[:, 0]) == set(range(7))
        judged.setdefault(weights[0], []).extend(features[:, 0])
        return float((weights[0] - 3.0) ** 2)

    assert fit_best(fit, error, rows, rows).tolist() == [3.0]
    assert seen[-1] == set(range(7))
    assert {strength: sorted(found) for strength, found in judged.items()} == {
        strength: list(range(7)) for strength in STRENGTHS
    }


def test_the_strength_is_chosen_with_some_rows_and_the_weights_are_fitted_to_all() -> None:
    rows = np.arange(MOST_ROWS + 100.0)[:, None]
    sizes: list[int] = []

    def fit(features: Floats, known: Floats, strength: float) -> Floats:
        sizes.append(len(features))
        return features

    def error(features: Floats, known: Floats, weights: Floats) -> float:
        assert features.max() < MOST_ROWS and len(features) + len(weights) == MOST_ROWS
        return 0.0

    np.testing.assert_array_equal(fit_best(fit, error, rows, rows), rows)
    assert max(sizes[:-1]) < MOST_ROWS


def test_noise_gets_the_strongest_penalty_and_a_rule_a_weak_one() -> None:
    def fit(features: Floats, known: Floats, strength: float) -> Floats:
        return np.concatenate([[[strength]], ridge_weights(np.eye(1), features, known, strength)])

    def error(features: Floats, known: Floats, weights: Floats) -> float:
        return squared_error(np.eye(1), features, known, weights[1:])

    rng = np.random.default_rng(4)
    features = rng.normal(size=(60, 30))
    rule = features @ rng.normal(size=(30, 1))
    noise = rng.normal(size=(60, 1))
    assert fit_best(fit, error, features, rule)[0] == STRENGTHS[0]
    assert fit_best(fit, error, features, noise)[0] == STRENGTHS[-1]


def people(count: int, seed: int) -> list[Profile]:
    """One or two hobbies each, the rest drawn too."""
    rng = np.random.default_rng(seed)
    return [
        Profile(
            age=float(rng.integers(20, 60)),
            hobbies=tuple(rng.choice(VOCABULARY.hobbies, rng.integers(1, 3), replace=False).tolist()),
            relationship=str(rng.choice(VOCABULARY.relationships)),
            budget=float(rng.uniform(40, 200)),
            occasion=str(rng.choice(VOCABULARY.occasions)),
        )
        for _ in range(count)
    ]


def linear(train: list[Profile], asked: list[Profile]) -> tuple[Predictions, LabelTable]:
    """Scenarios in which a hobby decides the category and the occasion the tool; and the right labels."""

    def right(profiles: list[Profile]) -> LabelTable:
        categories = [[name in profile.hobbies for name in VOCABULARY.hobbies] for profile in profiles]
        wedding = np.array([profile.occasion == "wedding" for profile in profiles])
        return LabelTable(
            np.array(categories, np.float64), np.column_stack([wedding, ~wedding, wedding]).astype(np.float64)
        )

    tables = [profile_table(profiles, VOCABULARY) for profiles in (train, asked)]
    return linear_predictions(tables[1], task_of(GIFTS, split_of(tables[0], right(train)))), right(asked)


def test_what_is_linear_is_learnt_from_scenarios_and_holds_for_others() -> None:
    asked = people(40, seed=6)
    said, labels = linear(people(60, seed=5), asked)
    np.testing.assert_array_equal(said.category_scores > 0, labels.categories > 0)
    np.testing.assert_array_equal(said.tool_scores > 0, labels.tools > 0)
    profiles = profile_table(asked, VOCABULARY)
    split = split_of(profiles, labels)
    metrics = evaluate_predictions(said, split, task_of(GIFTS, split))
    assert metrics["category_recall_at_3"] == metrics["tool_exact_rate"] == 1.0
    assert metrics["reward_spearman"] > 0.8 and metrics["reward_vs_best"] > 0.9
    error = said.predicted_reward - reward(profiles, GIFTS, IMPLIED)
    assert np.abs(error).mean() < 0.08
    for row, choices in zip(said.predicted_reward, said.choices, strict=True):
        assert choices.tolist() == np.argsort(-row, kind="stable")[:3].tolist()


def test_one_scenario_to_learn_from_and_a_profile_without_fields_are_enough() -> None:
    said, _ = linear(people(1, seed=7), [Profile()])
    for values in vars(said).values():
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "module", some_quick(["linear", "choices", "choice_baselines"], "choice_baselines".__eq__)
)
def test_importing_it_does_not_import_scipy(module: str) -> None:
    code = f"import sys, trm_np.evaluation.{module}; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
