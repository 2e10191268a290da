"""Solutions of the exercises of lesson 10."""

import numpy as np


def adamw(weights, gradients, state, t, lr, decay):
    new_weights, new_state = {}, {}
    for name, w in weights.items():
        g = gradients[name]
        m, v = state[name] if state else (0, 0)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        if w.ndim == 2:
            w = w * (1 - lr * decay)
        new_weights[name], new_state[name] = w - lr * step, (m, v)
    return new_weights, new_state


def clip(gradients, largest):
    length = np.sqrt(sum((g**2).sum() for g in gradients))
    if length <= largest:
        return gradients
    return [g * (largest / length) for g in gradients]
