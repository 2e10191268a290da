"""`trm puzzle train`: puzzles, signals, progress, and the run."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.errors import DATA_REFUSED, Refusal, refusals, say
from trm_np.cli.options import as_json, named, parse_setting
from trm_np.cli.ranks import OnRanks, wait_for_all
from trm_np.cli.threads import use_threads
from trm_np.cli.train import noted_signals, progress
from trm_np.config import one_of
from trm_np.training.ranks import join, launched

if TYPE_CHECKING:
    from trm_np.puzzles.sets import HeldOut, Puzzles
    from trm_np.puzzles.task import Task
    from trm_np.training.trainer import Record

COUNT = 4000  # puzzles to learn from

kind = click.argument("kind", default="sudoku6")


@click.command(
    cls=OnRanks,
    help="""Train on puzzles of a KIND: sudoku6, sudoku9 or maze5.

    The model is judged on other puzzles, none of them a twin of one that it learned from.

    \b
    Example: trm puzzle train --seed 1 --out checkpoints/sudoku6_1
    """,
)
@kind
@click.option("--puzzles", callback=named, metavar="FILE", help="Puzzles to learn from.  [default: new ones]")
@click.option("--held-out", callback=named, metavar="FILE", help="Puzzles to judge on.  [default: new ones]")
@click.option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=COUNT,
    show_default=True,
    help="Largest number of puzzles to learn from.",
)
@click.option("--out", callback=named, metavar="FOLDER", help="Output folder.  [default: checkpoints/KIND]")
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Number of epochs; the same as --set training.epochs=N."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting, such as model.cycles=2."
)
@click.option("--resume", is_flag=True, help="Resume the interrupted run in the folder.")
@click.option(
    "--compare", is_flag=True, help="Also train models without recursion, each for as much arithmetic."
)
@click.option("--quiet", is_flag=True, help="Print only errors, and the document of --json.")
@as_json
def train(
    kind: str,
    puzzles: str | None,
    held_out: str | None,
    count: int,
    out: str | None,
    epochs: int | None,
    seed: int,
    settings: tuple[str, ...],
    resume: bool,
    compare: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    _, size = launched()
    threads = use_threads(all_cores=False)
    with refusals():
        from trm_np.puzzles.compare import compare as compared
        from trm_np.puzzles.config import PRESETS, resolve
        from trm_np.puzzles.evaluating import evaluation_text
        from trm_np.puzzles.run import PuzzleRun
        from trm_np.training.allocator import keep_memory
        from trm_np.training.trainer import Interrupted

        ranks = join()
        quiet = quiet or not ranks.is_first
        pairs = dict(parse_setting(text) for text in settings)
        task = task_named(kind)
        config = resolve(PRESETS[kind], pairs if epochs is None else pairs | {"training.epochs": str(epochs)})
        folder = Path(out or f"checkpoints/{kind}")
        keep_memory()
        if not quiet:
            most = config.training.epochs
            workers = threads if size == 1 else f"{size} ranks with {threads}"
            say(f"{kind}, seed {seed}, {workers}, {most} epochs, into {folder}", err=True)
        apart = held_out_puzzles(task, held_out, seed, config.training.extra)
        learnt = puzzles_to_learn(task, puzzles, count, seed, config.training.extra, apart)
        run = PuzzleRun(config, task, learnt, apart.validation, apart.test, seed, folder, resume, ranks)
        wait_for_all(ranks)
        for warning in run.warnings if not quiet else ():
            say(f"Warning: the bits may differ from those of a run in one go: {warning}", err=True)
        with (
            noted_signals() as received,
            progress(config.training.epochs, run.trainer.progress.epochs, quiet, solved, line) as show,
        ):
            try:
                summary = run.train(lambda: bool(received), show)
                if compare:
                    summary["compared"] = compared(run.trainer, apart.test, seed, lambda: bool(received))
            except Interrupted:
                command = shlex.join([*sys.argv, *(() if resume else ("--resume",))])
                number = ranks.all_reduce_max(max(received, default=0))
                raise Refusal(f"interrupted; go on with: {command}", 128 + number) from None
        if as_json and ranks.is_first:
            click.echo(json.dumps(summary, indent=2))
        elif not quiet:
            say(f"{summary['parameters']:,} parameters, {summary['seconds']:.1f} s of training")
            say(evaluation_text(summary))
            for rival in summary.get("compared", ()):
                say(f"{rival['name']}: {rival['solved']:.3f} solved, {rival['parameters']:,} parameters")


def task_named(kind: str) -> "Task":
    """Raises ConfigError for a kind that does not exist."""
    from trm_np.puzzles.stored import TASKS

    return TASKS[one_of(kind, TASKS, "puzzle")]


def held_out_puzzles(task: "Task", file: str | None, seed: int, extra: int) -> "HeldOut":
    from trm_np.puzzles.files import read_puzzles
    from trm_np.puzzles.sets import make_held_out, part_of

    return make_held_out(task, seed, extra) if file is None else part_of(task, read_puzzles(file, task))


def puzzles_to_learn(
    task: "Task", file: str | None, count: int, seed: int, extra: int, apart: "HeldOut"
) -> "Puzzles":
    """Those of the file, or made, none of them a twin of one held out."""
    import numpy as np

    from trm_np.puzzles.files import read_puzzles
    from trm_np.puzzles.sets import make_puzzles, without_twins

    if file is None:
        return make_puzzles(task, count, np.random.default_rng(seed), extra, set(apart.known))
    found = without_twins(task, read_puzzles(file, task, count), apart.known)
    if not len(found):
        raise Refusal(
            f"{file}: all its puzzles are twins of those held out; give others to learn from", DATA_REFUSED
        )
    return found


def solved(record: "Record | None") -> str | None:
    """The share of validation puzzles solved, in the bar, where it has just been measured."""
    return f"solved {record['validation']['solved']:.3f}" if record and "validation" in record else None


def line(record: "Record") -> str:
    found: dict[str, Any] = record["validation"]
    return (
        f"epoch {record['epoch']:>3}  {record['seconds']:6.1f} s  loss {record['total']:.4f}  "
        f"validation: cells {found['cells']:.4f}  solved {found['solved']:.3f}"
    )
