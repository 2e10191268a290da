"""Rules that exist for speed: each is one node where a composition from `ops` would take many.

Every rule here is tested equal to its composition, in value and in gradients.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .ops import (
    Array,
    Ruled,
    euclidean_norm,
    logistic,
    no_less_than_lowest,
    product,
    rectified,
    unbroadcast,
    unrecorded,
    vjp_reads,
)

RMS_EPS = 1e-6

# --------------------------------------------------------------------------------------------------- layers


@vjp_reads(0, 1)
def linear(x: Array, weight: Array, bias: Array | None = None) -> Ruled:
    """x Wᵀ + b for x (..., in), weight (out, in), bias (out,)."""
    value = projected(x, weight)
    if bias is not None:
        value += bias

    def vjp(g: Array) -> tuple[Array, ...]:
        g = g.reshape(-1, len(weight))
        gradients = product(g, weight).reshape(x.shape), g.T @ x.reshape(-1, x.shape[-1])
        return gradients if bias is None else (*gradients, np.ones(len(g), g.dtype) @ g)

    return value, vjp


@vjp_reads(2)
def pair_scores(rows: Array, columns: Array, weight: Array, bias: Array) -> Ruled:
    """`linear` of relu(rows + columns) for rows (B, 1, in) and columns (1, G, in), or others that broadcast."""
    hidden = rows + columns
    rectified(hidden, out=hidden)
    value, linear_vjp = linear(hidden, weight, bias)

    def vjp(g: Array) -> tuple[Array, ...]:
        of_hidden, of_weight, of_bias = linear_vjp(g)
        of_hidden *= ~(hidden <= 0)
        return unbroadcast(of_hidden, rows.shape), unbroadcast(of_hidden, columns.shape), of_weight, of_bias

    return value, vjp


def projected(x: Array, weight: Array) -> Array:
    """x Wᵀ for x (..., in) and weight (out, in), as one product of all rows."""
    rows: Array = x.reshape(-1, x.shape[-1]).dot(weight.T)
    return rows.reshape(*x.shape[:-1], len(weight))


def attention(q: Array, k: Array, v: Array, *, blocked: Array | None = None) -> Ruled:
    """softmax(q kᵀ / √d) v for q (..., T, d), k and v (..., S, d) (Vaswani et al. 2017, section 3.2.1).

    `blocked`, boolean and broadcastable to (..., T, S), is True where a key may not be seen. A query that
    may see no key at all gets zeros.
    """
    p = attention_weights(q, k, blocked)

    def vjp(g: Array) -> tuple[Array, Array, Array]:
        gs = attention_weights_vjp(g, v, p, q.shape[-1])
        return (
            unbroadcast(gs @ k, q.shape),
            unbroadcast(product(gs.swapaxes(-1, -2), q), k.shape),
            unbroadcast(product(p.swapaxes(-1, -2), g), v.shape),
        )

    return p @ v, vjp


def attention_weights(q: Array, k: Array, blocked: Array | None, out: Array | None = None) -> Array:
    """softmax(q kᵀ / √d), with no weight where a key may not be seen: (..., T, S), in `out` if that is given."""
    p: Array = np.matmul(q, k.swapaxes(-1, -2), out=out, order="C")
    p *= float(q.shape[-1]) ** -0.5
    if blocked is not None:
        np.copyto(p, -np.inf, where=blocked)
    softmax_rows_(p)
    return p


def attention_weights_vjp(g: Array, v: Array, p: Array, width: int) -> Array:
    """Gradient of q kᵀ, whose rows are of this width, from the cotangent g of the attention p v."""
    gs: Array = g @ v.swapaxes(-1, -2)
    softmax_vjp_(gs, p)
    gs *= float(width) ** -0.5
    return gs


def softmax_rows_(p: Array) -> None:
    """Softmax over the last axis of an array in C order, in place; a row of -inf becomes zeros."""
    if not p.flags.c_contiguous:
        raise ValueError("softmax_rows_: the array is not in C order")
    rows, bounds = p.reshape(math.prod(p.shape[:-1]), p.shape[-1]), np.finfo(p.dtype)
    # NumPy is slow on a short last axis, and faster on a copy with that axis first.
    rows -= np.maximum.reduce(rows.T.copy(), axis=0, initial=bounds.min)[:, None]
    np.exp(rows, out=rows)
    sums = p @ ones(p.shape[-1], p.dtype)  # of `rows` twice as fast, but with other last bits
    sums += bounds.tiny  # changes only a sum of 0: all others are at least 1
    p /= sums[..., None]


@lru_cache(maxsize=64)
def ones(length: int, dtype: "np.dtype[Any]") -> Array:
    """A vector of ones, not to be written."""
    return np.ones(length, dtype)


def softmax_vjp_(g: Array, p: Array) -> None:
    """Vjp of p, a softmax over the last axis; overwrites the cotangent."""
    g -= np.vecdot(g, p)[..., None]
    g *= p


def turned(a: Array, rotation: Array) -> Array:
    """Multiply a (..., T, k·d), whose neighbouring features form complex numbers, by `rotation` (T, k·d/2)."""
    if a.strides[-1] != a.itemsize:
        a = a.copy()
    pairs = a.view(np.result_type(a, np.complex64)) * rotation
    return np.asarray(pairs.view(a.dtype))


@vjp_reads()
def rotary(a: Array, *, rotation: Array) -> Ruled:
    """Rotary position embedding of a (..., T, k·d) (Su et al. 2021, section 3.2.2): pairs times exp(i angle)."""
    return turned(a, rotation), lambda g: (turned(g, rotation.conj()),)


def self_attention(
    packed: Array, *, heads: int, rotation: Array | None = None, blocked: Array | None = None
) -> Ruled:
    """`attention` within each head of `packed` (..., T, 3D), which holds queries, keys and values side by side.

    Gives (..., T, D). Queries and keys are turned by `rotation` first, if there is one; `blocked` is as in
    `attention`, with the heads as the last of the leading axes.
    """
    q, k, v = unpack_heads(packed, heads, rotation)
    p = attention_weights(q, k, blocked)

    def vjp(g: Array) -> tuple[Array]:
        gradient = np.empty(packed.shape, packed.dtype)
        of_q, of_k, of_v = thirds(gradient, heads)
        g = split_heads(g, heads)
        gs = attention_weights_vjp(g, v, p, q.shape[-1])
        np.matmul(gs, k, out=of_q)
        np.matmul(gs.swapaxes(-1, -2), q, out=of_k)
        np.matmul(p.swapaxes(-1, -2), g, out=of_v)
        if rotation is not None:
            pairs = gradient[..., : 2 * gradient.shape[-1] // 3].view(np.result_type(gradient, np.complex64))
            pairs *= rotation.conj()
        return (gradient,)

    return weighted_values(p, v), vjp


def unpack_heads(packed: Array, heads: int, rotation: Array | None) -> tuple[Array, Array, Array]:
    """Rotated queries and keys, and values, (..., heads, T, d) each, of packed (..., T, 3 · heads · d)."""
    if rotation is None:
        return thirds(packed, heads)
    width = packed.shape[-1] // 3
    qk = split_heads(turned(packed[..., : 2 * width], rotation), 2 * heads)
    return qk[..., :heads, :, :], qk[..., heads:, :, :], split_heads(packed[..., 2 * width :], heads)


def thirds(packed: Array, heads: int) -> tuple[Array, Array, Array]:
    """Views (..., heads, T, d) of the queries, keys and values in packed (..., T, 3 · heads · d)."""
    by_head = split_heads(packed, 3 * heads)
    return by_head[..., :heads, :, :], by_head[..., heads : 2 * heads, :, :], by_head[..., 2 * heads :, :, :]


def weighted_values(p: Array, v: Array) -> Array:
    """p v of weights (..., heads, T, S) and values (..., heads, S, d), with merged heads: (..., T, heads·d)."""
    *lead, heads, t, _ = p.shape
    merged = np.empty((*lead, t, heads * v.shape[-1]), v.dtype)
    np.matmul(p, v, out=split_heads(merged, heads))
    return merged


def attention_to_shared(query: Array, keys: Array, *, heads: int) -> Ruled:
    """`attention` within each head of B queries, each to G shared keys and one key of its own.

    query (B, D); keys (G + B, 2D), keys and values side by side, first the shared ones; gives (B, D). A product
    for each head does what `attention` would need a product for each query and head for.
    """
    profiles, width = query.shape
    q = split_heads(query, heads)
    k, v = split_heads(keys[:, :width], heads), split_heads(keys[:, width:], heads)
    shared, own = (..., slice(None, -profiles), slice(None)), (..., slice(-profiles, None), slice(None))
    scale = float(q.shape[-1]) ** -0.5

    def by_key(q: Array, k: Array) -> Array:
        """Products (heads, B, G + 1) of q (heads, B, d) with each of its keys."""
        return np.concatenate([q @ k[shared].swapaxes(-1, -2), np.vecdot(q, k[own])[..., None]], axis=-1)

    def summed(p: Array, v: Array) -> Array:
        """Weights p (heads, B, G + 1) of each query's values: (heads, B, d)."""
        return np.asarray(p[..., :-1] @ v[shared] + p[..., -1:] * v[own])

    def spread(p: Array, q: Array) -> Array:
        """Contribution (heads, G + B, d) of q (heads, B, d) to each of its keys."""
        return np.concatenate([p[..., :-1].swapaxes(-1, -2) @ q, p[..., -1:] * q], axis=-2)

    p = by_key(q, k)
    p *= scale
    softmax_rows_(p)

    def vjp(g: Array) -> tuple[Array, Array]:
        g = split_heads(g, heads)
        gs = by_key(g, v)
        softmax_vjp_(gs, p)
        gs *= scale
        of_keys = np.concatenate([merge_heads(spread(gs, q)), merge_heads(spread(p, g))], axis=-1)
        return merge_heads(summed(gs, k)), of_keys

    return merge_heads(summed(p, v)), vjp


def split_heads(x: Array, heads: int) -> Array:
    """(..., T, heads·d) to (..., heads, T, d)."""
    return x.reshape(*x.shape[:-1], heads, -1).swapaxes(-3, -2)


def merge_heads(x: Array) -> Array:
    """(..., heads, T, d) to (..., T, heads·d)."""
    *lead, heads, t, d = x.shape
    return x.swapaxes(-3, -2).reshape(*lead, t, heads * d)


@vjp_reads()
def rms_norm(*summands: Array, eps: float) -> Ruled:
    """a / √(mean(a²) + eps) over the last axis, without weights (Zhang and Sennrich 2019, equation 4).

    a is the sum of the arguments, which are of one shape: what a residual connection needs.
    """
    a, *others = summands
    for other in others:
        if other.shape != a.shape:
            raise ValueError("needs summands of one shape")
        a = a + other
    inverse = inverse_rms(a, eps)
    value = a * inverse

    def vjp(g: Array) -> tuple[Array, ...]:
        gradient = value * (np.vecdot(g, value)[..., None] / -a.shape[-1])
        gradient += g
        gradient *= inverse
        return (gradient,) * len(summands)

    return value, vjp


def inverse_rms(a: Array, eps: float) -> Array:
    """1 / √(mean(a²) + eps) over the last axis: (..., D) to (..., 1)."""
    inverse: Array = np.vecdot(a, a)[..., None]
    inverse /= a.shape[-1]
    inverse += eps
    np.sqrt(inverse, out=inverse)
    return np.reciprocal(inverse, out=inverse)


@vjp_reads(1)
def layer_norm(a: Array, weight: Array, bias: Array, *, eps: float) -> Ruled:
    """Standardise the last axis, then scale and shift it (Ba, Kiros and Hinton 2016)."""
    n = a.shape[-1]
    centred = a - a.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(np.vecdot(centred, centred)[..., None] / n + eps)
    normal = centred * inverse
    lead = tuple(range(a.ndim - 1))

    def vjp(g: Array) -> tuple[Array, Array, Array]:
        gn = g * weight
        along = np.vecdot(gn, normal)[..., None] / n
        ga = inverse * (gn - gn.mean(axis=-1, keepdims=True) - normal * along)
        return ga, (g * normal).sum(axis=lead), g.sum(axis=lead)

    return normal * weight + bias, vjp


def swiglu(a: Array, *, axis: int = -1) -> Ruled:
    """silu(gate) · up, where `a` (..., 2d) holds gate and up side by side along an axis (Shazeer 2020, equation 6)."""
    gate, up = halves(a, axis)
    s = logistic(gate)
    silu = no_less_than_lowest(gate) * s

    def vjp(g: Array) -> tuple[Array]:
        gradient = np.empty_like(a)
        of_gate, of_up = halves(gradient, axis)
        np.multiply(g, silu, out=of_up)
        np.subtract(1, s, out=of_gate)  # silu' = s + silu · (1 - s)
        of_gate *= silu
        of_gate += s
        of_gate *= up
        of_gate *= g
        return (gradient,)

    return silu * up, vjp


def swiglu_(gate: Array, up: Array) -> Array:
    """Overwrite `up` with silu(gate) · up = up · gate / (1 + exp(-gate)), and `gate` with the denominator."""
    up *= gate
    np.negative(gate, out=gate)
    np.exp(gate, out=gate)
    gate += 1
    up /= gate
    return up


def halves(a: Array, axis: int) -> tuple[Array, Array]:
    """Views of the first and the second half along an axis."""
    d, odd = divmod(a.shape[axis], 2)
    if odd:
        raise ValueError(f"needs an even axis {axis} (gate and up side by side)")
    before = (slice(None),) * (axis % a.ndim)
    return a[(*before, slice(d))], a[(*before, slice(d, None))]


# ------------------------------------------------------------------------------------------------ sublayers


def attention_sublayer(
    x: Array,
    qkv: Array,
    out: Array,
    *,
    heads: int,
    rotation: Array | None = None,
    blocked: Array | None = None,
    eps: float,
) -> Ruled:
    """rms_norm(x + out self_attention(qkv x)) for x (..., T, D), qkv (3D, D) and out (D, D).

    The chain rule by hand: the vjps of the rules that it is made of, in reverse.
    """
    packed, packed_vjp = linear(x, qkv)
    seen, seen_vjp = self_attention(packed, heads=heads, rotation=rotation, blocked=blocked)
    change, change_vjp = linear(seen, out)
    value, value_vjp = rms_norm(x, change, eps=eps)

    def vjp(g: Array) -> tuple[Array, ...]:
        of_sum, _ = value_vjp(g)
        of_seen, of_out = change_vjp(of_sum)
        of_x, of_qkv = packed_vjp(*seen_vjp(of_seen))
        of_x += of_sum
        return of_x, of_qkv, of_out

    return value, vjp


@unrecorded(attention_sublayer)
def attention_sublayer_value(
    x: Array,
    qkv: Array,
    out: Array,
    *,
    heads: int,
    rotation: Array | None = None,
    blocked: Array | None = None,
    eps: float,
) -> Array:
    q, k, v = unpack_heads(projected(x, qkv), heads, rotation)
    seen = weighted_values(attention_weights(q, k, blocked), v)
    return add_and_norm_(projected(seen, out), x, eps)


def swiglu_sublayer(x: Array, gate_up: Array, down: Array, *, eps: float) -> Ruled:
    """rms_norm(x + down swiglu(gate_up x)) for x (..., D), gate_up (2H, D) and down (D, H)."""
    rows, weights = x.reshape(1, -1, x.shape[-1]), gate_and_up(gate_up)
    hidden, hidden_vjp = swiglu(rows @ weights.swapaxes(-1, -2), axis=0)
    change, change_vjp = linear(hidden, down)
    value, value_vjp = rms_norm(rows, change, eps=eps)

    def vjp(g: Array) -> tuple[Array, ...]:
        of_rows, _ = value_vjp(g.reshape(rows.shape))
        of_hidden, of_down = change_vjp(of_rows)
        (packed,) = hidden_vjp(of_hidden)
        for of_input in packed @ weights:
            of_rows += of_input
        of_gate_up = packed.swapaxes(-1, -2) @ rows
        return of_rows.reshape(x.shape), of_gate_up.reshape(gate_up.shape), of_down

    return value.reshape(x.shape), vjp


@unrecorded(swiglu_sublayer)
def swiglu_sublayer_value(x: Array, gate_up: Array, down: Array, *, eps: float) -> Array:
    rows, weights = x.reshape(1, -1, x.shape[-1]), gate_and_up(gate_up)
    gate, up = halves(rows @ weights.swapaxes(-1, -2), 0)
    hidden = logistic(gate)
    hidden *= no_less_than_lowest(gate)
    hidden *= up
    return add_and_norm_(projected(hidden, down), rows, eps).reshape(x.shape)


def gate_and_up(weight: Array) -> Array:
    """View (2H, D) as (2, H, D), since passes over the halves of rows are slow."""
    if len(weight) % 2:
        raise ValueError("needs an even number of rows (gate and up one below the other)")
    return weight.reshape(2, -1, weight.shape[-1])


def add_and_norm_(change: Array, x: Array, eps: float = RMS_EPS) -> Array:
    """Overwrite `change` with rms_norm(x + change)."""
    if change.shape != x.shape:
        raise ValueError("needs summands of one shape")
    change += x
    change *= inverse_rms(change, eps)
    return change


# --------------------------------------------------------------------------------------------------- losses


@vjp_reads()
def weighted_sum(*terms: Array, weights: Sequence[float]) -> Ruled:
    """Σ wᵢ·termᵢ of arrays of one shape."""
    value = sum(term * weight for term, weight in zip(terms, weights, strict=True))
    return np.asarray(value), lambda g: tuple([g * weight for weight in weights])


def l2_norm(a: Array) -> Ruled:
    """√Σa² of all elements; the gradient at zero is zero."""
    value = np.asarray(euclidean_norm(a), a.dtype)
    return value, lambda g: (a * (g / max(value, np.finfo(a.dtype).tiny)),)


@vjp_reads()
def mean_squared_error(x: Array, *, target: Array) -> Ruled:
    """Mean of (x - target)² over all elements."""
    error = x - target
    return np.vdot(error, error) / max(error.size, 1), lambda g: (error * (2 * g / error.size),)


def binary_cross_entropy_with_logits(logits: Array, *, target: Array) -> Ruled:
    """Mean of max(z, 0) - z·t + log(1 + exp(-|z|)): stable for any logit z, ±inf too."""
    z = np.clip(logits, np.finfo(logits.dtype).min, np.finfo(logits.dtype).max)
    value = np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))
    value = np.where(np.isinf(logits) & (value > 0), np.inf, value)
    return np.asarray(np.mean(value)), lambda g: (g / value.size * (logistic(logits) - target),)


@vjp_reads()
def cross_entropy(logits: Array, *, target: Array, ignore_index: int = -100) -> Ruled:
    """Mean of -log softmax(logits)[target] over targets that are not `ignore_index`; 0 if there are none."""
    if target.shape != logits.shape[:-1]:
        raise ValueError(f"target of shape {target.shape}, not {logits.shape[:-1]}")
    kept = target != ignore_index
    if np.any(kept & ((target < 0) | (target >= logits.shape[-1]))):
        raise ValueError(f"a target is neither a class below {logits.shape[-1]} nor {ignore_index}")
    count = max(int(kept.sum()), 1)
    rows, classes = logits[kept], target[kept]  # an ignored row may hold anything
    at_target = np.arange(len(rows)), classes
    log_p = rows - rows.max(axis=-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    gains = np.zeros(target.shape, logits.dtype)
    gains[kept] = log_p[at_target]

    def vjp(g: Array) -> tuple[Array]:
        p = np.exp(log_p)
        p[at_target] -= 1
        gradient = np.zeros((*kept.shape, p.shape[-1]), p.dtype)
        gradient[kept] = p * (g / count)
        return (gradient,)

    return np.asarray(-np.sum(gains) / count, logits.dtype), vjp


@vjp_reads()
def kl_divergence_with_logits(logits: Array, *, target: Array) -> Ruled:
    """KL(target ‖ softmax(logits)) over the last axis, averaged over the others; target rows sum to one."""
    log_p = logits - logits.max(axis=-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    possible = target > 0  # other terms are 0, even if log_p is -inf
    terms = np.log(np.where(possible, target, 1)) - np.where(possible, log_p, 0)
    rows = logits.size // logits.shape[-1]
    value = np.sum(target * terms) / rows
    return value, lambda g: (g / rows * (np.exp(log_p) - target),)
