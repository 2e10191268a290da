"""Tensor: an array with its place in the graph; `apply` runs a rule on arrays and records it as a node."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import ops
from .graph import Node, backward_pass
from .ops import Array, Axis, Rule, Vjp

if TYPE_CHECKING:
    from .drawing import Drawing

Operand: TypeAlias = "Tensor | Array | float"

# A context variable, so that no_grad() in one thread does not stop recording in another.
_recording: ContextVar[bool] = ContextVar("recording", default=True)
# Wraps each rule while a step is profiled (profile.py).
_meter: ContextVar[Callable[[Rule], Rule] | None] = ContextVar("meter", default=None)
# Makes the nodes while graphs are kept, of a plain node and the operands and settings of its rule (drawing.py).
keeper: ContextVar[Callable[..., Node] | None] = ContextVar("keeper", default=None)


@contextmanager
def no_grad() -> Iterator[None]:
    """Build no graph within the block; a context manager and a decorator."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_grad_enabled() -> bool:
    """Whether operations build a graph: not within `no_grad()`."""
    return _recording.get()


@contextmanager
def metered(meter: Callable[[Rule], Rule]) -> Iterator[None]:
    """Run `meter(rule)` in place of every rule within the block."""
    token = _meter.set(meter)
    try:
        yield
    finally:
        _meter.reset(token)


LEAF = "leaf"


class Tensor:
    """An array with a gradient: `Tensor(data, requires_grad=True)` makes a leaf, operations make the rest.

    float32 unless `data` is a float64 array or `dtype` says so; an array of that dtype is shared, not copied.
    After `backward()` each leaf holds its gradient in `.grad`, an array of its own shape; a further `backward()`
    adds to it.

    `backward()` needs the values of the forward pass. It raises an error if `copy_()`, `load_state_dict()` or an
    optimizer's `step()` has changed them; it does not notice changes to `.data` or to a shared array.
    """

    __slots__ = ("_node", "_version", "data", "grad")
    __array_ufunc__ = None  # so that `array * tensor` calls our __rmul__
    __hash__ = object.__hash__  # by identity, though == compares elements

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        self.data: Array = float_array(data, dtype)
        self._version = 0  # number of changes in place
        self.grad: Array | None = None
        self._node = Node(LEAF, (), self._accumulate) if requires_grad else None

    def _accumulate(self, g: Array) -> tuple[()]:
        if self.grad is None:
            self.grad = np.array(g, order="C")  # a copy: others may share g
        else:
            self.grad += g
        return ()

    @property
    def requires_grad(self) -> bool:
        return self._node is not None

    @property
    def is_leaf(self) -> bool:
        return self._node is None or self._node.name == LEAF

    def backward(self, gradient: Array | None = None) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf, and free the graph.

        `gradient`, the cotangent, has this tensor's shape; only a scalar may leave it out (then 1).
        """
        if self._node is None:
            raise RuntimeError("backward() on a tensor that requires no gradient")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(f"backward() on shape {self.shape} needs a gradient of that shape")
            gradient = np.ones_like(self.data)
        g = np.asarray(gradient, dtype=self.dtype)
        if g.shape != self.shape:
            raise RuntimeError(f"backward() on shape {self.shape} got a gradient of shape {g.shape}")
        backward_pass(self._node, g)

    def draw(self, **names: "Tensor") -> "Drawing":
        """The graph of this tensor as SVG; it must have been computed within `keep_graph()`.

        `loss.draw(x=x)` writes x on the box of that tensor. After `backward()`, the boxes show gradients too.
        """
        from .drawing import draw

        return draw(self, names)

    def detach(self) -> "Tensor":
        """The same data, outside the graph."""
        return Tensor(self.data, dtype=self.dtype)

    def copy_(self, values: Any) -> "Tensor":
        """Fill this leaf with `values`, which broadcast to its shape, in place; returns it."""
        if not self.is_leaf:
            raise RuntimeError(
                "copy_() on the result of an operation, whose gradient would be wrong; detach() it"
            )
        self.data[...] = values
        self._version += 1
        return self

    def item(self) -> float:
        """The single element; raises ValueError if there are more or none."""
        if self.data.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is not one number")
        return float(self.data.item())

    def numpy(self) -> Array:
        """The data; raises RuntimeError if the tensor requires a gradient."""
        if self.requires_grad:
            raise RuntimeError("a NumPy array has no gradient: use tensor.detach() to go on without")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return self.item()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __iter__(self) -> "Iterator[Tensor]":
        return (self[place] for place in range(len(self)))

    def __getstate__(self) -> tuple[Array, Array | None, bool]:
        if not self.is_leaf:
            raise RuntimeError("only a leaf can be copied or pickled; detach() makes one of this tensor")
        return self.data, self.grad, self.requires_grad

    def __setstate__(self, state: tuple[Array, Array | None, bool]) -> None:
        data, grad, requires_grad = state
        Tensor.__init__(self, data, requires_grad)
        self.grad = grad

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}, requires_grad={self.requires_grad})"

    def __len__(self) -> int:
        return len(self.data)

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    dtype = property(lambda self: self.data.dtype)
    size = property(lambda self: self.data.size)

    # fmt: off
    def __add__(self, other: Operand) -> "Tensor": return apply(ops.add, self, other)
    def __radd__(self, other: Operand) -> "Tensor": return apply(ops.add, other, self)
    def __sub__(self, other: Operand) -> "Tensor": return apply(ops.sub, self, other)
    def __rsub__(self, other: Operand) -> "Tensor": return apply(ops.sub, other, self)
    def __mul__(self, other: Operand) -> "Tensor": return scaled(self, other)
    def __rmul__(self, other: Operand) -> "Tensor": return scaled(self, other)
    def __truediv__(self, other: Operand) -> "Tensor": return apply(ops.div, self, other)
    def __rtruediv__(self, other: Operand) -> "Tensor": return apply(ops.div, other, self)
    def __matmul__(self, other: "Tensor | Array") -> "Tensor": return apply(ops.matmul, self, other)
    def __rmatmul__(self, other: Array) -> "Tensor": return apply(ops.matmul, other, self)
    def __neg__(self) -> "Tensor": return apply(ops.neg, self)
    def __pow__(self, exponent: float) -> "Tensor":
        if not isinstance(exponent, Real):
            return NotImplemented
        return apply(ops.power, self, exponent=float(exponent))
    def __getitem__(self, index: Any) -> "Tensor": return apply(ops.getitem, self, index=index)

    def exp(self) -> "Tensor": return apply(ops.exp, self)
    def log(self) -> "Tensor": return apply(ops.log, self)
    def sqrt(self) -> "Tensor": return apply(ops.sqrt, self)
    def tanh(self) -> "Tensor": return apply(ops.tanh, self)
    def sigmoid(self) -> "Tensor": return apply(ops.sigmoid, self)
    def relu(self) -> "Tensor": return apply(ops.relu, self)

    # Comparisons give arrays of booleans, which have no gradient.
    def __eq__(self, other: Any) -> Array: return self.data == _plain(other)  # type: ignore[override, no-any-return]
    def __ne__(self, other: Any) -> Array: return self.data != _plain(other)  # type: ignore[override, no-any-return]
    def __lt__(self, other: Any) -> Array: return self.data < _plain(other)  # type: ignore[no-any-return]
    def __le__(self, other: Any) -> Array: return self.data <= _plain(other)  # type: ignore[no-any-return]
    def __gt__(self, other: Any) -> Array: return self.data > _plain(other)  # type: ignore[no-any-return]
    def __ge__(self, other: Any) -> Array: return self.data >= _plain(other)  # type: ignore[no-any-return]
    # fmt: on

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(ops.total, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        axes = range(self.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        count: int = math.prod(self.shape[i] for i in axes)
        return self.sum(axis, keepdims) / count

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        return apply(ops.reshape, self, shape=_sizes(shape))

    def permute(self, *axes: int | Sequence[int]) -> "Tensor":
        """Reorder all axes."""
        return apply(ops.permute, self, axes=_sizes(axes))

    def transpose(self, first: int, second: int) -> "Tensor":
        """Exchange two axes."""
        return apply(ops.transpose, self, first=first, second=second)

    def expand(self, *shape: int | Sequence[int]) -> "Tensor":
        """Broadcast to `shape`."""
        return apply(ops.expand, self, shape=_sizes(shape))


def float_array(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of `dtype`, in native byte order; by default float64 if it is one, float32 otherwise.

    Raises TypeError for anything but numbers, and for another dtype.
    """
    array = np.asarray(data)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a tensor holds real numbers, not {array.dtype}")
    if dtype is None:
        given = getattr(data, "dtype", None)  # a list of numbers has none
        dtype = np.float64 if given is not None and given.kind == "f" and given.itemsize >= 8 else np.float32
    wanted = np.dtype(dtype).newbyteorder("=")
    if wanted not in (np.float32, np.float64):
        raise TypeError(f"dtype is {wanted}; a tensor is of float32 or float64")
    return array.astype(wanted, copy=False)


def _sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Numbers passed one by one, or as one sequence."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], Sequence) else given


def _plain(other: Any) -> Any:
    return other.data if isinstance(other, Tensor) else other


def concatenate(tensors: Sequence[Tensor], axis: int = -1) -> Tensor:
    return apply(ops.concatenate, *tensors, axis=axis)


def scaled(x: Tensor, other: Operand) -> Tensor:
    """x · other; a number or an array gets no gradient and does not become a tensor."""
    if isinstance(other, Tensor):
        return apply(ops.mul, x, other)
    return apply(ops.scale, x, factor=float_array(other, x.dtype))


def apply(rule: Rule, *operands: Operand, **settings: Any) -> Tensor:
    """The value of `rule` on `operands`, recorded in the graph if one of them needs a gradient.

    Numbers and arrays take the dtype of the tensors, so that float32 stays float32.
    """
    tensors = _as_tensors(operands)
    recording, meter = _recording.get(), _meter.get()
    run = rule if recording else ops.UNRECORDED.get(rule, rule)
    try:
        value, vjp = (run if meter is None else meter(run))(*[x.data for x in tensors], **settings)
    except ValueError as error:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"{rule.__name__} of shapes {shapes}: {error}") from error
    result = Tensor.__new__(Tensor)
    result.data = value if type(value) is np.ndarray else np.asarray(value)
    result._version = 0
    result.grad = result._node = None
    if recording:
        parents = tuple([x._node for x in tensors])
        if any(parents):
            node = Node(rule.__name__, parents, _fitted(rule, vjp, tensors))
            keep = keeper.get()
            result._node = node if keep is None else keep(node, tensors, settings)
    return result


def _as_tensors(operands: Sequence[Operand]) -> Sequence[Tensor]:
    for x in operands:
        if not isinstance(x, Tensor):
            dtype = next(x.dtype for x in operands if isinstance(x, Tensor))
            return [x if isinstance(x, Tensor) else Tensor(x, dtype=dtype) for x in operands]
    return operands  # type: ignore[return-value]  # the loop has looked at each


def _fitted(rule: Rule, vjp: Vjp, tensors: Sequence[Tensor]) -> Vjp:
    """Wrap a vjp so that each gradient has the dtype and shape of its argument.

    Raises RuntimeError if a value that the vjp reads was changed in place since.
    """
    wanted = [(x.data.shape, x.data.dtype) for x in tensors]
    places = ops.VJP_READS.get(rule)
    read = tensors if places is None else [tensors[place] for place in places]
    versions = [x._version for x in read]

    def fitted(g: Array) -> Sequence[Array]:
        if [x._version for x in read] != versions:
            changed = [x.shape for x, version in zip(read, versions, strict=True) if x._version != version]
            raise RuntimeError(
                f"backward() of {rule.__name__}: its argument of shape {changed[0]} was changed in place after the "
                "forward pass (an optimizer's step(), load_state_dict() or copy_()); call backward() before that"
            )
        gradients = vjp(g)
        if [(gradient.shape, gradient.dtype) for gradient in gradients] == wanted:
            return gradients
        return [_fit(rule, *each) for each in zip(range(len(wanted)), gradients, wanted, strict=True)]

    return fitted


def _fit(rule: Rule, place: int, gradient: Array, wanted: tuple[tuple[int, ...], Any]) -> Array:
    shape, dtype = wanted
    if gradient.shape != shape and rule in ops.ELEMENTWISE:
        gradient = ops.unbroadcast(gradient, shape)
    if gradient.shape != shape:
        raise ValueError(
            f"{rule.__name__}: gradient {place} has shape {gradient.shape}, its argument has {shape}"
        )
    return gradient.astype(dtype, copy=False)
