"""`trm lab`: many runs under the same dice, and what they show."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.errors import DIVERGED, OneLineGroup, Refusal, refusals, say
from trm_np.cli.lab_page import page
from trm_np.cli.lab_plot import make, plot
from trm_np.cli.lab_recursion import recursion
from trm_np.cli.lab_thinking import thinking
from trm_np.cli.options import Command, as_json, data_options, named, parse_setting, recipe_option
from trm_np.cli.running import place_options, run_all
from trm_np.cli.threads import use_threads
from trm_np.config import Config, ConfigError, one_of, resolve

if TYPE_CHECKING:
    from trm_np.lab.effects import Effect


@click.group(
    cls=OneLineGroup,
    help="""Runs by the dozen under the same dice, and what they show.

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
            "--seeds", type=click.IntRange(1, 1000), default=10, show_default=True, help="From 0 on."
        ),
        click.option("--epochs", type=click.IntRange(min=1), help="At most this many for each run."),
        recipe_option,
        click.option("--preset", default="tiny", show_default=True, help="What is run, before any setting."),
    ):
        command = option(command)
    return command


@lab.command(
    help="""Switch the eight optimizations on and off: what does each of them do?

    All on, all off, each one off and each one alone are run with every seed; effects are paired by seed. What is
    interrupted goes on with the same command.

    \b
    Example: trm lab ablate --seeds 3 --epochs 20
    """,
)
@click.option("--full", is_flag=True, help="All 256 subsets of the eight instead of 18.")
@click.option(
    "--whole", is_flag=True, help="Print the effects on all metrics, and the means of each configuration."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting for all of them.")
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
    help="""Run every combination of some settings' values, with every seed.

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
    help="A setting and its values; several make a grid.",
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


@lab.command(
    help="""Make the pictures of the lessons, or those NAMED, and print the tables behind them.

    What they need is run first, as far as it is not there yet: about an hour and a half on two cores for all of them.

    \b
    Example: trm lab figures gradient_check augmentation
    """,
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--figures",
    "folder",
    callback=named,
    default="docs/figures",
    show_default=True,
    metavar="FOLDER",
    help="Where the pictures go.",
)
@place_options
def figures(names: tuple[str, ...], folder: str, out: str, processes: int | None, dask: str | None) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.lab.experiments import EXPERIMENTS
        from trm_np.lab.pictures import PICTURES
        from trm_np.lab.plots.style import require_plots
        from trm_np.lab.tables import experiment_text

        chosen = [one_of(name, PICTURES, "picture") for name in names or PICTURES]
        require_plots()
        make(Path(folder))
        shipped, found = load_dataset(), {}
        for picture in sorted(chosen, key=lambda name: len(PICTURES[name].experiments)):  # the quickest first
            for name in PICTURES[picture].experiments:
                if name not in found:
                    experiment, path = EXPERIMENTS[name], Path(out) / f"{name}.jsonl"
                    dataset = experiment.dataset(shipped)
                    found[name] = run_all(
                        experiment.configs, experiment.seeds, dataset, path, processes, dask
                    )
                    say(f"{name}\n{experiment_text(name, found[name])}\n")
                    if any("error" in row for row in found[name]):
                        raise Refusal(f"{path}: runs failed, so there is no picture of them", DIVERGED)
            for path in PICTURES[picture].draw(found, Path(folder) / picture):
                say(str(path))


def in_json(effect: "Effect") -> dict[str, Any]:
    """Its fields; of one seed the ends of the interval are null, as JSON has no infinity."""
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
