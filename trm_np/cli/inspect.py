"""`trm inspect`: data coverage, parameters, groups and settings."""

import click

from trm_np.cli.errors import OneLine, refusals, report
from trm_np.cli.options import (
    FILE,
    DataFiles,
    as_json,
    config_options,
    data_options,
    parse_config,
    refuse_given,
    together,
    trust,
)
from trm_np.cli.threads import use_threads
from trm_np.config import Config


@click.command(
    cls=OneLine,
    help="""Show data coverage, parameters and settings of a stored MODEL.

    Without a MODEL, the command shows those of the run that these options would start.

    \b
    Example: trm inspect --preset report
    """,
)
@click.argument("model", type=FILE, required=False)
@together("config", parse_config, *config_options)
@data_options
@trust
@as_json
@click.pass_context
def inspect(
    context: click.Context,
    model: str | None,
    config: Config,
    files: DataFiles,
    trust: bool,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.evaluation.inspection import inspect_new, inspect_stored, inspection_text

        if model is None:
            found = inspect_new(config, *files)
        else:
            refuse_given(
                context, "a stored MODEL has its own settings and data", allowed=("model", "trust", "as_json")
            )
            found = inspect_stored(model, trust)
        report(found, inspection_text(found), as_json)
