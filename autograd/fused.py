"""Rules that exist for speed: each is one node where a composition from `ops` would take many.

Every rule here is tested equal to its composition, in value and in gradients.
"""

import numpy as np

from .ops import Array, Ruled, logistic, unbroadcast

# --------------------------------------------------------------------------------------------------- layers


def linear(x: Array, weight: Array, bias: Array | None = None) -> Ruled:
    """x Wᵀ + b for x (..., in), weight (out, in), bias (out,)."""
    rows = x.reshape(-1, x.shape[-1])
    value = rows @ weight.T
    if bias is not None:
        value += bias

    def vjp(g: Array) -> tuple[Array, ...]:
        g = g.reshape(-1, weight.shape[0])
        gradients = (g @ weight).reshape(x.shape), g.T @ rows
        return gradients if bias is None else (*gradients, g.sum(axis=0))

    return value.reshape(*x.shape[:-1], weight.shape[0]), vjp


def attention(q: Array, k: Array, v: Array, *, blocked: Array | None = None) -> Ruled:
    """softmax(q kᵀ / √d) v for q (..., T, d), k and v (..., S, d) (Vaswani et al. 2017, section 3.2.1).

    `blocked`, boolean and broadcastable to (..., T, S), is True where a key may not be seen. A query that
    may see no key at all gets zeros.
    """
    scale = float(q.shape[-1]) ** -0.5
    p = (q @ k.swapaxes(-1, -2)) * q.dtype.type(scale)
    if blocked is not None:
        np.copyto(p, -np.inf, where=blocked)
    p -= p.max(axis=-1, keepdims=True, initial=np.finfo(p.dtype).min)
    np.exp(p, out=p)
    p /= np.maximum(p.sum(axis=-1, keepdims=True), np.finfo(p.dtype).tiny)

    def vjp(g: Array) -> tuple[Array, Array, Array]:
        gp = g @ v.swapaxes(-1, -2)
        gs = p * (gp - np.vecdot(gp, p)[..., None])
        gs *= gs.dtype.type(scale)
        return (
            unbroadcast(gs @ k, q.shape),
            unbroadcast(gs.swapaxes(-1, -2) @ q, k.shape),
            unbroadcast(p.swapaxes(-1, -2) @ g, v.shape),
        )

    return p @ v, vjp


def rms_norm(a: Array, *, eps: float) -> Ruled:
    """a / √(mean(a²) + eps) over the last axis, without weights (Zhang and Sennrich 2019, equation 4)."""
    n = a.shape[-1]
    inverse = 1 / np.sqrt(np.vecdot(a, a)[..., None] / n + eps)
    value = a * inverse
    return value, lambda g: (inverse * (g - value * (np.vecdot(g, value)[..., None] / n)),)


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


def swiglu(a: Array) -> Ruled:
    """silu(gate) · up, where `a` (..., 2d) holds gate and up side by side (Shazeer 2020, equation 6)."""
    if a.shape[-1] % 2:
        raise ValueError("needs an even last axis (gate and up side by side)")
    gate, up = np.split(a, 2, axis=-1)
    s = logistic(gate)
    gated = gate * s

    def vjp(g: Array) -> tuple[Array]:
        return (np.concatenate([g * up * (s + gated * (1 - s)), g * gated], axis=-1),)

    return gated * up, vjp


def rotary(a: Array, *, cos: Array, sin: Array) -> Ruled:
    """Rotate the pairs (a[i], a[i + d/2]) of the last axis by angles whose cos and sin (T, d/2) are given.

    Rotary position embedding (Su et al. 2021, section 3.2.2), in the half-split layout. A rotation's
    transpose turns back, so the vjp rotates by the negative angle.
    """

    def turn(u: Array, sin: Array) -> Array:
        first, second = np.split(u, 2, axis=-1)
        return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)

    return turn(a, sin), lambda g: (turn(g, -sin),)


# ------------------------------------------------------------------------------------------ losses on logits


def binary_cross_entropy_with_logits(logits: Array, *, target: Array) -> Ruled:
    """Mean of max(z, 0) - z·t + log(1 + exp(-|z|)): stable for any logit z."""
    value = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    return np.mean(value), lambda g: (g / value.size * (logistic(logits) - target),)


def cross_entropy(logits: Array, *, target: Array, ignore_index: int = -100) -> Ruled:
    """Mean of -log softmax(logits)[target] over targets that are not `ignore_index`; 0 if there are none."""
    if target.shape != logits.shape[:-1]:
        raise ValueError(f"target of shape {target.shape}, not {logits.shape[:-1]}")
    kept = target != ignore_index
    if np.any(kept & ((target < 0) | (target >= logits.shape[-1]))):
        raise ValueError(f"a target is neither a class below {logits.shape[-1]} nor {ignore_index}")
    count = max(int(kept.sum()), 1)
    index = np.where(kept, target, 0)[..., None]
    log_p = logits - logits.max(axis=-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    value = -np.sum(np.take_along_axis(log_p, index, axis=-1)[..., 0] * kept) / count

    def vjp(g: Array) -> tuple[Array]:
        p = np.exp(log_p)
        np.put_along_axis(p, index, np.take_along_axis(p, index, axis=-1) - 1, axis=-1)
        return (p * (g / count * kept)[..., None],)

    return value.astype(logits.dtype), vjp


def kl_divergence_with_logits(logits: Array, *, target: Array) -> Ruled:
    """KL(target ‖ softmax(logits)) over the last axis, averaged over the others; target rows sum to one."""
    log_p = logits - logits.max(axis=-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    log_target = np.log(np.where(target > 0, target, 1))
    rows = logits.size // logits.shape[-1]
    value = np.sum(target * (log_target - log_p)) / rows
    return value, lambda g: (g / rows * (np.exp(log_p) - target),)
