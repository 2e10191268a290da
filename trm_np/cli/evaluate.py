"""`trm evaluate`: how good a stored model is, on scenarios it never saw."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import as_json, named, trust
from trm_np.cli.threads import is_large, use_threads


@click.command(
    cls=OneLine,
    help="""The metrics of a stored MODEL on held-out scenarios, beside the baselines, and what is behind them.

    \b
    Example: trm evaluate checkpoints/integrated_enhanced/best.npz
    """,
)
@click.argument("model", callback=named)
@click.option(
    "--held-out",
    callback=named,
    metavar="FILE",
    help="Scenarios to judge it on; the shipped ones if not given.",
)
@click.option(
    "--cross-validate",
    is_flag=True,
    help="Instead, train and test its settings in 5 folds over its training scenarios.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Of --cross-validate: so many seeds, from 0.  [default: 1]"
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
        from trm_np import cross_validation, examining_text, judging
        from trm_np.checkpoint import load_model
        from trm_np.data.problems import printable_lines
        from trm_np.recommend import Recommender

        stored = load_model(model, trust=trust)
        Recommender(stored).try_out()
        if cross_validate:
            with progress(cross_validation.FOLDS * (seeds or 1)) as done:
                found = cross_validation.cross_validate(stored, held_out, range(seeds or 1), done)
            text = examining_text.cross_validation_text(found)
        else:
            found = judging.judge_stored(stored, held_out)
            text = examining_text.evaluation_text(found)
        click.echo(json.dumps(found, indent=2) if as_json else printable_lines(text))


@contextmanager
def progress(folds: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each fold: it moves a bar on a terminal and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=folds, label="folds", file=sys.stderr) as bar:
        yield lambda: bar.update(1)
