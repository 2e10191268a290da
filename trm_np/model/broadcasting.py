"""Pairs of profiles and gifts: profiles (B, W) as rows and gifts (G, W) as columns broadcast to (B, G, W)."""

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F


def as_rows(x: Tensor) -> Tensor:
    """(B, W) to (B, 1, W)."""
    return x.reshape(x.shape[0], 1, x.shape[1])


def as_columns(x: Tensor) -> Tensor:
    """(G, W) to (1, G, W)."""
    return x.reshape(1, *x.shape)


def fold(h: Tensor, width: int) -> Tensor:
    """Add the D / width pieces of h (..., D) to one vector (..., width): a projection without weights."""
    if h.shape[-1] == width:
        return h
    return h.reshape(*h.shape[:-1], h.shape[-1] // width, width).sum(axis=-2)


def score(head: nn.Linear, rows: Tensor, columns: Tensor) -> Tensor:
    """Logits (B, G, 1) from the parts of a hidden layer: `rows` of the profiles, `columns` of the gifts."""
    assert head.bias is not None
    return F.pair_scores(rows, columns, head.weight, head.bias)


def of_first(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer to the first columns of its input, x (..., w), and add its bias: W [a, b] = W_a a + W_b b."""
    return F.linear(x, layer.weight[:, : x.shape[-1]], layer.bias)


def of_last(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer to the last columns of its input, without the bias."""
    return F.linear(x, layer.weight[:, -x.shape[-1] :])
