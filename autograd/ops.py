"""The rules: the value of each operation, and the function that sends its gradient back.

A rule takes arrays and returns `(value, vjp)`. The vjp (vector-Jacobian product) maps the cotangent `g` of the
value, an array of its shape, to one gradient per array argument. Settings are keyword arguments. A rule does not
depend on tensors or graphs; `tensor.apply` joins them.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Vjp: TypeAlias = Callable[[Array], Sequence[Array]]
Ruled: TypeAlias = tuple[Array, Vjp]
Rule: TypeAlias = Callable[..., Ruled]
Axis: TypeAlias = int | tuple[int, ...] | None

ELEMENTWISE: set[Rule] = set()  # rules whose arguments broadcast: the engine sums their gradients back
VJP_READS: dict[
    Rule, tuple[int, ...]
] = {}  # the arguments whose values a vjp needs; all, if a rule is not here
UNRECORDED: dict[Rule, Rule] = {}  # the replacement of a rule where no graph is built


def elementwise(rule: Rule) -> Rule:
    ELEMENTWISE.add(rule)
    return rule


def vjp_reads(*arguments: int) -> Callable[[Rule], Rule]:
    """Mark a rule whose vjp reads only these arguments; the others may change before backward()."""

    def register(rule: Rule) -> Rule:
        VJP_READS[rule] = arguments
        return rule

    return register


def unrecorded(rule: Rule) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Mark the function that computes the same bits as `rule` but keeps nothing for a vjp."""

    def register(value_alone: Callable[..., Array]) -> Callable[..., Array]:
        @wraps(rule)
        def without_vjp(*arrays: Array, **settings: Any) -> Ruled:
            return value_alone(*arrays, **settings), no_vjp

        UNRECORDED[rule] = without_vjp
        return value_alone

    return register


def no_vjp(_: Array) -> Sequence[Array]:
    raise RuntimeError("a gradient was asked for where nothing was recorded")


SMALLEST_SUM = 1e-24  # of squares: in a smaller one, those that vanish in float32 might count

# ---------------------------------------------------------------------------------------------- elementwise


@elementwise
@vjp_reads()
def add(a: Array, b: Array) -> Ruled:
    return a + b, lambda g: (g, g)


@elementwise
@vjp_reads()
def sub(a: Array, b: Array) -> Ruled:
    return a - b, lambda g: (g, -g)


@elementwise
def mul(a: Array, b: Array) -> Ruled:
    return a * b, lambda g: (g * b, g * a)


@elementwise
@vjp_reads()
def scale(a: Array, *, factor: Array | float) -> Ruled:
    """a · factor for a number or an array that gets no gradient."""
    return a * factor, lambda g: (g * factor,)


@elementwise
@vjp_reads(1)
def div(a: Array, b: Array) -> Ruled:
    value = a / b
    return value, lambda g: (g / b, -g * (value / b))


@elementwise
@vjp_reads()
def neg(a: Array) -> Ruled:
    return -a, lambda g: (-g,)


@elementwise
def power(a: Array, *, exponent: float) -> Ruled:
    if exponent == 0:  # 0 · a^-1 is nan where a is 0
        return np.ones_like(a), lambda g: (np.zeros_like(a),)
    return a**exponent, lambda g: (g * (exponent * a ** (exponent - 1)),)


@elementwise
@vjp_reads()
def exp(a: Array) -> Ruled:
    value = np.exp(a)
    return value, lambda g: (g * value,)


@elementwise
def log(a: Array) -> Ruled:
    return np.log(a), lambda g: (g / a,)


@elementwise
@vjp_reads()
def sqrt(a: Array) -> Ruled:
    value = np.sqrt(a)
    return value, lambda g: (g / (2 * value),)


@elementwise
@vjp_reads()
def tanh(a: Array) -> Ruled:
    value = np.tanh(a)
    return value, lambda g: (g * (1 - value * value),)


def logistic(a: Array) -> Array:
    """1 / (1 + exp(-a)), to full relative precision where it is small."""
    e = np.negative(a, out=np.empty_like(a))  # a single array, which stays in the cache
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is the limit, 0
        np.exp(e, out=e)
    e += 1
    return np.divide(1, e, out=e)  # faster than np.reciprocal


def no_less_than_lowest(a: Array) -> Array:
    """`a`, with -inf replaced by the lowest finite number, whose product with its logistic is the limit, 0."""
    if a.min(initial=0) > -np.inf:  # takes a quarter of the time of the maximum with a number
        return a
    limited: Array = np.maximum(a, np.finfo(a.dtype).min)
    return limited


@elementwise
@vjp_reads()
def sigmoid(a: Array) -> Ruled:
    value = logistic(a)
    return value, lambda g: (g * value * (1 - value),)


def rectified(a: Array, out: Array | None = None) -> Array:
    """The maximum of a and 0, in `out` if that is given."""
    return a.clip(0, np.inf, out=out)  # a third of the time of np.maximum, for a large array


@elementwise
@vjp_reads()
def relu(a: Array) -> Ruled:
    value = rectified(a)
    return value, lambda g: (g * ~(value <= 0),)


@elementwise
def silu(a: Array) -> Ruled:
    a = no_less_than_lowest(a)
    s = logistic(a)
    return a * s, lambda g: (g * s * (1 + a * (1 - s)),)


# --------------------------------------------------------------------------------------------------- reduce


@vjp_reads()
def total(a: Array, *, axis: Axis = None, keepdims: bool = False) -> Ruled:
    """Sum over `axis`."""

    def vjp(g: Array) -> tuple[Array]:
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        return (np.broadcast_to(g, a.shape),)

    return np.sum(a, axis=axis, keepdims=keepdims), vjp


def euclidean_norm(a: Array) -> float:
    """√Σa² of all elements, also where squares overflow or vanish in the dtype of `a`."""
    squares = float(np.vdot(a, a))
    if SMALLEST_SUM < squares < np.inf:
        return math.sqrt(squares)
    largest = float(np.abs(a).max(initial=0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    scaled = a.astype(np.float64) / largest
    return largest * math.sqrt(np.vdot(scaled, scaled))


@vjp_reads()
def softmax(a: Array) -> Ruled:
    """Softmax over the last axis."""
    value = np.exp(a - a.max(axis=-1, keepdims=True))
    value /= value.sum(axis=-1, keepdims=True)
    return value, lambda g: (value * (g - np.sum(g * value, axis=-1, keepdims=True)),)


@vjp_reads()
def log_softmax(a: Array) -> Ruled:
    """Logarithm of the softmax over the last axis."""
    value = a - a.max(axis=-1, keepdims=True)
    value = value - np.log(np.exp(value).sum(axis=-1, keepdims=True))
    return value, lambda g: (g - np.exp(value) * g.sum(axis=-1, keepdims=True),)


# ---------------------------------------------------------------------------------------------------- shape


@vjp_reads()
def reshape(a: Array, *, shape: tuple[int, ...]) -> Ruled:
    return a.reshape(shape), lambda g: (g.reshape(a.shape),)


@vjp_reads()
def transpose(a: Array, *, first: int, second: int) -> Ruled:
    return a.swapaxes(first, second), lambda g: (g.swapaxes(first, second),)


@vjp_reads()
def permute(a: Array, *, axes: tuple[int, ...]) -> Ruled:
    return a.transpose(axes), lambda g: (g.transpose(np.argsort([axis % a.ndim for axis in axes])),)


@vjp_reads()
def expand(a: Array, *, shape: tuple[int, ...]) -> Ruled:
    """Broadcast to `shape`; the gradient sums over what was repeated."""
    value = np.broadcast_to(a, shape)
    return value, lambda g: (unbroadcast(g, a.shape),)


@vjp_reads()
def concatenate(*arrays: Array, axis: int = -1) -> Ruled:
    ends = np.cumsum([a.shape[axis] for a in arrays])[:-1]
    return np.concatenate(arrays, axis=axis), lambda g: tuple(np.split(g, ends, axis=axis))


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum `g` down to `shape`: the vjp of broadcasting `shape` up to `g.shape`."""
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1
    )
    return g.sum(axis=axes).reshape(shape) if axes else g


# ------------------------------------------------------------------------------------------- linear algebra


def matmul(a: Array, b: Array) -> Ruled:
    """Matrix product over the last two axes; the leading axes broadcast, a vector is an error."""
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError("needs at least two axes on each side")

    def vjp(g: Array) -> tuple[Array, Array]:
        of_a, of_b = product(g, b.swapaxes(-1, -2)), product(a.swapaxes(-1, -2), g)
        return unbroadcast(of_a, a.shape), unbroadcast(of_b, b.shape)

    return a @ b, vjp


def product(a: Array, b: Array) -> Array:
    """a @ b for gradients; a sum over one term is computed as a product, which is several times as fast."""
    return a * b if a.shape[-1] == 1 else a @ b


# ---------------------------------------------------------------------------------------------------- index


@vjp_reads()
def getitem(a: Array, *, index: Any) -> Ruled:
    """`a[index]` for slices, integers and None, so that each element is taken at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    if not all(part is None or isinstance(part, int | np.integer | slice | EllipsisType) for part in parts):
        raise ValueError("takes slices, integers and None; for an array of indices there is take_rows")

    def vjp(g: Array) -> tuple[Array]:
        gradient = np.zeros_like(a, dtype=g.dtype)
        gradient[index] = g
        return (gradient,)

    return a[index], vjp


@vjp_reads()
def take_rows(table: Array, *, index: Array) -> Ruled:
    """Rows `table[index]`, `index` of any shape; a row taken k times gets the sum of its k gradients."""
    if index.dtype.kind not in "iu":
        raise TypeError(f"take_rows: the index has dtype {index.dtype}; it must be of integers")
    rows = index.reshape(-1)
    if rows.size and not 0 <= rows.min() <= rows.max() < len(table):
        raise ValueError(f"indices from {rows.min()} to {rows.max()} for a table of {len(table)} rows")
    width = table.shape[1:]

    def vjp(g: Array) -> tuple[Array]:
        # A stable sort brings equal rows together, one reduceat sums each run: np.add.at is ten times slower.
        order = np.argsort(rows, kind="stable")
        taken, starts = np.unique(rows[order], return_index=True)
        gradient = np.zeros_like(table, dtype=g.dtype)
        if taken.size:
            gradient[taken] = np.add.reduceat(g.reshape(-1, *width)[order], starts, axis=0)
        return (gradient,)

    return table[index], vjp
