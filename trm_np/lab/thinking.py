"""A model's thinking steps on some boards, as one HTML file in which the reader drags through the steps.

thinking.html is the template. This module computes the data that is put into it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trm_np import __version__
from trm_np.autograd.ops import Array
from trm_np.lab.page import filled, rounded
from trm_np.lab.plots.thinking import draw_solving
from trm_np.lab.recursion import DEEPEST, ONCE, SHIPPED, STEPS, completed_last, summarize
from trm_np.lab.results import ResultsError
from trm_np.lab.trial import Row
from trm_np.puzzles.model import SURE, PuzzleModel, predictions, unroll
from trm_np.puzzles.sets import Puzzles, make_test
from trm_np.puzzles.stored import StoredPuzzleModel
from trm_np.puzzles.sudoku import Sudoku

# The variants that are compared, and their names on the page.
CURVES = {
    SHIPPED: "as shipped: the carry is handed on",
    ONCE: "the same, trained for a single step",
    DEEPEST: DEEPEST,
}


def page(stored: StoredPuzzleModel, rows: Sequence[Row]) -> str:
    """The document, from a Sudoku model and the rows of `trm lab recursion`. Its links are relative to docs/.

    Raises ResultsError.
    """
    task, test = sudoku_of(stored)
    return filled("thinking.html", {
        "puzzle": task.name,
        "symbols": task.symbols[1:],
        "columns": task.columns,
        "boxes": task.box,
        "sure": SURE,
        "seed": stored.header["seed"],
        "version": __version__,
        "parameters": sum(parameter.size for parameter in stored.model.parameters()),
        "puzzles": [solved_puzzle(stored.model, test, place) for place in one_of_each(stored.model, test)],
        "curves": curves(rows),
    })  # fmt: skip


def sudoku_of(stored: StoredPuzzleModel) -> tuple[Sudoku, Puzzles]:
    """The task of a model and its held-out test puzzles. Raises ResultsError if the task is not Sudoku."""
    if not isinstance(stored.task, Sudoku):
        raise ResultsError(f"the page shows boards of Sudoku, not {stored.task.name}")
    return stored.task, make_test(stored.task, stored.header["seed"], stored.config.training.extra)


def picture(stored: StoredPuzzleModel, path: Path) -> list[Path]:
    """Draw the puzzle of medium difficulty among those of the page, step by step until the model halts."""
    task, test = sudoku_of(stored)
    chosen = one_of_each(stored.model, test)
    place = chosen[(len(chosen) - 1) // 2]
    seen = list(predictions(stored.model, test.questions[[place]], STEPS))
    halted = next((step for step, prediction in enumerate(seen, 1) if prediction.right[0] >= SURE), STEPS)
    steps = sorted({max(round(part * halted), 1) for part in (0.2, 0.4, 0.7, 1)})
    likely = [prediction.probabilities[0] for prediction in seen]
    return draw_solving(task, test.questions[place], test.answers[place], likely, steps, path)


def one_of_each(model: PuzzleModel, test: Puzzles) -> list[int]:
    """The first held-out puzzle for each number of rounds of singles, from the easiest on.

    If the model solves all of these, the first puzzle that it does not solve is added.
    """
    chosen = [int(np.flatnonzero(test.rounds == rounds)[0]) for rounds in np.unique(test.rounds)]
    trajectory = unroll(model, test.questions, STEPS)
    wrong = (trajectory.boards[-1] != test.answers).any(axis=1)
    others = [] if wrong[chosen].any() else np.flatnonzero(wrong)[:1].tolist()
    return [*chosen, *others]


def solved_puzzle(model: PuzzleModel, test: Puzzles, place: int) -> dict[str, Any]:
    """One puzzle with its answer, and the percentage of each symbol in each cell after each step."""
    question, answer = test.questions[place], test.answers[place]
    seen = list(predictions(model, question[None], STEPS))
    return {
        "question": model.task.text(question),
        "answer": model.task.text(answer),
        "rounds": int(test.rounds[place]),
        "guesses": int(test.guesses[place]),
        "right": rounded(prediction.right[0] for prediction in seen),
        "steps": [percent(prediction.probabilities[0, :, 1:]) for prediction in seen],
    }


def percent(probabilities: Array) -> str:
    """Encode probabilities (S, V) as two digits each, at most 99, cell by cell."""
    return "".join(f"{min(round(100 * float(each)), 99):02d}" for each in probabilities.ravel())


def curves(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share solved after each step, with and without recursion, as [mean, low, high]. Raises ResultsError."""
    found = {each["name"]: each for each in summarize(completed_last(rows))}
    for name in CURVES:
        if name not in found:
            raise ResultsError(f"no finished run of {name!r}; make them with: trm lab recursion")
    return [
        {
            "name": label,
            "parameters": found[name]["parameters"],
            "seeds": found[name]["seeds"],
            "solved": [spread(each) for each in found[name]["solved_by_steps"].values()],
        }
        for name, label in CURVES.items()
    ]


def spread(found: dict[str, Any]) -> list[float]:
    """The mean and the ends of the interval, clipped to 0 and 1. With a single seed, all three are the mean."""
    mean = found["mean"]
    low, high = (mean if found[end] is None else min(max(found[end], 0.0), 1.0) for end in ("low", "high"))
    return rounded((mean, low, high))
