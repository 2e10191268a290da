"""The commands: they parse, call and print.

NumPy is imported late, so that `--help` is quick and the number of threads can be set before.
"""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from trm_np import __version__
from trm_np.config import PRESETS, SWITCHES, Config, ConfigError, one_of, resolve

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from trm_np.train import Record

DEFAULT_FOLDER = "checkpoints/integrated_enhanced"
THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LARGE_MODEL_BYTES = 10_000_000  # a model file from here on is worth several threads

USAGE, DIVERGED, DATA_REFUSED, CANNOT_CREATE, IO_FAILED = 2, 3, 65, 73, 74
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Command = TypeVar("Command", bound=Callable[..., Any])


class Refusal(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OneLine(click.Command):
    """A command whose errors are one line each, on stderr."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and exit, always: `standalone_mode` is click's, and makes no difference."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a console without "≥" must not end a run
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except Refusal as error:
            end(error.exit_code, str(error))
        except click.ClickException as error:
            end(error.exit_code, " ".join(error.format_message().split()))
        except click.Abort:
            end(128 + signal.SIGINT, "interrupted")
        sys.exit(code if isinstance(code, int) else 0)


class OneLineGroup(OneLine, click.Group):
    command_class = OneLine


def end(code: int, message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


# ------------------------------------------------------------------------------------------- options


def named(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A name as it is; an empty one would mean the current folder, and is refused."""
    if value == "":
        raise click.BadParameter("an empty name; give the name of a file or folder", param=parameter)
    return value


def config_options(command: Command) -> Command:
    """--preset, --without, --only and --set."""
    for option in (
        click.option(
            "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting, such as loss.tool=0.3."
        ),
        click.option("--only", multiple=True, metavar="NAME", help="All optimizations off but these."),
        click.option(
            "--without",
            multiple=True,
            metavar="NAME",
            help=f"An optimization to turn off: {', '.join(SWITCHES)}.",
        ),
        click.option("--preset", default="tiny", show_default=True, help=f"One of {', '.join(PRESETS)}."),
    ):
        command = option(command)
    return command


def data_options(command: Command) -> Command:
    """--scenarios, --held-out and --catalog."""
    for option in (
        click.option(
            "--catalog", callback=named, metavar="FILE", help="Gifts; the shipped ones if not given."
        ),
        click.option("--held-out", callback=named, metavar="FILE", help="Scenarios to validate and test on."),
        click.option(
            "--scenarios", callback=named, metavar="FILE", help="Scenarios to train on, and the vocabulary."
        ),
    ):
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def config_from(
    preset: str, without: tuple[str, ...], only: tuple[str, ...], settings: tuple[str, ...]
) -> Config:
    """The configuration that the options ask for; raises ConfigError."""
    if only and without:
        raise ConfigError(
            "--only turns all other optimizations off already: give --only or --without, not both"
        )
    pairs = dict(parse_setting(text) for text in settings)
    for name in only:
        one_of(name, SWITCHES, "optimization")
    off = [name for name in SWITCHES if name not in only] if only else without
    return resolve(preset, off, pairs)


def parse_setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: not of the form key=value")
    return key.strip(), value.strip()


# ---------------------------------------------------------------------------------- around every command


def use_threads(all_cores: bool) -> str:
    """Set how many threads NumPy's linear algebra uses, unless the user has; returns it in words."""
    theirs = [name for name in THREAD_SETTINGS if name in os.environ]
    if theirs:
        return f"{theirs[0]}={os.environ[theirs[0]]} as set"
    number = (os.cpu_count() or 1) if all_cores else 1
    for name in THREAD_SETTINGS:
        os.environ[name] = str(number)
    return "1 thread" if number == 1 else f"{number} threads"


@contextmanager
def refusals() -> Iterator[None]:
    """What the program refuses or cannot do, as one line and an exit code."""
    from trm_np.checkpoint import CheckpointError
    from trm_np.data.problems import DataError
    from trm_np.run import OutputError
    from trm_np.train import Diverged

    try:
        yield
    except ConfigError as error:
        raise Refusal(str(error), USAGE) from error
    except Diverged as error:
        raise Refusal(str(error), DIVERGED) from error
    except (DataError, CheckpointError) as error:
        raise Refusal(str(error), DATA_REFUSED) from error
    except OutputError as error:
        raise Refusal(str(error), CANNOT_CREATE) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refusal(str(error), IO_FAILED) from error


class Signals:
    """While it is entered, a first SIGINT or SIGTERM is only noted; a second one ends the program at once."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "Signals":
        self.before = [signal.signal(number, self.note) for number in SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(SIGNALS, self.before, strict=True):
            signal.signal(number, handler)

    def note(self, number: int, _: FrameType | None) -> None:
        self.received = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def pending(self) -> bool:
        return self.received != 0


# ------------------------------------------------------------------------------------------- progress


@contextmanager
def progress(epochs: int, done: int, quiet: bool) -> Iterator[Callable[["Record"], None]]:
    """What shows each epoch's record: a bar on a terminal, a line at evaluations elsewhere, or nothing."""
    if quiet:
        yield lambda record: None
    elif sys.stderr.isatty():
        bar: ProgressBar[Record] = click.progressbar(
            length=epochs - done, label="training", file=sys.stderr, item_show_func=quality
        )
        with bar:
            yield lambda record: bar.update(1, record)
    else:
        yield lambda record: click.echo(line(record), err=True) if "validation" in record else None


def quality(record: "Record | None") -> str | None:
    """The validation quality, in the bar, where it has just been measured."""
    if record is None or "validation" not in record:
        return None
    return f"quality {record['validation']['recommendation_quality']:.3f}"


def line(record: "Record") -> str:
    found = record["validation"]
    return (
        f"epoch {record['epoch']:>3}  {record['seconds']:6.1f} s  loss {record['total']:.4f}  "
        f"validation: loss {found['losses']['total']:.4f}  match {found['category_match_rate']:.3f}  "
        f"reward {found['average_reward']:.3f}  quality {found['recommendation_quality']:.3f}"
    )


# ------------------------------------------------------------------------------------------- commands


@click.group(cls=OneLineGroup, no_args_is_help=False)
@click.version_option(__version__)
def trm() -> None:
    """A Tiny Recursive Model that recommends gifts, from scratch in NumPy.

    \b
    Example: trm train --epochs 50 --out checkpoints/short
    """


@trm.command()
@config_options
@data_options
@click.option(
    "--out",
    callback=named,
    default=DEFAULT_FOLDER,
    show_default=True,
    metavar="FOLDER",
    help="Where the results go.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="At most this many; the same as --set training.epochs=N."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random."
)
@click.option("--resume", is_flag=True, help="Go on where the run in the folder was interrupted.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors, and the document of --json.")
@as_json
def train(
    preset: str,
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
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a model, keep the best, and judge it on scenarios it never saw.

    \b
    Example: trm-train --without dropout --out checkpoints/no_dropout
    """
    threads = use_threads(all_cores=preset == "report")
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.run import Run
        from trm_np.summary import summary_text
        from trm_np.train import Interrupted

        if epochs is not None:
            settings = (*settings, f"training.epochs={epochs}")
        config = config_from(preset, without, only, settings)
        dataset = load_dataset(scenarios, held_out, catalog)
        run = Run(config, dataset, seed, Path(out), resume)
        if not quiet:
            most = config.training.epochs
            click.echo(f"{preset}, seed {seed}, {threads}, at most {most} epochs, into {out}", err=True)
            if dataset.shares_held_out:
                click.echo("one list of held-out scenarios serves as validation and as test", err=True)
        with (
            Signals() as signals,
            progress(config.training.epochs, run.trainer.progress.epochs, quiet) as show,
        ):
            try:
                summary = run.train(signals.pending, show)
            except Interrupted:
                command = shlex.join([*sys.argv, *(() if resume else ("--resume",))])
                raise Refusal(f"interrupted; go on with: {command}", 128 + signals.received) from None
        if as_json:
            click.echo(json.dumps(summary, indent=2))
        elif not quiet:
            click.echo(summary_text(summary))


@trm.command()
@click.argument("model", callback=named)
@click.option(
    "--held-out",
    callback=named,
    metavar="FILE",
    help="Scenarios to judge it on; the shipped ones if not given.",
)
@as_json
def evaluate(model: str, held_out: str | None, as_json: bool) -> None:
    """The metrics of a stored MODEL on held-out scenarios, beside the baselines.

    \b
    Example: trm evaluate checkpoints/integrated_enhanced/best.npz
    """
    use_threads(all_cores=is_large(model))
    with refusals():
        from trm_np.checkpoint import load_model
        from trm_np.run import judge_stored
        from trm_np.summary import judged_text

        judged = judge_stored(load_model(model), held_out)
        click.echo(json.dumps(judged, indent=2) if as_json else judged_text(judged))


@trm.command()
@click.argument("model", callback=named, required=False)
@config_options
@data_options
@as_json
@click.pass_context
def inspect(
    context: click.Context,
    model: str | None,
    preset: str,
    without: tuple[str, ...],
    only: tuple[str, ...],
    settings: tuple[str, ...],
    scenarios: str | None,
    held_out: str | None,
    catalog: str | None,
    as_json: bool,
) -> None:
    """Data coverage, parameters, their groups and settings: of a stored MODEL, or as a run would have them.

    \b
    Example: trm inspect --preset report
    """
    use_threads(all_cores=False)
    with refusals():
        from trm_np.inspection import inspect_new, inspect_stored, inspection_text

        if model is None:
            config = config_from(preset, without, only, settings)
            found = inspect_new(config, scenarios, held_out, catalog)
        else:
            refuse_given(
                context, "a stored MODEL has its own settings and data", allowed=("model", "as_json")
            )
            found = inspect_stored(model)
        click.echo(json.dumps(found, indent=2) if as_json else inspection_text(found))


@trm.command()
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn.")
def gradcheck(seed: int) -> None:
    """Check every gradient against finite differences: rules, losses, components, and the whole model.

    \b
    Example: trm gradcheck --seed 1
    """
    use_threads(all_cores=False)
    from trm_np.gradient_checks import TOLERANCE, run_checks

    failed = 0
    click.echo(f"{'what':<48}  largest relative error (allowed: {TOLERANCE:g})")
    for name, error, complaint in run_checks(seed):
        failed += bool(complaint)
        click.echo(f"{name:<48}  {complaint or f'{error:.1e}  ok'}")
    if failed:
        raise Refusal(f"{failed} gradients are wrong", 1)


def is_large(model: str) -> bool:
    try:
        return os.path.getsize(model) >= LARGE_MODEL_BYTES
    except OSError:
        return False  # load_model will say what is wrong with it


def refuse_given(context: click.Context, reason: str, allowed: tuple[str, ...]) -> None:
    """Raise UsageError for the first option given on the command line that is not allowed."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in allowed and source is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option.opts[0]}: {reason}")
