"""`trm evaluate`: how good a stored model is, on scenarios it never saw."""

import json

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import as_json, named
from trm_np.cli.threads import is_large, use_threads


@click.command(cls=OneLine)
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
