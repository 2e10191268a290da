"""`trm train`, which is `trm-train` too: train a model, show the progress, and print the summary."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.check import check_data
from trm_np.cli.errors import Refusal, refusals, report, say
from trm_np.cli.options import (
    DataFiles,
    RunOptions,
    as_json,
    config_options,
    data_options,
    epochs_option,
    parse_config,
    path_option,
    quiet_option,
    resume_option,
    seed_option,
    together,
)
from trm_np.cli.progress import progress
from trm_np.cli.ranks import OnRanks, wait_for_all
from trm_np.cli.signals import first_signal
from trm_np.cli.threads import use_threads
from trm_np.config import Config
from trm_np.text import counted
from trm_np.training.ranks import ALONE, Ranks, join, launched

if TYPE_CHECKING:
    from trm_np.data.load import Dataset
    from trm_np.training.run import FolderRun, Run
    from trm_np.training.trainer import Record

DEFAULT_FOLDER = "checkpoints/integrated_enhanced"


@click.command(
    cls=OnRanks,
    help="""Train a model, and evaluate it on held-out scenarios.

    The folder of the run keeps its best model, its metrics and its summary.

    \b
    Example: trm-train --without dropout --out checkpoints/no_dropout
    """,
)
@together("config", parse_config, *config_options, epochs_option)
@data_options
@together(
    "place",
    RunOptions,
    path_option("--out", default=DEFAULT_FOLDER, metavar="FOLDER", help="Output folder."),
    seed_option,
    resume_option,
)
@click.option(
    "--check", is_flag=True, help="Only list the problems of the data files; exit code 65 if there are any."
)
@click.option("--timings", is_flag=True, help="Print the time that each rule takes in one step.")
@quiet_option
@as_json
def train(
    config: Config,
    files: DataFiles,
    place: RunOptions,
    check: bool,
    timings: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    threads = use_threads(all_cores=config.preset == "report" and launched()[1] == 1)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.evaluation.summary import summary_text
        from trm_np.training.profiling import StepProfile, profile_text

        ranks = join()
        quiet = quiet or not ranks.is_first
        if check:
            found, code = check_data(files, as_json)
            if ranks.is_first and (code or as_json or not quiet):
                say(found)
            raise click.exceptions.Exit(code)
        dataset = load_dataset(*files)
        run = begin(config, dataset, place, ranks)
        measured = StepProfile(config.model.supervision_steps)
        if timings:
            run.trainer.step_context = measured.measuring
        if not quiet:
            announce(run, dataset, place, threads)
        summary = finish(run, place, ranks, quiet)
        if timings and ranks.is_first:
            say(profile_text(measured), err=as_json or quiet)
        if not quiet or (as_json and ranks.is_first):
            report(summary, summary_text(summary), as_json)


def begin(config: Config, dataset: "Dataset", place: RunOptions, ranks: Ranks) -> "Run":
    """A run that is ready on all ranks."""
    import scipy.optimize  # type: ignore[import-untyped]  # noqa: F401  # the end needs it: fail now, not then

    from trm_np.training.allocator import keep_memory
    from trm_np.training.run import Run

    keep_memory()
    run = Run(config, dataset, place.seed, Path(place.out), place.resume, ranks)
    wait_for_all(ranks)
    return run


def announce(run: "Run", dataset: "Dataset", place: RunOptions, threads: str) -> None:
    """Print on stderr what begins, and what a user should know of it."""
    from trm_np.evaluation.compare import trained_on

    config, size = run.config, launched()[1]
    workers = threads if size == 1 else f"{size} ranks with {threads}"
    say(
        f"{config.preset}, recipe {config.recipe}, seed {place.seed}, {workers}, "
        f"at most {counted(config.training.epochs, 'epoch')}, into {place.out}",
        err=True,
    )
    warn_of_changes(run)
    if dataset.shares_held_out:
        click.echo("one list of held-out scenarios serves as validation and as test", err=True)
    seen, count = trained_on(dataset), len(dataset.test)
    if seen:
        say(f"Warning: {seen} of {count} test scenarios have the profile of a training scenario", err=True)


def finish(run: "Run", place: RunOptions, ranks: Ranks, quiet: bool) -> dict[str, Any]:
    """Train to the end, and draw the curves; the summary of the run."""
    epochs, done = run.config.training.epochs, run.trainer.progress.epochs
    with (
        resumable(place.resume, ranks) as interrupted,
        progress("training", epochs - done, brief, line, quiet) as show,
    ):
        summary = run.train(interrupted, show)
        if ranks.is_first:
            draw_curves_of(run.folder, summary["best_epoch"])
    return summary


@contextmanager
def resumable(resume: bool, ranks: Ranks = ALONE) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal asks for an end.

    Raises Refusal, with the command that goes on, for a run that ends so.
    """
    from trm_np.training.trainer import Interrupted

    with first_signal() as received:
        try:
            yield lambda: bool(received)
        except Interrupted:
            command = shlex.join([*sys.argv, *(() if resume else ("--resume",))])
            number = ranks.all_reduce_max(max(received, default=0))
            raise Refusal(f"interrupted; go on with: {command}", 128 + number) from None


def warn_of_changes(run: "FolderRun") -> None:
    """Print on stderr what has changed since a resumed run began, and what a new one replaces."""
    if run.replaces:
        say(f"this run replaces the model in {run.folder}; --out FOLDER keeps it", err=True)
    for warning in run.warnings:
        say(f"Warning: the bits may differ from those of a run in one go: {warning}", err=True)


def draw_curves_of(folder: Path, best_epoch: int) -> None:
    """Draw the training curves of the run into its folder if matplotlib is installed."""
    from trm_np.extras import ExtraMissing
    from trm_np.lab.plots.curves import draw_curves, read_records
    from trm_np.training.run import CURVES, METRICS

    with suppress(ExtraMissing):
        draw_curves(read_records(folder / METRICS), best_epoch, folder / CURVES, kinds=("svg",))


def brief(record: "Record | None") -> str | None:
    """The recommendation quality, beside the bar, if the model has just been evaluated."""
    if record is None or "validation" not in record:
        return None
    return f"recommendation_quality {record['validation']['recommendation_quality']:.3f}"


def line(record: "Record") -> str | None:
    """A line on an epoch after which the model was evaluated."""
    if "validation" not in record:
        return None
    found = record["validation"]
    names = ("category_match_rate", "average_reward", "recommendation_quality")
    metrics = "  ".join(f"{name} {found[name]:.3f}" for name in names if name in found)
    return (
        f"epoch {record['epoch']:>3}  {record['seconds']:6.1f} s  loss {record['total']:.4f}  "
        f"validation: loss {found['losses']['total']:.4f}  {metrics}"
    )
