"""Draw the figures of the lessons: `.venv/bin/python docs/figures [NAME]...` in the root of the repository."""

import sys
from pathlib import Path

import click

from trm_np.cli.errors import DIVERGED, OneLine, Refusal, refusals, say
from trm_np.cli.lab_plot import make
from trm_np.cli.options import named
from trm_np.cli.running import Workers, rows_option, run_all, workers_options
from trm_np.cli.threads import use_threads
from trm_np.config import one_of


@click.command(
    cls=OneLine,
    help="""Draw the pictures of the lessons, or those NAMED.

    The tables behind them are printed. The runs that they need come first, unless their results are there already:
    about an hour and a half on two cores for all of them.

    \b
    Example: python docs/figures gradient_check augmentation
    """,
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--figures",
    "folder",
    callback=named,
    default="docs/figures",
    show_default=True,
    metavar="FOLDER",
    help="Output folder of the pictures.",
)
@rows_option
@workers_options
def figures(names: tuple[str, ...], folder: str, out: str, workers: Workers) -> None:
    use_threads(all_cores=False)  # before NumPy is imported
    with refusals():
        from docs.figures.experiments import EXPERIMENTS
        from docs.figures.pictures import PICTURES
        from trm_np.data.load import load_dataset
        from trm_np.lab.plots.style import require_plots
        from trm_np.lab.tables import ablation_text, sweep_text

        chosen = [one_of(name, PICTURES, "picture") for name in names or PICTURES]
        require_plots()
        make(Path(folder))
        shipped, found = load_dataset(), {}
        for picture in sorted(chosen, key=lambda name: len(PICTURES[name].experiments)):  # the quickest first
            for name in PICTURES[picture].experiments:
                if name not in found:
                    experiment, path = EXPERIMENTS[name], Path(out) / f"{name}.jsonl"
                    dataset = experiment.dataset(shipped)
                    rows = run_all(experiment.configs, experiment.seeds, dataset, path, workers)
                    found[name] = rows
                    table = ablation_text(rows, whole=True) if name == "ablation" else sweep_text(rows)
                    say(f"{name}\n{table}\n")
                    if any("error" in row for row in rows):
                        raise Refusal(f"{path}: runs failed, so there is no picture of them", DIVERGED)
            for path in PICTURES[picture].draw(found, Path(folder) / picture):
                say(str(path))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # where `docs.figures` is found
    figures()
