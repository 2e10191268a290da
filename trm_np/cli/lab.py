"""`trm lab`: many runs, and what they show."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from trm_np.cli.errors import IO_FAILED, OneLineGroup, Refusal, refusals
from trm_np.cli.options import Command, as_json, data_options, named, parse_setting
from trm_np.cli.threads import use_threads
from trm_np.config import Config, resolve

if TYPE_CHECKING:
    from trm_np.lab.trial import Row

DEFAULT_FOLDER = "checkpoints/lab"


@click.group(cls=OneLineGroup, no_args_is_help=False)
def lab() -> None:
    """Runs by the dozen under the same dice, and what they show.

    \b
    Example: trm lab ablate --seeds 3
    """


def running_options(command: Command) -> Command:
    """How many seeds, where they run, and where the rows go."""
    for option in (
        click.option(
            "--dask", metavar="ADDRESS", help="Run on a Dask cluster, such as tcp://127.0.0.1:8786."
        ),
        click.option(
            "--processes",
            type=click.IntRange(min=1),
            help="Runs at the same time on this machine.  [default: one for each core]",
        ),
        click.option(
            "--out",
            callback=named,
            default=DEFAULT_FOLDER,
            show_default=True,
            metavar="FOLDER",
            help="Where the rows go; those that are there already are not run again.",
        ),
        click.option("--seeds", type=click.IntRange(min=1), default=10, show_default=True, help="From 0 on."),
        click.option("--epochs", type=click.IntRange(min=1), help="At most this many for each run."),
        click.option("--preset", default="tiny", show_default=True, help="What is run, before any setting."),
    ):
        command = option(command)
    return command


@lab.command()
@click.option("--full", is_flag=True, help="All 256 subsets of the eight instead of 18.")
@click.option("--whole", is_flag=True, help="Print the effects on all metrics.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting for all of them.")
@running_options
@data_options
@as_json
def ablate(
    full: bool,
    whole: bool,
    settings: tuple[str, ...],
    preset: str,
    epochs: int | None,
    seeds: int,
    out: str,
    processes: int | None,
    dask: str | None,
    scenarios: str | None,
    held_out: str | None,
    catalog: str | None,
    as_json: bool,
) -> None:
    """Switch the eight optimizations on and off: what does each of them do?

    All on, all off, each one off and each one alone are run with every seed; effects are paired by seed. A run that is
    interrupted is gone on with by the same command.

    \b
    Example: trm lab ablate --seeds 3 --set training.epochs=20
    """
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.effects import effects
        from trm_np.lab.grid import grid
        from trm_np.lab.tables import effects_text

        pairs = dict(parse_setting(text) for text in settings) | epochs_setting(epochs)
        configs = grid(preset, pairs, full)
        rows = run_all(
            configs, seeds, Path(out) / "ablation.jsonl", processes, dask, (scenarios, held_out, catalog)
        )
        found = effects(rows)
        if as_json:
            click.echo(json.dumps([asdict(each) for each in found], indent=2))
        else:
            click.echo(effects_text(found, whole))


@lab.command()
@click.option(
    "--set",
    "settings",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2",
    help="A setting and its values; several make a grid.",
)
@running_options
@data_options
@as_json
def sweep(
    settings: tuple[str, ...],
    preset: str,
    epochs: int | None,
    seeds: int,
    out: str,
    processes: int | None,
    dask: str | None,
    scenarios: str | None,
    held_out: str | None,
    catalog: str | None,
    as_json: bool,
) -> None:
    """Run every combination of some settings' values, with every seed.

    \b
    Example: trm lab sweep --seeds 3 --epochs 20 --set model.cycles=1,2,3 --set model.latent_steps=1,3
    """
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.tables import sweep_text

        configs = combinations(preset, settings, epochs_setting(epochs))
        rows = run_all(
            configs, seeds, Path(out) / "sweep.jsonl", processes, dask, (scenarios, held_out, catalog)
        )
        click.echo(json.dumps(rows) if as_json else sweep_text(rows, list(configs)))


def epochs_setting(epochs: int | None) -> dict[str, str]:
    return {} if epochs is None else {"training.epochs": str(epochs)}


def combinations(preset: str, settings: Sequence[str], fixed: Mapping[str, str]) -> dict[str, Config]:
    """Every combination of the values by a name that says what varies; raises ConfigError."""
    values = {key: text.split(",") for key, text in map(parse_setting, settings)}
    configs = {}
    for chosen in product(*values.values()):
        pairs = dict(zip(values, chosen, strict=True))
        varying = [f"{key}={value}" for key, value in pairs.items() if len(values[key]) > 1]
        configs[", ".join(varying) or preset] = resolve(preset, (), {**pairs, **fixed})
    return configs


def run_all(
    configs: Mapping[str, Config],
    seeds: int,
    path: Path,
    processes: int | None,
    dask: str | None,
    data: tuple[str | None, str | None, str | None],
) -> list["Row"]:
    """The rows of all configurations with all seeds, from the file or run now; failures are said on stderr."""
    from trm_np.data.load import load_dataset
    from trm_np.files import unlock_folder
    from trm_np.lab.results import complete, finished, read_rows
    from trm_np.lab.tables import failures_text
    from trm_np.lab.trial import with_seeds
    from trm_np.run import open_folder

    if dask and processes:
        raise click.UsageError("--processes: a Dask cluster has workers of its own")
    dataset = load_dataset(*data)
    trials = with_seeds(dict(configs), seeds)
    lock = open_folder(path.parent)
    try:
        missing = finished(read_rows(path), trials, dataset).count(None)
        started = time.perf_counter()
        with (
            ended_by_signals(path),
            workers(dask, processes or os.cpu_count() or 1) as executor,
            progress(missing) as arrived,
        ):
            rows = complete(path, trials, dataset, executor, arrived)
    finally:
        unlock_folder(lock)
    seconds = time.perf_counter() - started
    click.echo(f"{missing} of {len(trials)} runs made in {seconds:.0f} s, all in {path}", err=True)
    failed = failures_text(rows)
    if failed:
        click.echo(failed, err=True)
    return rows


@contextmanager
def workers(dask: str | None, processes: int) -> Iterator[Executor]:
    """Where the runs are made: processes of this machine, or a cluster."""
    if dask:
        from trm_np.lab.cluster import dask_workers

        with dask_workers(dask) as executor:
            yield executor
    else:
        from trm_np.lab.processes import local_processes

        with local_processes(processes) as executor:
            yield executor


class Ended(Exception):
    """A signal asks for an end."""


@contextmanager
def ended_by_signals(path: Path) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the runs under way; what is done is kept, and the command says so."""
    received = 0

    def end(number: int, _: FrameType | None) -> None:
        nonlocal received
        received = number
        raise Ended

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, end) for number in numbers]
    kept = f"finished runs are kept in {path}; the same command goes on"
    try:
        yield
    except Ended:
        raise Refusal(f"interrupted; {kept}", 128 + received) from None
    except BrokenExecutor as error:
        raise Refusal(f"a worker was lost ({error}); {kept}", IO_FAILED) from error
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def progress(runs: int) -> Iterator[Callable[["Row"], None]]:
    """What is called with each row that arrives: it moves a bar on a terminal, and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda row: None
        return
    with click.progressbar(length=runs, label="runs", file=sys.stderr, item_show_func=name_of) as bar:
        yield lambda row: bar.update(1, row)


def name_of(row: "Row | None") -> str | None:
    return row and f"{row['name']}, seed {row['seed']}"
