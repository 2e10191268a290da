"""AdamW with parameter groups, and clipping by the global norm."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .ops import Array
from .tensor import Tensor

CHUNK = 65_536  # elements: what an update reads and writes of them stays in the cache from pass to pass


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in PyTorch's formulation.

    `groups` is a list of parameters, or of dicts with "params" and any of "lr", "betas", "eps" and
    "weight_decay" that differ from the defaults given here (and any other entry, such as a name, which is
    kept). `lr` may be changed in `groups` between steps. A parameter without a gradient is left as it is.

    The parameters, all of one dtype, move into one array, `weights`, group by group, and `backward()` puts
    their gradients into another, `gradient`: each parameter keeps a view of its own part.
    """

    def __init__(
        self,
        groups: Sequence[Tensor] | Sequence[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        are_groups = [isinstance(group, Mapping) for group in groups]
        if any(are_groups) and not all(are_groups):
            raise ValueError("groups mixes parameters and dicts; give one or the other")
        listed: Sequence[Any] = groups if any(are_groups) else [{"params": groups}]
        self.groups: list[dict[str, Any]] = [
            {**defaults, **group, "params": list(group["params"])} for group in listed
        ]
        for group in self.groups:
            _check(group)
        parameters = [p for group in self.groups for p in group["params"]]
        if len({id(p) for p in parameters}) != len(parameters):
            raise ValueError("a parameter stands in more than one place of the groups")
        if len({p.dtype for p in parameters}) != 1:
            raise ValueError("parameters of different dtypes; give them one optimizer each")
        self.weights: Array = np.concatenate([p.data.reshape(-1) for p in parameters])
        self.gradient, first, second = (np.zeros_like(self.weights) for _ in range(3))
        self.first_moment, self.second_moment = first, second
        self.moments = list(zip(_views(first, parameters), _views(second, parameters), strict=True))
        self.steps = [0] * len(parameters)
        for p, data, gradient in zip(
            parameters, _views(self.weights, parameters), _views(self.gradient, parameters), strict=True
        ):
            p.data, p.grad_place = data, gradient

    def zero_grad(self) -> None:
        for group in self.groups:
            for parameter in group["params"]:
                parameter.grad = None

    def gradients(self) -> list[Array]:
        """All gradients, in as few flat arrays as can be: views of `gradient`."""
        return [self.gradient[place] for _, _, place in self._stretches()]

    def step(self) -> None:
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
            )
        parameters = (p for group in self.groups for p in group["params"])
        self.steps = [n + (p.grad is not None) for n, p in zip(self.steps, parameters, strict=True)]

    def _stretches(self) -> list[tuple[dict[str, Any], int, slice]]:
        """Group, steps taken so far, and place in the arrays of neighbours that take the next step alike."""
        stretches: list[tuple[dict[str, Any], int, slice]] = []
        start, counts = 0, iter(self.steps)
        for group in self.groups:
            last = None  # how many steps the neighbour before has taken
            for parameter in group["params"]:
                stop, steps = start + parameter.data.size, next(counts)
                if parameter.grad is None:
                    last = None
                else:
                    parameter.place_gradient(parameter.grad)
                    if steps == last:
                        start = stretches.pop()[2].start
                    stretches.append((group, steps, slice(start, stop)))
                    last = steps
                start = stop
        return stretches


def _views(flat: Array, parameters: Sequence[Tensor]) -> list[Array]:
    """The part of each parameter in an array that holds them one after the other."""
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
) -> None:
    """Step number t of flat arrays, in place:

    p ← p · (1 - lr·λ);  m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
    """
    # With numerator and denominator both times √(1 - β₂ᵗ), there is one pass less (Kingma and Ba 2015, section 2).
    correction = float(1 - beta2**t) ** 0.5
    rate = lr * correction / (1 - beta1**t)
    scratch = np.empty(min(CHUNK, p.size), p.dtype)
    for start in range(0, p.size, CHUNK):
        p_, g_, m_, v_ = (a[start : start + CHUNK] for a in (p, g, m, v))
        change = scratch[: p_.size]
        p_ *= 1 - lr * weight_decay
        m_ *= beta1
        m_ += np.multiply(g_, 1 - beta1, out=change)
        v_ *= beta2
        np.multiply(g_, g_, out=change)
        v_ += np.multiply(change, 1 - beta2, out=change)
        np.sqrt(v_, out=change)
        change += eps * correction
        np.divide(m_, change, out=change)
        p_ -= np.multiply(change, rate, out=change)


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """`clip_norm_` of the gradients of these parameters, those that have one."""
    return clip_norm_([p.grad for p in parameters if p.grad is not None], max_norm)


def clip_norm_(gradients: Sequence[Array], max_norm: float) -> float:
    """Scale all gradients so that their joint L2 norm is at most `max_norm`; returns the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) A norm that is not finite leaves the gradients alone.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}; it must not be negative")
    # Summed in float64 from chunk to chunk: millions of float32 squares in one sum would lose digits.
    chunks = (g.reshape(-1)[i : i + CHUNK] for g in gradients for i in range(0, g.size, CHUNK))
    norm = float(sum(float(np.vdot(chunk, chunk)) for chunk in chunks) ** 0.5)
    scale = max_norm / (norm + 1e-6)
    if np.isfinite(norm) and scale < 1:
        for g in gradients:
            g *= scale
    return norm


def _check(group: Mapping[str, Any]) -> None:
    if not group["params"]:
        raise ValueError("a parameter group is empty")
    for name in ("lr", "eps", "weight_decay"):
        if not 0 <= group[name] < np.inf:
            raise ValueError(f"{name} is {group[name]}; it must be finite and not negative")
    for beta in group["betas"]:
        if not 0 <= beta < 1:
            raise ValueError(f"betas are {group['betas']}; each must be in [0, 1)")
