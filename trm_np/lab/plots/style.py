"""The common style of all pictures. They are readable in black and white and have the same bytes each time."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trm_np.extras import ExtraMissing, needs_extra
from trm_np.storage.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, LIGHT, BAND = "#000000", "#767676", "#d0d0d0", "#f0f0f0"
# Lines differ in dashes and lightness as well as in colour.
LINES: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "linestyle": "-", "marker": "o"},
    {"color": "#1f5fa8", "linestyle": "--", "marker": "s"},
    {"color": "#c8622d", "linestyle": "-.", "marker": "^"},
    {"color": "#3b8a5a", "linestyle": ":", "marker": "D"},
    {"color": "#7b4fa3", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#8a8a8a", "linestyle": (0, (8, 2)), "marker": "P"},
    {"color": "#a0522d", "linestyle": (0, (1, 1)), "marker": "X"},
    {"color": "#4a4a4a", "linestyle": (0, (3, 3, 1, 3)), "marker": "*"},
)
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "svg.hashsalt": "trm_np",  # makes the ids of elements reproducible
    "savefig.facecolor": "white",
    "text.parse_math": False,  # dollar signs in names are plain text
}
DOTS = 160  # per inch
KINDS: dict[str, dict[str, Any]] = {
    "svg": {"dpi": DOTS, "metadata": {"Date": None}},
    "png": {"dpi": DOTS, "metadata": {"Software": None}},
}


def require_plots() -> None:
    """Raise ExtraMissing unless matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ExtraMissing(needs_extra("plots need", "plots")) from error


@contextmanager
def drawing(
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (6.4, 3.6),
    engine: Literal["constrained"] | None = "constrained",
    **layout: Any,
) -> Iterator[tuple["Figure", Any]]:
    """Yield a figure of `size` inches and its axes in this style.

    `engine` is matplotlib's layout engine, and `layout` are arguments of `Figure.subplots`. Raises ExtraMissing.
    """
    require_plots()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # hides messages about the font cache
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignores the user's own settings
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=size, layout=engine)
        yield figure, figure.subplots(rows, columns, **layout)


def save(figure: "Figure", path: Path, kinds: Sequence[str] = tuple(KINDS)) -> list[Path]:
    """Write a figure as path.svg and path.png with 160 dots per inch. Raises WriteError.

    Equal figures give equal bytes. A letter that the font lacks is drawn as a box.
    """
    written = []
    for kind in kinds:
        drawn = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure.savefig(drawn, format=kind, **KINDS[kind])
        written.append(path.with_suffix(f".{kind}"))
        atomic_write(written[-1], drawn.getvalue())
    return written


def label(axes: "Axes", x: str, y: str, title: str = "") -> None:
    """Set the names of both axes, with their units, and the title."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
