"""`trm lab`: many runs with the same seeds, and their comparison."""

import json
from dataclasses import asdict
from itertools import product
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from trm_np.cli.completion import among, settings_of
from trm_np.cli.errors import USAGE, OneLineGroup, Refusal, refusals, say
from trm_np.cli.lab_dropout import dropout
from trm_np.cli.lab_page import page
from trm_np.cli.lab_plot import plot
from trm_np.cli.lab_rates import rates
from trm_np.cli.lab_recursion import recursion
from trm_np.cli.lab_stopping import stopping
from trm_np.cli.lab_thinking import thinking
from trm_np.cli.options import (
    DataFiles,
    as_json,
    data_options,
    epochs_option,
    parse_setting,
    parse_settings,
    preset_option,
    recipe_option,
    set_option,
    together,
)
from trm_np.cli.running import Workers, rows_option, run_all, workers_options
from trm_np.cli.threads import use_threads
from trm_np.config import Config, ConfigError, resolve

if TYPE_CHECKING:
    from trm_np.lab.effects import Effect


@click.group(
    cls=OneLineGroup,
    help="""Compare many training runs with the same seeds.

    \b
    Example: trm lab sweep --seeds 2 --epochs 1 --set model.cycles=1,2
    """,
)
def lab() -> None:
    pass


class Base(NamedTuple):
    """Preset, recipe, epochs and settings of all runs. Each command reads --set in its own way."""

    preset: str
    recipe: str
    epochs: int | None
    settings: tuple[str, ...]


seeds_option = click.option(
    "--seeds", type=click.IntRange(1, 1000), default=10, help="Number of seeds, counted from 0."
)


@lab.command(
    help="""Measure the effect of each of the eight optimizations.

    The runs are: all optimizations on, all off, each one off, and each one alone, with every seed. Effects are paired
    by seed. To continue an interrupted ablation, give the same command again.

    \b
    Example: trm lab ablate --seeds 3 --epochs 20
    """,
)
@click.option("--full", is_flag=True, help="Run all 256 subsets of the optimizations instead of 18.")
@click.option(
    "--whole", is_flag=True, help="Print the effects on all metrics, and the means of each configuration."
)
@together("base", Base, preset_option, recipe_option, epochs_option, set_option)
@seeds_option
@rows_option
@workers_options
@data_options
@as_json
def ablate(
    full: bool,
    whole: bool,
    base: Base,
    seeds: int,
    out: str,
    workers: Workers,
    files: DataFiles,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.lab.effects import effects
        from trm_np.lab.grid import grid
        from trm_np.lab.tables import ablation_text

        configs = grid(base.preset, parse_settings(base.settings, base.epochs), full, base.recipe)
        rows = run_all(configs, seeds, load_dataset(*files), Path(out) / "ablation.jsonl", workers)
        if as_json:
            click.echo(json.dumps([in_json(each) for each in effects(rows)], indent=2))
        else:
            say(ablation_text(rows, whole))


@lab.command(
    help="""Run every combination of the values of some settings.

    Each combination runs once with each seed.

    \b
    Example: trm lab sweep --seeds 3 --epochs 20 --set model.cycles=1,2,3 --set model.latent_steps=1,3
    """,
)
@together(
    "base",
    Base,
    click.option(
        "--set",
        "settings",
        multiple=True,
        required=True,
        metavar="KEY=V1,V2",
        shell_complete=among(settings_of),
        help="Setting and its values; give several settings for a grid.",
    ),
    preset_option,
    recipe_option,
    epochs_option,
)
@seeds_option
@rows_option
@workers_options
@data_options
@as_json
def sweep(
    base: Base,
    seeds: int,
    out: str,
    workers: Workers,
    files: DataFiles,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.lab.tables import sweep_text

        rows = run_all(combinations(base), seeds, load_dataset(*files), Path(out) / "sweep.jsonl", workers)
        say(json.dumps(rows) if as_json else sweep_text(rows))


@lab.command(
    hidden=True,
    context_settings={"ignore_unknown_options": True},
    help="""Say what has replaced this command; until version 0.2.

    \b
    Example: trm lab figures depth
    """,
)
@click.argument("words", nargs=-1)
def figures(words: tuple[str, ...]) -> None:
    raise Refusal("trm lab figures is now: python docs/figures, in a checkout", USAGE)


def in_json(effect: "Effect") -> dict[str, Any]:
    """Fields of an effect; with one seed the ends of its interval are null, because JSON has no infinity."""
    fields = asdict(effect)
    return {name: None if value in (-inf, inf) else value for name, value in fields.items()}


def combinations(base: Base) -> dict[str, Config]:
    """Every combination of the values by a name that says what varies; raises ConfigError."""
    fixed = parse_settings((), base.epochs)
    pairs = list(map(parse_setting, base.settings))
    values = {key: text.split(",") for key, text in pairs}
    given = [*fixed, *(key for key, _ in pairs)]
    for key in (key for key in values if given.count(key) > 1):
        raise ConfigError(f"{key} is given twice; all its values belong into one --set {key}=V1,V2")
    configs = {}
    for chosen in product(*values.values()):
        settings = dict(zip(values, chosen, strict=True))
        varying = [f"{key}={value}" for key, value in settings.items() if len(values[key]) > 1]
        configs[", ".join(varying) or base.preset] = resolve(
            base.preset, (), {**settings, **fixed}, base.recipe
        )
    return configs


lab.add_command(dropout)
lab.add_command(page)
lab.add_command(plot)
lab.add_command(rates)
lab.add_command(recursion)
lab.add_command(stopping)
lab.add_command(thinking)
