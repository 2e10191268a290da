"""The metrics: an example worked by hand, SciPy as a second opinion, what holds for any prediction."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from tests.evaluation.small_tasks import split_of, task_of
from tests.world.small_world import VOCABULARY, random_gifts
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import (
    LabelTable,
    gift_table,
    label_table,
    profile_table,
)
from trm_np.evaluation.metrics import (
    Predictions,
    averages,
    evaluate_predictions,
    scenario_values,
    selected_tools,
    top_categories,
)
from trm_np.world.reward import best_lists, list_reward, reward

SCENARIOS = [
    Scenario(
        "a", Profile(30, ("garden",), "mother", 90, "birthday"), ("garden", "library"), ("compare", "trend")
    ),
    Scenario("b", Profile(50, ("cooking", "reading"), "friend", 40), ("kitchen",), ("review", "trend")),
]


GIFTS = gift_table(random_gifts(np.random.default_rng(0), 8), VOCABULARY)
PROFILES = profile_table([scenario.profile for scenario in SCENARIOS], VOCABULARY)
SPLIT = split_of(PROFILES, label_table(SCENARIOS, VOCABULARY))
TASK = task_of(GIFTS, SPLIT)
WORLD = (PROFILES, GIFTS, TASK.implied)


def predictions(**changes: np.ndarray) -> Predictions:
    """Categories garden, kitchen, library, studio; tools compare, review, trend; eight gifts."""
    usual = Predictions(
        category_scores=np.array([[0.9, 0.1, 0.3, 0.8], [0.9, 0.2, 0.8, 0.7]]),
        tool_scores=np.array([[5.0, -1.0, 3.0], [4.0, 3.0, 0.0]]),
        choices=np.array([[0, 1, 2], [5, 4, 3]]),
        predicted_reward=np.arange(16.0).reshape(2, 8),
    )
    return replace(usual, **changes)


def measure(**changes: np.ndarray) -> dict[str, float]:
    return evaluate_predictions(predictions(**changes), SPLIT, TASK)


def test_an_example_worked_by_hand() -> None:
    metrics = measure()
    # a ranks garden, studio, library (right in places 1 and 3, both expected found);
    # b ranks garden, library, studio, and misses its only category, kitchen.
    assert metrics["category_match_rate"] == 1 / 2
    assert metrics["category_recall_at_3"] == 1 / 2
    assert metrics["category_precision_at_3"] == pytest.approx((2 / 3 + 0) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert metrics["category_ndcg_at_3"] == pytest.approx((1 + 1 / 2) / ideal / 2)
    # a selects compare and trend, both right; b selects compare and review, of which review is right.
    assert metrics["tool_match_rate"] == 1.0
    assert metrics["tool_exact_rate"] == 1 / 2
    assert metrics["categories_in_use"] == 3
    assert metrics["tools_in_use"] == 3


def test_rewards_are_true_rewards() -> None:
    metrics = measure()
    average = list_reward(*WORLD, predictions().choices).mean()
    assert metrics["average_reward"] == pytest.approx(average)
    assert metrics["recommendation_quality"] == pytest.approx((metrics["category_match_rate"] + average) / 2)
    assert metrics["reward_vs_best"] == pytest.approx(average / best_lists(*WORLD)[1].mean())
    assert measure(predicted_reward=np.full((2, 8), 9.0))["average_reward"] == metrics["average_reward"]


@pytest.mark.parametrize("rows", [[0], [1], [1, 0], [0, 0, 1]])
def test_the_metrics_of_any_scenarios_are_averages_of_the_values_of_each(rows: list[int]) -> None:
    values = scenario_values(predictions(), SPLIT, TASK)
    assert {value.shape for value in values.values()} == {(2,)}
    some = Predictions(*(table[rows] for table in vars(predictions()).values()))
    metrics = evaluate_predictions(some, SPLIT.take(rows), TASK)
    averaged = averages({name: value[rows] for name, value in values.items()})
    assert {name: metrics[name] for name in averaged} == pytest.approx(averaged)
    assert sorted(set(metrics) - set(averaged)) == ["categories_in_use", "tools_in_use"]


def test_averages_are_taken_of_each_resample() -> None:
    values = scenario_values(predictions(), SPLIT, TASK)
    resamples = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]])
    together = averages({name: value[resamples] for name, value in values.items()})
    for number, rows in enumerate(resamples):
        single = averages({name: value[rows] for name, value in values.items()})
        assert {name: found[number] for name, found in together.items()} == pytest.approx(single)


def test_the_first_three_and_the_two_selected_are_in_order() -> None:
    assert top_categories(predictions().category_scores).tolist() == [[0, 3, 2], [0, 2, 3]]
    assert selected_tools(predictions().tool_scores).tolist() == [[0, 2], [0, 1]]


def test_all_metrics_are_plain_numbers_in_this_order() -> None:
    metrics = measure()
    assert list(metrics) == [
        "category_match_rate",
        "tool_match_rate",
        "average_reward",
        "recommendation_quality",
        "category_recall_at_3",
        "category_precision_at_3",
        "category_ndcg_at_3",
        "tool_exact_rate",
        "reward_vs_best",
        "reward_spearman",
        "categories_in_use",
        "tools_in_use",
    ]
    assert all(type(value) is float for value in metrics.values())


def test_equal_scores_are_ranked_by_index() -> None:
    level = measure(category_scores=np.zeros((2, 4)), tool_scores=np.zeros((2, 3)))
    first = measure(
        category_scores=np.array([[4.0, 3.0, 2.0, 1.0]] * 2), tool_scores=np.array([[3.0, 2.0, 1.0]] * 2)
    )
    assert level == first
    assert (level["categories_in_use"], level["tools_in_use"]) == (3, 2)


@pytest.mark.parametrize(
    ("expected", "exact"),
    [
        (("compare",), 1.0),  # the first of the ranking compare, trend, review
        (("trend",), 0.0),
        (("compare", "trend"), 1.0),
        (("compare", "review"), 0.0),
        (("compare", "review", "trend"), 1.0),
    ],
)
def test_tools_are_exact_when_all_expected_come_first(expected: tuple[str, ...], exact: float) -> None:
    scenario = replace(SCENARIOS[0], expected_tools=expected)
    one = Predictions(
        np.zeros((1, 4)), np.array([[3.0, 1.0, 2.0]]), np.array([[0, 1, 2]]), np.arange(8.0)[None]
    )
    split = split_of(PROFILES.take([0]), label_table([scenario], VOCABULARY))
    metrics = evaluate_predictions(one, split, TASK)
    assert metrics["tool_exact_rate"] == exact


@given(st.lists(st.lists(st.integers(0, 5), min_size=8, max_size=8), min_size=2, max_size=2))
def test_rank_correlation_agrees_with_scipy(predicted: list[list[int]]) -> None:
    true = reward(*WORLD)
    expected = [
        0.0 if len(set(row)) == 1 else spearmanr(row, truth).statistic
        for row, truth in zip(predicted, true, strict=True)
    ]
    metrics = measure(predicted_reward=np.array(predicted, dtype=np.float64))
    assert metrics["reward_spearman"] == pytest.approx(np.mean(expected), abs=1e-12)


@given(
    st.lists(st.permutations([0.1, 0.2, 0.3, 0.4]), min_size=2, max_size=2),
    st.floats(0.1, 10),
    st.floats(-5, 5),
)
def test_only_the_order_of_scores_matters(scores: list[list[float]], scale: float, shift: float) -> None:
    table = np.array(scores)
    assert measure(category_scores=table) == measure(category_scores=scale * table + shift)


@given(st.lists(st.permutations([1.0, 2.0, 3.0, 4.0]), min_size=2, max_size=2))
def test_the_metrics_of_categories_keep_their_bounds_and_order(scores: list[list[float]]) -> None:
    metrics = measure(category_scores=np.array(scores))
    recall, match = metrics["category_recall_at_3"], metrics["category_match_rate"]
    assert 0 <= recall <= match <= 1
    assert 0 <= metrics["category_ndcg_at_3"] <= 1
    # Three of four categories are the top three: a hit for all that are expected but the last of the ranking.
    hits = sum(
        VOCABULARY.categories[index] in scenario.expected_categories
        for row, scenario in zip(scores, SCENARIOS, strict=True)
        for index in range(4)
        if row[index] != min(row)
    )
    assert metrics["category_precision_at_3"] == pytest.approx(hits / 6)


@pytest.mark.parametrize("field", ["category_scores", "tool_scores", "predicted_reward"])
def test_a_score_that_is_not_a_number_is_refused(field: str) -> None:
    table = getattr(predictions(), field).copy()
    table[1, 2] = np.nan
    with pytest.raises(ValueError, match=f"{field} holds NaN in row 1"):
        measure(**{field: table})


@pytest.mark.parametrize("field", ["category_scores", "tool_scores", "predicted_reward"])
def test_scores_of_another_shape_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must have shape"):
        measure(**{field: getattr(predictions(), field)[:, :-1]})


def test_a_gift_recommended_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="same gift twice"):
        measure(choices=np.array([[0, 0, 1], [1, 2, 3]]))


def unlabelled(labels: LabelTable, categories: list[bool], tools: list[bool]) -> LabelTable:
    """The labels where True, none elsewhere."""
    return LabelTable(
        labels.categories * np.array(categories)[:, None], labels.tools * np.array(tools)[:, None]
    )


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=2))
def test_a_scenario_counts_where_it_expects_something(known: list[tuple[bool, bool]]) -> None:
    categories, tools = map(list, zip(*known, strict=True))
    whole = measure()
    part = split_of(PROFILES, unlabelled(SPLIT.labels, categories, tools))
    found = evaluate_predictions(predictions(), part, TASK)
    values = scenario_values(predictions(), SPLIT, TASK)
    for metric, value, rows in (
        ("category_match_rate", "category_match", categories),
        ("category_recall_at_3", "category_recall", categories),
        ("category_ndcg_at_3", "category_ndcg", categories),
        ("tool_match_rate", "tool_match", tools),
        ("tool_exact_rate", "tool_exact", tools),
    ):
        assert (metric in found) == any(rows)
        if any(rows):
            assert found[metric] == values[value][rows].mean()
    for metric in ("average_reward", "reward_vs_best", "reward_spearman"):
        assert found[metric] == whole[metric]
    if any(categories):
        expected = (found["category_match_rate"] + found["average_reward"]) / 2
    else:
        expected = found["average_reward"]
    assert found["recommendation_quality"] == pytest.approx(expected)
