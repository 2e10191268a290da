"""`trm puzzle train`: train a model on puzzles, show the progress, and print the summary."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.completion import among, puzzles
from trm_np.cli.errors import DATA_REFUSED, Refusal, refusals, report, say
from trm_np.cli.options import (
    RunOptions,
    as_json,
    epochs_option,
    parse_settings,
    path_option,
    quiet_option,
    resume_option,
    seed_option,
    set_option,
    together,
)
from trm_np.cli.progress import progress
from trm_np.cli.ranks import OnRanks, wait_for_all
from trm_np.cli.threads import use_threads
from trm_np.cli.train import resumable, warn_of_changes
from trm_np.config import one_of
from trm_np.text import counted
from trm_np.training.ranks import join

if TYPE_CHECKING:
    from trm_np.puzzles.sets import HeldOut, Puzzles
    from trm_np.puzzles.task import Task
    from trm_np.training.trainer import Record

COUNT = 4000  # puzzles to train on

kind = click.argument("kind", default="sudoku6", shell_complete=among(puzzles))


@dataclass(frozen=True)
class GivenPuzzles:
    """Files of puzzles, None for new ones, and the largest number of puzzles to train on."""

    puzzles: str | None
    held_out: str | None
    most: int


@click.command(
    cls=OnRanks,
    help="""Train a model on puzzles of a KIND: sudoku6, sudoku9 or maze5.

    The model is evaluated on other puzzles. None of them equals a training puzzle up to symmetry.

    \b
    Example: trm puzzle train --seed 1 --out checkpoints/sudoku6_1
    """,
)
@kind
@together(
    "given",
    GivenPuzzles,
    path_option("--puzzles", help="Puzzles to train on.  [default: new ones]"),
    path_option("--held-out", help="Held-out puzzles.  [default: new ones]"),
    click.option(
        "--count",
        "most",
        type=click.IntRange(1, 1_000_000),
        default=COUNT,
        help="Largest number of puzzles to train on.",
    ),
)
@together(
    "place",
    RunOptions,
    path_option("--out", metavar="FOLDER", help="Output folder.  [default: checkpoints/KIND]"),
    seed_option,
    resume_option,
)
@together("settings", parse_settings, epochs_option, set_option)
@click.option(
    "--compare",
    is_flag=True,
    help="Also train models without recursion, each with the same amount of computation.",
)
@quiet_option
@as_json
def train(
    kind: str,
    given: GivenPuzzles,
    place: RunOptions,
    settings: dict[str, str],
    compare: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    threads = use_threads(all_cores=False)
    with refusals():
        from trm_np.puzzles.compare import compare as compared
        from trm_np.puzzles.compare import epochs_of_rivals
        from trm_np.puzzles.config import PRESETS, resolve
        from trm_np.puzzles.run import PuzzleRun
        from trm_np.training.allocator import keep_memory

        ranks = join()
        quiet = quiet or not ranks.is_first
        task, seed = task_named(kind), place.seed
        config = resolve(PRESETS[kind], settings)
        folder, epochs = Path(place.out or f"checkpoints/{kind}"), config.training.epochs
        keep_memory()
        if not quiet:
            workers = threads if ranks.size == 1 else f"{ranks.size} ranks with {threads}"
            say(f"{kind}, seed {seed}, {workers}, {counted(epochs, 'epoch')}, into {folder}", err=True)
        apart = held_out_puzzles(task, given.held_out, seed, config.training.extra)
        learnt = training_puzzles(task, given, seed, config.training.extra, apart)
        run = PuzzleRun(config, task, learnt, apart.validation, apart.test, seed, folder, place.resume, ranks)
        wait_for_all(ranks)
        if not quiet:
            warn_of_changes(run)
        done = run.trainer.progress.epochs
        with resumable(place.resume, ranks) as interrupted:
            with progress("training", epochs - done, brief, line, quiet) as show:
                summary = run.train(interrupted, show)
            if compare:
                with progress("comparing", epochs_of_rivals(config), quiet=quiet) as show:
                    summary["compared"] = compared(run.trainer, apart.test, seed, interrupted, show)
        if not quiet or (as_json and ranks.is_first):
            report(summary, summary_text(summary), as_json)


def summary_text(summary: dict[str, Any]) -> str:
    from trm_np.puzzles.evaluating import evaluation_text

    return "\n".join(
        [
            f"{summary['parameters']:,} parameters, {summary['seconds']:.1f} s of training",
            evaluation_text(summary),
            *(
                f"{other['name']}: {other['solved']:.3f} solved, {other['parameters']:,} parameters"
                for other in summary.get("compared", ())
            ),
        ]
    )


def task_named(kind: str) -> "Task":
    """Raises ConfigError for a kind that does not exist."""
    from trm_np.puzzles.stored import TASKS

    return TASKS[one_of(kind, TASKS, "puzzle")]


def held_out_puzzles(task: "Task", file: str | None, seed: int, extra: int) -> "HeldOut":
    from trm_np.puzzles.files import read_puzzles
    from trm_np.puzzles.sets import make_held_out, part_of

    return make_held_out(task, seed, extra) if file is None else part_of(task, read_puzzles(file, task))


def training_puzzles(task: "Task", given: GivenPuzzles, seed: int, extra: int, apart: "HeldOut") -> "Puzzles":
    """The puzzles of the file, or new ones; none is a twin of a held-out puzzle."""
    import numpy as np

    from trm_np.puzzles.files import read_puzzles
    from trm_np.puzzles.sets import make_puzzles, without_twins

    if given.puzzles is None:
        return make_puzzles(task, given.most, np.random.default_rng(seed), extra, set(apart.known))
    found = without_twins(task, read_puzzles(given.puzzles, task, given.most), apart.known)
    if not len(found):
        raise Refusal(
            f"{given.puzzles}: all its puzzles are twins of held-out ones; give others to train on",
            DATA_REFUSED,
        )
    return found


def brief(record: "Record | None") -> str | None:
    """The share of validation puzzles solved, beside the bar, if the model has just been evaluated."""
    return f"solved {record['validation']['solved']:.3f}" if record and "validation" in record else None


def line(record: "Record") -> str | None:
    """A line on an epoch after which the model was evaluated."""
    if "validation" not in record:
        return None
    found: dict[str, Any] = record["validation"]
    return (
        f"epoch {record['epoch']:>3}  {record['seconds']:6.1f} s  loss {record['total']:.4f}  "
        f"validation: cells {found['cells']:.4f}  solved {found['solved']:.3f}"
    )
