"""The graph of values and the backward pass along it; it knows nodes, not arrays."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

_numbers = count()


class Node:
    """One value of the graph: the rule that made it, the nodes it was made from, and its vjp.

    `parents` has None for an argument that needs no gradient. A leaf has no parents, and its vjp accumulates the
    gradient. Numbers rise in the order of creation.
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
        """Release the arrays of the vjp; a second backward pass through this node is an error."""
        self.parents = ()
        self.vjp = _freed


def _freed(_: Any) -> Sequence[Any]:
    raise RuntimeError(
        "backward() reached a graph that an earlier backward() has freed; run the forward again"
    )


def backward_pass(end: Node, g: Any) -> None:
    """Send the cotangent `g` of `end` back to the leaves, visiting each node once, after all nodes made from it.

    A leaf accumulates each gradient as it arrives. A value is newer than its arguments, so the newest waiting node
    already has its whole cotangent.
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
