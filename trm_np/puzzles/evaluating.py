"""Evaluate a puzzle model: the share solved after each thinking step, by difficulty, and with halting."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trm_np.data.tables import Bools, Ints
from trm_np.puzzles.model import PuzzleModel, Trajectory, unroll
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.task import Task

QUARTERS = 4
ALONE = "_only"


def evaluate(
    model: PuzzleModel, puzzles: Puzzles, steps: int, advance: Callable[[int], object] = lambda count: None
) -> dict[str, Any]:
    """Evaluate the share of puzzles whose whole board is right.

    `solved` is the share after the steps of an answer, and `solved_by_steps` after each of `steps` steps.
    `solved_by_difficulty` has about four equal groups by the effort of the task. `halting` is the result if the model
    halts by itself. If the task has a simplest reasoning, its share without guesses is included. `advance` is called
    with each number of puzzles that are done.
    """
    allowed = model.config.answer_steps
    trajectory = unroll(model, puzzles.questions, max(steps, allowed), advance)
    return trajectory_metrics(trajectory, model.task, puzzles, allowed, steps)


def trajectory_metrics(
    trajectory: Trajectory, task: Task, puzzles: Puzzles, allowed: int, steps: int
) -> dict[str, Any]:
    """The metrics of `evaluate` from a trajectory, with `allowed` steps for an answer."""
    right = trajectory.boards == puzzles.answers
    solved = right.all(axis=2)
    return {
        "puzzles": len(puzzles),
        "steps": allowed,
        "solved": share(solved[allowed - 1]),
        "cells": share(right[allowed - 1]),
        "solved_by_steps": {str(step + 1): share(each) for step, each in enumerate(solved[:steps])},
        "effort_in": task.effort_in,
        "solved_by_difficulty": [
            {
                "rounds": [low, high],
                "puzzles": int(among.sum()),
                "solved": share(solved[allowed - 1, among]),
                "solved_by_steps": {
                    str(step + 1): share(each[among]) for step, each in enumerate(solved[:steps])
                },
            }
            for low, high, among in by_difficulty(puzzles.rounds)
        ],
        "halting": halting(trajectory, solved, allowed),
        **without_guesses(task, puzzles),
    }


def without_guesses(task: Task, puzzles: Puzzles) -> dict[str, float]:
    """The share that the task's simplest reasoning solves alone, if it has one; `singles_only` for Sudoku."""
    return {f"{task.simplest}{ALONE}": share(puzzles.guesses == 0)} if task.simplest else {}


def without_guesses_text(found: dict[str, Any]) -> list[str]:
    """The lines of text for `without_guesses`: one, or none."""
    shares = {name.removesuffix(ALONE): found[name] for name in found if name.endswith(ALONE)}
    return [f"{name} alone, as a person begins: {solved:.3f} solved" for name, solved in shares.items()]


def share(right: Bools) -> float:
    return float(right.mean())


def by_difficulty(rounds: Ints) -> list[tuple[int, int, Bools]]:
    """At most four groups of about equal size: the least and most rounds of each, and its puzzles as marks."""
    ends = sorted(
        {int(end) for end in np.quantile(rounds, np.arange(1, QUARTERS + 1) / QUARTERS, method="lower")}
    )
    lows = [int(rounds.min()), *(end + 1 for end in ends[:-1])]
    groups = [(low, end, (rounds >= low) & (rounds <= end)) for low, end in zip(lows, ends, strict=True)]
    return [group for group in groups if group[2].any()]


def halting(trajectory: Trajectory, solved: Bools, allowed: int) -> dict[str, float]:
    """Share solved and mean steps where the model halts, or after the `allowed` steps."""
    within = Trajectory(trajectory.boards[:allowed], trajectory.right[:allowed])
    step = within.halted()
    return {"solved": share(solved[step, np.arange(len(step))]), "mean_steps": float(step.mean() + 1)}


def evaluation_text(found: dict[str, Any]) -> str:
    """The evaluation as a table of text."""
    steps = marks(found)
    rows: list[tuple[str, Any, Any]] = [("all", found["puzzles"], found["solved_by_steps"])]
    for group in found["solved_by_difficulty"]:
        low, high = group["rounds"]
        span = str(low) if low == high else f"{low} to {high}"
        name = f"{span} {found['effort_in']}"
        rows.append((name, group["puzzles"], group["solved_by_steps"]))
    head = f"{'solved after so many steps':<28}{'puzzles':>8}" + "".join(f"{step:>7}" for step in steps)
    lines = [
        f"{name:<28}{count:>8}" + "".join(f"{by_steps[step]:>7.3f}" for step in steps)
        for name, count, by_steps in rows
    ]
    halted = found["halting"]
    return "\n".join([
        head,
        *lines,
        f"cells right after {found['steps']} steps: {found['cells']:.4f}",
        f"halting by itself: {halted['solved']:.3f} solved, after {halted['mean_steps']:.2f} steps on average",
        *without_guesses_text(found),
    ])  # fmt: skip


def marks(found: dict[str, Any]) -> Sequence[str]:
    """The steps to show: powers of two, the steps of an answer, and the last."""
    steps = list(map(int, found["solved_by_steps"]))
    return [str(step) for step in steps if step & (step - 1) == 0 or step in (found["steps"], steps[-1])]
