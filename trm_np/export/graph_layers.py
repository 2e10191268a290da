"""The layers of trm_np.autograd.nn as parts of an ONNX graph, in evaluation mode."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trm_np.autograd import nn
from trm_np.export.graph import Graph, Value

EPS = 1e-6  # of `F.rms_norm`


def linear(g: Graph, layer: nn.Linear, x: Value) -> Value:
    product = x @ g.turned_weight(layer.weight)
    return product if layer.bias is None else product + g.weight(layer.bias)


def of_first(g: Graph, layer: nn.Linear, x: Value, width: int) -> Value:
    """Apply a layer to the first columns of its input, x (..., width), and add its bias."""
    assert layer.bias is not None
    return x @ g.turned_weight(layer.weight).cut(0, 0, width) + g.weight(layer.bias)


def of_last(g: Graph, layer: nn.Linear, x: Value, width: int) -> Value:
    """The same of the last columns, without the bias."""
    columns = layer.weight.shape[1]
    return x @ g.turned_weight(layer.weight).cut(0, columns - width, columns)


def layer_norm(g: Graph, layer: nn.LayerNorm, x: Value) -> Value:
    parameters = g.weight(layer.weight), g.weight(layer.bias)
    return g.node("LayerNormalization", x, *parameters, axis=-1, epsilon=layer.eps)


def silu(g: Graph, x: Value) -> Value:
    return x * g.node("Sigmoid", x)


LAYERS: dict[type[nn.Module], Callable[[Graph, Any, Value], Value]] = {
    nn.Linear: linear,
    nn.LayerNorm: layer_norm,
    nn.ReLU: lambda g, _, x: g.node("Relu", x),
    nn.SiLU: lambda g, _, x: silu(g, x),
    nn.Dropout: lambda g, _, x: x,
    nn.Sequential: lambda g, layers, x: sequential(g, layers, x),
}


def sequential(g: Graph, layers: nn.Sequential, x: Value) -> Value:
    for layer in layers:
        x = LAYERS[type(layer)](g, layer, x)
    return x


def rms_norm(g: Graph, x: Value) -> Value:
    mean_square = g.node("ReduceMean", x * x, np.array([-1]), keepdims=1)
    return x / g.node("Sqrt", mean_square + EPS)


def self_attention(
    g: Graph,
    layer: nn.MultiheadAttention,
    x: Value,
    rotation: tuple[Value, Value] | None = None,
    padding: Value | None = None,
) -> Value:
    """x (B, T, D) to (B, T, D); `padding` (B, T) is True where no token may attend."""
    heads, width = layer.num_heads, layer.embed_dim // layer.num_heads
    packed = x @ g.turned_weight(layer.in_proj_weight)
    if layer.in_proj_bias is not None:
        packed = packed + g.weight(layer.in_proj_bias)
    apart = packed.reshape(0, 0, 3 * heads, width).transpose(0, 2, 1, 3)
    q, k, v = g.nodes_of("Split", 3, apart, axis=1, num_outputs=3)
    if rotation is not None:
        q, k = (rotate(g, each, *rotation) for each in (q, k))
    scores = q @ k.transpose(0, 1, 3, 2) * width**-0.5
    if padding is not None:
        scores = g.node("Where", padding.expand_dims(1, 2), -np.inf, scores)
    seen = g.node("Softmax", scores, axis=-1) @ v
    return linear(g, layer.out_proj, seen.transpose(0, 2, 1, 3).reshape(0, 0, layer.embed_dim))


def rotate(g: Graph, x: Value, cos: Value, sin: Value) -> Value:
    """x (B, heads, T, d) by cos and sin (T, d/2, 1): neighbours are the two parts of a complex number."""
    real, imaginary = x.reshape(0, 0, 0, -1, 2).halves()
    turned = g.node("Concat", real * cos - imaginary * sin, imaginary * cos + real * sin, axis=-1)
    return turned.reshape(0, 0, 0, -1)
