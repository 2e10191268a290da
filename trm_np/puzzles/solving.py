"""Solve boards and show the result of each thinking step."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trm_np.html import preformatted
from trm_np.puzzles.model import SURE, PuzzleModel, predictions, solutions
from trm_np.puzzles.task import BLANK, Board, Task

CHANGED = "*"


class Solution(dict[str, Any]):
    """The result of `solve`; a notebook shows the board after each step."""

    def __init__(self, task: Task, found: dict[str, Any]) -> None:
        super().__init__(found)
        self.task = task

    def _repr_html_(self) -> str:
        return preformatted(solution_text(self.task, self))


def solve(model: PuzzleModel, question: Board, steps: int) -> Solution:
    """Solve one board (S,). The result has the thought after each step, until the model is sure or after `steps`."""
    task, before = model.task, question
    seen: list[dict[str, Any]] = []
    for step, prediction in enumerate(predictions(model, question[None], steps), start=1):
        board, right = prediction.boards[0], float(prediction.right[0])
        changed = np.flatnonzero(board != before).tolist()
        seen.append({"step": step, "board": task.text(board), "changed": changed, "right": right})
        before = board
        if right >= SURE:
            break
    found = {
        "puzzle": task.name,
        "question": task.text(question),
        "answer": task.text(before),
        "fault": fault_of(task, question, before),
        "steps": len(seen),
        "halted": bool(seen[-1]["right"] >= SURE),
        "thoughts": seen,
    }
    return Solution(task, found)


def solve_all(model: PuzzleModel, questions: Board, steps: int) -> Iterator[dict[str, Any]]:
    """Solve many boards (N, S) at once. Yields the answer to each, once the model is sure or after `steps` steps."""
    task = model.task
    for question, board, right, taken in zip(questions, *solutions(model, questions, steps), strict=True):
        yield {
            "question": task.text(question),
            "answer": task.text(board),
            "fault": fault_of(task, question, board),
            "steps": int(taken),
            "halted": bool(right >= SURE),
        }


def fault_of(task: Task, question: Board, answer: Board) -> str:
    """The reason why this is not an answer to the question, or "" if it is one."""
    if (blank := answer == BLANK).any():
        return f"a blank at {task.place(int(blank.argmax()))}"
    if (other := (answer != question) & (question != BLANK)).any():
        return f"another symbol than the one given at {task.place(int(other.argmax()))}"
    return task.fault(answer)


def solution_text(task: Task, found: dict[str, Any]) -> str:
    """The boards after each step as text, with changed cells marked."""
    lines = [grid(task, found["question"], ())]
    for thought in found["thoughts"]:
        lines.append(f"step {thought['step']}: right with probability {thought['right']:.3f}")
        lines.append(grid(task, thought["board"], thought["changed"]))
    return "\n".join([*lines, ending(found)])


def ending(found: dict[str, Any]) -> str:
    """A line about when thinking ended, and whether the answer is right."""
    steps = f"{found['steps']} step{'s' if found['steps'] > 1 else ''}"
    end = f"halted after {steps}" if found["halted"] else f"not sure after {steps}"
    rules = f"wrong: {found['fault']}" if found["fault"] else "all rules hold"
    return f"{end}; {rules}"


def grid(task: Task, board: str, changed: Any) -> str:
    """A board as rows of text, with a mark at each changed cell."""
    cells = [f"{symbol}{CHANGED if cell in changed else ' '}" for cell, symbol in enumerate(board)]
    rows = (cells[start : start + task.columns] for start in range(0, task.cells, task.columns))
    return "\n".join("  " + " ".join(row).rstrip() for row in rows) + "\n"
