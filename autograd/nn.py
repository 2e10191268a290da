"""Layers with PyTorch's names and meanings; initial values and dropout take a Generator."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from . import functional as F
from . import init
from .ops import Array
from .tensor import Tensor, float_array

Member = TypeVar("Member", bound="Module")


class Parameter(Tensor):
    """A leaf that an optimizer updates in place."""

    __slots__ = ()

    def __init__(self, data: Array) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """Base class of layers and models; holds parameters and modules, in order of assignment."""

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def modules(self) -> "Iterator[Module]":
        """This module and all below it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter, in order of definition; a shared parameter has its first name."""
        named: dict[Parameter, str] = {}
        for name, parameter in self._every_name(prefix):
            named.setdefault(parameter, name)
        return ((name, parameter) for parameter, name in named.items())

    def _every_name(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
            elif isinstance(value, Module):
                yield from value._every_name(f"{prefix}{name}.")

    def parameters(self) -> list[Parameter]:
        return [parameter for _, parameter in self.named_parameters()]

    def train(self: Member, mode: bool = True) -> Member:
        """Training mode: dropout is on. Returns the module, as `eval` and `astype` do."""
        if not isinstance(mode, bool):
            raise TypeError(f"train() got {type(mode).__name__}; mode is True or False")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Member) -> Member:
        """Evaluation mode: dropout is off."""
        return self.train(False)

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter by its dotted name."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` in. Raises ValueError that names every missing, unexpected or mis-shaped entry."""
        own = dict(self.named_parameters())
        faults = [f"missing {name}" for name in own if name not in state]
        faults += [f"unexpected {name}" for name in state if name not in own]
        faults += [
            f"{name} has shape {state[name].shape}, not {parameter.shape}"
            for name, parameter in own.items()
            if name in state and state[name].shape != parameter.shape
        ]
        if faults:
            raise ValueError(f"state does not fit {type(self).__name__}: " + "; ".join(faults))
        for name, parameter in own.items():
            parameter.copy_(state[name])

    def astype(self: Member, dtype: Any) -> Member:
        """Convert every parameter to `dtype`; an optimizer made before refuses its next step."""
        for parameter in self.parameters():
            parameter.data = float_array(parameter.data, dtype)
            parameter.grad = None
        return self


class ModuleList(Module, Generic[Member]):
    """Modules in a row, named "0", "1", …"""

    def __init__(self, modules: Iterable[Member] = ()) -> None:
        self.row = tuple(modules)
        for place, module in enumerate(self.row):
            if not isinstance(module, Module):
                raise TypeError(f"{type(self).__name__}: {module!r} is not a Module")
            setattr(self, str(place), module)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.row)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, place: int) -> Member:
        return self.row[place]


class Sequential(ModuleList[Module]):
    """Each module applied to the result of the one before."""

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            x = module(x)
        return x


class Linear(Module):
    """x Wᵀ + b: (..., in_features) to (..., out_features); weight (out, in)."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, rng: "np.random.Generator"
    ) -> None:
        self.weight = Parameter(init.fan_in_uniform(rng, (out_features, in_features), in_features))
        self.bias = Parameter(init.fan_in_uniform(rng, (out_features,), in_features)) if bias else None

    def forward(self, *parts: Tensor) -> Tensor:
        """Apply to one tensor, or to the concatenation of several whose leading axes broadcast."""
        if len(parts) == 1:
            return F.linear(parts[0], self.weight, self.bias)
        return F.linear_of_parts(parts, self.weight, self.bias)


class Embedding(Module):
    """A table of vectors: integers (...) to (..., embedding_dim)."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, rng: "np.random.Generator", std: float = 1.0
    ) -> None:
        self.weight = Parameter(init.normal(rng, (num_embeddings, embedding_dim), std))

    def forward(self, index: Array) -> Tensor:
        return F.embedding(index, self.weight)


class LayerNorm(Module):
    """Standardised along the last axis, scaled and shifted (Ba, Kiros and Hinton 2016)."""

    def __init__(self, normalized_shape: int, eps: float = 1e-5) -> None:
        self.weight = Parameter(np.ones(normalized_shape, np.float32))
        self.bias = Parameter(np.zeros(normalized_shape, np.float32))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """Divided by the root mean square along the last axis; no weights (Zhang and Sennrich 2019)."""

    def __init__(self, eps: float = 1e-6) -> None:
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.eps)


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class SiLU(Module):
    """x · sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)


class Dropout(Module):
    """In training, zero with probability p and scale the rest by 1 / (1 - p); in evaluation, nothing."""

    def __init__(self, p: float, rng: "np.random.Generator") -> None:
        self.p = F.drop_probability(p)
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.rng) if self.training and self.p > 0 else x


class SwiGLU(Module):
    """down(silu(gate(x)) · up(x)), gate and up packed in one matrix; no biases (Shazeer 2020)."""

    def __init__(self, width: int, hidden: int, *, rng: "np.random.Generator") -> None:
        self.gate_up = Linear(width, 2 * hidden, bias=False, rng=rng)
        self.down = Linear(hidden, width, bias=False, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.down(F.swiglu(self.gate_up(x)))
        return result

    def sublayer(self, x: Tensor) -> Tensor:
        """rms_norm(x + self(x)), as one rule."""
        return F.swiglu_sublayer(x, self.gate_up.weight, self.down.weight)


class MultiheadAttention(Module):
    """Multi-head attention, self or cross, batch first (Vaswani et al. 2017, section 3.2.2).

    query (..., T, D), key and value (..., S, D); gives (..., T, D), without the weights that PyTorch returns.
    `key_padding_mask` (..., S) is True where a key is padding. `in_proj_weight` (3D, D) packs the projections
    of query, key and value, in that order.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, bias: bool = True, *, rng: "np.random.Generator"
    ) -> None:
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is no multiple of num_heads {num_heads}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.in_proj_weight = Parameter(init.xavier_uniform(rng, (3 * embed_dim, embed_dim)))
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, np.float32)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Array | None = None
    ) -> Tensor:
        blocked = None if key_padding_mask is None else key_padding_mask[..., None, None, :]
        if query is key is value:
            return self.attend_to_itself(query, blocked)
        q, k, v = (
            split_heads(self.project(x, third, third + 1), self.num_heads)
            for third, x in enumerate((query, key, value))
        )
        result: Tensor = self.out_proj(merge_heads(F.scaled_dot_product_attention(q, k, v, blocked)))
        return result

    def attend_to_itself(
        self, x: Tensor, blocked: Array | None = None, rotation: Array | None = None
    ) -> Tensor:
        """Self-attention of x (..., T, D), with queries and keys rotated by `rotation`."""
        packed = self.project(x, 0, 3)
        result: Tensor = self.out_proj(F.self_attention(packed, self.num_heads, rotation, blocked))
        return result

    def sublayer(self, x: Tensor, blocked: Array | None = None, rotation: Array | None = None) -> Tensor:
        """rms_norm(x + self.attend_to_itself(x)), as one rule, of a layer without biases."""
        return F.attention_sublayer(
            x, self.in_proj_weight, self.out_proj.weight, self.num_heads, rotation, blocked
        )

    def attend_to_shared(self, query: Tensor, seen: Tensor) -> Tensor:
        """Attention of query (B, D) to seen (G + B, D): G rows shared by all queries, then one row for each."""
        q, keys = self.project(query, 0, 1), self.project(seen, 1, 3)
        result: Tensor = self.out_proj(F.attention_to_shared(q, keys, self.num_heads))
        return result

    def project(self, x: Tensor, first: int, end: int) -> Tensor:
        """Project x (..., T, D) to the query (0), key (1) and value (2) from `first` to before `end`, side by side."""
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if (first, end) == (0, 3):
            return F.linear(x, weight, bias)
        part = slice(first * self.embed_dim, end * self.embed_dim)
        return F.linear(x, weight[part], None if bias is None else bias[part])


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(..., T, heads·d) to (..., heads, T, d)."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """(..., heads, T, d) to (..., T, heads·d)."""
    x = x.transpose(-3, -2)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def rotary_positions(positions: Array, width: int, heads: int = 1, base: float = 10000.0) -> Array:
    """Factors of the pairs of features in `rotary`, heads side by side: complex64 (T, heads · width / 2).

    At position t pair i of a head turns by positions[t] · base^(-2i/width) (Su et al. 2021, equation 15).
    """
    if width % 2:
        raise ValueError(f"rotary positions need an even head width, not {width}")
    angles = positions[:, None] * base ** (-np.arange(0, width, 2) / width)
    rotation: Array = np.exp(1j * np.tile(angles, heads)).astype(np.complex64)
    return rotation
