"""Profiles × gifts: profiles (B, W) are rows, gifts (G, W) are columns, and the two broadcast to (B, G, W)."""

from trm_np.autograd import Tensor


def as_rows(x: Tensor) -> Tensor:
    """(B, W) to (B, 1, W)."""
    return x.reshape(x.shape[0], 1, x.shape[1])


def as_columns(x: Tensor) -> Tensor:
    """(G, W) to (1, G, W)."""
    return x.reshape(1, *x.shape)


def fold(h: Tensor, width: int) -> Tensor:
    """(B, D) to (B, width): the D / width pieces of h added, so that h can join a narrower vector without a weight."""
    return h if h.shape[1] == width else h.reshape(h.shape[0], h.shape[1] // width, width).sum(axis=1)
