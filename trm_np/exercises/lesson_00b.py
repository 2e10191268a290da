"""Exercises of lesson 0b: attention and SwiGLU, the two parts of a block."""

import numpy as np

from trm_np.autograd.ops import Array
from trm_np.exercises.exercise import Attempt, Exercise

TOKENS, WIDTH, HEADS, HIDDEN = 3, 4, 2, 3


def softmax(scores: Array, axis: int = -1) -> Array:
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    result: Array = e / e.sum(axis=axis, keepdims=True)
    return result


def attended(
    x: Array,
    w_qkv: Array,
    w_out: Array,
    heads: int,
    width: float | None = None,
    axis: int = -1,
    order: tuple[int, int, int] = (0, 1, 2),
) -> Array:
    """Attention, or with another width below the root, axis of the softmax or order of q, k and v, a known mistake."""
    parts = np.split(x @ w_qkv.T, 3, axis=1)
    q, k, v = (np.stack(np.split(parts[place], heads, axis=1)) for place in order)
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[2] if width is None else width)
    result: Array = np.concatenate(list(softmax(scores, axis) @ v), axis=1) @ w_out.T
    return result


def check_attention(attempt: Attempt) -> None:
    rng = np.random.default_rng(0)
    x, w_qkv = rng.normal(size=(TOKENS, WIDTH)).round(1), rng.normal(size=(3 * WIDTH, WIDTH)).round(1)
    w_out = rng.normal(size=(WIDTH, WIDTH)).round(1)
    for heads in (1, HEADS):
        arguments = (x, w_qkv, w_out, heads)
        mistakes = [
            (attended(*arguments, width=1), "the scores are not divided by the root of the width of a head"),
            (attended(x, w_qkv, np.eye(WIDTH), heads), "the last matrix, w_out, is missing"),
            (attended(x, w_qkv, w_out.T, heads), "w_out is not transposed"),
            (
                attended(*arguments, axis=-2),
                "the softmax is over the keys, so that the weights of a query sum to one",
            ),
            (attended(*arguments, order=(1, 0, 2)), "q comes first in w_qkv, then k, then v"),
        ]
        if heads > 1:
            separate = "each head has its own part of the features, and its own softmax"
            mistakes += [
                (attended(x, w_qkv, w_out, 1), separate),
                (attended(x, w_qkv, w_out, 1, width=WIDTH / heads), separate),
                (
                    attended(*arguments, width=WIDTH),
                    "divide by the root of the width of a head, not by that of D",
                ),
            ]
        attempt.expect(arguments, attended(*arguments), f"with {heads} head{'s' * (heads > 1)}", mistakes)


def check_swiglu(attempt: Attempt) -> None:
    rng = np.random.default_rng(1)
    x, w_gate_up = rng.normal(size=(TOKENS, WIDTH)).round(1), rng.normal(size=(2 * HIDDEN, WIDTH)).round(1)
    w_down = rng.normal(size=(WIDTH, HIDDEN)).round(1)
    gate, up = np.split(x @ w_gate_up.T, 2, axis=1)

    def logistic(a: Array) -> Array:
        result: Array = 1 / (1 + np.exp(-a))
        return result

    mistakes = (
        ((gate * logistic(gate)) @ w_down.T, "up is not used"),
        ((gate * up) @ w_down.T, "the gate goes through silu first"),
        ((logistic(gate) * up) @ w_down.T, "silu(a) is a times the logistic function of a"),
        ((up * logistic(up) * gate) @ w_down.T, "the first rows of w_gate_up are those of the gate"),
    )
    attempt.expect((x, w_gate_up, w_down), (gate * logistic(gate) * up) @ w_down.T, "", mistakes)


EXERCISES = (
    Exercise(
        "attention",
        (
            "Begin with one head: q, k, v = np.split(x @ w_qkv.T, 3, axis=-1), and the softmax of the lesson.",
            "For several heads, make arrays (heads, S, d): part.reshape(S, heads, d).swapaxes(0, 1) of q, k and v. "
            "q @ k.swapaxes(1, 2) then has the scores of each head.",
            "softmax(scores / √d) @ v has the shape (heads, S, d): swap the axes back, reshape to (S, D), and multiply "
            "by w_out.T.",
        ),
        check_attention,
    ),
    Exercise(
        "swiglu",
        (
            "Two linear functions of x at once: x @ w_gate_up.T has the shape (S, 2H).",
            "gate, up = np.split(x @ w_gate_up.T, 2, axis=-1)",
            "(gate / (1 + np.exp(-gate)) * up) @ w_down.T",
        ),
        check_swiglu,
    ),
)
