"""`trm lab recursion`: what the recursion is worth where it is needed."""

import json
from pathlib import Path

import click

from trm_np.cli.errors import DIVERGED, OneLine, Refusal, refusals, say
from trm_np.cli.lab_plot import make
from trm_np.cli.options import as_json, named
from trm_np.cli.running import place_options, run_trials
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Train variants of the model of Sudoku 6 × 6.

    Each has one thing changed, to measure what it is worth.

    Every variant is trained with every seed for as much arithmetic as the shipped one, a minute or two of one core
    each, on puzzles that the seed makes. What is interrupted goes on with the same command.

    \b
    Example: trm lab recursion --seeds 2 --epochs 2
    """,
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of seeds, from 0 on."
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Epochs of the shipped model; all others get the same arithmetic.",
)
@click.option(
    "--figures",
    callback=named,
    metavar="FOLDER",
    help="Draw what it shows there too, as thinking.svg and .png.",
)
@place_options
@as_json
def recursion(
    seeds: int,
    epochs: int | None,
    figures: str | None,
    out: str,
    processes: int | None,
    dask: str | None,
    as_json: bool,
) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.recursion import PUZZLES, recursion_text, summarize, variants, with_seeds
        from trm_np.puzzles.sudoku import SUDOKU_6

        if figures:
            from trm_np.lab.plots.style import require_plots

            require_plots()
            make(Path(figures))
        settings = {} if epochs is None else {"training.epochs": str(epochs)}
        trials, path = with_seeds(variants(settings), seeds), Path(out) / "thinking.jsonl"
        found = summarize(run_trials(trials, SUDOKU_6, path, processes, dask, PUZZLES))
        if not found:
            raise Refusal(f"{path}: every run failed", DIVERGED)
        say(json.dumps(found, indent=2) if as_json else recursion_text(found))
        if figures:
            from trm_np.lab.plots.thinking import draw_thinking

            for file in draw_thinking(found, Path(figures) / "thinking"):
                say(str(file), err=as_json)
