"""Draw the share of boards solved against the thinking steps, with and without recursion, and one board by step."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trm_np.data.tables import Floats
from trm_np.lab.plots.style import GREY, INK, LIGHT, LINES, drawing, label, save
from trm_np.lab.recursion import DEEPEST, ONCE, SHIPPED
from trm_np.puzzles.sudoku import Sudoku
from trm_np.puzzles.task import BLANK, Board

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPARED = (SHIPPED, ONCE, DEEPEST)
RIGHT, WRONG = LINES[1]["color"], LINES[2]["color"]
SEEN = 0.02  # least probability that is drawn
SMALLEST, LARGEST = 3.5, 15.0  # size of a digit in points, by its probability


def draw_thinking(found: Sequence[dict[str, Any]], path: Path) -> list[Path]:
    """Draw the result of `summarize`: variants with 95 % intervals, and the shipped one by rounds of singles."""
    named = {each["name"]: each for each in found}
    with drawing(1, 2, (9.2, 3.6), sharey=True) as (figure, (variants, staircase)):
        for name, look in zip((name for name in COMPARED if name in named), LINES, strict=False):
            shares = named[name]["solved_by_steps"]
            steps = [int(step) for step in shares]
            means, lows, highs = ([each[end] for each in shares.values()] for end in ("mean", "low", "high"))
            variants.plot(steps, means, label=name, markevery=3, **look)
            if None not in lows:
                bounds = ([min(max(end, 0.0), 1.0) for end in ends] for ends in (lows, highs))
                variants.fill_between(steps, *bounds, color=look["color"], alpha=0.15, linewidth=0)
        for group, look in zip(named[SHIPPED]["by_rounds"], LINES, strict=False):
            line = f"{group['rounds']} rounds ({group['puzzles']:,} puzzles)"
            staircase.plot(
                range(1, len(group["solved"]) + 1), group["solved"], label=line, markevery=3, **look
            )
        for axes, title in (
            (variants, "With and without recursion"),
            (staircase, "As shipped, by rounds of singles"),
        ):
            axes.set_ylim(-0.02, 1.02)
            axes.legend(loc="lower right")
            label(axes, "thinking steps", "boards solved" if axes is variants else "", title)
        return save(figure, path)


def draw_solving(
    task: Sudoku,
    question: Board,
    answer: Board,
    probabilities: Sequence[Floats],
    steps: Sequence[int],
    path: Path,
) -> list[Path]:
    """Draw a board (S,) before and after some thinking steps, from the probabilities (S, V) after each step.

    Likelier digits are larger. The likeliest digit of a cell is underlined if it is wrong.
    """
    with drawing(1, len(steps) + 1, (1.9 * (len(steps) + 1), 2.2)) as (figure, panels):
        empty = np.zeros_like(probabilities[0])
        boards = [
            ("the puzzle", empty),
            *((f"after {count(step)}", probabilities[step - 1]) for step in steps),
        ]
        for axes, (title, likely) in zip(panels, boards, strict=True):
            draw_board(axes, task, question, answer, likely)
            axes.set_title(title, loc="center")
        return save(figure, path)


def count(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


def draw_board(axes: "Axes", task: Sudoku, question: Board, answer: Board, likely: Floats) -> None:
    """Draw the given digits in black, and the candidates of each other cell at their places."""
    n, wide = task.size, task.box_columns
    for line in range(n + 1):
        thick = {True: (INK, 1.4, 3), False: (LIGHT, 0.6, 2)}
        for draw, box in ((axes.axhline, task.box_rows), (axes.axvline, task.box_columns)):
            color, width, order = thick[line % box == 0]
            draw(line, color=color, linewidth=width, zorder=order, clip_on=False)
    for cell in range(task.cells):
        row, column = divmod(cell, n)
        if question[cell] != BLANK:
            put(axes, column + 0.5, row + 0.5, task.symbols[question[cell]], LARGEST, INK, "bold")
            continue
        best = int(likely[cell, 1:].argmax()) + 1
        for digit in range(1, n + 1):
            share = float(likely[cell, digit])
            if share < SEEN:
                continue
            down, across = divmod(digit - 1, wide)
            middle = max(0.0, 2 * share - 1)  # a digit moves to the middle as its probability approaches 1
            x = column + (1 - middle) * (across + 0.5) / wide + middle / 2
            y = row + (1 - middle) * (down + 0.5) / ceil(n / wide) + middle / 2
            size = SMALLEST + (LARGEST - SMALLEST) * share
            color = GREY if digit != best else RIGHT if digit == answer[cell] else WRONG
            put(axes, x, y, task.symbols[digit], size, color)
            if color == WRONG:
                axes.plot(
                    [x - 0.012 * size, x + 0.012 * size], [y + 0.03 * size] * 2, color=WRONG, linewidth=1
                )
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
    axes.set_axis_off()


def put(
    axes: "Axes", x: float, y: float, symbol: str, size: float, color: str, weight: str = "normal"
) -> None:
    axes.text(x, y, symbol, size=size, color=color, weight=weight, ha="center", va="center_baseline")
