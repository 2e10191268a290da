"""Draw the graph of a tensor as SVG: what it was computed from, with shapes, values and gradients.

`keep_graph()` keeps what the engine releases, and `draw` lays it out in layers, each value below all that it was
made from (Sugiyama, Tagawa and Toda 1981).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

import numpy as np

from .graph import Node
from .ops import Array
from .tensor import Tensor, keeper

MOST_BOXES = 100
MOST_NUMBERS = 6  # of an array that is shown whole
LETTER, LINE, PADDING, GAP, BETWEEN_LAYERS = (
    7.4,
    17,
    10,
    24,
    44,
)  # in px; a letter of a monospaced font of 12 px
SWEEPS = 8

STYLE = """
    .drawn { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; background: #ffffff; }
    .drawn text { fill: #57606a; }
    .drawn text.title { fill: #1f2328; font-weight: 600; }
    .drawn text.gradient { fill: #0550ae; }
    .drawn rect { fill: #f6f8fa; stroke: #8c959f; }
    .drawn .leaf rect { fill: #ddf4ff; stroke: #0969da; }
    .drawn .constant rect { stroke-dasharray: 4 3; }
    .drawn path { stroke: #57606a; stroke-width: 1.3; fill: none; }
    .drawn path.head { fill: #57606a; stroke: none; }
    @media (prefers-color-scheme: dark) {
      .drawn { background: #0d1117; }
      .drawn text { fill: #9198a1; }
      .drawn text.title { fill: #e6edf3; }
      .drawn text.gradient { fill: #79c0ff; }
      .drawn rect { fill: #161b22; stroke: #6e7681; }
      .drawn .leaf rect { fill: #0c2d6b; stroke: #4493f8; }
      .drawn path { stroke: #9198a1; }
      .drawn path.head { fill: #9198a1; }
    }
"""

# The boxes are numbered with operands first, so that their order is that of the values and, reversed, of the gradients.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A graph, step by step</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 16px; }
input { display: block; width: 100%; height: 28px; margin: 0 0 12px; }
svg { max-width: 100%; height: auto; }
.later { visibility: hidden; }
</style>
<label for="step">Step</label>: <output id="said" for="step" aria-live="polite"></output>
<input id="step" type="range" min="0" value="0" autocomplete="off">
{{drawing}}
<script>
"use strict";
const slider = document.getElementById("step");
const boxes = [...document.querySelectorAll("[data-box]")];
const back = boxes.filter((box) => box.querySelector(".gradient")).reverse();

function show() {
  const step = Number(slider.value), name = (box) => box.querySelector(".title").textContent;
  const hide = (element, from) => element.classList.toggle("later", step < from);
  boxes.forEach((box, at) => hide(box, at + 1));
  back.forEach((box, at) => hide(box.querySelector(".gradient"), boxes.length + at + 1));
  for (const line of document.querySelectorAll("[data-to]")) {
    hide(line, Number(line.dataset.to) + 1);
    hide(line.nextElementSibling, Number(line.dataset.to) + 1);
  }
  document.getElementById("said").textContent = step === 0 ? "nothing is computed yet"
    : step <= boxes.length ? `forward, the value of ${name(boxes[step - 1])}`
    : `backward, the gradient of ${name(back[step - boxes.length - 1])}`;
  slider.setAttribute("aria-valuetext", document.getElementById("said").textContent);
}

slider.max = boxes.length + back.length;
slider.addEventListener("input", show);
show();
</script>
</html>
"""


class Kept(Node):
    """A node that also keeps the operands and settings of its rule, and the gradient that passes through it."""

    __slots__ = ("gradient", "operands", "settings")

    def __init__(self, node: Node, operands: Sequence[Tensor], settings: Mapping[str, Any]) -> None:
        super().__init__(node.name, node.parents, self._noting(node.vjp))
        self.operands = operands
        self.settings = settings
        self.gradient: Array | None = None

    def _noting(self, vjp: Callable[[Any], Sequence[Any]]) -> Callable[[Any], Sequence[Any]]:
        def noting(g: Array) -> Sequence[Any]:
            self.gradient = g
            return vjp(g)

        return noting


@contextmanager
def keep_graph() -> Iterator[None]:
    """Keep the graph of each tensor that is computed within the block, so that `draw()` can show it.

    The values then stay in memory as long as the last of these tensors, also after `backward()`.
    """
    token = keeper.set(Kept)
    try:
        yield
    finally:
        keeper.reset(token)


class Drawing(str):
    """SVG text, which a notebook shows as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture to this file, in place of an older one.

        A file named .html is a page with a slider: the values appear one by one, and then the gradients from the end.
        """
        text = PAGE.replace("{{drawing}}", self) if Path(path).suffix == ".html" else self
        Path(path).write_text(text, encoding="utf-8", newline="\n")


@dataclass(eq=False)
class Box:
    """One value of the graph as it is drawn; a box without lines is a point that an arrow passes on its way."""

    kind: str
    lines: list[str]
    operands: "list[Box]" = field(default_factory=list)
    layer: int = 0
    x: float = 0.0  # of its middle
    neighbours: "list[Box]" = field(default_factory=list)  # in the layers beside its own

    @property
    def width(self) -> float:
        return 2 * PADDING + LETTER * max(map(columns, self.lines)) if self.lines else PADDING


def draw(end: Tensor, names: Mapping[str, Tensor]) -> Drawing:
    """Draw the graph that ends in this tensor, with names on the boxes of some of its tensors.

    Raises RuntimeError if the graph was not kept, and ValueError if it has more than 100 boxes or lacks a named tensor.
    """
    if not (end.is_leaf or isinstance(end._node, Kept)):
        raise RuntimeError(
            "draw() needs values that the engine releases; compute the tensor in a block `with keep_graph():`"
        )
    boxes = boxes_of(end, {key_of(tensor): name for name, tensor in names.items()})
    missing = [printable(name) for name, tensor in names.items() if key_of(tensor) not in boxes]
    if missing:
        raise ValueError(f"draw: {missing[0]} is not in the graph of this tensor")
    found = list(boxes.values())
    return Drawing(svg(found, layered(found)))


def boxes_of(end: Tensor, names: Mapping[int, str]) -> dict[int, Box]:
    """The boxes by the id of their node, or of their tensor where it needs no gradient; operands come first."""
    boxes: dict[int, Box] = {}
    waiting: list[tuple[Tensor, bool]] = [(end, False)]
    while waiting:
        tensor, ready = waiting.pop()
        key, node = key_of(tensor), tensor._node
        operands = node.operands if isinstance(node, Kept) else ()
        if key in boxes:
            continue
        if ready:
            made_of = [boxes[key_of(operand)] for operand in operands]
            boxes[key] = Box(kind(tensor), lines(tensor, names.get(key, "")), made_of)
        else:
            waiting += [(tensor, True), *((operand, False) for operand in reversed(operands))]
        if len(boxes) > MOST_BOXES:
            raise ValueError(
                f"draw: the graph has more than {MOST_BOXES} boxes; draw a tensor that is computed from fewer"
            )
    return boxes


def key_of(tensor: Tensor) -> int:
    return id(tensor._node or tensor)


def kind(tensor: Tensor) -> str:
    return "constant" if tensor._node is None else "leaf" if tensor.is_leaf else "operation"


def lines(tensor: Tensor, name: str) -> list[str]:
    """Title, shape, value and, where there is one, gradient."""
    node = tensor._node
    gradient = node.gradient if isinstance(node, Kept) else tensor.grad
    made_by = "" if node is None or tensor.is_leaf else node.name
    settings = node.settings if isinstance(node, Kept) else {}
    given = {key: value for key, value in settings.items() if value is not None and value is not False}
    made = " ".join([made_by, *(f"{key} {short(value)}" for key, value in given.items())])
    return [
        printable(" = ".join(filter(None, (name, made)))) or kind(tensor),
        f"shape {tensor.shape}" if tensor.shape else "a number",
        f"value {numbers(tensor.data)}",
        *([] if gradient is None else [f"gradient {numbers(gradient)}"]),
    ]


def printable(text: str) -> str:
    """At most 40 characters, all of which XML allows."""
    allowed = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return allowed if len(allowed) <= 40 else f"{allowed[:39]}…"


def short(value: Any) -> str:
    return numbers(value) if isinstance(value, np.ndarray | float) else str(value)


def numbers(value: Any) -> str:
    """All numbers of a small array; the least and the greatest of a larger one."""
    array = np.asarray(value)
    if array.size > MOST_NUMBERS:
        return f"{array.min():.4g} … {array.max():.4g}"
    if array.ndim == 0:
        return f"{array:.4g}"
    return f"[{' '.join(map(numbers, array))}]"


def columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def layered(boxes: Sequence[Box]) -> list[list[Box]]:
    """Place the boxes, and return each arrow as the boxes and points that it joins, from operand to value."""
    for box in boxes:
        box.layer = 1 + max((operand.layer for operand in box.operands), default=-1)
    for box in reversed(boxes):  # a leaf stands right above the first value that is made of it
        users = [user.layer for user in boxes if box in user.operands]
        box.layer = min(users) - 1 if users and not box.operands else box.layer
    arrows = [arrow(operand, box) for box in boxes for operand in box.operands]
    layers: list[list[Box]] = [[] for _ in range(1 + max(box.layer for box in boxes))]
    for place in [*boxes, *(point for route in arrows for point in route[1:-1])]:
        layers[place.layer].append(place)
    for route in arrows:
        for above, below in pairwise(route):
            above.neighbours.append(below)
            below.neighbours.append(above)
    for layer in layers:
        spread(layer)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            for place in layer:
                if place.neighbours:
                    place.x = math.fsum(other.x for other in place.neighbours) / len(place.neighbours)
            layer.sort(key=lambda place: place.x)
            spread(layer)
    return arrows


def arrow(operand: Box, box: Box) -> list[Box]:
    points = [Box("point", [], layer=layer) for layer in range(operand.layer + 1, box.layer)]
    return [operand, *points, box]


def spread(layer: Sequence[Box]) -> None:
    """Move the boxes of a layer apart where they overlap, in their order, and leave their mean where it was."""
    wanted = math.fsum(place.x for place in layer)
    for left, place in pairwise(layer):
        place.x = max(place.x, left.x + (left.width + place.width) / 2 + GAP)
    shift = (wanted - math.fsum(place.x for place in layer)) / len(layer)
    for place in layer:
        place.x += shift


def svg(boxes: Sequence[Box], arrows: Sequence[Sequence[Box]]) -> str:
    count = 1 + max(box.layer for box in boxes)
    heights = [
        2 * PADDING + LINE * max(len(box.lines) for box in boxes if box.layer == layer)
        for layer in range(count)
    ]
    tops = [PADDING + sum(heights[:layer]) + BETWEEN_LAYERS * layer for layer in range(count)]
    places = {
        id(place): place for place in [*boxes, *(place for route in arrows for place in route)]
    }.values()
    left = min(place.x - place.width / 2 for place in places) - PADDING
    width = max(place.x + place.width / 2 for place in places) + PADDING - left
    height = tops[-1] + heights[-1] + PADDING
    number = {id(box): count for count, box in enumerate(boxes)}

    def line(route: Sequence[Box], port: float) -> str:
        """A curve from the bottom of each box of the route to the top of the next; the last at its port."""
        start, *points, box = route
        x, y = start.x - left, tops[start.layer] + heights[start.layer]
        parts = [f"M{x:.0f} {y:.0f}"]
        for place in [*points, box]:
            to, top = (port if place is box else place.x) - left, tops[place.layer]
            middle = (y + top) / 2
            parts.append(f"C{x:.0f} {middle:.0f} {to:.0f} {middle:.0f} {to:.0f} {top:.0f}")
            x, y = to, top + heights[place.layer]
            if place is not box:
                parts.append(f"V{y:.0f}")
        ends = f'data-from="{number[id(start)]}" data-to="{number[id(box)]}"'
        head = f'<path class="head" d="M{x - 4:.0f} {top - 8:.0f}h8l-4 8z"/>'
        return f'<path {ends} d="{"".join(parts)}"/>{head}'

    def text(box: Box) -> str:
        x, y = box.x - left - box.width / 2, tops[box.layer]
        written = [
            f'<text class="{look}" x="{x + PADDING:.0f}" y="{y + PADDING + 12 + LINE * row:.0f}">{escape(line)}</text>'
            for row, (look, line) in enumerate(
                zip(("title", "shape", "value", "gradient"), box.lines, strict=False)
            )
        ]
        frame = (
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{box.width:.0f}" height="{heights[box.layer]}" rx="6"/>'
        )
        return f'<g class="{box.kind}" data-box="{number[id(box)]}">{frame}{"".join(written)}</g>'

    drawn_lines = []
    for box in boxes:
        routes = [route for route in arrows if route[-1] is box]
        for place, route in enumerate(routes, 1):
            drawn_lines.append(line(route, box.x + box.width * (place / (len(routes) + 1) - 0.5)))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="drawn" role="img" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}">',
            f"<title>The graph of a tensor: {len(boxes)} values</title>",
            f"<style>{STYLE}</style>",
            *drawn_lines,
            *map(text, boxes),
            "</svg>\n",
        ]
    )
