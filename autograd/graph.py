"""The graph: which value was made from which, and the walk back along it. It knows nodes, not arrays."""

from collections.abc import Callable, Sequence
from typing import Any


class Node:
    """One value of the graph: the rule that made it, the nodes it was made from, and its vjp.

    `parents` has None where an argument needs no gradient. A leaf has no parents; its vjp keeps the gradient.
    """

    __slots__ = ("name", "parents", "vjp")

    def __init__(
        self, name: str, parents: "tuple[Node | None, ...]", vjp: Callable[[Any], Sequence[Any]]
    ) -> None:
        self.name = name
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

    A leaf takes what comes as it comes. Iterative, and linear in the number of nodes and edges (Kahn's
    topological order, from the end).
    """
    awaited = count_consumers(end)
    cotangents = {end: g}
    ready = [end]
    while ready:
        node = ready.pop()
        parents = node.parents
        for parent, cotangent in zip(parents, node.vjp(cotangents.pop(node)), strict=True):
            if parent is None:
                continue
            if not parent.parents:
                parent.vjp(cotangent)
                continue
            known = cotangents.get(parent)
            cotangents[parent] = cotangent if known is None else known + cotangent
            awaited[parent] -= 1
            if awaited[parent] == 0:
                ready.append(parent)
        if parents:
            node.free()


def count_consumers(end: Node) -> dict[Node, int]:
    """How many gradients each node below `end`, leaves aside, will receive."""
    consumers = {end: 0}
    pending = [end]
    while pending:
        for parent in pending.pop().parents:
            if parent is None or not parent.parents:
                continue
            if parent not in consumers:
                consumers[parent] = 0
                pending.append(parent)
            consumers[parent] += 1
    return consumers
