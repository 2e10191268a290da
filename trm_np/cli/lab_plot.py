"""`trm lab plot`: what a run or an ablation shows, as pictures."""

from collections.abc import Iterator
from pathlib import Path

import click

from trm_np.cli.errors import CANNOT_CREATE, DATA_REFUSED, OneLine, Refusal, refusals
from trm_np.cli.options import FILE, path_option, refuse_given
from trm_np.cli.threads import use_threads
from trm_np.text import printable


@click.command(
    cls=OneLine,
    help="""Draw a run or an ablation as SVG and PNG.

    SOURCE is the folder of a run, or the results of an ablation. For a run, the figures are the training curves, the
    categories, the rewards, and the recursion step by step. For an ablation, the figure is the effect of each
    optimization.

    \b
    Example: trm lab plot checkpoints/integrated_enhanced
    """,
)
@click.argument("source", type=FILE)
@path_option("--out", metavar="FOLDER", help="Output folder.  [default: figures, beside the source]")
@click.option(
    "--scenario",
    type=click.IntRange(min=0),
    default=0,
    help="Index of the test scenario to draw step by step.",
)
@path_option("--held-out", help="Held-out scenarios of the run, if not the shipped ones.")
@click.pass_context
def plot(context: click.Context, source: str, out: str | None, scenario: int, held_out: str | None) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.lab.plots.style import require_plots

        require_plots()
        path = Path(source)
        folder = Path(out) if out else (path if path.is_dir() else path.parent) / "figures"
        if path.is_dir():
            files = run_files(path, scenario, held_out, folder)
        else:
            refuse_given(context, "only for the folder of a run", allowed=("source", "out"))
            files = ablation_files(path, folder)
        for file in files:
            click.echo(printable(str(file)))


def run_files(source: Path, scenario: int, held_out: str | None, out: Path) -> Iterator[Path]:
    """Draw a run into its folder; yield each file once it is written."""
    from trm_np.evaluation.compare import stored_dataset
    from trm_np.lab.plots.curves import read_records
    from trm_np.lab.plots.figures import draw_run
    from trm_np.storage.checkpoint import load_model
    from trm_np.training.run import BEST, METRICS

    stored = load_model(source / BEST)
    dataset = stored_dataset(stored, held_out)
    if scenario >= len(dataset.test):
        raise click.UsageError(f"--scenario {scenario}: there are {len(dataset.test)}, from 0 on")
    records = read_records(source / METRICS)
    make(out)
    yield from draw_run(records, stored, dataset, scenario, out)


def ablation_files(source: Path, out: Path) -> Iterator[Path]:
    """Draw an ablation; yield each file once it is written."""
    from trm_np.lab.plots.figures import read_effects
    from trm_np.lab.plots.forest import draw_forest

    if not source.exists():
        raise Refusal(f"{source}: no such file or folder", DATA_REFUSED)
    found = read_effects(source)
    make(out)
    yield from draw_forest(found, out / "forest")


def make(folder: Path) -> None:
    """Make the folder of figures; raises ExtraMissing, and Refusal if it cannot be made."""
    from trm_np.lab.plots.style import require_plots

    require_plots()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{folder}: cannot be made ({error.strerror})", CANNOT_CREATE) from error
