"""`trm lab stopping`: early stopping on real runs, as a page to play with."""

from pathlib import Path

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.lab_page import write_document
from trm_np.cli.options import path_option
from trm_np.cli.output import require_target
from trm_np.cli.progress import progress
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Make an HTML page on patience and how often to evaluate.

    The command trains the default model to the end, evaluating after every epoch, for about a minute for each seed.
    On the page the reader moves patience, frequency, and the least improvement that counts. The page needs no network
    and no server.

    \b
    Example: trm lab stopping --seeds 1 --epochs 30
    """,
)
@click.option("--seeds", type=click.IntRange(1, 10), default=3, help="Number of seeds, from 0 on.")
@click.option("--epochs", type=click.IntRange(25, 1000), default=150, help="Epochs of each run.")
@path_option("--out", default="stopping.html", help="Output file; an existing page is replaced.")
def stopping(seeds: int, epochs: int, out: str) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.data.task import task_from
        from trm_np.lab.stopping import config_of, course, page
        from trm_np.lab.trial import data_digest

        require_target(Path(out))
        dataset = load_dataset()
        task = task_from(dataset, config_of(epochs).model.gift_features)
        with progress("epochs", seeds * epochs) as advance:
            courses = [course(task, epochs, seed, advance) for seed in range(seeds)]
        write_document(Path(out), page(courses, data_digest(dataset)))
