"""Functions on Tensors, under PyTorch's names: activations, losses, dropout, attention. No state."""

from collections.abc import Sequence

import numpy as np

from . import fused, ops
from .ops import Array
from .tensor import Tensor, apply
from .tensor import concatenate as concatenate


def relu(x: Tensor) -> Tensor:
    return apply(ops.relu, x)


def silu(x: Tensor) -> Tensor:
    """x · sigmoid(x)."""
    return apply(ops.silu, x)


def sigmoid(x: Tensor) -> Tensor:
    return apply(ops.sigmoid, x)


def softmax(x: Tensor) -> Tensor:
    """Softmax over the last axis."""
    return apply(ops.softmax, x)


def log_softmax(x: Tensor) -> Tensor:
    """Logarithm of the softmax over the last axis."""
    return apply(ops.log_softmax, x)


def swiglu(x: Tensor) -> Tensor:
    """silu(gate) · up for x (..., 2d) = [gate, up]; gives (..., d)."""
    return apply(fused.swiglu, x)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b: x (..., in), weight (out, in), bias (out,); gives (..., out)."""
    return apply(fused.linear, x, weight) if bias is None else apply(fused.linear, x, weight, bias)


def pair_scores(rows: Tensor, columns: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`linear` of relu(rows + columns): rows (B, 1, in), columns (1, G, in), weight (out, in); gives (B, G, out)."""
    return apply(fused.pair_scores, rows, columns, weight, bias)


def linear_of_parts(parts: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`linear` of the concatenation of `parts`, whose leading axes broadcast against each other.

    W [a, b] = W_a a + W_b b: for a (B, 1, i) and b (1, G, j) no array of B·G rows is made at the input's
    width, only at the output's.
    """
    widths = [part.shape[-1] for part in parts]
    if sum(widths) != weight.shape[1]:
        raise ValueError(f"linear_of_parts: parts of width {widths} for a weight of shape {weight.shape}")
    ends = np.cumsum(widths)
    result = linear(parts[0], weight[:, : ends[0]], bias)
    for part, start, end in zip(parts[1:], ends[:-1], ends[1:], strict=True):
        result = result + linear(part, weight[:, start:end])
    return result


def embedding(index: Array, table: Tensor) -> Tensor:
    """Rows of `table` (N, D) at `index`, integers of any shape (...); gives (..., D)."""
    return apply(ops.take_rows, table, index=np.asarray(index))


def rms_norm(x: Tensor, eps: float = fused.RMS_EPS) -> Tensor:
    """x over its root mean square along the last axis, without weights."""
    return apply(fused.rms_norm, x, eps=eps)


def rms_norm_of_sum(x: Tensor, y: Tensor, eps: float = fused.RMS_EPS) -> Tensor:
    """`rms_norm` of x + y of one shape, as after a residual connection."""
    return apply(fused.rms_norm, x, y, eps=eps)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Standardised along the last axis, then scaled by `weight` and shifted by `bias` (D,)."""
    return apply(fused.layer_norm, x, weight, bias, eps=eps)


def rotary(x: Tensor, rotation: Array) -> Tensor:
    """Rotary positions on x (..., T, k·d), k heads of width d side by side."""
    return apply(fused.rotary, x, rotation=rotation)


def self_attention(
    packed: Tensor, heads: int, rotation: Array | None = None, blocked: Array | None = None
) -> Tensor:
    """Attention within each head of packed (..., T, 3D), queries, keys and values; gives (..., T, D)."""
    return apply(fused.self_attention, packed, heads=heads, rotation=rotation, blocked=blocked)


def attention_sublayer(
    x: Tensor,
    qkv: Tensor,
    out: Tensor,
    heads: int,
    rotation: Array | None = None,
    blocked: Array | None = None,
    eps: float = fused.RMS_EPS,
) -> Tensor:
    """rms_norm(x + out self_attention(qkv x)): x (..., T, D), qkv (3D, D), out (D, D); no biases."""
    settings = {"heads": heads, "rotation": rotation, "blocked": blocked, "eps": eps}
    return apply(fused.attention_sublayer, x, qkv, out, **settings)


def swiglu_sublayer(x: Tensor, gate_up: Tensor, down: Tensor, eps: float = fused.RMS_EPS) -> Tensor:
    """rms_norm(x + down swiglu(gate_up x)): x (..., D), gate_up (2H, D), down (D, H); no biases."""
    return apply(fused.swiglu_sublayer, x, gate_up, down, eps=eps)


def attention_to_shared(query: Tensor, keys: Tensor, heads: int) -> Tensor:
    """Attention of query (B, D) to keys (G + B, 2D), G shared by all and one for each alone; gives (B, D)."""
    return apply(fused.attention_to_shared, query, keys, heads=heads)


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, blocked: Array | None = None) -> Tensor:
    """softmax(q kᵀ / √d) v; `blocked` (..., T, S) is True where a key may not be seen."""
    return apply(fused.attention, q, k, v, blocked=blocked)


def dropout(x: Tensor, p: float, rng: "np.random.Generator") -> Tensor:
    """Zero each element with probability p and scale the rest by 1 / (1 - p) (Srivastava et al. 2014)."""
    keep = rng.random(x.shape, dtype=np.float32) >= drop_probability(p)
    return apply(ops.scale, x, factor=keep / x.dtype.type(1 - p))


def drop_probability(p: float) -> float:
    """Return p; raises ValueError unless it is in [0, 1)."""
    if not 0 <= p < 1:
        raise ValueError(f"drop probability {p} is not in [0, 1)")
    return p


# --------------------------------------------------------------------------------------------------- losses


def mse_loss(x: Tensor, target: Array) -> Tensor:
    """Mean of (x - target)² over all elements; `target` of the shape of x."""
    return apply(fused.mean_squared_error, x, target=_like("mse_loss", target, x))


def binary_cross_entropy_with_logits(logits: Tensor, target: Array) -> Tensor:
    """Mean binary cross-entropy over all elements; `target` in [0, 1], of the logits' shape."""
    target = _like("binary_cross_entropy_with_logits", target, logits)
    return apply(fused.binary_cross_entropy_with_logits, logits, target=target)


def cross_entropy(logits: Tensor, target: Array, ignore_index: int = -100) -> Tensor:
    """Mean of -log softmax(logits)[target]: logits (..., C), target integers (...).

    Targets equal to `ignore_index` are left out; where none is left the loss is 0 (PyTorch gives NaN).
    """
    return apply(fused.cross_entropy, logits, target=np.asarray(target), ignore_index=ignore_index)


def kl_divergence_with_logits(logits: Tensor, target: Array) -> Tensor:
    """KL(target ‖ softmax(logits)) over the last axis, averaged over the rest; target rows sum to one."""
    target = _like("kl_divergence_with_logits", target, logits)
    return apply(fused.kl_divergence_with_logits, logits, target=target)


def l2_norm(x: Tensor) -> Tensor:
    """√Σx² of all elements."""
    return apply(fused.l2_norm, x)


def weighted_sum(terms: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ wᵢ·termᵢ of tensors of one shape."""
    return apply(fused.weighted_sum, *terms, weights=weights)


def _like(loss: str, target: Array | Tensor, x: Tensor) -> Array:
    target = np.asarray(target)
    if target.shape != x.shape:
        raise ValueError(f"{loss} of shape {x.shape}: target of shape {target.shape}")
    return target.astype(x.dtype, copy=False)
