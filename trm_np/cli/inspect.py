"""`trm inspect`: data coverage, parameters, groups and settings."""

import json

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import (
    as_json,
    config_from,
    config_options,
    data_options,
    named,
    refuse_given,
    trust,
)
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Show data coverage, parameters and settings.

    They are those of a stored MODEL, or those that a run with these options would have.

    \b
    Example: trm inspect --preset report
    """,
)
@click.argument("model", callback=named, required=False)
@config_options
@data_options
@trust
@as_json
@click.pass_context
def inspect(
    context: click.Context,
    model: str | None,
    preset: str,
    recipe: str,
    without: tuple[str, ...],
    only: tuple[str, ...],
    settings: tuple[str, ...],
    scenarios: str | None,
    held_out: str | None,
    catalog: str | None,
    trust: bool,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.evaluation.inspection import inspect_new, inspect_stored, inspection_text
        from trm_np.text import printable_lines

        if model is None:
            config = config_from(preset, recipe, without, only, settings)
            found = inspect_new(config, scenarios, held_out, catalog)
        else:
            refuse_given(
                context, "a stored MODEL has its own settings and data", allowed=("model", "trust", "as_json")
            )
            found = inspect_stored(model, trust)
        click.echo(json.dumps(found, indent=2) if as_json else printable_lines(inspection_text(found)))
