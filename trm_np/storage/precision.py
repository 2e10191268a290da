"""Precision of the weights in a model file. Loaded weights are float32, and all computation is in float32.

float32   weights as they are
float16   each weight rounded to the nearest number in half precision
int8      each row of a matrix as integers from -127 to 127, with one float32 scale. A row makes one output of a layer
          or is one vector of an embedding. Biases and norms are not matrices and stay float32.

Rounding is symmetric and to the nearest integer. The scale maps the largest weight of a row to 127 (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 2.1, with a zero
point of 0).
"""

from collections.abc import Mapping

import numpy as np

from trm_np.autograd.ops import Array

FULL = "float32"
REDUCED = ("float16", "int8")
SCALE = ".scale"  # suffix that turns the name of a matrix into the name of its scales
LARGEST_INTEGER = 127
FLOAT32 = np.finfo(np.float32)
LEAST_SCALE = FLOAT32.tiny  # for a row of zeros; any other positive scale would do
# 127 times the next larger number is infinite.
LARGEST_SCALE = np.nextafter(FLOAT32.max / LARGEST_INTEGER, np.float32(0))


def as_stored(weights: Mapping[str, Array], precision: str) -> dict[str, Array]:
    """Convert float32 weights to the arrays of a file. Raises ValueError for a weight too large for the precision."""
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
    """Empty arrays with the dtypes and shapes of `as_stored`, for reading a file into.

    For weights that are stored as they are, the array is the weight itself.
    """
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
    """Fill the weights from the arrays of a file."""
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
    """Quantize a matrix (O, I) to integers (O, I) and scales (O,): weight ≈ scale · integer, within half a scale."""
    scale = np.clip(np.abs(weight).max(axis=1) / LARGEST_INTEGER, LEAST_SCALE, LARGEST_SCALE)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def dequantized(integers: Array, scale: Array) -> Array:
    with np.errstate(over="ignore"):  # a forged scale may overflow; the reader refuses the result
        return np.asarray(integers * scale[:, None])
