"""`trm lab thinking`: a model at its boards, as a page to drag through."""

from functools import partial
from pathlib import Path

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.lab_page import write_page
from trm_np.cli.lab_plot import make
from trm_np.cli.options import FILE, path_option
from trm_np.cli.output import require_target
from trm_np.cli.threads import use_threads
from trm_np.text import printable


@click.command(
    cls=OneLine,
    help="""Make an HTML page that shows how a MODEL solves Sudoku.

    On the page the model solves held-out boards step by step, one for each level of difficulty. Beside them are the
    results of `trm lab recursion` with and without recursion. The page needs no network and no server.

    \b
    Example: trm lab thinking checkpoints/sudoku6/best.npz
    """,
)
@click.argument("model", type=FILE, default="checkpoints/sudoku6/best.npz")
@path_option("--results", default="checkpoints/lab/thinking.jsonl", help="Results of `trm lab recursion`.")
@path_option("--out", default="thinking.html", help="Output file; an existing page is replaced.")
@path_option(
    "--figures", metavar="FOLDER", help="Output folder of a figure of one board, solving.svg and solving.png."
)
def thinking(model: str, results: str, out: str, figures: str | None) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.thinking import page, picture
        from trm_np.puzzles.stored import load_puzzle_model

        require_target(Path(out), Path(results), Path(model))
        if figures:
            make(Path(figures))
        stored = load_puzzle_model(model)
        write_page(Path(out), Path(results), partial(page, stored))
        for file in picture(stored, Path(figures) / "solving") if figures else ():
            click.echo(printable(str(file)))
