"""The core by itself: who sees whom is what the masks of its heads say, and positions are nothing but an order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trm_np.autograd import Tensor, no_grad
from trm_np.model.core import Carry, Core

CELLS, HEADS = 6, 2
NOBODY = np.zeros((HEADS, CELLS, CELLS), bool)


@dataclass(frozen=True)
class Settings:
    core_width: int = 8
    core_blocks: int = 1
    core_heads: int = HEADS
    core_hidden: int = 6
    latent_steps: int = 2
    cycles: int = 2


def core(**settings: int) -> Core:
    made = Core(Settings(**settings), 5, np.random.default_rng(0))
    return made.astype(np.float64)


def answered(core: Core, tokens: np.ndarray, blocked: np.ndarray | None, places: bool = False) -> np.ndarray:
    """The answer (S, D) to one question, thought about once."""
    x = core.embed(tokens[None])
    with no_grad():
        carry: Carry = core(x, core.initial_carry(x), np.arange(len(tokens)) if places else None, blocked)
    found: np.ndarray = carry.y.data[0]
    return found


def reachable(sees: np.ndarray) -> np.ndarray:
    """(S, S) whether what stands in the second cell can reach the first by any number of looks."""
    step = sees.any(axis=0) | np.eye(CELLS, dtype=bool)
    return np.linalg.matrix_power(step.astype(float), CELLS) > 0


@given(st.integers(0, 2**32))
def test_a_cell_knows_of_those_that_its_heads_reach_and_of_no_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sees = rng.random((HEADS, CELLS, CELLS)) < 0.15
    tokens = rng.integers(0, 5, CELLS)
    changed = rng.integers(CELLS)
    other = tokens.copy()
    other[changed] = (other[changed] + 1) % 5
    # Enough looks to go all the way: n + 1 in each of T cycles.
    model = core(latent_steps=3, cycles=2)
    before, after = (answered(model, each, ~sees) for each in (tokens, other))
    moved = (before != after).any(axis=1)
    assert (moved == reachable(sees)[:, changed]).all()


def test_each_head_has_a_mask_of_its_own() -> None:
    model, tokens = core(), np.arange(CELLS) % 5
    alone = ~np.eye(CELLS, dtype=bool)
    one, other = NOBODY.copy(), NOBODY.copy()
    one[0], other[1] = alone, alone
    answers = [answered(model, tokens, each) for each in (NOBODY, one, other)]
    assert not any(np.allclose(a, b) for a, b in pairs(answers))
    assert np.array_equal(answers[0], answered(model, tokens, None))


def pairs(answers: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((a, b) for place, a in enumerate(answers) for b in answers[place + 1 :])


@pytest.mark.parametrize("places", [False, True])
def test_without_positions_the_order_of_the_cells_does_not_count(places: bool) -> None:
    model, tokens = core(), np.array([0, 1, 2, 3, 4, 0])
    order = np.array([3, 1, 5, 0, 2, 4])
    straight, shuffled = (answered(model, each, None, places) for each in (tokens, tokens[order]))
    assert np.allclose(straight[order], shuffled) is not places


def test_the_gradient_goes_through_what_is_seen_alone() -> None:
    model = core()
    sees = np.zeros((HEADS, CELLS, CELLS), bool)
    sees[0, 0, 1] = sees[1, 1, 2] = True
    x = Tensor(np.random.default_rng(0).normal(size=(1, CELLS, 8)), requires_grad=True)
    carry = model(x, model.initial_carry(x), None, ~sees)
    carry.y[:, 0].sum().backward()
    assert x.grad is not None
    assert (np.abs(x.grad[0]).max(axis=1) > 0).tolist() == [True, True, True, False, False, False]


# ------------------------------------------------------------------------------------- without a graph


@st.composite
def questions(draw: st.DrawFn) -> tuple[Core, Tensor, Carry, np.ndarray | None, np.ndarray | None]:
    """A core of any size and its arguments; a mask may hide every key from a query."""
    heads, tokens = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    sizes = {
        "core_blocks": st.integers(1, 2),
        "core_hidden": st.integers(1, 7),
        "latent_steps": st.integers(0, 3),
    }
    settings = Settings(
        core_heads=heads,
        core_width=2 * heads * draw(st.integers(1, 3)),
        **{k: draw(v) for k, v in sizes.items()},
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    made = Core(settings, 5, rng).astype(draw(st.sampled_from([np.float32, np.float64])))
    x = made.embed(rng.integers(0, 5, (draw(st.integers(1, 4)), tokens)))
    carry = Carry(*(Tensor(rng.normal(size=x.shape).astype(x.dtype)) for _ in range(2)))
    shape = tuple(draw(st.sampled_from([1, size])) for size in (len(x), heads, tokens, tokens))
    blocked = rng.random(shape) < draw(st.floats(0, 0.7)) if draw(st.booleans()) else None
    return made, x, carry, np.arange(tokens) if draw(st.booleans()) else None, blocked


@given(questions())
def test_without_a_graph_the_carry_is_the_same_and_nothing_else_is_touched(
    question: tuple[Core, Tensor, Carry, np.ndarray | None, np.ndarray | None],
) -> None:
    made, x, carry, positions, blocked = question
    expected = made(x, carry, positions, blocked)
    given_ = [x.data.copy(), carry.y.data.copy(), carry.z.data.copy()]
    with no_grad():
        found, again = (made(x, carry, positions, blocked) for _ in range(2))
    tolerance = 1e-6 if x.dtype == np.float32 else 1e-13
    for name in ("y", "z"):
        value, wanted = getattr(found, name), getattr(expected, name)
        assert value.dtype == x.dtype and not value.requires_grad
        np.testing.assert_allclose(value.data, wanted.data, rtol=0, atol=tolerance * made.scale)
        assert (getattr(again, name).data == value.data).all()
    assert not np.shares_memory(again.y.data, found.y.data)
    assert all((now.data == before).all() for now, before in zip((x, carry.y, carry.z), given_, strict=True))
