"""Which categories lead where which are expected."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trm_np.data.tables import Floats
from trm_np.evaluation.metrics import TOP_CATEGORIES, top_categories
from trm_np.lab.plots.style import INK, drawing, label, save

INCHES = 0.46  # of a cell
HEADING_INCHES = 6.6
HEADING = (
    "Of the test scenarios that expect the row's category, the percentage in which\n"
    f"the column's is among the model's first {TOP_CATEGORIES}. On the diagonal: recall;\n"
    "what stands beside it may be expected too."
)
DARK = 0.6  # from this share on a cell is so dark that its figure is white


def confusion_shares(scores: Floats, expected: Floats) -> Floats:
    """Of the scenarios that expect category e, the share in which category c is among the three with the best scores.

    scores and expected (N, C) to shares (C, C), row e and column c; a row of NaN where none expects e. The diagonal is
    each category's own recall; a row adds up to 3, and what stands off the diagonal may have been expected beside e.
    """
    leading = np.zeros_like(scores)
    np.put_along_axis(leading, top_categories(scores), 1.0, axis=1)
    together, count = expected.T @ leading, expected.sum(axis=0)[:, None]
    shares: Floats = np.divide(together, count, out=np.full_like(together, np.nan), where=count > 0)
    return shares


def draw_confusion(scores: Floats, expected: Floats, names: Sequence[str], path: Path) -> list[Path]:
    """The `confusion_shares` in greys, in percent; beside each row's name, how many scenarios expect it."""
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
