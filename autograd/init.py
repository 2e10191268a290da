"""Initial values of parameters, drawn from a Generator."""

from functools import cached_property
from typing import Any

import numpy as np

from .ops import Array


class Blank:
    """Draws zeros for a model to be filled; the system allocates their memory at the first write.

    It stands in for a Generator, whose import takes long, and draws as one of seed 0 only in dropout.
    """

    @cached_property
    def random(self) -> Any:
        return np.random.Generator(np.random.PCG64(0)).random

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.zeros(size, np.float32)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return np.zeros(size, np.float32)


def uniform(rng: "np.random.Generator", shape: tuple[int, ...], bound: float) -> Array:
    """Uniform in [-bound, bound], float32."""
    return rng.uniform(-bound, bound, shape).astype(np.float32, copy=False)


def normal(rng: "np.random.Generator", shape: tuple[int, ...], std: float) -> Array:
    """Normal with mean 0 and standard deviation `std`, float32."""
    return rng.normal(0.0, std, shape).astype(np.float32, copy=False)


def fan_in_uniform(rng: "np.random.Generator", shape: tuple[int, ...], fan_in: int) -> Array:
    """Uniform in ±1/√fan_in: PyTorch's default for linear layers (LeCun et al. 1998, section 4.6)."""
    return uniform(rng, shape, fan_in**-0.5)


def xavier_uniform(rng: "np.random.Generator", shape: tuple[int, int]) -> Array:
    """Uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    return uniform(rng, shape, (6 / sum(shape)) ** 0.5)


def orthogonal(rng: "np.random.Generator", shape: tuple[int, int]) -> Array:
    """Uniformly random matrix with orthonormal rows, or columns if those are fewer (Saxe et al. 2014)."""
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    q *= np.sign(np.diag(r))  # without the signs some rotations are more likely (Mezzadri 2007)
    return (q if shape[0] >= shape[1] else q.T).astype(np.float32)
