"""`trm puzzle`: Sudoku and mazes, for the same recursive core that recommends gifts."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from trm_np.cli.errors import DATA_REFUSED, OneLineGroup, refusals, report, say
from trm_np.cli.options import FILE, as_json, path_option, seed_option, trust
from trm_np.cli.output import write_new
from trm_np.cli.progress import progress
from trm_np.cli.puzzle_train import kind, task_named, train
from trm_np.cli.threads import use_threads

if TYPE_CHECKING:
    from io import BufferedReader

    from trm_np.data.json_lines import Line
    from trm_np.puzzles.model import PuzzleModel
    from trm_np.puzzles.stored import StoredPuzzleModel

DIAL = 4  # times the steps of training, which thinking may take at most

steps_option = click.option(
    "--steps",
    type=click.IntRange(min=1),
    help=f"Largest number of steps, up to {DIAL} times the number in training.  [default: model.answer_steps]",
)


@click.group(
    cls=OneLineGroup,
    help="""Make puzzles, train models on them, and solve them.

    The puzzles are Sudoku of 6 × 6 and 9 × 9, and mazes. The models have the recursive core of the recommender.

    \b
    Example: trm puzzle make --count 5
    """,
)
def puzzle() -> None:
    pass


@puzzle.command(
    help="""Make puzzles of a KIND: sudoku6, sudoku9 or maze5.

    Each has one solution, and no two are the same up to symmetry.

    \b
    Example: trm puzzle make sudoku9 --count 5 --extra 12 --out nine.csv
    """,
)
@kind
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1000, help="Number of puzzles.")
@click.option(
    "--extra",
    type=click.IntRange(0, 60),
    default=0,
    help="Largest number of extra given cells; they make a puzzle easier.",
)
@seed_option
@path_option("--out", default="puzzles.csv", help="Output file, a new CSV file.")
@as_json
def make(kind: str, count: int, extra: int, seed: int, out: str, as_json: bool) -> None:
    use_threads(all_cores=False)
    with refusals():
        import numpy as np

        from trm_np.cli.output import refuse_old
        from trm_np.puzzles.evaluating import without_guesses, without_guesses_text
        from trm_np.puzzles.files import csv_of
        from trm_np.puzzles.sets import make_puzzles

        task, path = task_named(kind), Path(out)
        refuse_old(str(path.parent), [path.name])
        with progress("puzzles made", count) as advance:
            made = make_puzzles(task, count, np.random.default_rng(seed), extra, made=advance)
        write_new(str(path.parent), {path.name: csv_of(task, made)})
        rounds, counts = np.unique(made.rounds, return_counts=True)
        givens = (made.questions > 0).sum(axis=1)
        least, middle, most = (int(each) for each in np.quantile(givens, (0, 0.5, 1), method="lower"))
        found = {
            "file": out,
            "puzzle": task.name,
            "puzzles": len(made),
            "givens": [least, middle, most],
            "rounds": dict(zip(map(str, rounds.tolist()), counts.tolist(), strict=True)),
            **without_guesses(task, made),
        }
        span = f"{least} to {most} givens, mostly about {middle}"
        efforts = f"{rounds[0]} to {rounds[-1]} {task.effort_in}"
        text = "; ".join([f"{out}: {len(made)} puzzles with {span}", efforts, *without_guesses_text(found)])
        report(found, text, as_json)


@puzzle.command(
    help="""Solve a BOARD with a stored MODEL, step by step.

    A board is written row by row, with . or 0 for a blank; without one, each line of stdin is a board. After each step
    the command shows the probability that the whole board is right, and marks the cells that changed. A board on stdin
    is solved as soon as its line arrives. A bad line gets its error instead, and the exit code is then 65.

    \b
    Example: trm puzzle solve checkpoints/sudoku6/best.npz ......5.....1..3.6.4..2...4..2..3..5
    """,
)
@click.argument("model", type=FILE)
@click.argument("board", required=False)
@steps_option
@trust
@as_json
def solve(model: str, board: str | None, steps: int | None, trust: bool, as_json: bool) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.puzzles.files import board_from
        from trm_np.puzzles.solving import solution_text
        from trm_np.puzzles.solving import solve as solved
        from trm_np.puzzles.stored import load_puzzle_model

        stored = load_puzzle_model(model, trust=trust)
        most = steps_of(stored, steps)
        if board is None or board == "-":
            if solve_lines(stored.model, most, as_json):
                raise click.exceptions.Exit(DATA_REFUSED)
            return
        found = solved(stored.model, board_from(board, stored.task, "BOARD"), most)
        report(found, solution_text(stored.task, found), as_json)


@puzzle.command(
    help="""Count the puzzles that a stored MODEL solves.

    There is a count for each number of steps, and for each level of difficulty. Without a file, the puzzles are the
    1,000 that were held out of the model's training.

    \b
    Example: trm puzzle evaluate checkpoints/sudoku6/best.npz --steps 16
    """,
)
@click.argument("model", type=FILE)
@path_option("--puzzles", help="Puzzles to solve: one board per line, or CSV.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help="Number of puzzles, from the start of the file.  [default: all of the file, or 1000 new ones]",
)
@steps_option
@trust
@as_json
def evaluate(
    model: str, puzzles: str | None, count: int | None, steps: int | None, trust: bool, as_json: bool
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.puzzles import evaluating
        from trm_np.puzzles.files import read_puzzles
        from trm_np.puzzles.sets import TEST, make_test
        from trm_np.puzzles.stored import load_puzzle_model

        stored = load_puzzle_model(model, trust=trust)
        most = steps_of(stored, steps)
        if puzzles is None:
            extra = stored.config.training.extra
            with progress("puzzles made", count or TEST) as advance:
                judged = make_test(stored.task, stored.header["seed"], extra, count, advance)
        else:
            judged = read_puzzles(puzzles, stored.task, count)
        with progress("puzzles solved", len(judged)) as advance:
            found = evaluating.evaluate(stored.model, judged, most, lambda count: advance(steps=count))
        report(found, evaluating.evaluation_text(found), as_json)


def steps_of(stored: "StoredPuzzleModel", steps: int | None) -> int:
    """The number of steps; raises UsageError if it is above the largest allowed one."""
    config = stored.config.model
    most = max(DIAL * config.supervision_steps, config.answer_steps)
    if steps is not None and steps > most:
        raise click.UsageError(f"--steps {steps}: at most {most}, {DIAL} times those of training")
    return steps or config.answer_steps


def solve_lines(model: "PuzzleModel", steps: int, as_json: bool) -> bool:
    """Solve the boards of stdin as they arrive; whether one was bad."""
    from trm_np.data.json_lines import Lines
    from trm_np.puzzles.solving import ending

    bad = False
    for portion in Lines(cast("BufferedReader", sys.stdin.buffer), "stdin").portions():
        for found in solve_portion(model, portion, steps):
            bad |= "error" in found
            if as_json:
                click.echo(json.dumps(found))
            elif "error" in found:
                say(f"Error: {found['error']}", err=True)
            else:
                say(f"{found['answer']} {ending(found)}")
    return bad


def solve_portion(model: "PuzzleModel", portion: list["Line"], steps: int) -> list[dict[str, Any]]:
    """The solution or the error of each line, in order."""
    import numpy as np

    from trm_np.data.problems import DataError
    from trm_np.puzzles.files import board_from
    from trm_np.puzzles.solving import solve_all

    found: list[dict[str, Any]] = []
    boards, places = [], []
    for number, text in portion:
        try:
            boards.append(board_from(text.decode(errors="replace"), model.task, f"stdin: line {number}"))
            places.append(len(found))
            found.append({})
        except DataError as error:
            found.append({"error": str(error)})
    if boards:
        for place, solution in zip(places, solve_all(model, np.stack(boards), steps), strict=True):
            found[place] = solution
    return found


puzzle.add_command(train)
