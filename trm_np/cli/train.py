"""`trm train`, which is `trm-train` too: signals, progress, and the run."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from trm_np.cli.check import check_data
from trm_np.cli.errors import Refusal, refusals, say
from trm_np.cli.options import as_json, config_from, config_options, data_options, named
from trm_np.cli.ranks import OnRanks, wait_for_all
from trm_np.cli.signals import ENDING, handled, let_the_next_end
from trm_np.cli.threads import use_threads
from trm_np.training.ranks import join, launched

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from trm_np.training.trainer import Record

DEFAULT_FOLDER = "checkpoints/integrated_enhanced"


@click.command(
    cls=OnRanks,
    help="""Train a model and judge it on scenarios it never saw.

    The best model of the run is kept.

    \b
    Example: trm-train --without dropout --out checkpoints/no_dropout
    """,
)
@config_options
@data_options
@click.option(
    "--out",
    callback=named,
    default=DEFAULT_FOLDER,
    show_default=True,
    metavar="FOLDER",
    help="Output folder.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Largest number of epochs; the same as --set training.epochs=N.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="Resume the interrupted run in the folder.")
@click.option(
    "--check", is_flag=True, help="Only list the problems of the data files; exit code 65 if there are any."
)
@click.option("--quiet", is_flag=True, help="Print only errors, and the document of --json.")
@click.option("--profile", is_flag=True, help="Print the time spent in a step, by rule.")
@as_json
def train(
    preset: str,
    recipe: str,
    without: tuple[str, ...],
    only: tuple[str, ...],
    settings: tuple[str, ...],
    scenarios: str | None,
    held_out: str | None,
    catalog: str | None,
    out: str,
    epochs: int | None,
    seed: int,
    resume: bool,
    check: bool,
    quiet: bool,
    profile: bool,
    as_json: bool,
) -> None:
    _, size = launched()
    threads = use_threads(all_cores=preset == "report" and size == 1)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.evaluation.summary import summary_text
        from trm_np.training.allocator import keep_memory
        from trm_np.training.profiling import StepProfile, profile_text
        from trm_np.training.run import Run
        from trm_np.training.trainer import Interrupted

        ranks = join()
        quiet = quiet or not ranks.is_first
        if epochs is not None:
            settings = (*settings, f"training.epochs={epochs}")
        config = config_from(preset, recipe, without, only, settings)
        if check:
            found, code = check_data(scenarios, held_out, catalog, as_json)
            if ranks.is_first and (code or as_json or not quiet):
                say(found)
            raise click.exceptions.Exit(code)
        dataset = load_dataset(scenarios, held_out, catalog)
        import scipy.optimize  # type: ignore[import-untyped]  # noqa: F401  # the end needs it: fail now, not then

        keep_memory()
        run = Run(config, dataset, seed, Path(out), resume, ranks)
        wait_for_all(ranks)
        measured = StepProfile(config.model.supervision_steps)
        if profile:
            run.trainer.step_context = measured.measuring
        if not quiet:
            most = config.training.epochs
            workers = threads if size == 1 else f"{size} ranks with {threads}"
            say(
                f"{preset}, recipe {recipe}, seed {seed}, {workers}, at most {most} epochs, into {out}",
                err=True,
            )
            for warning in run.warnings:
                say(f"Warning: the bits may differ from those of a run in one go: {warning}", err=True)
            if dataset.shares_held_out:
                click.echo("one list of held-out scenarios serves as validation and as test", err=True)
        with (
            noted_signals() as received,
            progress(config.training.epochs, run.trainer.progress.epochs, quiet) as show,
        ):
            try:
                summary = run.train(lambda: bool(received), show)
            except Interrupted:
                command = shlex.join([*sys.argv, *(() if resume else ("--resume",))])
                number = ranks.all_reduce_max(max(received, default=0))
                raise Refusal(f"interrupted; go on with: {command}", 128 + number) from None
            if ranks.is_first:
                draw_curves_of(Path(out), summary["best_epoch"])
        if profile and ranks.is_first:
            say(profile_text(measured), err=as_json or quiet)
        if as_json and ranks.is_first:
            click.echo(json.dumps(summary, indent=2))
        elif not quiet:
            say(summary_text(summary))


def draw_curves_of(folder: Path, best_epoch: int) -> None:
    """The training curves of the run in the folder, where matplotlib is; nothing is said where it is not."""
    from trm_np.lab.plots.curves import draw_curves, read_records
    from trm_np.lab.plots.style import PlotsMissing
    from trm_np.training.run import CURVES, METRICS

    with suppress(PlotsMissing):
        draw_curves(read_records(folder / METRICS), best_epoch, folder / CURVES, kinds=("svg",))


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Within, a first SIGINT, SIGTERM or SIGHUP is only noted in the list; a second one ends the program at once."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        let_the_next_end(note)

    with handled(dict.fromkeys(ENDING, note)):
        yield received


def quality(record: "Record | None") -> str | None:
    """The validation quality, in the bar, where it has just been measured."""
    if record is None or "validation" not in record:
        return None
    return f"quality {record['validation']['recommendation_quality']:.3f}"


def line(record: "Record") -> str:
    found = record["validation"]
    match = f"match {found['category_match_rate']:.3f}  " if "category_match_rate" in found else ""
    return (
        f"epoch {record['epoch']:>3}  {record['seconds']:6.1f} s  loss {record['total']:.4f}  "
        f"validation: loss {found['losses']['total']:.4f}  {match}"
        f"reward {found['average_reward']:.3f}  quality {found['recommendation_quality']:.3f}"
    )


@contextmanager
def progress(
    epochs: int,
    done: int,
    quiet: bool,
    brief: Callable[["Record | None"], str | None] = quality,
    line: Callable[["Record"], str] = line,
) -> Iterator[Callable[["Record"], None]]:
    """Yield a function that shows each epoch's record: by a bar on a terminal, by lines elsewhere, or not at all."""
    if quiet:
        yield lambda record: None
    elif sys.stderr.isatty():
        bar: ProgressBar[Record] = click.progressbar(
            length=epochs - done, label="training", file=sys.stderr, item_show_func=brief
        )
        with bar:
            yield lambda record: bar.update(1, record)
    else:
        yield lambda record: say(line(record), err=True) if "validation" in record else None
