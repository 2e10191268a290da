"""`trm lab recursion`: what the recursion is worth where it is needed."""

from pathlib import Path

import click

from trm_np.cli.errors import DIVERGED, OneLine, Refusal, refusals, report, say
from trm_np.cli.lab_plot import make
from trm_np.cli.options import as_json, parse_settings, path_option
from trm_np.cli.running import Workers, rows_option, run_trials, workers_options
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Measure each part of the recursion on Sudoku 6 × 6.

    Each variant of the model differs from the standard one in one part. It is trained with every seed for the same
    amount of computation, one or two minutes on one core, on puzzles made from the seed. To continue an interrupted
    measurement, give the same command again.

    \b
    Example: trm lab recursion --seeds 2 --epochs 2
    """,
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, help="Number of seeds, counted from 0.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Number of epochs of the standard model; the variants get the same amount of computation.",
)
@path_option(
    "--figures",
    metavar="FOLDER",
    help="Output folder of a figure of the results, thinking.svg and thinking.png.",
)
@rows_option
@workers_options
@as_json
def recursion(
    seeds: int,
    epochs: int | None,
    figures: str | None,
    out: str,
    workers: Workers,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.recursion import PUZZLES, recursion_text, summarize, variants
        from trm_np.lab.trial import with_seeds
        from trm_np.puzzles.sudoku import SUDOKU_6

        if figures:
            make(Path(figures))
        trials = with_seeds(variants(parse_settings((), epochs)), seeds)
        path = Path(out) / "thinking.jsonl"
        found = summarize(run_trials(trials, SUDOKU_6, path, workers, PUZZLES))
        if not found:
            raise Refusal(f"{path}: every run failed", DIVERGED)
        report(found, recursion_text(found), as_json)
        if figures:
            from trm_np.lab.plots.thinking import draw_thinking

            for file in draw_thinking(found, Path(figures) / "thinking"):
                say(str(file), err=as_json)
