"""Votes of the words for tools: their bounds, which of them count, and what must not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from trm_np.autograd import Tensor, no_grad
from trm_np.autograd.ops import Array
from trm_np.config import resolve
from trm_np.model.broadcasting import fold
from trm_np.model.tool_selection import TOOL_GAIN, ToolSelection, even_share
from trm_np.model.word_start import zero_

CONFIG = resolve("tiny").model
U, D, W = CONFIG.user_width, 2 * CONFIG.user_width, CONFIG.tool_width

SEEDS = st.integers(0, 2**32 - 1)
TOOLS = st.integers(1, 6)
PADDING = hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 7)))


def selection(tools: int, seed: int = 0) -> ToolSelection:
    """One with random weights, in float64, whose ballots are neither even nor quite decided."""
    part = ToolSelection(CONFIG, tools, np.random.default_rng(seed))
    part.astype(np.float64)
    for parameter in part.score.parameters():
        parameter.data *= 4 / TOOL_GAIN
    return part


def drawn(padding: Array, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """u (B, U), h (B, D) and words (B, S, D) for so many people and places."""
    rng = np.random.default_rng(seed)
    b, s = padding.shape
    u, h, words = rng.normal(size=(b, U)), rng.normal(size=(b, D)), rng.normal(size=(b, s, D))
    return Tensor(u), Tensor(h), Tensor(words)


def said(part: ToolSelection, u: Tensor, h: Tensor, words: Tensor, padding: Array) -> tuple[Array, Array]:
    """Tool logits and tool parameters."""
    with no_grad():
        logits, parameters = part(u, h, words, padding)
    return logits.data, parameters.data


def ballots(part: ToolSelection, scores: Array) -> Array:
    """Vote by a single word with the scores (N, K): its logits, with those of an even vote added back."""
    part.score.weight.data[...] = np.eye(scores.shape[1], W) / TOOL_GAIN
    assert part.score.bias is not None
    part.score.bias.data[...] = 0
    words = np.zeros((len(scores), 1, W))
    words[:, 0, : scores.shape[1]] = scores
    with no_grad():
        logits: Array = part.count_votes(Tensor(words), np.ones((len(scores), 1), bool)).data
    return logits / CONFIG.tool_vote + even_share(scores.shape[1])


# -------------------------------------------------------------------------------------------- a ballot


SCORES = st.integers(1, 6).flatmap(lambda k: hnp.arrays(np.float64, (3, k), elements=st.floats(-50, 50)))


@given(SCORES)
def test_a_ballot_is_a_softmax_over_the_tools_and_abstention(scores: Array) -> None:
    with_abstention = np.concatenate([scores, np.zeros((3, 1))], axis=1)
    expected = softmax(with_abstention, axis=1)[:, :-1]
    np.testing.assert_allclose(ballots(selection(scores.shape[1]), scores), expected, atol=1e-12)


@given(SCORES)
def test_a_word_has_one_vote_and_no_more(scores: Array) -> None:
    votes = ballots(selection(scores.shape[1]), scores)
    assert (votes >= -1e-12).all()
    assert (votes.sum(axis=1) <= 1 + 1e-12).all()


def test_a_word_may_vote_for_one_tool_for_several_or_for_none() -> None:
    scores = np.array([[50.0, 0, 0], [50, 50, 0], [-50, -50, -50], [0, 0, 0]])
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 0], [0.25, 0.25, 0.25]]
    np.testing.assert_allclose(ballots(selection(3), scores), expected, atol=1e-12)


@given(PADDING, TOOLS, SEEDS)
def test_an_even_ballot_gives_no_tool_anything(padding: Array, tools: int, seed: int) -> None:
    part = selection(tools, seed)
    zero_(part.score)
    logits, _ = said(part, *drawn(padding, seed), padding)
    np.testing.assert_allclose(logits, np.zeros((len(padding), tools)), atol=1e-12)


@given(PADDING, TOOLS, SEEDS)
def test_the_votes_of_the_words_add_up(padding: Array, tools: int, seed: int) -> None:
    part, rng = selection(tools, seed), np.random.default_rng(seed)
    hidden = rng.normal(size=(*padding.shape, W))
    with no_grad():
        together = part.count_votes(Tensor(hidden), ~padding).data
        for row, column in zip(*np.nonzero(~padding), strict=True):
            alone = Tensor(hidden[row : row + 1, column : column + 1])
            together[row] -= part.count_votes(alone, np.ones((1, 1), bool)).data[0]
    np.testing.assert_allclose(together, np.zeros((len(padding), tools)), atol=1e-12)


# ----------------------------------------------------------------------------------------- who votes


@given(PADDING, TOOLS, SEEDS)
def test_where_nothing_is_said_nobody_votes(padding: Array, tools: int, seed: int) -> None:
    nothing = np.ones_like(padding)
    logits, _ = said(selection(tools, seed), *drawn(padding, seed), nothing)
    assert not logits.any()


@given(PADDING, TOOLS, SEEDS)
def test_what_stands_in_a_padded_place_has_no_vote(padding: Array, tools: int, seed: int) -> None:
    part, (u, h, words) = selection(tools, seed), drawn(padding, seed)
    other = Tensor(np.where(padding[..., None], 7 * words.data[:, ::-1] + 1, words.data))
    for before, after in zip(said(part, u, h, words, padding), said(part, u, h, other, padding), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-12)


@given(PADDING, TOOLS, SEEDS)
def test_a_padded_place_is_as_good_as_none(padding: Array, tools: int, seed: int) -> None:
    part, (u, h, words) = selection(tools, seed), drawn(padding, seed)
    together = said(part, u, h, words, padding)
    for row, absent in enumerate(padding):
        kept = Tensor(words.data[[row]][:, ~absent])
        alone = said(part, u[row : row + 1], h[row : row + 1], kept, padding[[row]][:, ~absent])
        for several, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[0], several[row], atol=1e-9)


def test_every_word_that_is_said_votes() -> None:
    padding = np.array([[False, True, False, False, True]])
    part, (u, h, words) = selection(5), drawn(padding, 1)
    before, _ = said(part, u, h, words, padding)
    changed = []
    for place in range(5):
        other = words.data.copy()
        other[0, place] *= -1
        after, _ = said(part, u, h, Tensor(other), padding)
        changed.append(bool(np.abs(after - before).max() > 1e-2))
    assert changed == [True, False, True, True, False]


@given(PADDING, TOOLS, SEEDS)
def test_the_order_of_the_words_changes_nothing(padding: Array, tools: int, seed: int) -> None:
    part, (u, h, words) = selection(tools, seed), drawn(padding, seed)
    order = np.random.default_rng(seed).permutation(padding.shape[1])
    before = said(part, u, h, words, padding)
    after = said(part, u, h, Tensor(words.data[:, order]), padding[:, order])
    for first, second in zip(before, after, strict=True):
        np.testing.assert_allclose(second, first, atol=1e-9)


def test_words_are_heard_by_their_mean_piece_so_that_they_are_as_large_as_u() -> None:
    padding = np.zeros((1, 4), bool)
    part, (u, h, words) = selection(5), drawn(padding, 2)
    twice = Tensor(np.concatenate([words.data[..., :U]] * 2, axis=2))
    narrow = part(u, Tensor(fold(h, U).data), Tensor(words.data[..., :U]), padding)
    for wide, same in zip(part(u, h, twice, padding), narrow, strict=True):
        np.testing.assert_allclose(wide.data, same.data, atol=1e-9)


# ------------------------------------------------------------------------- in the light of the person


@pytest.mark.parametrize("place", [0, 1], ids=["u", "h"])
def test_words_vote_in_the_light_of_the_person(place: int) -> None:
    padding = np.zeros((6, 4), bool)
    part, given_to = selection(5), list(drawn(padding, 0))
    before = said(part, *given_to, padding)
    given_to[place] = given_to[place] * -1
    for first, second in zip(before, said(part, *given_to, padding), strict=True):
        assert (np.abs(second - first).max(axis=1) > 1e-3).all()


@given(PADDING, TOOLS, SEEDS)
def test_the_person_is_user_vector_and_folded_answer_together(padding: Array, tools: int, seed: int) -> None:
    part, (u, h, words) = selection(tools, seed), drawn(padding, seed)
    before = said(part, u, h, words, padding)
    after = said(part, u + fold(h, U), h * 0, words, padding)
    for first, second in zip(before, after, strict=True):
        np.testing.assert_allclose(second, first, atol=1e-12)
