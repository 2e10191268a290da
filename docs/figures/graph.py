"""Draw the graph of lesson 0."""

from pathlib import Path

from trm_np.autograd import Tensor
from trm_np.autograd.drawing import keep_graph


def draw_graph(path: Path) -> list[Path]:
    """Draw L = Σ(xw + x) after the backward pass; there is no PNG of it."""
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 5.0], requires_grad=True)
    with keep_graph():
        loss = (x * w + x).sum()
    loss.backward()
    drawn = path.with_suffix(".svg")
    loss.draw(x=x, w=w, loss=loss).save(drawn)
    return [drawn]
