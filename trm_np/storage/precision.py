"""Precision of the weights in a model file. Once loaded they are float32, and all is computed in float32.

float32   as they are
float16   each weight rounded to the nearest number of half precision
int8      each row of a matrix as whole numbers from -127 to 127 and one scale for them, float32; a row makes one output
          of a layer, or is one vector of an embedding. Biases and norms, which are no matrices, stay float32.

Rounding is symmetric and to the nearest, with the scale that lets the largest weight of the row be 127 (Jacob et al.
2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 2.1, with
a zero point of 0).
"""

from collections.abc import Mapping

import numpy as np

from trm_np.autograd.ops import Array

FULL = "float32"
REDUCED = ("float16", "int8")
SCALE = ".scale"  # after the name of a matrix, the name of its scales
LARGEST_INTEGER = 127
FLOAT32 = np.finfo(np.float32)
LEAST_SCALE = FLOAT32.tiny  # that of a row of zeros: any would do that can be divided by
# 127 times the next one is infinite.
LARGEST_SCALE = np.nextafter(FLOAT32.max / LARGEST_INTEGER, np.float32(0))


def as_stored(weights: Mapping[str, Array], precision: str) -> dict[str, Array]:
    """The arrays that stand for float32 weights in a file; raises ValueError for a weight too large for them."""
    arrays: dict[str, Array] = {}
    for name, weight in weights.items():
        if precision == "float16":
            arrays[name] = halved(name, weight)
        elif precision == "int8" and weight.ndim == 2:
            arrays[name], arrays[name + SCALE] = quantized(weight)
        else:
            arrays[name] = weight
    return arrays


def to_read(weights: Mapping[str, Array], precision: str) -> dict[str, Array]:
    """Arrays as `as_stored` makes of these weights, to be filled; those stored as they are, the weights themselves."""
    arrays: dict[str, Array] = {}
    for name, weight in weights.items():
        if precision == "float16":
            arrays[name] = np.empty(weight.shape, np.float16)
        elif precision == "int8" and weight.ndim == 2:
            arrays[name] = np.empty(weight.shape, np.int8)
            arrays[name + SCALE] = np.empty(len(weight), np.float32)
        else:
            arrays[name] = weight
    return arrays


def restore(weights: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
    """Fill the weights with what the arrays of a file stand for."""
    for name, weight in weights.items():
        if name + SCALE in arrays:
            weight[...] = dequantized(arrays[name], arrays[name + SCALE])
        elif arrays[name] is not weight:
            weight[...] = arrays[name]


def halved(name: str, weight: Array) -> Array:
    largest, bound = float(np.abs(weight).max()), float(np.finfo(np.float16).max)
    if largest > bound:
        raise ValueError(f"{name}: found a weight of {largest:g}; allowed in float16: up to {bound:,.0f}")
    return weight.astype(np.float16)


def quantized(weight: Array) -> tuple[Array, Array]:
    """A matrix (O, I) as integers (O, I) and scales (O,): weight ≈ scale · integer, off by half a scale at most."""
    scale = np.clip(np.abs(weight).max(axis=1) / LARGEST_INTEGER, LEAST_SCALE, LARGEST_SCALE)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def dequantized(integers: Array, scale: Array) -> Array:
    with np.errstate(over="ignore"):  # of a scale that nobody computed, and which the reader refuses
        return np.asarray(integers * scale[:, None])
