"""Lower bounds for a training step on this machine: its matrix products, and the memory traffic of its weights."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from trm_np.autograd import fused, ops
from trm_np.autograd.ops import Array, Ruled
from trm_np.training.batches import Batch
from trm_np.training.trainer import Trainer

SIZE = 1024
COPIED = 2**24
ADAMW_PASSES = 7  # reads of weights, gradient and both moments, and writes of all but the gradient
REPEATS = 5


def floor_of(trainer: Trainer, batch: Batch) -> Callable[[], None]:
    """Return a function that replays the products of `trainer.learn(batch)` and copies as much as AdamW moves.

    The products run on other arrays of the same shapes. Products of layers and of attention count; the small ones
    between memory, gifts and picked lists do not.
    """
    with recorded() as products:
        trainer.learn(batch)
    arrays: dict[tuple[int, ...], Array] = {}
    rng = np.random.default_rng(0)

    def array(shape: tuple[int, ...]) -> Array:
        return arrays.setdefault(shape, rng.normal(size=shape).astype(np.float32))

    pairs = [(array(a), array(b)) for a, b in products]
    source, target = np.ones((2, trainer.optimizer.weights.size), np.float32)
    steps = trainer.config.model.supervision_steps

    def replay() -> None:
        for a, b in pairs:
            a @ b
        for _ in range(steps * ADAMW_PASSES // 2):  # a copy reads and writes
            np.copyto(target, source)

    return replay


@contextmanager
def recorded() -> Iterator[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Record the shapes of both operands of every product that linear and attention rules compute, in order."""
    products: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    linear, attention = fused.linear, fused.attention

    def recording_linear(x: Array, weight: Array, *bias: Array) -> Ruled:
        value, vjp = linear(x, weight, *bias)
        (o, i), n = weight.shape, x.size // x.shape[-1]
        products.append(((n, i), (i, o)))

        def recording_vjp(g: Array) -> Any:
            products.extend([((n, o), (o, i)), ((o, n), (n, i))])
            return vjp(g)

        return value, recording_vjp

    def recording_attention(q: Array, k: Array, v: Array, **settings: Any) -> Ruled:
        value, vjp = attention(q, k, v, **settings)
        (*lead, t, d), s = q.shape, k.shape[-2]
        there, back = ((*lead, t, d), (*lead, d, s)), ((*lead, t, s), (*lead, s, d))
        products.extend([there, back])

        def recording_vjp(g: Array) -> Any:
            products.extend([there, back, *[((*lead, s, t), (*lead, t, d))] * 2])
            return vjp(g)

        return value, recording_vjp

    # Composite rules and functional.py call these rules by their names in the module, so the names can be replaced.
    # The shortcuts without gradient do not. They are disabled here, or cycles without gradient would be missed.
    with (
        patch.object(fused, "linear", recording_linear),
        patch.object(fused, "attention", recording_attention),
        patch.dict(ops.UNRECORDED, clear=True),
    ):
        yield products


def sgemm() -> float:
    """Floating-point operations per second in a large matrix product."""
    a, b = np.ones((2, SIZE, SIZE), np.float32)
    return 2 * SIZE**3 / fastest(lambda: a @ b)


def bandwidth() -> float:
    """Bytes read and written per second in a large copy."""
    source, target = np.ones((2, COPIED), np.float32)
    return 2 * source.nbytes / fastest(lambda: np.copyto(target, source))


def fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
