"""Test cases of every rule and layer: a call, and how to draw its arguments.

The table drives the gradient checks of the tests and of `trm gradcheck`; a test fails when a rule has no row.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import functional as F
from . import fused, nn, ops
from .gradcheck import ATOL, RTOL, check_grads
from .ops import Array, Rule
from .tensor import Tensor, concatenate

Draw = Callable[[np.random.Generator], list[Array]]
DRAWS = 10  # of a case: enough for axes of length 1, missing axes, and both


@dataclass(frozen=True)
class Case:
    """`draw(rng)` gives float64 arrays, of random shapes, on which `function` is smooth."""

    name: str
    function: Callable[..., Tensor]
    draw: Draw
    rule: Rule | None = None


def _shape(rng: np.random.Generator, least: int = 1, most: int = 3) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, 5, rng.integers(least, most + 1)))


def _broadcasting(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`: some axes 1, some leading axes missing."""
    shrunk = tuple(1 if rng.random() < 0.5 else n for n in shape)
    return shrunk[int(rng.integers(0, len(shape) + 1)) :]


def _normal(rng: np.random.Generator) -> list[Array]:
    return [rng.normal(size=_shape(rng))]


def _three_axes(rng: np.random.Generator) -> list[Array]:
    return [rng.normal(size=_shape(rng, 3))]


def _side_by_side(rng: np.random.Generator) -> list[Array]:
    *lead, n = _shape(rng)
    return [rng.normal(size=(*lead, n)), rng.normal(size=(*lead, n + 1))]


def _away_from_zero(rng: np.random.Generator) -> list[Array]:
    a = rng.normal(size=_shape(rng))
    return [a + np.copysign(0.1, a)]


def _positive(rng: np.random.Generator) -> list[Array]:
    return [rng.uniform(0.3, 3.0, _shape(rng))]


def _pair(rng: np.random.Generator) -> list[Array]:
    shape = _shape(rng)
    pair = [rng.normal(size=shape), rng.normal(size=_broadcasting(rng, shape))]
    return pair if rng.random() < 0.5 else pair[::-1]


def _pair_to_divide(rng: np.random.Generator) -> list[Array]:
    a, b = _pair(rng)
    return [a, b + np.copysign(0.5, b)]


def _pairs(rng: np.random.Generator) -> list[Array]:
    """Rows, columns for all of them or for each, weight and bias."""
    b, g, i, o = rng.integers(1, 4, 4)
    shapes = ((b, 1, i), (rng.choice([1, b]), g, i), (o, i), (o,))
    return [rng.normal(size=shape) for shape in shapes]


def _linear(rng: np.random.Generator) -> list[Array]:
    *lead, i, o = _shape(rng, 3, 4)
    return [rng.normal(size=(*lead, i)), rng.normal(size=(o, i)), rng.normal(size=o)]


def _matrices(rng: np.random.Generator) -> list[Array]:
    lead = _shape(rng, 1, 2)
    t, i, o = (int(n) for n in rng.integers(1, 5, 3))
    return [rng.normal(size=(*lead, t, i)), rng.normal(size=(*_broadcasting(rng, lead), i, o))]


def _queries(rng: np.random.Generator) -> list[Array]:
    b, h, t, s, d = (int(n) for n in rng.integers(1, 5, 5))
    return [rng.normal(size=(b, h, t, d)), rng.normal(size=(b, h, s, d)), rng.normal(size=(1, h, s, d))]


def _blocked(scores_shape: tuple[int, ...]) -> Array:
    """A fixed pattern with open and blocked keys; the first key is always open but for the last query."""
    blocked: Array = np.arange(int(np.prod(scores_shape))).reshape(scores_shape) % 3 == 1
    blocked[..., 0] = False
    blocked[..., -1, :] = True
    return blocked


def _masked_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    blocked = _blocked((*q.shape[:-1], k.shape[-2]))
    return F.scaled_dot_product_attention(q, k, v, blocked)


def _attend(x: Tensor, weight: Tensor, bias: Tensor, out_weight: Tensor, out_bias: Tensor) -> Tensor:
    layer = nn.MultiheadAttention(x.shape[-1], 2, rng=np.random.default_rng(0))
    layer.in_proj_weight, layer.in_proj_bias = weight, bias  # type: ignore[assignment]
    layer.out_proj.weight, layer.out_proj.bias = out_weight, out_bias  # type: ignore[assignment]
    padding = np.zeros((x.shape[0], x.shape[1]), bool)
    padding[:, 1:2] = True
    return layer(x, x, x, key_padding_mask=padding)  # type: ignore[no-any-return]


def _attend_inputs(rng: np.random.Generator) -> list[Array]:
    b, t, d = int(rng.integers(1, 4)), int(rng.integers(1, 5)), 2 * int(rng.integers(1, 4))
    shapes = [(b, t, d), (3 * d, d), (3 * d,), (d, d), (d,)]
    return [rng.normal(size=shape) for shape in shapes]


def _probabilities(shape: tuple[int, ...]) -> Array:
    target: Array = np.arange(1.0, 1 + int(np.prod(shape))).reshape(shape) % 7 + 1e-3
    target /= target.sum(axis=-1, keepdims=True)
    return target


def _some_ignored(shape: tuple[int, ...]) -> Array:
    """A class for each row, every second row ignored."""
    rows = np.arange(int(np.prod(shape[:-1]))).reshape(shape[:-1])
    target: Array = np.where(rows % 2 == 0, rows % shape[-1], -100)
    return target


def _dropout(x: Tensor) -> Tensor:
    return F.dropout(x, 0.4, np.random.default_rng(7))


def _rotary(x: Tensor) -> Tensor:
    return F.rotary(x, nn.rotary_positions(np.arange(x.shape[-2]), x.shape[-1]))


def _packed(rng: np.random.Generator) -> list[Array]:
    """Queries, keys and values of two heads of width 2 or 4."""
    return [rng.normal(size=(*_shape(rng, 2, 3), 3 * 4 * int(rng.integers(1, 3))))]


def _self_attention(packed: Tensor) -> Tensor:
    *lead, t, width = packed.shape
    rotation = nn.rotary_positions(np.arange(t), width // 6, heads=4)
    return F.self_attention(packed, 2, rotation, _blocked((*lead, 1, t, t)))


def _attention_sublayer(x: Tensor, qkv: Tensor, out: Tensor) -> Tensor:
    return F.attention_sublayer(x, qkv, out, 2, nn.rotary_positions(np.arange(x.shape[-2]), 2, heads=4))


def _sublayer(rng: np.random.Generator, first: int) -> list[Array]:
    """x (B, T, 4) and the weights of its way out to `first` features and back."""
    b, t = (int(n) for n in rng.integers(1, 5, 2))
    return [rng.normal(size=shape) for shape in ((b, t, 4), (first, 4))]


def _query_and_keys(rng: np.random.Generator) -> list[Array]:
    b, shared, d = (int(n) for n in rng.integers(1, 5, 3))
    return [rng.normal(size=(b, 2 * d)), rng.normal(size=(shared + b, 4 * d))]


def _summands(rng: np.random.Generator) -> list[Array]:
    (x,) = _rows(rng)
    return [x, np.asarray(rng.normal(size=x.shape))]


def _three_terms(rng: np.random.Generator) -> list[Array]:
    return list(rng.normal(size=(3, *_shape(rng))))


def _even(rng: np.random.Generator) -> list[Array]:
    *lead, d = _shape(rng, 2, 3)
    return [rng.normal(size=(*lead, 2 * d))]


def _table(rng: np.random.Generator) -> list[Array]:
    return [rng.normal(size=(5, int(rng.integers(1, 4))))]


def _some_rows(first: int) -> Array:
    """Indices into five rows: one of them three times, one never."""
    index: Array = (np.array([[0, 0, 3], [4, 0, 2]]) + first) % 5
    return index


def _rows(rng: np.random.Generator) -> list[Array]:
    """Rows of at least three elements: a norm of one or two elements is nearly constant."""
    return [rng.normal(size=(*_shape(rng, 1, 2), int(rng.integers(3, 7))))]


def _layer_norm(rng: np.random.Generator) -> list[Array]:
    *lead, n = _shape(rng, 2, 4)
    return [rng.normal(size=(*lead, n + 2)), rng.normal(size=n + 2), rng.normal(size=n + 2)]


CASES: list[Case] = [
    Case("add", lambda a, b: a + b, _pair, ops.add),
    Case("sub", lambda a, b: a - b, _pair, ops.sub),
    Case("mul", lambda a, b: a * b, _pair, ops.mul),
    Case("scale", lambda a: a * (a.size - 1.5), _normal, ops.scale),
    Case("div", lambda a, b: a / b, _pair_to_divide, ops.div),
    Case("neg", lambda a: -a, _normal, ops.neg),
    Case("power", lambda a: a ** (2.5 - a.ndim), _positive, ops.power),
    Case("exp", lambda a: a.exp(), _normal, ops.exp),
    Case("log", lambda a: a.log(), _positive, ops.log),
    Case("sqrt", lambda a: a.sqrt(), _positive, ops.sqrt),
    Case("tanh", lambda a: a.tanh(), _normal, ops.tanh),
    Case("sigmoid", F.sigmoid, _normal, ops.sigmoid),
    Case("relu", F.relu, _away_from_zero, ops.relu),
    Case("silu", F.silu, _normal, ops.silu),
    Case("total", lambda a: a.sum(axis=-1), _normal, ops.total),
    Case("total of all", lambda a: a.sum(), _normal, ops.total),
    Case("total, axes kept", lambda a: a.sum(axis=(0, -1), keepdims=True), _rows, ops.total),
    Case("mean", lambda a: a.mean(axis=0), _normal, ops.total),
    Case("softmax", F.softmax, _rows, ops.softmax),
    Case("log_softmax", F.log_softmax, _rows, ops.log_softmax),
    Case("reshape", lambda a: a.reshape(-1, 1), _normal, ops.reshape),
    Case("transpose", lambda a: a.transpose(0, -2), _three_axes, ops.transpose),
    Case("permute", lambda a: a.permute(2, 0, 1), _three_axes, ops.permute),
    Case("permute, axes from the end", lambda a: a.permute(-2, -1, 0), _three_axes, ops.permute),
    Case("expand", lambda a: a.expand(3, *a.shape), _normal, ops.expand),
    Case("concatenate", lambda a, b: concatenate([a, b, a]), _side_by_side, ops.concatenate),
    Case(
        "concatenate, first axis",
        lambda a, b: concatenate([a, b], axis=0),
        lambda rng: [rng.normal(size=(rows, 3)) for rows in rng.integers(1, 5, 2)],
        ops.concatenate,
    ),
    Case("matmul", lambda a, b: a @ b, _matrices, ops.matmul),
    Case("getitem", lambda a: a[..., ::2], _normal, ops.getitem),
    Case("getitem, integer and new axis", lambda a: a[-1, None, :, 1:], _three_axes, ops.getitem),
    Case("take_rows", lambda a: F.embedding(_some_rows(a.shape[1]), a), _table, ops.take_rows),
    Case("linear", F.linear, _linear, fused.linear),
    Case("linear without bias", F.linear, lambda rng: _linear(rng)[:2], fused.linear),
    Case(
        "linear_of_parts",
        lambda a, b, weight, bias: F.linear_of_parts([a, b], weight, bias),
        lambda rng: [rng.normal(size=shape) for shape in ((2, 1, 3), (1, 4, 2), (3, 5), (3,))],
    ),
    Case("pair_scores", F.pair_scores, _pairs, fused.pair_scores),
    Case("attention", F.scaled_dot_product_attention, _queries, fused.attention),
    Case("attention, blocked keys", _masked_attention, _queries, fused.attention),
    Case("self_attention", lambda x: F.self_attention(x, 1 + len(x) % 2), _packed, fused.self_attention),
    Case("self_attention, rotated, blocked keys", _self_attention, _packed, fused.self_attention),
    Case(
        "attention_to_shared",
        lambda query, keys: F.attention_to_shared(query, keys, 1 + len(query) % 2),
        _query_and_keys,
        fused.attention_to_shared,
    ),
    Case(
        "attention_sublayer",
        _attention_sublayer,
        lambda rng: [*_sublayer(rng, 12), rng.normal(size=(4, 4))],
        fused.attention_sublayer,
    ),
    Case(
        "swiglu_sublayer",
        F.swiglu_sublayer,
        lambda rng: [*_sublayer(rng, 6), rng.normal(size=(4, 3))],
        fused.swiglu_sublayer,
    ),
    Case("rms_norm", F.rms_norm, _rows, fused.rms_norm),
    Case("rms_norm of a sum", F.rms_norm_of_sum, _summands, fused.rms_norm),
    Case("layer_norm", F.layer_norm, _layer_norm, fused.layer_norm),
    Case("swiglu", F.swiglu, _even, fused.swiglu),
    Case("rotary", _rotary, _even, fused.rotary),
    Case("dropout, the same mask", _dropout, _normal),
    Case("multi-head attention, padded keys", _attend, _attend_inputs),
    Case("mse_loss", lambda x: F.mse_loss(x, np.ones(x.shape)), _normal, fused.mean_squared_error),
    Case("l2_norm", F.l2_norm, _rows, fused.l2_norm),
    Case(
        "weighted_sum",
        lambda *terms: F.weighted_sum(terms, [0.5, -2.0, terms[0].size]),
        _three_terms,
        fused.weighted_sum,
    ),
    Case(
        "binary_cross_entropy_with_logits",
        lambda z: F.binary_cross_entropy_with_logits(z, _probabilities(z.shape)),
        _normal,
        fused.binary_cross_entropy_with_logits,
    ),
    Case(
        "cross_entropy, some ignored",
        lambda z: F.cross_entropy(z, _some_ignored(z.shape)),
        _rows,
        fused.cross_entropy,
    ),
    Case(
        "kl_divergence_with_logits",
        lambda z: F.kl_divergence_with_logits(z, _probabilities(z.shape)),
        _rows,
        fused.kl_divergence_with_logits,
    ),
]


def check_case(case: Case, seed: int, rtol: float = RTOL, atol: float = ATOL) -> float:
    """Draw the case's arrays from `seed` and check its gradients; returns the largest relative error."""
    rng = np.random.default_rng([seed, *case.name.encode()])  # shapes of its own
    tensors = [Tensor(a, requires_grad=True) for a in case.draw(rng)]
    names = [f"{case.name}, argument {place}" for place in range(len(tensors))]
    return check_grads(case.function, *tensors, rng=rng, names=names, rtol=rtol, atol=atol)
