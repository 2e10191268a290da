"""The pieces of which the start is made: bases, linear maps, numbers as directions, comparisons, even ballots."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd.init import orthogonal
from trm_np.autograd.ops import Array
from trm_np.config import resolve
from trm_np.data.encode import scaled_age, scaled_money
from trm_np.data.load import load_dataset
from trm_np.data.task import task_from
from trm_np.model.broadcasting import fold
from trm_np.model.tool_selection import even_share
from trm_np.model.word_start import (
    COMPARISON_STEP,
    FARTHEST,
    NUMBER,
    along_direction_,
    as_linear_map_,
    as_scaled_sum_,
    base_rate_scores,
    compare_numbers_,
    orthonormal_basis,
    tiled_identity,
)

SEEDS = st.integers(0, 2**32 - 1)
TRAIN = task_from(load_dataset(), resolve("tiny").model.gift_features).train

# ------------------------------------------------------------------------------------- words and maps


@st.composite
def rows_and_shape(draw: st.DrawFn) -> tuple[Array, tuple[int, int]]:
    """Orthonormal rows, and the shape of a basis with room for them."""
    count, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rows = draw(st.integers(0, min(count, width)))
    rng = np.random.default_rng(draw(SEEDS))
    return np.linalg.qr(rng.normal(size=(width, rows)))[0].T, (count, width)


@given(rows_and_shape(), SEEDS)
def test_a_basis_keeps_orthonormal_rows_and_adds_as_many_as_there_is_room_for(
    given_rows: tuple[Array, tuple[int, int]], seed: int
) -> None:
    rows, shape = given_rows
    basis = orthonormal_basis(rows, shape, np.random.default_rng(seed))
    assert basis.shape == shape
    np.testing.assert_allclose(basis[: len(rows)], rows, atol=1e-6)
    room = min(shape)
    np.testing.assert_allclose(basis[:room] @ basis[:room].T, np.eye(room), atol=1e-6)
    assert not basis[room:].any()


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), SEEDS)
def test_a_basis_spans_rows_that_lie_askew_or_are_too_many(n: int, count: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, width))
    basis = orthonormal_basis(rows, (count, width), rng)[: min(count, width)].astype(np.float64)
    spanned = rows[: len(basis)]
    np.testing.assert_allclose(spanned @ basis.T @ basis, spanned, atol=1e-5)


@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8), SEEDS)
def test_an_opened_pair_is_its_view(outputs: int, more: int, inputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = nn.Linear(inputs, outputs + more, rng=rng)
    second = nn.Linear(outputs + more, outputs, rng=rng)
    view = orthogonal(rng, (outputs, inputs))
    as_linear_map_(first, second, view, rng)
    x = Tensor(rng.uniform(-0.4, 0.4, (5, inputs)).astype(np.float32))
    np.testing.assert_allclose(second(first(x).relu()).data, x.data @ view.T, atol=1e-5)


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.01, 5), SEEDS)
def test_an_opened_sum_is_the_sum(inputs: int, hidden: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = nn.Linear(inputs, hidden, rng=rng), nn.Linear(hidden, 1, rng=rng)
    as_scaled_sum_(first, second, scale, rng)
    x = Tensor(rng.uniform(-0.4, 0.4, (5, inputs)).astype(np.float32))
    np.testing.assert_allclose(
        second(first(x).relu()).data, scale * x.data.sum(axis=1, keepdims=True), atol=1e-5 * max(1, scale)
    )


@given(st.integers(1, 5), st.integers(1, 5), SEEDS)
def test_a_vector_unfolded_keeps_its_length_and_folds_back(narrow: int, copies: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, narrow)).astype(np.float32)
    wide = x @ tiled_identity(narrow * copies, narrow).T
    np.testing.assert_allclose(np.linalg.norm(wide, axis=1), np.linalg.norm(x, axis=1), rtol=1e-5)
    np.testing.assert_allclose(fold(Tensor(wide), narrow).data, copies**0.5 * x, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------- numbers


def number_encoder(width: int, rng: np.random.Generator) -> nn.Sequential:
    """Number encoder as for age or budget."""
    return nn.Sequential(nn.Linear(1, width, rng=rng), nn.SiLU(), nn.Linear(width, width, rng=rng))


def column(*numbers: float) -> Tensor:
    return Tensor(np.array(numbers, np.float32)[:, None])


@given(st.integers(1, 16), SEEDS, st.floats(19, 68), st.floats(45, 250))
def test_a_number_is_one_direction_as_long_as_the_number_is_great(
    width: int, seed: int, age: float, budget: float
) -> None:
    """Within a tenth of a unit, which is half a year of age, or 2 % of a budget."""
    rng = np.random.default_rng(seed)
    encoder = number_encoder(width, rng)
    direction = along_direction_(encoder, rng)
    numbers = (float(scaled_age(np.array(age))), float(scaled_money(np.array(budget))), 0.0)
    with no_grad():
        encoded = encoder(column(*numbers)).data
    assert direction.shape == (1, width)
    assert math.isclose(np.linalg.norm(direction), NUMBER)
    along = encoded @ direction.T / NUMBER**2
    np.testing.assert_allclose(encoded, along * direction, atol=1e-5)
    np.testing.assert_allclose(along[:, 0], numbers, atol=0.1)
    np.testing.assert_allclose(encoded[-1], np.zeros(width), atol=1e-5)  # an unknown number says nothing


@given(st.integers(1, 9), st.integers(1, 2), st.integers(1, 12), SEEDS)
def test_each_unit_asks_whether_a_difference_passes_a_threshold(
    width: int, numbers: int, units: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hidden, said = nn.Linear(width + numbers, units, rng=rng), rng.normal(size=(1, width))
    compare_numbers_(hidden, said, rng)
    persons, gifts = rng.uniform(-5, 5, size=(20, 1)), rng.uniform(-5, 5, size=(20, numbers))
    with no_grad():
        answers = hidden(Tensor(np.concatenate([persons @ said, gifts], axis=1))).relu().data

    assert hidden.bias is not None
    sign = np.array([-1.0 if unit % 2 else 1.0 for unit in range(units)])
    # Both questions of one, then of the other.
    number = np.array([unit // 2 % numbers for unit in range(units)])
    thresholds = -hidden.bias.data / (sign * COMPARISON_STEP)
    np.testing.assert_allclose(np.sort(thresholds), np.linspace(-FARTHEST, FARTHEST, units), atol=1e-5)
    difference = gifts[:, number] - persons
    expected = COMPARISON_STEP * np.maximum(sign * (difference - thresholds), 0)
    np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_a_threshold_is_asked_from_both_sides_of_it() -> None:
    """Two units, thresholds -6 and 6 in either order: one asks for more than its own, the other for less."""
    rng = np.random.default_rng(0)
    hidden = nn.Linear(2, 2, rng=rng)
    compare_numbers_(hidden, np.array([[1.0]]), rng)
    with no_grad():
        more, less = hidden(Tensor([[0.0, 100.0], [0.0, -100.0]])).relu().data.T
    assert more[0] > 0 == more[1]
    assert less[1] > 0 == less[0]


# ----------------------------------------------------------------------------------------- even ballots


def shares_of(given_tools: Array, vote: float = 1.0) -> Array:
    """Share of each tool in a vote by these labels (N, K), given to the first training scenarios."""
    train = TRAIN.take(np.arange(len(given_tools)))
    given = replace(train, labels=replace(train.labels, tools=given_tools.astype(np.float64)))
    scores = base_rate_scores(given, vote)
    shares: Array = softmax(np.append(scores, 0.0))[:-1]  # abstention scores 0
    return shares


def words_of(count: int) -> float:
    """Number of words in each of the first training scenarios: four fields, its hobbies and preferences."""
    profiles = [scenario.profile for scenario in load_dataset().train[:count]]
    return 4 + sum(len(p.hobbies) + len(p.preferences) for p in profiles) / count


def with_a_tool_each(labels: Array) -> Array:
    """The labels, and the first tool where there is none: a row without labels is one of which nothing is known."""
    labels[:, 0] |= ~labels.any(axis=1)
    return labels


LABELS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 25), st.integers(1, 7))).map(with_a_tool_each)


@given(LABELS, st.sampled_from([1.0, 2.0]))
def test_an_even_ballot_gives_the_base_rates_where_votes_can(labels: Array, vote: float) -> None:
    often, words = np.clip(labels.mean(axis=0), 0.01, 0.99), words_of(len(labels))
    wanted = even_share(labels.shape[1]) + np.log(often / (1 - often)) / (vote * words)
    shares = shares_of(labels, vote)
    assert (shares > 0).all() and shares.sum() < 1
    if (wanted >= 0.01).all() and wanted.sum() <= 0.99:
        logits = vote * words * (shares - even_share(labels.shape[1]))
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), often, atol=1e-9)


@given(LABELS)
def test_a_tool_given_more_often_never_starts_behind(labels: Array) -> None:
    often, shares = labels.mean(axis=0), shares_of(labels)
    assert (np.diff(shares[np.argsort(often)]) >= -1e-12).all()


def test_tools_each_given_half_of_the_time_start_even() -> None:
    labels = np.array([[True, False, True], [False, True, False]])
    np.testing.assert_allclose(shares_of(labels), [1 / 4] * 3)


def test_a_tool_always_or_never_given_gets_as_much_of_a_ballot_as_there_is() -> None:
    always, never, half = shares_of(np.array([[True, False, True], [True, False, False]]))
    # What the first has too much, the others have too little.
    assert 0 < never < half < even_share(3) < always
    assert math.isclose(always + never + half, 0.99)
    np.testing.assert_allclose(shares_of(np.array([[True]])), [0.99])


def test_scenarios_without_tools_say_nothing_of_them() -> None:
    some = np.array([[True, False, True], [True, False, False], [False, True, False]])
    none = np.zeros((1, 3), np.bool_)
    labels = replace(TRAIN.labels, tools=np.concatenate([some, none]).astype(np.float64))
    train = replace(TRAIN.take([0, 1, 2, 0]), labels=labels)
    alone = replace(TRAIN.take([0, 1, 2, 0]), labels=replace(labels, tools=some.astype(np.float64)))
    np.testing.assert_array_equal(base_rate_scores(train, 1.0), base_rate_scores(alone, 1.0))
    np.testing.assert_allclose(shares_of(none), [1 / 4] * 3)
