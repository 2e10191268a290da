"""AdamW with parameter groups, and clipping by the global norm."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .ops import Array, euclidean_norm
from .tensor import Tensor

BETAS = (0.9, 0.999)
CHUNK = 65_536  # elements: few enough to stay in the cache from pass to pass of an update


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in PyTorch's formulation.

    `params` are parameters, or dicts with "params" and any of "lr", "betas", "eps" and "weight_decay" that
    differ from the defaults given here (and any other entry, such as a name, which is kept). `lr` may be
    changed in `param_groups` between steps. A parameter without a gradient is left as it is.

    The parameters, all of one dtype, move into one array, `weights`, group by group. `backward()` writes their
    gradients to another array, `gradient`. Each parameter holds views of both, so copy a `.grad` that must survive
    the next `backward()`. The next `step()` copies back values and gradients that were replaced since. Copies and
    pickles of the optimizer keep this layout.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = BETAS,
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        self.param_groups: list[dict[str, Any]] = [
            {**defaults, **group, "params": _distinct(group["params"])} for group in _as_groups(params)
        ]
        for group in self.param_groups:
            _check(group)
        parameters = list(self._parameters())
        if len(set(parameters)) != len(parameters):
            raise ValueError("a parameter stands in more than one group")
        if len({p.dtype for p in parameters}) != 1:
            raise ValueError("parameters of different dtypes; give them one optimizer each")
        self.steps = [0] * len(parameters)
        self._lay_out()
        self.first_moment, self.second_moment = np.zeros_like(self.weights), np.zeros_like(self.weights)

    def _parameters(self) -> Iterator[Tensor]:
        return (parameter for group in self.param_groups for parameter in group["params"])

    def _lay_out(self) -> None:
        """Move the parameters into one array, and their gradients into another."""
        parameters = list(self._parameters())
        self.weights: Array = np.concatenate([p.data.reshape(-1) for p in parameters])
        self.gradient: Array = np.zeros_like(self.weights)
        self._places = list(
            zip(parameters, _views(self.weights, parameters), _views(self.gradient, parameters), strict=True)
        )
        for p, data, gradient in self._places:
            p.data = data
            _accumulate_into(gradient, p)

    def __getstate__(self) -> dict[str, Any]:
        laid_out = ("weights", "gradient", "_places")
        return {name: value for name, value in vars(self).items() if name not in laid_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lay_out()

    @property
    def moments(self) -> list[tuple[Array, Array]]:
        """Views of the first and second moment of each parameter, as `adamw_update` defines them."""
        parameters = list(self._parameters())
        first, second = _views(self.first_moment, parameters), _views(self.second_moment, parameters)
        return list(zip(first, second, strict=True))

    def zero_grad(self) -> None:
        for parameter in self._parameters():
            parameter.grad = None

    def gradients(self) -> list[Array]:
        """Views of all gradients, as few flat arrays as possible."""
        return [self.gradient[place] for _, _, place in self._stretches()]

    def step(self, scale: float = 1.0) -> None:
        """Update the parameters by the gradients times `scale`; the gradients do not change."""
        for group, steps, place in self._stretches():
            beta1, beta2 = group["betas"]
            adamw_update(
                self.weights[place],
                self.gradient[place],
                self.first_moment[place],
                self.second_moment[place],
                steps + 1,
                group["lr"],
                beta1,
                beta2,
                group["eps"],
                group["weight_decay"],
                scale,
            )
        for index, parameter in enumerate(self._parameters()):
            if parameter.grad is not None:
                self.steps[index] += 1
                parameter._version += 1

    def _stretches(self) -> list[tuple[dict[str, Any], int, slice]]:
        """Group, number of steps, and place of each run of neighbouring parameters with equal settings and steps."""
        self._reclaim()
        stretches: list[tuple[dict[str, Any], int, slice]] = []
        start, counts = 0, iter(self.steps)
        for group in self.param_groups:
            last = None  # how many steps the neighbour before has taken
            for parameter in group["params"]:
                stop, steps = start + parameter.data.size, next(counts)
                if parameter.grad is None:
                    last = None
                else:
                    if steps == last:
                        start = stretches.pop()[2].start
                    stretches.append((group, steps, slice(start, stop)))
                    last = steps
                start = stop
        return stretches

    def _reclaim(self) -> None:
        """Copy values and gradients that were replaced back to their places."""
        for p, data, gradient in self._places:
            if p.data is not data:
                _copy_exactly(data, p.data, "a parameter")
                p.data = data
            if p.grad is not None and p.grad is not gradient:
                _copy_exactly(gradient, p.grad, "a gradient")
                p.grad = gradient


def _accumulate_into(place: Array, p: Tensor) -> None:
    """Let `backward()` write the gradient of p to `place` while p keeps the data that it has now."""
    data = p.data

    def accumulate(g: Array) -> tuple[()]:
        if p.grad is not None or p.data is not data:
            return p._accumulate(g)
        np.copyto(place, g)
        p.grad = place
        return ()

    if p._node is not None:
        p._node.vjp = accumulate


def _as_groups(params: Iterable[Any]) -> Sequence[Mapping[str, Any]]:
    if isinstance(params, Tensor):
        raise TypeError("AdamW takes a list of parameters, not one Tensor")
    listed = list(params)
    are_groups = [isinstance(each, Mapping) for each in listed]
    if any(are_groups) and not all(are_groups):
        raise ValueError("params mixes parameters and dicts; give one or the other")
    return listed if any(are_groups) else [{"params": listed}]


def _distinct(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Distinct tensors in order, because tied weights appear twice; raises TypeError for anything but a tensor."""
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for each in listed:
        if not isinstance(each, Tensor):
            raise TypeError(f"a parameter is of type {type(each).__name__}; it must be a Tensor")
    return list(dict.fromkeys(listed))


def _copy_exactly(place: Array, value: Array, what: str) -> None:
    value = np.asarray(value)
    if value.shape != place.shape or value.dtype != place.dtype:
        raise RuntimeError(
            f"{what} of shape {place.shape} and dtype {place.dtype} has become {value.shape} and {value.dtype} "
            "since the optimizer was made; make a new one"
        )
    np.copyto(place, value)


def _views(flat: Array, parameters: Sequence[Tensor]) -> list[Array]:
    """View of each parameter's part in an array that holds them in order."""
    ends = np.cumsum([p.size for p in parameters])[:-1]
    return [part.reshape(p.shape) for part, p in zip(np.split(flat, ends), parameters, strict=True)]


def adamw_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    scale: float = 1.0,
) -> None:
    """Step number t of flat arrays, in place, where g is the gradient times `scale`:

    p ← p · (1 - lr·λ);  m ← β₁ m + g;  v ← β₂ v + g²;
    p ← p - lr · (1 - β₁) / (1 - β₁ᵗ) · m / (√(v · (1 - β₂) / (1 - β₂ᵗ)) + ε)

    m and v are sums; the factors 1 - β of the usual means are part of the bias correction.
    """
    # Dividing numerator and denominator by the factor of √v saves a pass (Kingma and Ba 2015, section 2).
    correction = float((1 - beta2**t) / (1 - beta2)) ** 0.5
    rate = lr * correction * (1 - beta1) / (1 - beta1**t)
    scratch = np.empty(min(CHUNK, p.size), p.dtype)
    for start in range(0, p.size, CHUNK):
        p_, g_, m_, v_ = (a[start : start + CHUNK] for a in (p, g, m, v))
        change = scratch[: p_.size]
        if weight_decay:
            p_ *= 1 - lr * weight_decay
        m_ *= beta1
        m_ += np.multiply(g_, scale, out=change)
        v_ *= beta2
        v_ += np.multiply(change, change, out=change)
        np.sqrt(v_, out=change)
        change += eps * correction
        np.divide(m_, change, out=change)
        p_ -= np.multiply(change, rate, out=change)


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale the gradients of these parameters to a joint L2 norm of at most `max_norm`; returns the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) If the norm is not finite, the gradients do not change.
    """
    gradients = [p.grad for p in _distinct(parameters) if p.grad is not None]
    norm = global_norm(gradients)
    factor = clip_factor(norm, max_norm)
    if factor < 1:
        for g in gradients:
            g *= factor
    return norm


def global_norm(gradients: Sequence[Array]) -> float:
    """Joint L2 norm of the gradients."""
    # Chunks are summed in float64: one float32 sum of millions of squares would lose digits.
    chunks = (g.reshape(-1)[i : i + CHUNK] for g in gradients for i in range(0, g.size, CHUNK))
    return math.hypot(*map(euclidean_norm, chunks))


def clip_factor(norm: float, max_norm: float) -> float:
    """Factor that brings gradients of this norm down to at most `max_norm`; 1 if the norm is not finite."""
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}; it must not be negative")
    return min(1.0, max_norm / (norm + 1e-6)) if math.isfinite(norm) else 1.0


def _check(group: Mapping[str, Any]) -> None:
    if not group["params"]:
        raise ValueError("a parameter group is empty")
    if not all(parameter.is_leaf for parameter in group["params"]):
        raise ValueError("a parameter is the result of an operation; an optimizer moves leaves only")
    for name in ("lr", "eps", "weight_decay"):
        if not 0 <= group[name] < np.inf:
            raise ValueError(f"{name} is {group[name]}; it must be finite and not negative")
    for beta in group["betas"]:
        if not 0 <= beta < 1:
            raise ValueError(f"betas are {group['betas']}; each must be in [0, 1)")
