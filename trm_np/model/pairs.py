"""Profiles × gifts: profiles (B, W) are rows, gifts (G, W) are columns, and the two broadcast to (B, G, W)."""

from trm_np.autograd import Tensor


def as_rows(x: Tensor) -> Tensor:
    """(B, W) to (B, 1, W)."""
    return x.reshape(x.shape[0], 1, x.shape[1])


def as_columns(x: Tensor) -> Tensor:
    """(G, W) to (1, G, W)."""
    return x.reshape(1, *x.shape)


def fold(h: Tensor, width: int) -> Tensor:
    """(..., D) to (..., width): the D / width pieces of h added; it can so join a narrower vector without a weight."""
    if h.shape[-1] == width:
        return h
    return h.reshape(*h.shape[:-1], h.shape[-1] // width, width).sum(axis=-2)
