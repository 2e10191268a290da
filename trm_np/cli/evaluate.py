"""`trm evaluate`: how good a stored model is on held-out scenarios."""

import click

from trm_np.cli.errors import OneLine, refusals, report
from trm_np.cli.options import FILE, as_json, path_option, trust
from trm_np.cli.progress import progress
from trm_np.cli.threads import is_large, use_threads


@click.command(
    cls=OneLine,
    help="""Evaluate a stored MODEL on held-out scenarios.

    The command prints the metrics beside those of the baselines, and then the details behind them.

    \b
    Example: trm evaluate checkpoints/integrated_enhanced/best.npz
    """,
)
@click.argument("model", type=FILE)
@path_option("--held-out", help="Held-out scenarios.  [default: the shipped ones]")
@click.option(
    "--cross-validate",
    is_flag=True,
    help="Cross-validate the settings instead, in 5 folds of the training scenarios.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Number of seeds for --cross-validate, counted from 0.  [default: 1]",
)
@trust
@as_json
def evaluate(
    model: str, held_out: str | None, cross_validate: bool, seeds: int | None, trust: bool, as_json: bool
) -> None:
    if seeds is not None and not cross_validate:
        raise click.UsageError("--seeds: only with --cross-validate, which trains")
    use_threads(all_cores=is_large(model))
    with refusals():
        from trm_np.evaluation import compare, diagnostics_text
        from trm_np.lab import cross_validation
        from trm_np.recommend.recommender import Recommender
        from trm_np.storage.checkpoint import load_model

        stored = load_model(model, trust=trust)
        Recommender(stored).try_out()
        if cross_validate:
            with progress("folds", cross_validation.FOLDS * (seeds or 1)) as done:
                found = cross_validation.cross_validate(stored, held_out, range(seeds or 1), done)
            text = diagnostics_text.cross_validation_text(found)
        else:
            found = compare.evaluate_stored(stored, held_out)
            text = diagnostics_text.evaluation_text(found)
        report(found, text, as_json)
