"""`trm lab dropout`: a trained model with dropout left on, as a page to play with."""

from pathlib import Path

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.lab_page import write_document
from trm_np.cli.options import FILE, path_option, seed_option
from trm_np.cli.output import require_target
from trm_np.cli.progress import progress
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Make an HTML page on the noise of dropout in a MODEL.

    The command leaves dropout on in a trained model, at 19 drop probabilities, and measures how far its predictions
    and its loss on the test scenarios spread over many masks. On the page the reader moves the drop probability. The
    page needs no network and no server.

    \b
    Example: trm lab dropout checkpoints/integrated_enhanced/best.npz
    """,
)
@click.argument("model", type=FILE, default="checkpoints/integrated_enhanced/best.npz")
@click.option("--masks", type=click.IntRange(2, 1000), default=50, help="Masks for each drop probability.")
@seed_option
@path_option("--out", default="dropout.html", help="Output file; an existing page is replaced.")
def dropout(model: str, masks: int, seed: int, out: str) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.dropout import RATES, page
        from trm_np.storage.checkpoint import load_model

        require_target(Path(out), Path(model))
        stored = load_model(model)
        with progress("drop probabilities", len(RATES)) as advance:
            document = page(stored, masks, seed, advance)
        write_document(Path(out), document)
