"""Every fused rule equals its composition from the plain rules, in value and in every gradient."""

import math
from collections.abc import Callable

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from trm_np.autograd import Tensor, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.autograd.tensor import concatenate

drawn = settings(derandomize=True, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
leading = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)
widths = st.integers(1, 5)


def assert_equal(
    fused: Callable[..., Tensor],
    composed: Callable[..., Tensor],
    arrays: list[Array],
    rng: np.random.Generator,
) -> None:
    """Compare the value and each array's gradient, within 1e-12 of the largest element.

    Where nothing is recorded, each gives the same value to the bit.
    """
    found = []
    cotangent = None
    for function in (fused, composed):
        tensors = [Tensor(a, requires_grad=True, dtype=np.float64) for a in arrays]
        result = function(*tensors)
        cotangent = rng.normal(size=result.shape) if cotangent is None else cotangent
        with no_grad():
            np.testing.assert_array_equal(function(*tensors).data, result.data)
        result.backward(cotangent)
        found.append([result.data, *(t.grad for t in tensors)])
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None and one.shape == other.shape
        largest = np.abs(other).max(initial=1.0)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12 * largest)


@drawn
@given(lead=leading, i=widths, o=widths, bias=st.booleans(), seed=seeds)
def test_linear(lead: tuple[int, ...], i: int, o: int, bias: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = [(*lead, i), (o, i)] + [(o,)] * bias

    def composed(x: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        product = x @ weight.transpose(0, 1)
        return product + bias[0] if bias else product

    assert_equal(F.linear, composed, [rng.normal(size=shape) for shape in shapes], rng)


@drawn
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, min_dims=1, max_dims=3, max_side=3),
    parts=st.integers(1, 3), width=widths, o=widths, seed=seeds,
)  # fmt: skip
def test_linear_of_parts(shapes: hnp.BroadcastableShapes, parts: int, width: int, o: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    leads = shapes.input_shapes[:parts]
    lead = np.broadcast_shapes(*leads)
    arrays = [rng.normal(size=(*shape, width + place)) for place, shape in enumerate(leads)]
    arrays += [rng.normal(size=(o, sum(a.shape[-1] for a in arrays))), rng.normal(size=o)]

    def of_parts(*tensors: Tensor) -> Tensor:
        return F.linear_of_parts(tensors[:-2], *tensors[-2:])

    def of_the_concatenation(*tensors: Tensor) -> Tensor:
        whole = concatenate([part.expand(*lead, part.shape[-1]) for part in tensors[:-2]])
        return F.linear(whole, *tensors[-2:])

    assert_equal(of_parts, of_the_concatenation, arrays, rng)


@drawn
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3),
    i=widths, o=widths, seed=seeds,
)  # fmt: skip
def test_pair_scores(shapes: hnp.BroadcastableShapes, i: int, o: int, seed: int) -> None:
    def composed(rows: Tensor, columns: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.linear((rows + columns).relu(), weight, bias)

    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(*shape, i)) for shape in shapes.input_shapes]
    assert_equal(F.pair_scores, composed, [*arrays, rng.normal(size=(o, i)), rng.normal(size=o)], rng)


@drawn
@given(data=st.data(), seed=seeds)
def test_attention(data: st.DataObject, seed: int) -> None:
    b, h, t, s, d = (data.draw(st.integers(1, 4)) for _ in range(5))
    masks = hnp.arrays(bool, st.sampled_from([(b, h, t, s), (b, 1, 1, s), (t, s)]))
    blocked = data.draw(st.one_of(st.none(), masks))
    visible = np.ones((t, s)) if blocked is None else 1.0 - blocked
    sees_nothing = 1.0 * ~visible.any(axis=-1, keepdims=True)
    rng = np.random.default_rng(seed)

    def composed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = (q @ k.transpose(-1, -2) / d**0.5).exp() * visible
        share: Tensor = weights / (weights.sum(axis=-1, keepdims=True) + sees_nothing)
        return share @ v

    one_or_b = data.draw(st.sampled_from([1, b]))
    arrays = [rng.normal(size=shape) for shape in ((b, h, t, d), (b, h, s, d), (one_or_b, h, s, d))]
    assert_equal(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, blocked), composed, arrays, rng)


def heads_of(x: Tensor, heads: int) -> Tensor:
    """(B, T, heads·d) to (B, heads, T, d)."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).permute(0, 2, 1, 3)


def rotation_by(angles: Array, heads: int = 1) -> Array:
    return np.exp(1j * np.tile(angles, heads)).astype(np.complex64)


def attend_by_head(q: Tensor, k: Tensor, v: Tensor, heads: int, blocked: Array | None) -> Tensor:
    seen = F.scaled_dot_product_attention(*(heads_of(x, heads) for x in (q, k, v)), blocked)
    return seen.permute(0, 2, 1, 3).reshape(*q.shape)


@drawn
@given(data=st.data(), seed=seeds)
def test_self_attention(data: st.DataObject, seed: int) -> None:
    b, t, heads, pairs = (data.draw(st.integers(1, 4)) for _ in range(4))
    blocked = data.draw(st.one_of(st.none(), hnp.arrays(bool, (b, 1, 1, t))))
    rng = np.random.default_rng(seed)
    width = 2 * pairs * heads
    rotation = data.draw(st.sampled_from([None, rotation_by(rng.normal(size=(t, pairs)), heads)]))
    both = None if rotation is None else np.tile(rotation, 2)

    def composed(packed: Tensor) -> Tensor:
        q, k, v = (packed[..., i * width : (i + 1) * width] for i in range(3))
        if rotation is not None:
            q, k = F.rotary(q, rotation), F.rotary(k, rotation)
        return attend_by_head(q, k, v, heads, blocked)

    packed = rng.normal(size=(b, t, 3 * width))
    assert_equal(lambda x: F.self_attention(x, heads, both, blocked), composed, [packed], rng)


@drawn
@given(data=st.data(), seed=seeds)
def test_sublayers(data: st.DataObject, seed: int) -> None:
    b, t, heads, pairs, hidden = (data.draw(st.integers(1, 3)) for _ in range(5))
    blocked = data.draw(st.one_of(st.none(), hnp.arrays(bool, (b, 1, 1, t))))
    rng = np.random.default_rng(seed)
    width = 2 * pairs * heads
    rotation = data.draw(st.sampled_from([None, rotation_by(rng.normal(size=(t, pairs)), 2 * heads)]))

    def attention(x: Tensor, qkv: Tensor, out: Tensor) -> Tensor:
        seen = F.self_attention(F.linear(x, qkv), heads, rotation, blocked)
        return F.rms_norm(x + F.linear(seen, out))

    def swiglu(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
        return F.rms_norm(x + F.linear(F.swiglu(F.linear(x, gate_up)), down))

    x = rng.normal(size=(b, t, width))
    weights = [rng.normal(size=(3 * width, width)), rng.normal(size=(width, width))]
    assert_equal(
        lambda *all_three: F.attention_sublayer(*all_three, heads, rotation, blocked),
        attention,
        [x, *weights],
        rng,
    )
    weights = [rng.normal(size=(2 * hidden, width)), rng.normal(size=(width, hidden))]
    assert_equal(F.swiglu_sublayer, swiglu, [x, *weights], rng)


@drawn
@given(b=widths, shared=widths, heads=st.integers(1, 3), d=widths, seed=seeds)
def test_attention_to_shared_keys(b: int, shared: int, heads: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = heads * d

    def composed(query: Tensor, keys: Tensor) -> Tensor:
        for_all, own = keys[:shared].expand(b, shared, 2 * width), keys[shared:].reshape(b, 1, 2 * width)
        memory = concatenate([for_all, own], axis=1)
        k, v = (heads_of(part, heads) for part in (memory[..., :width], memory[..., width:]))
        q = heads_of(query.reshape(b, 1, width), heads)
        return F.scaled_dot_product_attention(q, k, v).reshape(b, width)

    arrays = [rng.normal(size=(b, width)), rng.normal(size=(shared + b, 2 * width))]
    assert_equal(lambda query, keys: F.attention_to_shared(query, keys, heads), composed, arrays, rng)


@drawn
@given(lead=leading, n=st.integers(2, 8), eps=st.sampled_from([1e-6, 1e-3]), seed=seeds)
def test_rms_norm(lead: tuple[int, ...], n: int, eps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def composed(x: Tensor) -> Tensor:
        return x / ((x * x).mean(axis=-1, keepdims=True) + eps).sqrt()

    x, y = rng.normal(size=(2, *lead, n))
    assert_equal(lambda x: F.rms_norm(x, eps), composed, [x], rng)
    assert_equal(lambda x, y: F.rms_norm_of_sum(x, y, eps), lambda x, y: composed(x + y), [x, y], rng)


@drawn
@given(lead=leading, n=st.integers(3, 8), eps=st.sampled_from([1e-5, 1e-3]), seed=seeds)
def test_layer_norm(lead: tuple[int, ...], n: int, eps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def composed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / ((centred**2).mean(axis=-1, keepdims=True) + eps).sqrt() * weight + bias

    arrays = [rng.normal(size=shape) for shape in ((*lead, n), (n,), (n,))]
    assert_equal(lambda x, weight, bias: F.layer_norm(x, weight, bias, eps), composed, arrays, rng)


@drawn
@given(lead=leading, d=widths, seed=seeds)
def test_swiglu(lead: tuple[int, ...], d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def composed(x: Tensor) -> Tensor:
        gate, up = x[..., :d], x[..., d:]
        return gate * gate.sigmoid() * up

    assert_equal(F.swiglu, composed, [rng.normal(size=(*lead, 2 * d))], rng)


@drawn
@given(lead=leading, t=widths, pairs=widths, seed=seeds)
def test_rotary_is_a_complex_multiplication(lead: tuple[int, ...], t: int, pairs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi, np.pi, (t, pairs))
    x = Tensor(rng.normal(size=(*lead, t, 2 * pairs)), requires_grad=True)
    g = rng.normal(size=x.shape)
    result = F.rotary(x, rotation_by(angles))
    result.backward(g)

    def as_complex(a: Array) -> Array:
        return a[..., ::2] + 1j * a[..., 1::2]

    turn = np.exp(1j * angles)
    assert x.grad is not None
    # A rotation is complex64.
    np.testing.assert_allclose(as_complex(result.data), as_complex(x.data) * turn, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(as_complex(x.grad), as_complex(g) * turn.conj(), rtol=1e-6, atol=1e-6)


@drawn
@given(shape=leading, seed=seeds)
def test_mean_squared_error_and_norm_and_weighted_sum(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, target = rng.normal(size=(3, *shape))
    a, b = rng.normal(size=2)
    assert_equal(lambda x: F.mse_loss(x, target), lambda x: ((x - target) ** 2).mean(), [x], rng)
    assert_equal(F.l2_norm, lambda x: (x**2).sum().sqrt(), [x], rng)
    assert_equal(lambda x, y: F.weighted_sum([x, y], [a, b]), lambda x, y: x * a + y * b, [x, y], rng)


def test_the_norm_of_zeros_has_a_gradient_of_zeros() -> None:
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    F.l2_norm(x).backward()
    assert x.grad is not None and not x.grad.any()


@drawn
@given(shape=leading, seed=seeds)
def test_binary_cross_entropy(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 1, shape).round(int(rng.integers(0, 3)))  # soft and hard labels

    def composed(logits: Tensor) -> Tensor:
        return -(logits.sigmoid().log() * target + (-logits).sigmoid().log() * (1 - target)).mean()

    logits = 2 * rng.normal(size=shape)
    assert_equal(lambda z: F.binary_cross_entropy_with_logits(z, target), composed, [logits], rng)


@drawn
@given(lead=leading, classes=widths, ignore_index=st.sampled_from([-100, -1, 0]), seed=seeds)
def test_cross_entropy(lead: tuple[int, ...], classes: int, ignore_index: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, lead)
    target[rng.random(lead) < 0.3] = ignore_index
    kept = target != ignore_index
    chosen = np.eye(classes)[np.where(kept, target, 0)] * kept[..., None]

    def composed(logits: Tensor) -> Tensor:
        chosen_log_p: Tensor = (F.log_softmax(logits) * chosen).sum()
        return -chosen_log_p / max(int(kept.sum()), 1)

    logits = 2 * rng.normal(size=(*lead, classes))
    assert_equal(lambda z: F.cross_entropy(z, target, ignore_index), composed, [logits], rng)


@drawn
@given(lead=leading, classes=widths, seed=seeds)
def test_kl_divergence(lead: tuple[int, ...], classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 1, (*lead, classes)) * (rng.random((*lead, classes)) < 0.7)  # some exact zeros
    target[..., 0] += 0.1
    target /= target.sum(axis=-1, keepdims=True)
    entropy = float(np.sum(target * np.log(target, where=target > 0, out=np.zeros_like(target))))

    def composed(logits: Tensor) -> Tensor:
        divergence: Tensor = (entropy - (F.log_softmax(logits) * target).sum()) / math.prod(lead)
        return divergence

    logits = 2 * rng.normal(size=(*lead, classes))
    assert_equal(lambda z: F.kl_divergence_with_logits(z, target), composed, [logits], rng)


@drawn
@given(lead=leading, classes=widths, seed=seeds)
def test_softmax_and_log_softmax(lead: tuple[int, ...], classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(*lead, classes))]
    assert_equal(F.softmax, lambda x: x.exp() / x.exp().sum(axis=-1, keepdims=True), arrays, rng)
    assert_equal(F.log_softmax, lambda x: x - x.exp().sum(axis=-1, keepdims=True).log(), arrays, rng)


@drawn
@given(shape=leading, seed=seeds)
def test_silu(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_equal(F.silu, lambda x: x / ((-x).exp() + 1), [rng.normal(size=shape)], rng)


@drawn
@given(far=st.sampled_from([1.0, 30.0, 300.0]), masked=st.booleans(), seed=seeds)
def test_attention_is_exact_however_far_apart_the_scores(far: float, masked: bool, seed: int) -> None:
    """Rows whose scores lie hundreds apart, and keys that nobody may see above all others."""
    rng = np.random.default_rng(seed)
    q, k = far * rng.normal(size=(2, 3, 4, 1, 1))
    v = rng.normal(size=(3, 4, 2))
    blocked = rng.random((3, 1, 4)) < 0.3 if masked else np.zeros((3, 1, 4), bool)
    blocked[..., 0] = False
    scores = np.where(blocked, -np.inf, q[..., 0] @ k[..., 0].swapaxes(-1, -2))
    share = np.exp(scores - scores.max(axis=-1, keepdims=True))
    expected = share / share.sum(axis=-1, keepdims=True) @ v
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-3)):
        found = F.scaled_dot_product_attention(
            *(Tensor(x, dtype=dtype) for x in (q[..., 0], k[..., 0], v)), blocked
        )
        np.testing.assert_allclose(found.data, expected, rtol=tolerance, atol=tolerance)


@drawn
@given(
    shape=hnp.array_shapes(min_dims=4, max_dims=4, max_side=4), order=st.permutations(range(4)), seed=seeds
)
def test_attention_does_not_depend_on_the_layout_of_its_arguments(
    shape: tuple[int, ...], order: list[int], seed: int
) -> None:
    """The weights are made in place, in rows of one array."""
    x = np.random.default_rng(seed).normal(size=shape).transpose(order)
    found, expected = (F.scaled_dot_product_attention(*[Tensor(a)] * 3).data for a in (x, x.copy(order="C")))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
