"""Many runs for one command: where they run, and what ends them."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from trm_np.cli.errors import Refusal, say
from trm_np.cli.options import Command, path_option, together
from trm_np.cli.progress import progress
from trm_np.cli.signals import first_signal
from trm_np.config import Config

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from trm_np.data.load import Dataset
    from trm_np.lab.sweep import Kind
    from trm_np.lab.trial import Row, Trial


class Workers(NamedTuple):
    """Processes of this machine, or the address of a Dask cluster; raises UsageError for both."""

    processes: int | None = None
    dask: str | None = None

    def require_one_kind(self) -> None:
        if self.processes and self.dask is not None:
            raise click.UsageError("--processes: a Dask cluster has workers of its own")


def options_of_workers(processes: str, dask: str) -> Callable[[Command], Callable[..., Any]]:
    """Options for `Workers`, with these help texts; each begins with what the workers do."""
    return together(
        "workers",
        Workers,
        click.option("--processes", type=click.IntRange(min=1), help=processes),
        click.option("--dask", metavar="ADDRESS", help=f"{dask}, such as tcp://127.0.0.1:8786."),
    )


workers_options = options_of_workers(
    "Number of runs at the same time on this machine.  [default: one for each core]", "Dask cluster to run on"
)
rows_option = path_option(
    "--out",
    default="checkpoints/lab",
    metavar="FOLDER",
    help="Output folder of the results. Runs with a result in it are not repeated.",
)


def run_all(
    configs: Mapping[str, Config],
    seeds: int,
    dataset: "Dataset",
    path: Path,
    workers: Workers,
) -> list["Row"]:
    """The rows of all configurations with all seeds, from the file or run now; failures are printed on stderr."""
    from trm_np.lab.sweep import GIFTS
    from trm_np.lab.trial import with_seeds

    return run_trials(with_seeds(configs, seeds), dataset, path, workers, GIFTS)


def run_trials(
    trials: Sequence["Trial[Any]"],
    dataset: Any,
    path: Path,
    workers: Workers,
    kind: "Kind",
) -> list["Row"]:
    """The same of trials of any kind."""
    from trm_np.lab.results import complete, finished, read_rows
    from trm_np.lab.tables import failures_text
    from trm_np.storage.files import unlock_folder
    from trm_np.training.run import open_folder

    workers.require_one_kind()
    lock = open_folder(path.parent)
    try:
        missing = finished(read_rows(path), trials, dataset, kind).count(None)
        started = time.perf_counter()
        with (
            ended_by_signals(path),
            executor_of(workers, missing) as executor,
            progress(path.stem, missing, name_of) as arrived,
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
def executor_of(workers: Workers, tasks: int | None = None) -> Iterator["Executor"]:
    """Yield the cluster, or processes of this machine: no more of them than `tasks`."""
    if workers.dask is not None:
        from trm_np.executors.dask import dask_workers

        with dask_workers(workers.dask) as executor:
            yield executor
    else:
        from trm_np.executors.processes import local_processes

        processes = workers.processes or os.cpu_count() or 1
        with local_processes(processes if tasks is None else min(processes, max(tasks, 1))) as executor:
            yield executor


class Ended(BaseException):
    """Raised by a signal. A BaseException, so that it does not become the error of a run."""


@contextmanager
def ended_by_signals(path: Path) -> Iterator[list[int]]:
    """Within, the first signal ends the runs under way; raises Refusal, which says where the finished ones are."""

    def end() -> None:
        raise Ended

    with first_signal(end, next_ends=False) as received:
        try:
            yield received
        except Ended:
            raise Refusal(
                f"interrupted; finished runs are kept in {path}, and the same command goes on",
                128 + received[0],
            ) from None


def name_of(row: "Row | None") -> str | None:
    return None if row is None else f"{row['name']}, seed {row['seed']}"
