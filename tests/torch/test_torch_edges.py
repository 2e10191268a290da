"""Every rule beside PyTorch at the edges of the numbers: ±0, ±inf, ±the largest, denormals, nan.

Each rule has a row in `ROWS`. Values and gradients are equal, or the row is listed in `DIFFERENT` with the reason.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor, fused, nn, ops
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.autograd.tensor import concatenate

torch = pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")
TF = torch.nn.functional

LARGEST, SQUARE = "largest", "square"  # of the dtype, and a number whose square it cannot hold
EDGES: list[Any] = [0.0, math.inf, LARGEST, SQUARE, "tiny", "denormal", 1.0]


def edges(dtype: Any) -> list[float]:
    bounds = np.finfo(dtype)
    named = {
        LARGEST: bounds.max,
        SQUARE: bounds.max ** dtype(0.55),
        "tiny": bounds.tiny,
        "denormal": bounds.smallest_subnormal,
    }
    sizes = [float(named.get(edge, edge)) for edge in EDGES]
    return [sign * size for size in sizes for sign in (1.0, -1.0)] + [math.nan]


def single(dtype: Any) -> Iterator[list[Array]]:
    """Each edge alone."""
    return ([np.array([edge], dtype)] for edge in edges(dtype))


def pairs(dtype: Any) -> Iterator[list[Array]]:
    """Each edge with each."""
    return (
        [np.array([a], dtype), np.array([b], dtype)] for a, b in itertools.product(edges(dtype), repeat=2)
    )


def rows(dtype: Any) -> Iterator[list[Array]]:
    """Rows of four in which one element, or all, are an edge."""
    for edge in edges(dtype):
        yield [np.array([[edge, 0.5, -0.25, 1.0]], dtype)]
        yield [np.full((1, 4), edge, dtype)]


@dataclass(frozen=True)
class Row:
    """A rule of ours, beside the same in PyTorch, on arrays at the edges."""

    name: str
    rule: Any
    ours: Callable[..., Tensor]
    theirs: Callable[..., Any]
    draw: Callable[[Any], Iterator[list[Array]]] = single


def same(name: str, rule: Any, function: Callable[..., Any], draw: Any = single) -> Row:
    """Row for a function that is written alike in both."""
    return Row(name, rule, function, function, draw)


def like(array: Array) -> Any:
    """A constant as it is beside a tensor of either: of its dtype."""
    return lambda x: (
        torch.tensor(array, dtype=x.dtype) if isinstance(x, torch.Tensor) else array.astype(x.dtype)
    )


TARGET, HOLES = like(np.array([[0.1, 0.2, 0.3, 0.4]])), like(np.array([[0.0, 0.0, 0.4, 0.6]]))
SMALL = like(np.array([[0.25, -0.5, 0.125, 0.5]]))  # no sum of products with it overflows, in whatever order
WEIGHT, SQUARE_MATRIX = (
    like(np.linspace(-1, 1, 12).reshape(3, 4)),
    like(np.linspace(-1, 1, 48).reshape(12, 4)),
)
OUT = like(np.linspace(-0.5, 1, 16).reshape(4, 4))
ROTATION = nn.rotary_positions(np.arange(1) + 2, 4)


def tensor(constant: Any, x: Tensor) -> Tensor:
    return Tensor(constant(x))


def turned(x: Any) -> Any:
    cos, sin = (torch.tensor(part).to(x.dtype) for part in (ROTATION.real, ROTATION.imag))
    real, imaginary = x[..., ::2], x[..., 1::2]
    return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=-1).flatten(-2)


def attended(packed: Any) -> Any:
    q, k, v = packed.reshape(1, 1, 3, 4).unbind(2)
    return torch.softmax(q @ k.transpose(-1, -2) * 0.5, -1) @ v


ROWS = [
    same("add", ops.add, lambda a, b: a + b, pairs),
    same("sub", ops.sub, lambda a, b: a - b, pairs),
    same("mul", ops.mul, lambda a, b: a * b, pairs),
    same("div", ops.div, lambda a, b: a / b, pairs),
    same("scale by 0", ops.scale, lambda a: a * 0.0),
    same("scale by -2", ops.scale, lambda a: a * -2.0),
    same("neg", ops.neg, lambda a: -a),
    *(
        same(f"power {exponent}", ops.power, lambda a, exponent=exponent: a**exponent)
        for exponent in (0, 1, 2, 3, -1, 0.5, 1.5, -0.5)
    ),
    same("exp", ops.exp, lambda a: a.exp()),
    same("log", ops.log, lambda a: a.log()),
    same("sqrt", ops.sqrt, lambda a: a.sqrt()),
    same("tanh", ops.tanh, lambda a: a.tanh()),
    same("sigmoid", ops.sigmoid, lambda a: a.sigmoid()),
    same("relu", ops.relu, lambda a: a.relu()),
    Row("silu", ops.silu, F.silu, TF.silu),
    same("total", ops.total, lambda a: a.sum(), rows),
    same("mean", ops.total, lambda a: a.mean(), rows),
    Row("softmax", ops.softmax, F.softmax, lambda a: torch.softmax(a, -1), rows),
    Row("log_softmax", ops.log_softmax, F.log_softmax, lambda a: torch.log_softmax(a, -1), rows),
    same("reshape", ops.reshape, lambda a: a.reshape(2, 2), rows),
    same("transpose", ops.transpose, lambda a: a.transpose(0, 1), rows),
    same("permute", ops.permute, lambda a: a.permute(1, 0), rows),
    same("expand", ops.expand, lambda a: a.expand(3, 4), rows),
    Row("concatenate", ops.concatenate, lambda a: concatenate([a, a]), lambda a: torch.cat([a, a], -1), rows),
    same("getitem", ops.getitem, lambda a: a[:, 0:2], rows),
    same("matmul", ops.matmul, lambda a: a @ SMALL(a).reshape(4, 1), rows),
    Row(
        "take_rows",
        ops.take_rows,
        lambda a: F.embedding(np.array([0, 0]), a),
        lambda a: TF.embedding(torch.tensor([0, 0]), a),
        rows,
    ),
    Row("linear", fused.linear, lambda a: F.linear(a, tensor(WEIGHT, a)), lambda a: TF.linear(a, WEIGHT(a)), rows),
    Row(
        "pair_scores",
        fused.pair_scores,
        lambda a: F.pair_scores(a, tensor(SMALL, a), tensor(OUT, a), tensor(SMALL, a).reshape(4)),
        lambda a: TF.linear((a + SMALL(a)).relu(), OUT(a), SMALL(a).reshape(4)),
        rows,
    ),
    Row(
        "attention",
        fused.attention,
        lambda a: F.scaled_dot_product_attention(tensor(SMALL, a), a, a),
        lambda a: TF.scaled_dot_product_attention(SMALL(a), a, a),
        rows,
    ),
    Row(
        "self_attention",
        fused.self_attention,
        lambda a: F.self_attention(F.linear(a, tensor(SQUARE_MATRIX, a)), 1),
        lambda a: attended(TF.linear(a, SQUARE_MATRIX(a))).reshape(1, 4),
        rows,
    ),
    Row(
        "attention_to_shared",
        fused.attention_to_shared,
        lambda a: F.attention_to_shared(tensor(SMALL, a), concatenate([a, a]).expand(2, 8), 1),
        lambda a: TF.scaled_dot_product_attention(SMALL(a), a.expand(2, 4), a.expand(2, 4)),
        rows,
    ),
    Row("rotary", fused.rotary, lambda a: F.rotary(a, ROTATION), turned, rows),
    Row("rms_norm", fused.rms_norm, F.rms_norm, lambda a: TF.rms_norm(a, (4,), eps=1e-6), rows),
    Row(
        "layer_norm",
        fused.layer_norm,
        lambda a: F.layer_norm(a, tensor(TARGET, a).reshape(4), tensor(HOLES, a).reshape(4)),
        lambda a: TF.layer_norm(a, (4,), TARGET(a).reshape(4), HOLES(a).reshape(4)),
        rows,
    ),
    Row(
        "swiglu",
        fused.swiglu,
        lambda a: F.swiglu(concatenate([a, tensor(TARGET, a)])),
        lambda a: TF.silu(a) * TARGET(a),
        rows,
    ),
    Row(
        "attention_sublayer",
        fused.attention_sublayer,
        lambda a: F.attention_sublayer(a, tensor(SQUARE_MATRIX, a), tensor(OUT, a), 1),
        lambda a: TF.rms_norm(
            a + TF.linear(attended(TF.linear(a, SQUARE_MATRIX(a))).reshape(1, 4), OUT(a)), (4,), eps=1e-6
        ),
        rows,
    ),
    Row(
        "swiglu_sublayer",
        fused.swiglu_sublayer,
        lambda a: F.swiglu_sublayer(a, concatenate([tensor(OUT, a)] * 2, axis=0), tensor(OUT, a)),
        lambda a: TF.rms_norm(
            a + TF.linear(TF.silu(TF.linear(a, OUT(a))) * TF.linear(a, OUT(a)), OUT(a)), (4,), eps=1e-6
        ),
        rows,
    ),
    Row(
        "weighted_sum",
        fused.weighted_sum,
        lambda a, b: F.weighted_sum([a, b], [0.5, -2.0]),
        lambda a, b: 0.5 * a - 2.0 * b,
        pairs,
    ),
    Row("l2_norm", fused.l2_norm, F.l2_norm, torch.linalg.vector_norm, rows),
    Row(
        "mse_loss",
        fused.mean_squared_error,
        lambda a: F.mse_loss(a, TARGET(a)),
        lambda a: TF.mse_loss(a, TARGET(a)),
        rows,
    ),
    *(
        Row(
            f"binary_cross_entropy_with_logits, target {target}",
            fused.binary_cross_entropy_with_logits,
            lambda a, target=target: F.binary_cross_entropy_with_logits(a, np.array([target])),
            lambda a, target=target: TF.binary_cross_entropy_with_logits(a, torch.full_like(a, target)),
        )
        for target in (0.0, 0.5, 1.0)
    ),
    *(
        Row(
            f"cross_entropy, target {target}",
            fused.cross_entropy,
            lambda a, target=target: F.cross_entropy(a, np.array([target])),
            lambda a, target=target: TF.cross_entropy(a, torch.tensor([target])),
            rows,
        )
        for target in (0, 1)
    ),
    Row(
        "cross_entropy, a row ignored",
        fused.cross_entropy,
        lambda a: F.cross_entropy(concatenate([a, tensor(TARGET, a)], axis=0), np.array([-100, 1])),
        lambda a: TF.cross_entropy(torch.cat([a, TARGET(a)]), torch.tensor([-100, 1])),
        rows,
    ),
    *(
        Row(
            f"kl_divergence_with_logits, {name}",
            fused.kl_divergence_with_logits,
            lambda a, target=target: F.kl_divergence_with_logits(a, target(a)),
            lambda a, target=target: TF.kl_div(torch.log_softmax(a, -1), target(a), reduction="batchmean"),
            rows,
        )
        for name, target in (("all possible", TARGET), ("some impossible", HOLES))
    ),
]  # fmt: skip


def squares_overflow(a: Array, dtype: Any) -> bool:
    return bool((np.isfinite(a) & (np.abs(a) > float(np.finfo(dtype).max) ** 0.5)).any())


def squares_vanish(a: Array, dtype: Any) -> bool:
    return bool((np.abs(a).max() <= float(np.finfo(dtype).tiny)) and a.any())


# Why ours is not PyTorch's, in which rows, and on which arrays.
DIFFERENT: list[tuple[str, tuple[str, ...], Callable[[Array, Any], bool]]] = [
    (
        "The limit is 0. PyTorch divides infinity by infinity.",
        ("silu", "swiglu"),
        lambda a, dtype: bool(np.isneginf(a).any()),
    ),
    (
        "NumPy computes the root of -0 or -inf as pow(), PyTorch as sqrt(): another sign, or no number.",
        ("power 0.5", "power -0.5"),
        lambda a, dtype: bool((np.isneginf(a) | ((a == 0) & np.signbit(a))).any()),
    ),
    (
        "Squares overflow in both. Ours takes the reciprocal of an infinite norm, 0; PyTorch gets no number.",
        ("layer_norm",),
        squares_overflow,
    ),
    (
        "The value is 0 in both, since the squares overflow. PyTorch multiplies infinity by 0 for the gradient.",
        ("rms_norm",),
        lambda a, dtype: bool((np.abs(a) == float(np.finfo(dtype).max)).any()),
    ),
    (
        "Ours scales before it squares.",
        ("l2_norm",),
        lambda a, dtype: squares_overflow(a, dtype) or squares_vanish(a, dtype),
    ),
    (
        "The limit is 0 on the right side and infinite elsewhere. PyTorch multiplies infinity by 0.",
        tuple(f"binary_cross_entropy_with_logits, target {target}" for target in (0.0, 0.5, 1.0)),
        lambda a, dtype: bool(np.isinf(a).any()),
    ),
    (
        "An ignored row counts for nothing. PyTorch multiplies its gradient by 0.",
        ("cross_entropy, a row ignored",),
        lambda a, dtype: not np.isfinite(a).all(),
    ),
    (
        "A class that cannot be adds nothing. PyTorch multiplies infinity by its 0.",
        ("kl_divergence_with_logits, some impossible",),
        lambda a, dtype: bool(np.isneginf(a[:2]).any()),
    ),
]


def found(function: Callable[..., Any], tensors: list[Any], cotangent: Callable[[Any], Any]) -> list[Array]:
    """The value, and the gradient of each tensor."""
    result = function(*tensors)
    result.backward(cotangent(result.detach()))
    return [np.asarray(result.detach()), *(np.asarray(t.grad) for t in tensors)]


def equal(ours: Array, theirs: Array, dtype: Any) -> bool:
    """Up to rounding, relative to the largest finite number of the two where they cancel."""
    theirs = theirs.reshape(ours.shape)
    finite = np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
    eps = 100 * np.finfo(dtype).eps
    return np.allclose(ours, theirs, rtol=eps, atol=eps * max(float(finite), 0.01), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_rule_gives_what_pytorch_gives_or_what_is_listed(row: Row, dtype: Any) -> None:
    departures = [where for _, names, where in DIFFERENT if row.name in names]
    differs = []
    for arrays in row.draw(dtype):
        with np.errstate(all="ignore"):
            ours = found(row.ours, [Tensor(a.copy(), requires_grad=True) for a in arrays], np.ones_like)
        theirs = found(row.theirs, [torch.tensor(a, requires_grad=True) for a in arrays], torch.ones_like)
        alike = all(equal(a, b, dtype) for a, b in zip(ours, theirs, strict=True))
        listed = any(where(np.concatenate(arrays, axis=None), dtype) for where in departures)
        assert alike or listed, (arrays, ours, theirs)
        differs.append(not alike)
    assert any(differs) == bool(departures), "listed as different, and it is not"


@pytest.mark.parametrize("module", [ops, fused], ids=["ops", "fused"])
def test_every_rule_is_held_against_pytorch(module: ModuleType) -> None:
    own = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
    rules = {f for f in own if inspect.signature(f).return_annotation == ops.Ruled}
    assert rules <= {row.rule for row in ROWS}
