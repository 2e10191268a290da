"""Loss of training, worked by hand: each term, the total, and the targets behind them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.training.small_run import dataset, small, trainer
from trm_np.autograd import Tensor
from trm_np.autograd.ops import Array
from trm_np.config import LossConfig
from trm_np.data.encode import IGNORE_INDEX
from trm_np.data.tables import implied_categories
from trm_np.model.losses import (
    TERMS,
    Targets,
    embedding_norms,
    is_right,
    leads,
    loss_terms,
    semantic_loss,
    smoothed,
    targets_of,
    tool_loss,
    weighted_total,
)
from trm_np.model.trm import Outputs
from trm_np.world.reward import reward, reward_components

B, G, C, K, D = 2, 4, 13, 5, 8
TASK = trainer(small()).task


def log_odds(*probabilities: float) -> Tensor:
    p = np.array([probabilities])
    return Tensor(np.log(p / (1 - p)))


# -------------------------------------------------------------------------------------------- the terms


def test_the_semantic_loss_looks_at_the_categories_named_alone() -> None:
    named = np.array([[True, False, True]])
    assert semantic_loss(log_odds(0.5, 0.9, 0.8), named).item() == pytest.approx((0.5**2 + 0.2**2) / 2)
    assert semantic_loss(log_odds(0.5, 0.1, 0.8), named).item() == pytest.approx((0.5**2 + 0.2**2) / 2)
    assert semantic_loss(log_odds(0.5, 0.9, 0.8), ~named).item() == pytest.approx(0.1**2)


def test_the_semantic_loss_of_people_without_hobbies_is_nothing() -> None:
    assert semantic_loss(log_odds(0.5, 0.9), np.zeros((1, 2), bool)).item() == 0


def test_the_tool_loss_of_each_head_by_hand() -> None:
    target = np.array([[1.0, 0]])
    sigmoid = -(math.log(0.8) + math.log(1 - 0.3)) / 2
    assert tool_loss(log_odds(0.8, 0.3), target, "sigmoid").item() == pytest.approx(sigmoid)
    thirds = Tensor(np.log([[2.0, 1.0]]))  # softmax: two thirds, one third
    softmax = -(math.log(2 / 3) + math.log(1 - 1 / 3)) / 2
    assert tool_loss(thirds, target, "softmax").item() == pytest.approx(softmax, rel=1e-5)


def test_the_embedding_loss_is_the_sum_of_three_lengths() -> None:
    model = trainer(small()).model
    tables = (
        model.user_profiling.hobby_embedding,
        model.category_matching.category_embedding,
        model.user_profiling.preference_embedding,
    )
    for table, (first, second) in zip(tables, [(3, 4), (6, 8), (5, 12)], strict=True):
        table.weight.data[...] = 0
        table.weight.data[0, :2] = first, second
    assert embedding_norms(model).item() == pytest.approx(5 + 10 + 13)


def drawn() -> tuple[Outputs, Targets, tuple[Tensor, Array]]:
    """Something outputs, something true, the answer latent, and token logits with the tokens asked for."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Tensor:
        return Tensor(rng.normal(size=shape))

    outputs = Outputs(
        *(normal(B, C), normal(B, K), normal(B, G, 7), normal(B, G), normal(B, G)),
        *(normal(B, G), normal(B, G), normal(B), normal(B), normal(B, 3), normal(B, D)),
    )
    true = Targets(
        (rng.random((B, C)) < 0.3).astype(float),
        np.array([[1.0, 1, 0, 0, 0], [0, 0, 1, 0, 1]]),
        rng.random((B, C)) < 0.3,
        rng.random((B, G, 7)),
        rng.random((B, G)),
        rng.random((B, G)),
    )
    masked_targets = np.array([[IGNORE_INDEX, 4, IGNORE_INDEX], [IGNORE_INDEX, IGNORE_INDEX, 0]])
    return outputs, true, (normal(B, 3, 6), masked_targets)


def softmax(scores: Array) -> Array:
    power: Array = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return power / power.sum(axis=-1, keepdims=True)


def cross_entropy(logits: Array, target: Array) -> float:
    """Binary, of independent logits."""
    p = 1 / (1 + np.exp(-logits))
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())


def divergence(wanted: Array, logits: Array) -> float:
    return float((wanted * np.log(wanted / softmax(logits))).sum(axis=-1).mean())


def test_every_term_by_its_formula() -> None:
    outputs, true, tokens = drawn()
    model, loss = trainer(small()).model, LossConfig(temperature=0.5)
    assert model.core.halt_head.bias is not None
    model.core.halt_head.bias.data[...] = 0.3, -0.4
    terms = loss_terms(model, outputs, true, loss, tokens=tokens)

    liked = softmax(true.alone / 0.5)
    components = 1 / (1 + np.exp(-outputs.components.data))
    guesses = softmax(tokens[0].data)
    halt = softmax(np.array([0.3, -0.4]))  # the head's weights are still at rest: nobody looks right
    first = outputs.gift_logits.data.argmax(axis=1)
    expected = {
        "category": cross_entropy(outputs.category_logits.data, true.categories),
        "tool": cross_entropy(outputs.tool_logits.data, true.tools),
        "reward": np.square(outputs.reward.data - true.reward).mean()
        + np.square(components - true.components).mean()
        + divergence(liked, outputs.gift_logits.data),
        "semantic": semantic_loss(outputs.category_logits, true.named).item(),
        "embedding": embedding_norms(model).item(),
        "masked_tokens": -(math.log(guesses[0, 1, 4]) + math.log(guesses[1, 2, 0])) / 2,
        "halting": -np.log([halt[int(right)] for right in is_right(outputs, true)]).mean(),
        "policy": divergence(liked, outputs.policy_logits.data),
        "value": np.mean(
            [(outputs.value.data[b] - sum(sorted(true.alone[b])[-3:]) / 3) ** 2 for b in range(B)]
        ),
        "outcome": np.mean([(outputs.outcome.data[b] - true.alone[b, first[b]]) ** 2 for b in range(B)]),
        "gift_scorer": np.square(outputs.gift_scores.data - true.alone).mean(),
        "choice": 0.0,  # nobody chose (tests/training/test_choice_learning.py)
    }
    assert tuple(terms) == tuple(expected) == TERMS
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-6), name


def test_smoothing_changes_what_the_labels_say_and_nothing_else() -> None:
    outputs, true, tokens = drawn()
    model, loss = trainer(small()).model, LossConfig()
    plain = loss_terms(model, outputs, true, loss, tokens=tokens)
    smooth = loss_terms(model, outputs, true, loss, 0.3, tokens)
    labels = {
        "category": (outputs.category_logits, true.categories),
        "tool": (outputs.tool_logits, true.tools),
    }
    for name in TERMS:
        expected = plain[name].item()
        if name in labels:
            logits, label = labels[name]
            expected = cross_entropy(logits.data, 0.7 * label + 0.3 * label.mean(axis=1, keepdims=True))
            assert expected != pytest.approx(plain[name].item(), rel=1e-4)
        assert smooth[name].item() == pytest.approx(expected, rel=1e-6), name


def test_without_masked_tokens_there_is_nothing_to_guess() -> None:
    outputs, true, _ = drawn()
    terms = loss_terms(trainer(small()).model, outputs, true, LossConfig())
    assert terms["masked_tokens"].item() == 0


@given(
    st.lists(st.floats(0, 10), min_size=12, max_size=12), st.lists(st.floats(0, 1), min_size=12, max_size=12)
)
def test_the_total_is_the_weighted_sum(values: list[float], weights: list[float]) -> None:
    terms = {name: Tensor(np.float64(value)) for name, value in zip(TERMS, values, strict=True)}
    loss = replace(LossConfig(), **dict(zip(TERMS, weights, strict=True)))
    expected = sum(value * weight for value, weight in zip(values, weights, strict=True))
    assert weighted_total(terms, loss).item() == pytest.approx(expected)


# ------------------------------------------------------------------------------------- smoothed labels


LABELS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 5), st.integers(1, 8)))


def test_two_of_five_labels_smoothed() -> None:
    labels = np.array([[1.0, 1, 0, 0, 0]])
    np.testing.assert_allclose(smoothed(labels, 0.4), [[0.76, 0.76, 0.16, 0.16, 0.16]])
    np.testing.assert_allclose(smoothed(labels, 1), [[0.4] * 5])


@given(LABELS, st.floats(0, 1))
def test_smoothing_spreads_a_part_of_each_row_over_it(marks: Array, smoothing: float) -> None:
    labels = marks.astype(float)
    smooth = smoothed(labels, smoothing)
    for row, label in zip(smooth, labels, strict=True):
        part = smoothing * label.sum() / len(label)
        np.testing.assert_allclose(row, [(1 - smoothing) * one + part for one in label], atol=1e-12)
        assert row.sum() == pytest.approx(label.sum())
        assert row.min() >= 0 and row.max() <= 1 + 1e-12


@given(LABELS)
def test_without_smoothing_the_labels_stay_as_they_are(marks: Array) -> None:
    np.testing.assert_array_equal(smoothed(marks.astype(float), 0), marks)


# ------------------------------------------------------------------------------- whether it is right


@pytest.mark.parametrize(
    ("scores", "expected", "at_least", "lead"),
    [
        ([3, 2, 1, 0], [1, 1, 0, 0], 1, True),
        ([3, 2, 1, 0], [1, 0, 1, 0], 1, False),
        ([3, 2, 1, 0], [1, 0, 1, 0], 3, True),  # within the first three
        ([3, 2, 1, 0], [1, 0, 0, 1], 3, False),
        ([3, 2, 1, 0], [1, 1, 1, 1], 3, True),  # as many places as are expected
        ([3, 2, 1, 0], [0, 0, 0, 0], 1, True),  # nothing expected, nothing missed
        ([1, 1, 1, 1], [1, 0, 0, 0], 1, True),  # equal scores by index
        ([1, 1, 1, 1], [0, 0, 0, 1], 1, False),
    ],
)
def test_names_lead_where_they_fill_the_first_places(
    scores: list[float], expected: list[float], at_least: int, lead: bool
) -> None:
    assert leads(np.array([scores]), np.array([expected]), at_least).tolist() == [lead]


ROWS = hnp.arrays(np.float64, (3, 6), elements=st.floats(-5, 5))
MARKS = hnp.arrays(np.bool_, (3, 6))


@given(ROWS, MARKS, st.integers(1, 4))
def test_leading_is_what_a_sorted_list_says(scores: Array, marks: Array, at_least: int) -> None:
    for row, (score, mark) in enumerate(zip(scores, marks, strict=True)):
        ranking = sorted(range(6), key=lambda name: -score[name])
        places = max(at_least, mark.sum())
        expected = set(np.flatnonzero(mark)) <= set(ranking[:places])
        assert leads(scores, marks.astype(float), at_least)[row] == expected


@pytest.mark.parametrize(
    ("categories", "tools", "right"),
    [
        ([9, 8, 7, 0], [9, 8, 0], True),  # the second of the expected categories is third
        ([9, 8, 7, 0], [9, 0, 8], False),
        ([9, 8, 0, 7], [9, 8, 0], False),
        ([0, 9, 8, 7], [9, 8, 0], False),
    ],
)
def test_an_answer_is_right_if_categories_are_in_the_first_three_and_tools_in_the_first_two(
    categories: list[float], tools: list[float], right: bool
) -> None:
    outputs, true, _ = drawn()
    outputs = replace(outputs, category_logits=Tensor([categories]), tool_logits=Tensor([tools]))
    true = replace(true, categories=np.array([[1.0, 0, 1, 0]]), tools=np.array([[1.0, 1, 0]]))
    assert is_right(outputs, true).tolist() == [right]


# ------------------------------------------------------------------------------------------ the targets


def test_targets_are_labels_hobbies_and_the_world() -> None:
    profiles, labels = TASK.train.profiles, TASK.train.labels
    targets = targets_of(profiles, labels, TASK.gifts, TASK.implied)
    np.testing.assert_array_equal(targets.categories, labels.categories)
    np.testing.assert_array_equal(targets.tools, labels.tools)
    true = reward_components(profiles, TASK.gifts, TASK.implied)
    np.testing.assert_array_equal(targets.components, true.astype(np.float32))
    np.testing.assert_allclose(targets.reward, reward(profiles, TASK.gifts, TASK.implied), rtol=1e-6)
    np.testing.assert_array_equal(targets.alone, targets.reward)
    implied = implied_categories(TASK.gifts, TASK.vocabulary)
    for row, scenario in enumerate(dataset().train):
        hobbies = [TASK.vocabulary.hobbies.index(name) for name in scenario.profile.hobbies]
        assert targets.named[row].tolist() == [any(implied[h, c] for h in hobbies) for c in range(13)]


def test_gifts_picked_change_the_reward_but_not_what_a_gift_is_worth_alone() -> None:
    profiles, labels = TASK.train.profiles, TASK.train.labels
    picked = np.zeros((len(profiles), len(TASK.gifts)), bool)
    picked[3, [0, 5]] = True
    before = targets_of(profiles, labels, TASK.gifts, TASK.implied)
    after = targets_of(profiles, labels, TASK.gifts, TASK.implied, picked)
    np.testing.assert_allclose(after.alone, before.reward, rtol=1e-6)
    np.testing.assert_allclose(after.reward, reward(profiles, TASK.gifts, TASK.implied, picked), rtol=1e-6)
    changed = (after.components != before.components).any(axis=(1, 2))
    assert np.flatnonzero(changed).tolist() == [3]
    assert after.components[3, 0, 6] < before.components[3, 0, 6] == 1


def test_a_profile_without_hobbies_names_no_category() -> None:
    profiles = replace(TASK.train.profiles, hobbies=np.full_like(TASK.train.profiles.hobbies, -1))
    targets = targets_of(profiles, TASK.train.labels, TASK.gifts, TASK.implied)
    assert not targets.named.any()
