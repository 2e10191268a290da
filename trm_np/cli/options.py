"""Options that several commands share, and what they mean together."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from trm_np.config import PRESETS, RECIPES, SWITCHES, Config, ConfigError, one_of, resolve

Command = TypeVar("Command", bound=Callable[..., Any])


def named(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A name as it is; an empty one would mean the current folder, and is refused."""
    if value == "":
        raise click.BadParameter("an empty name; give the name of a file or folder", param=parameter)
    return value


def utf_8(typed: str) -> str:
    """The typed text as UTF-8, also where the locale takes it for ASCII."""
    return typed.encode(errors="surrogateescape").decode(errors="surrogateescape")


recipe_option = click.option(
    "--recipe", default="report", show_default=True, help=f"Recipe of training: one of {', '.join(RECIPES)}."
)


def names_in(_: click.Context, __: click.Parameter, typed: tuple[str, ...]) -> tuple[str, ...]:
    """The names in lists with commas between them."""
    return tuple(name.strip() for each in typed for name in utf_8(each).split(",") if name.strip())


def config_options(command: Command) -> Command:
    """--preset, --recipe, --without, --only and --set."""
    for option in (
        click.option(
            "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting, such as loss.tool=0.3."
        ),
        click.option(
            "--only", multiple=True, metavar="NAME", help="Optimization to leave on, all others off."
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="NAME",
            help=f"Optimization to turn off: {', '.join(SWITCHES)}.",
        ),
        recipe_option,
        click.option(
            "--preset",
            default="tiny",
            show_default=True,
            help=f"Preset of the model: one of {', '.join(PRESETS)}.",
        ),
    ):
        command = option(command)
    return command


def data_options(command: Command) -> Command:
    """--scenarios, --held-out and --catalog."""
    for option in (
        click.option(
            "--catalog",
            callback=named,
            metavar="FILE",
            help="Catalogue of gifts.  [default: the shipped one]",
        ),
        click.option("--held-out", callback=named, metavar="FILE", help="Scenarios to validate and test on."),
        click.option(
            "--scenarios", callback=named, metavar="FILE", help="Scenarios to train on, and the vocabulary."
        ),
    ):
        command = option(command)
    return command


trust = click.option(
    "--trust",
    is_flag=True,
    help="Accept a MODEL however costly its answers are. Use it only if you know where the file comes from.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def config_from(
    preset: str, recipe: str, without: tuple[str, ...], only: tuple[str, ...], settings: tuple[str, ...]
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
    return resolve(preset, off, pairs, recipe)


def parse_setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: not of the form key=value")
    return key.strip(), value.strip()


def refuse_given(context: click.Context, reason: str, allowed: tuple[str, ...]) -> None:
    """Raise UsageError for the first option given on the command line that is not allowed."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in allowed and source is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option.opts[0]}: {reason}")
