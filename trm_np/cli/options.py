"""Options that several commands share, and options that a command gets together, as one record."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from trm_np.cli.completion import among, settings_of
from trm_np.cli.errors import refusals
from trm_np.config import PRESETS, RECIPES, SWITCHES, Config, ConfigError, one_of, resolve

Command = TypeVar("Command", bound=Callable[..., Any])


def path_option(*names: str, metavar: str = "FILE", **settings: Any) -> Callable[[Command], Command]:
    """An option that names a file or a folder."""
    return click.option(*names, type=FILE, metavar=metavar, **settings)


class File(click.Path):
    """The name of a file or folder as it is, which the shell completes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return named(ctx, param, value)


FILE = File()


def named(_: click.Context | None, parameter: click.Parameter | None, value: str) -> str:
    """A name as it is; an empty one would mean the current folder, and is refused."""
    if value == "":
        raise click.BadParameter("an empty name; give the name of a file or folder", param=parameter)
    return value


def utf_8(typed: str) -> str:
    """The typed text as UTF-8, also where the locale takes it for ASCII."""
    return typed.encode(errors="surrogateescape").decode(errors="surrogateescape")


def names_in(_: click.Context, __: click.Parameter, typed: tuple[str, ...]) -> tuple[str, ...]:
    """The names in lists with commas between them."""
    return tuple(name.strip() for each in typed for name in utf_8(each).split(",") if name.strip())


def together(
    name: str, record: Callable[..., Any], *options: Callable[[Command], Command]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command with options that it gets as one argument: `record` of their values.

    An error that `record` raises ends the command as one of its own would.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        def own() -> None:
            pass

        for option in reversed(options):
            option(own)
        parameters: list[click.Parameter] = own.__click_params__  # type: ignore[attr-defined]

        @wraps(command)
        def with_record(*arguments: Any, **values: Any) -> Any:
            given = {str(parameter.name): values.pop(str(parameter.name)) for parameter in parameters}
            with refusals():
                values[name] = record(**given)
            return command(*arguments, **values)

        with_record.__click_params__ = [*getattr(command, "__click_params__", ()), *parameters]  # type: ignore[attr-defined]
        return with_record

    return decorate


def parse_setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: not of the form key=value")
    return key.strip(), value.strip()


def parse_settings(settings: Iterable[str], epochs: int | None) -> dict[str, str]:
    """The values of --set by key, and that of --epochs; raises ConfigError."""
    epochs_setting = {} if epochs is None else {"training.epochs": str(epochs)}
    return dict(map(parse_setting, settings)) | epochs_setting


def parse_config(
    preset: str,
    recipe: str,
    without: tuple[str, ...],
    only: tuple[str, ...],
    settings: tuple[str, ...],
    epochs: int | None = None,
) -> Config:
    """The configuration that the options describe; raises ConfigError."""
    if only and without:
        raise ConfigError(
            "--only turns all other optimizations off already: give --only or --without, not both"
        )
    for name in only:
        one_of(name, SWITCHES, "optimization")
    off = [name for name in SWITCHES if name not in only] if only else without
    return resolve(preset, off, parse_settings(settings, epochs), recipe)


class DataFiles(NamedTuple):
    """The three files of a training run; None is the shipped one."""

    scenarios: str | None
    held_out: str | None
    catalogue: str | None


class RunOptions(NamedTuple):
    """Where a training run is stored, its random seed, and whether it goes on with one that was interrupted."""

    out: str
    seed: int
    resume: bool


preset_option = click.option(
    "--preset",
    default="tiny",
    shell_complete=among(lambda _: PRESETS),
    help=f"Preset of the model: one of {', '.join(PRESETS)}.",
)
recipe_option = click.option(
    "--recipe",
    default="report",
    shell_complete=among(lambda _: RECIPES),
    help=f"Recipe of the training: one of {', '.join(RECIPES)}.",
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=among(settings_of),
    help="Setting and its value, such as training.batch_size=8; repeatable.",
)
epochs_option = click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Largest number of epochs; the same as --set training.epochs=N.",
)


def number(text: str) -> float:
    """Read the value of an option; raises BadParameter, with an example."""
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"found {text!r}; allowed: a number, such as 12.5") from None


seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, help="Random seed.")
resume_option = click.option("--resume", is_flag=True, help="Resume the interrupted run in the folder.")
quiet_option = click.option("--quiet", is_flag=True, help="Print only errors, and the document of --json.")

config_options = (
    preset_option,
    recipe_option,
    click.option(
        "--without",
        multiple=True,
        metavar="NAME",
        shell_complete=among(lambda _: SWITCHES),
        help=f"Optimization to turn off, repeatable: {', '.join(SWITCHES)}.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        shell_complete=among(lambda _: SWITCHES),
        help="Optimization to leave on, repeatable; the others are turned off.",
    ),
    set_option,
)

data_options = together(
    "files",
    DataFiles,
    path_option("--scenarios", help="Training scenarios, and their vocabulary.  [default: the shipped ones]"),
    path_option("--held-out", help="Validation and test scenarios.  [default: the shipped ones]"),
    path_option("--catalogue", help="Catalogue of gifts.  [default: the shipped one]"),
)

catalogue_option = path_option("--catalogue", help="Catalogue of gifts.  [default: the one stored in MODEL]")

trust = click.option(
    "--trust",
    is_flag=True,
    help="Accept a MODEL however much computation it needs. Use it only if you know where the file comes from.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def refuse_given(context: click.Context, reason: str, allowed: tuple[str, ...]) -> None:
    """Raise UsageError for the first option given on the command line that is not allowed."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in allowed and source is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option.opts[0]}: {reason}")
