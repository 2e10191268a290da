"""Reverse-mode automatic differentiation over NumPy arrays.

Reading order: ops, graph, tensor, functional, nn.
"""

if __name__ != "trm_np.autograd":
    raise ImportError(
        f"this folder was imported as {__name__!r}; import it as trm_np.autograd "
        "(HIPS autograd owns the short name)"
    )

from . import functional, nn, optim
from .gradcheck import check_grads
from .tensor import Tensor, is_grad_enabled, no_grad

__all__ = ["Tensor", "check_grads", "functional", "is_grad_enabled", "nn", "no_grad", "optim"]
