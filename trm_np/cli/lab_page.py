"""`trm lab page`: the results of a full ablation as a page to play with."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import path_option
from trm_np.cli.output import require_target
from trm_np.text import printable

if TYPE_CHECKING:
    from trm_np.lab.trial import Row


@click.command(
    cls=OneLine,
    help="""Make an HTML page that shows the effect of each switch.

    The page shows the measured metrics of each combination of the eight switches. The results must have all 256
    combinations with the same seeds. The page needs no network and no server.

    \b
    Example: trm lab page --out ablation.html
    """,
)
@path_option(
    "--results", default="checkpoints/lab/ablation.jsonl", help="Results of `trm lab ablate --full`."
)
@path_option("--out", default="ablation.html", help="Output file; an existing page is replaced.")
def page(results: str, out: str) -> None:
    with refusals():
        from trm_np.lab.page import page as document

        require_target(Path(out), Path(results))
        write_page(Path(out), Path(results), document)


def write_page(out: Path, results: Path, document: "Callable[[list[Row]], str]") -> None:
    """Write the document of the rows in a file of results, and print its size; raises ResultsError and WriteError."""
    from trm_np.lab.results import ResultsError, read_rows

    rows = read_rows(results)
    try:
        made = document(rows)
    except ResultsError as error:
        raise ResultsError(f"{results}: {error}") from error
    write_document(out, made)


def write_document(out: Path, document: str) -> None:
    """Write a document, and print its size; raises WriteError."""
    from trm_np.storage.files import atomic_write

    content = document.encode()
    atomic_write(out, content)
    click.echo(printable(f"{out}: {len(content):,} bytes"))
