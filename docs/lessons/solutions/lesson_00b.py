"""Solutions of the exercises of lesson 0b."""

import numpy as np


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(x, w_qkv, w_out, heads):
    size, width = x.shape
    q, k, v = np.split(x @ w_qkv.T, 3, axis=-1)
    q, k, v = (part.reshape(size, heads, -1).swapaxes(0, 1) for part in (q, k, v))
    scores = q @ k.swapaxes(1, 2) / np.sqrt(width // heads)
    mixed = softmax(scores) @ v
    return mixed.swapaxes(0, 1).reshape(size, width) @ w_out.T


def swiglu(x, w_gate_up, w_down):
    gate, up = np.split(x @ w_gate_up.T, 2, axis=-1)
    return (gate / (1 + np.exp(-gate)) * up) @ w_down.T
