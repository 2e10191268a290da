"""`trm lab rates`: learning rate and curvature on real runs, as a page to play with."""

from itertools import product
from pathlib import Path

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.lab_page import write_document
from trm_np.cli.options import path_option, seed_option
from trm_np.cli.output import require_target
from trm_np.cli.progress import progress
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Make an HTML page on learning rate and curvature.

    The command trains the default model by gradient descent and by AdamW, at 13 learning rates each, and measures the
    curvature along every update, for about a minute. On the page the reader moves the rate. The page needs no network
    and no server.

    \b
    Example: trm lab rates --updates 20
    """,
)
@click.option("--updates", type=click.IntRange(10, 1000), default=60, help="Updates of each run.")
@seed_option
@path_option("--out", default="rates.html", help="Output file; an existing page is replaced.")
def rates(updates: int, seed: int, out: str) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.data.load import load_dataset
        from trm_np.data.task import task_from
        from trm_np.lab.rates import OPTIMIZERS, RATES, noiseless, page, run
        from trm_np.lab.trial import data_digest

        require_target(Path(out))
        dataset = load_dataset()
        task = task_from(dataset, noiseless().model.gift_features)
        runs = []
        with progress("runs", len(OPTIMIZERS) * len(RATES)) as advance:
            for optimizer, rate in product(OPTIMIZERS, RATES):
                runs.append(run(task, optimizer, rate, updates, seed))
                advance()
        write_document(Path(out), page(runs, updates, seed, data_digest(dataset)))
