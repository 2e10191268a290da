"""The drawn graph is the tape; nothing overlaps; what is kept changes no bit."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.figures.graph import draw_graph
from trm_np.autograd import Tensor
from trm_np.autograd import functional as F
from trm_np.autograd.drawing import LETTER, MOST_BOXES, Drawing, keep_graph
from trm_np.autograd.graph import Node

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures"


@dataclass
class Seen:
    """A picture as a reader sees it: texts and frames of the boxes, and the arrows in their order."""

    texts: list[list[str]]
    frames: list[tuple[float, float, float, float]]
    arrows: list[tuple[int, int]]
    curves: list[str]
    size: tuple[float, float]

    def expression(self, box: int) -> str:
        """The box and all that leads to it, as a nested call."""
        operands = [self.expression(start) for start, end in self.arrows if end == box]
        return f"{self.texts[box][0]}({', '.join(operands)})" if operands else self.texts[box][0]


def seen(drawing: Drawing) -> Seen:
    root = ElementTree.fromstring(drawing)
    groups = [group for group in root.iter(f"{SVG}g") if "data-box" in group.attrib]
    paths = [path for path in root.iter(f"{SVG}path") if "data-from" in path.attrib]
    rects = [group[0].attrib for group in groups]
    return Seen(
        [[text.text or "" for text in group.iter(f"{SVG}text")] for group in groups],
        [tuple(float(rect[key]) for key in ("x", "y", "width", "height")) for rect in rects],  # type: ignore[misc]
        [(int(path.attrib["data-from"]), int(path.attrib["data-to"])) for path in paths],
        [path.attrib["d"] for path in paths],
        (float(root.attrib["width"]), float(root.attrib["height"])),
    )


def expression(node: Node | None) -> str:
    """The same nested call, read off the nodes of the engine."""
    if node is None:
        return "constant"
    operands = [expression(parent) for parent in node.parents]
    return f"{node.name}({', '.join(operands)})" if operands else node.name


def nodes_of(node: Node) -> set[Node]:
    return {node}.union(*(nodes_of(parent) for parent in node.parents if parent is not None))


OPERATIONS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a.tanh(),
    lambda a, b: -b,
    lambda a, b: a * Tensor(1.0),
)
STEP = st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 6), st.integers(1, 6))


def computed(steps: list[tuple[Callable[[Tensor, Tensor], Tensor], int, int]]) -> Tensor:
    """An expression in which each step takes two of the last six values."""
    values = [Tensor([float(i)], requires_grad=True) for i in range(6)]
    for operation, first, second in steps:
        values.append(operation(values[-first], values[-second]))
    return values[-1]


@given(st.lists(STEP, min_size=1, max_size=10))
def test_the_drawn_graph_is_that_of_the_engine(steps: list) -> None:
    with keep_graph():
        end = computed(steps)
    assert end._node is not None
    picture = seen(end.draw())
    constants = sum(texts[0] == "constant" for texts in picture.texts)
    assert picture.expression(len(picture.texts) - 1) == expression(end._node)
    assert len(picture.texts) - constants == len(nodes_of(end._node))
    end.backward()
    after = seen(end.draw())
    assert (after.arrows, [texts[:3] for texts in after.texts]) == (picture.arrows, picture.texts)


@given(st.lists(STEP, min_size=1, max_size=14))
def test_no_box_overlaps_another_and_no_arrow_crosses_one(steps: list) -> None:
    with keep_graph():
        end = computed(steps)
    end.backward()
    picture = seen(end.draw())
    width, height = picture.size
    for place, (x, y, w, h) in enumerate(picture.frames):
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        for x2, y2, w2, h2 in picture.frames[:place]:
            assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y
        assert max(map(len, picture.texts[place])) * LETTER < w
    for curve in picture.curves:
        for px, py in points(curve):
            assert not any(x < px < x + w and y < py < y + h for x, y, w, h in picture.frames)


def points(curve: str) -> list[tuple[float, float]]:
    """Points along the curves of a path, twenty for each."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for command, numbers in re.findall(r"([MCV])([^MCV]*)", curve):
        values = list(map(float, numbers.split()))
        if command == "C":
            pairs = [(x, y), *zip(values[::2], values[1::2], strict=True)]
            for t in np.linspace(0, 1, 20):
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
                found.append(tuple(float(np.dot(weights, axis)) for axis in zip(*pairs, strict=True)))  # type: ignore[arg-type]
            x, y = values[-2:]
        else:
            x, y = values if command == "M" else (x, values[0])
            found.append((x, y))
    return found


def test_the_picture_of_the_lesson_shows_shapes_values_and_gradients() -> None:
    """L = Σ(xw + x): dL/dx = w + 1 and dL/dw = x, as the lesson computes by hand."""
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 5.0], requires_grad=True)
    with keep_graph():
        loss = (x * w + x).sum()
    before = seen(loss.draw(x=x, w=w, L=loss))
    assert before.texts == [
        ["x", "shape (2,)", "value [1 2]"],
        ["w", "shape (2,)", "value [3 5]"],
        ["mul", "shape (2,)", "value [3 10]"],
        ["add", "shape (2,)", "value [4 12]"],
        ["L = total", "a number", "value 16"],
    ]
    assert before.arrows == [(0, 2), (1, 2), (2, 3), (0, 3), (3, 4)]
    loss.backward()
    gradients = [texts[3] for texts in seen(loss.draw()).texts]
    assert gradients == [f"gradient {g}" for g in ("[4 6]", "[1 2]", "[1 1]", "[1 1]", "1")]


def test_the_committed_picture_is_the_drawn_one(tmp_path: Path) -> None:
    (drawn,) = draw_graph(tmp_path / "graph")
    assert drawn.read_bytes() == (FIGURES / "graph.svg").read_bytes()


def test_gradients_are_the_same_bits_whether_the_graph_is_kept_or_not() -> None:
    def gradient() -> np.ndarray:
        x = Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
        (F.softmax(x @ Tensor(np.ones((4, 2)))) ** 2 * x.tanh()[:, :2]).sum().backward()
        assert x.grad is not None
        return x.grad

    plain = gradient()
    with keep_graph():
        kept = gradient()
    assert np.array_equal(plain, kept)


def test_settings_and_constants_are_shown_and_large_arrays_are_cut() -> None:
    x = Tensor(np.arange(8.0), requires_grad=True)
    with keep_graph():
        end = F.dropout((x**2 + 1.5).sum(axis=0) * 2.0, 0.5, np.random.default_rng(1))
    texts = seen(end.draw()).texts
    assert texts[0] == ["leaf", "shape (8,)", "value 0 … 7"]
    assert [text[0] for text in texts[1:4]] == ["power exponent 2", "constant", "add"]
    assert [text[0] for text in texts[4:]] == ["total axis 0", "scale factor 2", "scale factor 0"]


def test_letters_that_xml_reserves_or_forbids_are_safe() -> None:
    x = Tensor([1.0], requires_grad=True)
    names = ('<&>"', "a\x00b\ud800c", "漢字", "n" * 200)
    shown = [seen(x.draw(**{name: x})).texts[0][0] for name in names]
    assert shown == ['<&>"', "a�b�c", "漢字", "n" * 39 + "…"]


def test_a_graph_that_was_not_kept_is_refused() -> None:
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"releases; compute the tensor in a block `with keep_graph\(\):`"):
        (x * x).draw()


def test_a_part_that_was_not_kept_is_one_box() -> None:
    x = Tensor([2.0], requires_grad=True)
    early = x * x
    with keep_graph():
        end = early + x
    picture = seen(end.draw())
    assert picture.expression(len(picture.texts) - 1) == "add(mul, leaf)"


def test_a_tensor_that_is_not_in_the_graph_cannot_be_named() -> None:
    x, w = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="draw: w is not in the graph"):
        x.draw(w=w)


@pytest.mark.parametrize("steps", [MOST_BOXES - 1, MOST_BOXES, 20_000])
def test_a_graph_too_large_to_read_is_refused(steps: int) -> None:
    x = Tensor([1.0], requires_grad=True)
    with keep_graph():
        end = x
        for _ in range(steps):
            end = -end
    if steps < MOST_BOXES:
        assert len(seen(end.draw()).texts) == MOST_BOXES
    else:
        with pytest.raises(
            ValueError, match="more than 100 boxes; draw a tensor that is computed from fewer"
        ):
            end.draw()


def test_a_notebook_gets_the_picture_and_a_file_holds_it(tmp_path: Path) -> None:
    drawing = Tensor([1.0], requires_grad=True).draw()
    drawing.save(tmp_path / "x.svg")
    assert drawing._repr_svg_() == drawing == (tmp_path / "x.svg").read_text(encoding="utf-8")
