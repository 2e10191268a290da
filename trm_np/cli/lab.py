"""`trm lab`: many runs with the same seeds, and their comparison."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.errors import OneLineGroup, refusals, say
from trm_np.cli.lab_page import page
from trm_np.cli.lab_plot import plot
from trm_np.cli.lab_recursion import recursion
from trm_np.cli.lab_thinking import thinking
from trm_np.cli.options import Command, as_json, data_options, parse_setting, recipe_option
from trm_np.cli.running import place_options, run_all
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


def run_options(command: Command) -> Command:
    """--preset, --recipe, --epochs and --seeds: what each configuration is run with."""
    for option in (
        click.option(
            "--seeds",
            type=click.IntRange(1, 1000),
            default=10,
            show_default=True,
            help="Number of seeds, from 0 on.",
        ),
        click.option("--epochs", type=click.IntRange(min=1), help="Largest number of epochs of each run."),
        recipe_option,
        click.option("--preset", default="tiny", show_default=True, help="Preset that the settings change."),
    ):
        command = option(command)
    return command


@lab.command(
    help="""Switch the eight optimizations on and off.

    The runs are: all on, all off, each one off and each one alone, with every seed. They show what each optimization
    does; effects are paired by seed. To go on after an interruption, give the same command.

    \b
    Example: trm lab ablate --seeds 3 --epochs 20
    """,
)
@click.option("--full", is_flag=True, help="Run all 256 subsets of the eight instead of 18.")
@click.option(
    "--whole", is_flag=True, help="Print the effects on all metrics, and the means of each configuration."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting of all runs.")
@run_options
@place_options
@data_options
@as_json
def ablate(
    full: bool,
    whole: bool,
    settings: tuple[str, ...],
    preset: str,
    recipe: str,
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
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.lab.effects import effects
        from trm_np.lab.grid import grid
        from trm_np.lab.tables import ablation_text

        pairs = dict(parse_setting(text) for text in settings) | epochs_setting(epochs)
        configs, dataset = grid(preset, pairs, full, recipe), load_dataset(scenarios, held_out, catalog)
        rows = run_all(configs, seeds, dataset, Path(out) / "ablation.jsonl", processes, dask)
        if as_json:
            click.echo(json.dumps([in_json(each) for each in effects(rows)], indent=2))
        else:
            say(ablation_text(rows, whole))


@lab.command(
    help="""Run every combination of some settings' values.

    Each combination runs with every seed.

    \b
    Example: trm lab sweep --seeds 3 --epochs 20 --set model.cycles=1,2,3 --set model.latent_steps=1,3
    """,
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2",
    help="Setting and its values; several make a grid.",
)
@run_options
@place_options
@data_options
@as_json
def sweep(
    settings: tuple[str, ...],
    preset: str,
    recipe: str,
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
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.lab.tables import sweep_text

        configs = combinations(preset, recipe, settings, epochs_setting(epochs))
        dataset = load_dataset(scenarios, held_out, catalog)
        rows = run_all(configs, seeds, dataset, Path(out) / "sweep.jsonl", processes, dask)
        say(json.dumps(rows) if as_json else sweep_text(rows))


def in_json(effect: "Effect") -> dict[str, Any]:
    """Fields of an effect; with one seed the ends of its interval are null, because JSON has no infinity."""
    fields = asdict(effect)
    return {name: None if value in (-inf, inf) else value for name, value in fields.items()}


def epochs_setting(epochs: int | None) -> dict[str, str]:
    return {} if epochs is None else {"training.epochs": str(epochs)}


def combinations(
    preset: str, recipe: str, settings: Sequence[str], fixed: Mapping[str, str]
) -> dict[str, Config]:
    """Every combination of the values by a name that says what varies; raises ConfigError."""
    values = {key: text.split(",") for key, text in map(parse_setting, settings)}
    given = [*fixed, *(key for key, _ in map(parse_setting, settings))]
    for key in (key for key in values if given.count(key) > 1):
        raise ConfigError(f"{key} is given twice; all its values belong into one --set {key}=V1,V2")
    configs = {}
    for chosen in product(*values.values()):
        pairs = dict(zip(values, chosen, strict=True))
        varying = [f"{key}={value}" for key, value in pairs.items() if len(values[key]) > 1]
        configs[", ".join(varying) or preset] = resolve(preset, (), {**pairs, **fixed}, recipe)
    return configs


lab.add_command(page)
lab.add_command(plot)
lab.add_command(recursion)
lab.add_command(thinking)
