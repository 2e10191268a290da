"""`trm simulate`: data of any size, labelled by the written guide."""

from collections.abc import Mapping
from typing import Any

import click

from trm_np.cli.errors import OneLine, refusals, report
from trm_np.cli.options import FILE, as_json, seed_option
from trm_np.cli.output import write_new
from trm_np.cli.progress import progress
from trm_np.cli.threads import use_threads
from trm_np.text import printable

# Up to here a file stays below the 256 MB that a reader takes.
MOST_SCENARIOS, MOST_HELD_OUT, MOST_GIFTS = 100_000, 10_000, 100_000


@click.command(
    cls=OneLine,
    help="""Write simulated scenarios and gifts into FOLDER.

    Use them to study the effect of the size of the data. Profiles and gifts are drawn at random from the shipped
    vocabulary, and labelled by the rules of the written guide. Existing files are never replaced.

    \b
    Example: trm simulate simulated --scenarios 100 --gifts 500
    """,
)
@click.argument("folder", type=FILE)
@click.option(
    "--scenarios", type=click.IntRange(2, MOST_SCENARIOS), default=5000, help="Number of training scenarios."
)
@click.option(
    "--held-out",
    type=click.IntRange(1, MOST_HELD_OUT),
    default=30,
    help="Number of validation scenarios, and of test scenarios.",
)
@click.option(
    "--gifts",
    type=click.IntRange(13, MOST_GIFTS),
    default=20_000,
    help="Number of gifts; at least one for each of the 13 categories.",
)
@seed_option
@as_json
def simulate(folder: str, scenarios: int, held_out: int, gifts: int, seed: int, as_json: bool) -> None:
    use_threads(all_cores=False)
    with refusals():
        import numpy as np

        from trm_np.data.labelling import agreement, cheapest_prices
        from trm_np.data.load import load_dataset
        from trm_np.data.simulation import documents
        from trm_np.data.simulation import simulate as simulated

        shipped = load_dataset()
        records = scenarios + 2 * held_out + gifts
        with progress("records", 2 * records) as advance:  # each is drawn, and then written
            made = simulated(shipped, scenarios, held_out, gifts, np.random.default_rng(seed), advance)
            files = documents(made, advance)
        write_new(folder, files)
        cheapest = cheapest_prices(shipped.gifts, shipped.vocabulary.categories)
        written = {
            "folder": folder,
            "seed": seed,
            "scenarios": scenarios,
            "held_out": held_out,
            "gifts": gifts,
            "bytes": {name: len(content) for name, content in files.items()},
            "agreement_with_hand_labels": {
                "base": agreement(shipped.train, cheapest),
                "held_out": agreement(shipped.validation + shipped.test, cheapest),
            },
        }
        report(written, written_text(written), as_json)


def written_text(written: Mapping[str, Any]) -> str:
    """Report of the files written, and of how far the labelling rules agree with the labels given by hand."""
    lines = [
        f"{printable(written['folder'])}: {written['scenarios']:,} scenarios to train on, {written['held_out']:,} to "
        f"validate and {written['held_out']:,} to test on, {written['gifts']:,} gifts; seed {written['seed']}",
        *(f"  {name:<26} {size:>12,} bytes" for name, size in written["bytes"].items()),
        "labels by the written guide; how far it agrees with the shipped labels:",
    ]
    for name, agreed in written["agreement_with_hand_labels"].items():
        lines.append(
            f"  {agreed['scenarios']} {name.replace('_', '-')} scenarios: categories the same in "
            f"{agreed['categories_exact']:.1%}, mean Jaccard {agreed['categories_jaccard']:.3f}; "
            f"tools the same in {agreed['tools_exact']:.1%}"
        )
    return "\n".join(lines)
