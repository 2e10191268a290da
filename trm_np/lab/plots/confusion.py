"""Draw which categories the model ranks first, by expected category."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trm_np.data.tables import Floats
from trm_np.evaluation.metrics import TOP_CATEGORIES, top_categories
from trm_np.lab.plots.style import INK, drawing, label, save

INCHES = 0.46  # side of a cell
HEADING_INCHES = 6.6
HEADING = (
    "Of the test scenarios that expect the row's category, the percentage in which\n"
    f"the column's is among the model's first {TOP_CATEGORIES}. On the diagonal: recall;\n"
    "what stands beside it may be expected too."
)
DARK = 0.6  # cells with a larger share are so dark that their text is white


def confusion_shares(scores: Floats, expected: Floats) -> Floats:
    """The share (C, C) of scenarios expecting category e (row) that have c (column) among the three best scores.

    `scores` and `expected` are (N, C). A row is NaN if no scenario expects e. The diagonal is the recall of each
    category. A row adds up to 3. A category off the diagonal may have been expected as well.
    """
    leading = np.zeros_like(scores)
    np.put_along_axis(leading, top_categories(scores), 1.0, axis=1)
    together, count = expected.T @ leading, expected.sum(axis=0)[:, None]
    shares: Floats = np.divide(together, count, out=np.full_like(together, np.nan), where=count > 0)
    return shares


def draw_confusion(scores: Floats, expected: Floats, names: Sequence[str], path: Path) -> list[Path]:
    """Draw `confusion_shares` as percentages on grey cells. Each row shows how many scenarios expect its category."""
    shares, count = confusion_shares(scores, expected), expected.sum(axis=0)
    side = INCHES * len(names)
    with drawing(size=(max(side + 2.2, HEADING_INCHES), side + 2.1)) as (figure, axes):
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
        for row, column in zip(*np.nonzero(shares > 0), strict=True):
            shade = "white" if shares[row, column] > DARK else INK
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, color=shade, ha="center", va="center")
        places = range(len(names))
        axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, [f"{name} ({number:.0f})" for name, number in zip(names, count, strict=True)])
        axes.tick_params(length=0)
        label(
            axes,
            f"category among the model's first {TOP_CATEGORIES}",
            "category expected (in how many test scenarios)",
        )
        figure.suptitle(HEADING, x=0.02, ha="left", fontsize=10)
        return save(figure, path)
