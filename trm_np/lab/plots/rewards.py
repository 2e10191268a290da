"""Draw the predicted against the true reward of each gift, and the rank correlation for each profile."""

from pathlib import Path

import numpy as np

from trm_np.data.tables import Floats, Ints
from trm_np.lab.plots.style import GREY, INK, drawing, label, save


def draw_rewards(
    predicted: Floats, true: Floats, chosen: Ints, correlation: Floats, path: Path
) -> list[Path]:
    """Draw predicted and true rewards (N, G) without picked gifts, the gift ranked first (N,), and Spearman's
    correlation (N,)."""
    with drawing(1, 2, size=(8.6, 5), width_ratios=(2, 1)) as (figure, (points, ranks)):
        ends = (min(0.0, predicted.min()), max(1.0, predicted.max()))
        points.plot(ends, ends, color=GREY, linewidth=0.8, label="true as predicted")
        points.plot(
            predicted.ravel(), true.ravel(), ".", color=GREY, markersize=2.5, rasterized=True, label="a gift"
        )
        first = (np.arange(len(chosen)), chosen)
        points.plot(
            predicted[first], true[first], "o", color=INK, markerfacecolor="white", label="chosen first"
        )
        points.set_xlim(ends)
        points.set_ylim(0, 1)
        points.set_aspect("equal")
        points.legend(loc="lower right")
        label(
            points,
            "reward predicted (0 to 1)",
            "true reward (0 to 1)",
            f"{true.size} pairs of profile and gift",
        )

        ranks.plot(np.sort(correlation), np.arange(1, len(correlation) + 1), "o", color=INK, markersize=3)
        ranks.axvline(correlation.mean(), color=GREY, linewidth=0.8, linestyle="--")
        ranks.yaxis.get_major_locator().set_params(integer=True)
        ranks.set_xlim(min(0.0, correlation.min()), 1)
        label(
            ranks,
            "Spearman's correlation (−1 to 1)",
            "test scenarios, lowest first",
            f"Order of gifts, by profile\n(dashed: the mean, {correlation.mean():.2f})",
        )
        return save(figure, path)
