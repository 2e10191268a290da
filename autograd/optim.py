"""AdamW with parameter groups, and clipping by the global norm."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .ops import Array
from .tensor import Tensor


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in PyTorch's formulation.

    `groups` is a list of parameters, or of dicts with "params" and any of "lr", "betas", "eps" and
    "weight_decay" that differ from the defaults given here (and any other entry, such as a name, which is
    kept). `lr` may be changed in `groups` between steps. A parameter without a gradient is left as it is.
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
        self.moments = [(np.zeros_like(p.data), np.zeros_like(p.data)) for p in parameters]
        self.steps = [0] * len(parameters)

    def zero_grad(self) -> None:
        for group in self.groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        place = 0
        for group in self.groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.steps[place] += 1
                    m, v = self.moments[place]
                    beta1, beta2 = group["betas"]
                    adamw_update(
                        parameter.data,
                        parameter.grad,
                        m,
                        v,
                        self.steps[place],
                        group["lr"],
                        beta1,
                        beta2,
                        group["eps"],
                        group["weight_decay"],
                    )
                place += 1


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
    """Step number t, in place:

    p ← p · (1 - lr·λ);  m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
    """
    p *= 1 - lr * weight_decay
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * (g * g)
    denominator = np.sqrt(v, out=np.empty_like(v))  # `out`, so that a parameter without axes gets an array
    denominator /= float(1 - beta2**t) ** 0.5
    denominator += eps
    np.divide(m, denominator, out=denominator)
    denominator *= lr / (1 - beta1**t)
    p -= denominator


def _check(group: Mapping[str, Any]) -> None:
    if not group["params"]:
        raise ValueError("a parameter group is empty")
    for name in ("lr", "eps", "weight_decay"):
        if not 0 <= group[name] < np.inf:
            raise ValueError(f"{name} is {group[name]}; it must be finite and not negative")
    for beta in group["betas"]:
        if not 0 <= beta < 1:
            raise ValueError(f"betas are {group['betas']}; each must be in [0, 1)")


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients so that their joint L2 norm is at most `max_norm`; returns the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) A norm that is not finite leaves the gradients alone.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}; it must not be negative")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(sum(float(np.vdot(g, g)) for g in gradients) ** 0.5)
    scale = max_norm / (norm + 1e-6)
    if np.isfinite(norm) and scale < 1:
        for g in gradients:
            g *= scale
    return norm
