"""Many runs for one command: where they run, how they are shown, and what ends them."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.errors import Refusal, say
from trm_np.cli.options import Command, named
from trm_np.cli.signals import ENDING, going_to, handled
from trm_np.config import Config

if TYPE_CHECKING:
    from trm_np.data.load import Dataset
    from trm_np.lab.sweep import Kind
    from trm_np.lab.trial import AnyTrial, Row


def place_options(command: Command) -> Command:
    """--processes, --dask and --out: where runs are made, and where their rows go."""
    for option in (
        click.option(
            "--dask", metavar="ADDRESS", help="Dask cluster to run on, such as tcp://127.0.0.1:8786."
        ),
        click.option(
            "--processes",
            type=click.IntRange(min=1),
            help="Number of runs at the same time on this machine.  [default: one for each core]",
        ),
        click.option(
            "--out",
            callback=named,
            default="checkpoints/lab",
            show_default=True,
            metavar="FOLDER",
            help="Output folder of the rows; runs whose rows are there already are not repeated.",
        ),
    ):
        command = option(command)
    return command


def run_all(
    configs: Mapping[str, Config],
    seeds: int,
    dataset: "Dataset",
    path: Path,
    processes: int | None,
    dask: str | None,
) -> list["Row"]:
    """The rows of all configurations with all seeds, from the file or run now; failures are said on stderr."""
    from trm_np.lab.sweep import GIFTS
    from trm_np.lab.trial import with_seeds

    return run_trials(with_seeds(configs, seeds), dataset, path, processes, dask, GIFTS)


def run_trials(
    trials: Sequence["AnyTrial"],
    dataset: Any,
    path: Path,
    processes: int | None,
    dask: str | None,
    kind: "Kind",
) -> list["Row"]:
    """The same of trials of any kind."""
    from trm_np.lab.results import complete, finished, read_rows
    from trm_np.lab.tables import failures_text
    from trm_np.storage.files import unlock_folder
    from trm_np.training.run import open_folder

    if dask is not None and processes:
        raise click.UsageError("--processes: a Dask cluster has workers of its own")
    lock = open_folder(path.parent)
    try:
        missing = finished(read_rows(path), trials, dataset, kind).count(None)
        started = time.perf_counter()
        with (
            ended_by_signals(path),
            workers(dask, min(processes or os.cpu_count() or 1, max(missing, 1))) as executor,
            progress(path.stem, missing) as arrived,
        ):
            rows = complete(path, trials, dataset, executor, arrived, kind)
    finally:
        unlock_folder(lock)
    seconds = time.perf_counter() - started
    say(f"{path}: {missing} of {len(trials)} runs made, in {seconds:.0f} s", err=True)
    failed = failures_text(rows)
    if failed:
        say(failed, err=True)
    return rows


@contextmanager
def workers(dask: str | None, processes: int) -> Iterator[Executor]:
    """Where the runs are made: on a cluster, or in processes of this machine."""
    if dask is not None:
        from trm_np.executors.dask import dask_workers

        with dask_workers(dask) as executor:
            yield executor
    else:
        from trm_np.executors.processes import local_processes

        with local_processes(processes) as executor:
            yield executor


class Ended(BaseException):
    """A signal asks for an end: no error of a run, which would become its row."""


@contextmanager
def ended_by_signals(path: Path) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the runs under way; what is done is kept, and the command says so."""
    received = 0

    def end(number: int, _: FrameType | None) -> None:
        nonlocal received
        received = number
        for each in going_to(end):
            signal.signal(each, signal.SIG_IGN)  # the end is on its way
        raise Ended

    try:
        with handled(dict.fromkeys(ENDING, end)):
            yield
    except Ended:
        raise Refusal(
            f"interrupted; finished runs are kept in {path}, and the same command goes on", 128 + received
        ) from None


@contextmanager
def progress(name: str, runs: int) -> Iterator[Callable[["Row"], None]]:
    """Yield a function to call with each row that arrives: it moves a bar on a terminal, and does nothing elsewhere."""
    if runs == 0 or not sys.stderr.isatty():
        yield lambda row: None
        return
    with click.progressbar(length=runs, label=name, file=sys.stderr, item_show_func=name_of) as bar:
        yield lambda row: bar.update(1, row)


def name_of(row: "Row | None") -> str | None:
    return None if row is None else f"{row['name']}, seed {row['seed']}"
