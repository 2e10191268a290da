"""The graph: which value was made from which, and the walk back along it. It knows nodes, not arrays."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

_numbers = count()


class Node:
    """One value of the graph: the rule that made it, the nodes it was made from, and its vjp.

    `parents` has None where an argument needs no gradient. A leaf has no parents; its vjp keeps the gradient. Nodes are
    numbered as they are made.
    """

    __slots__ = ("name", "number", "parents", "vjp")

    def __init__(
        self, name: str, parents: "tuple[Node | None, ...]", vjp: Callable[[Any], Sequence[Any]]
    ) -> None:
        self.name = name
        self.number = next(_numbers)
        self.parents = parents
        self.vjp = vjp

    def free(self) -> None:
        """Let go of the arrays that the vjp holds. A second walk through here is an error."""
        self.parents = ()
        self.vjp = _freed


def _freed(_: Any) -> Sequence[Any]:
    raise RuntimeError(
        "backward() reached a graph that an earlier backward() has freed; run the forward again"
    )


def backward_pass(end: Node, g: Any) -> None:
    """Send the cotangent `g` of `end` back to the leaves: each node once, after all that it flowed into.

    A leaf adds each gradient as it arrives. Iterative; a value is made after all that it was made from, so the
    newest node that waits has its whole cotangent.
    """
    cotangents = {end: g}
    waiting = [(-end.number, end)]
    while waiting:
        _, node = heappop(waiting)
        parents = node.parents
        for parent, cotangent in zip(parents, node.vjp(cotangents.pop(node)), strict=True):
            if parent is None:
                continue
            if not parent.parents:
                parent.vjp(cotangent)
            elif parent in cotangents:
                cotangents[parent] = cotangents[parent] + cotangent
            else:
                cotangents[parent] = cotangent
                heappush(waiting, (-parent.number, parent))
        if parents:
            node.free()
