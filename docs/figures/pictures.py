"""The pictures of the lessons by name: the experiments that each needs, and how it is drawn from their rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.figures.comparison import draw_against, draw_comparison
from docs.figures.drawings import (
    draw_crossing,
    draw_evaluations,
    draw_gradient_check,
    draw_plateau,
    draw_rates,
    draw_stopping,
    draw_tool_heads,
)
from docs.figures.experiments import EXPERIMENTS, SIZES, WRITTEN
from docs.figures.graph import draw_graph
from trm_np.data.load import load_dataset
from trm_np.lab.effects import effects
from trm_np.lab.plots.forest import draw_forest
from trm_np.lab.plots.recursion import draw_recursion, trace_recursion
from trm_np.lab.trial import Row
from trm_np.storage.checkpoint import load_model

DEFAULT_MODEL = Path("checkpoints/integrated_enhanced/best.npz")
QUALITIES = ("category_recall_at_3", "tool_exact_rate", "reward_spearman", "generalization_gap")

Results = Mapping[str, Sequence[Row]]  # rows by the name of the experiment


@dataclass(frozen=True)
class Picture:
    """A picture. `draw` takes the rows of its experiments, writes path.svg and path.png, and returns the two paths."""

    draw: Callable[[Results, Path], list[Path]]
    experiments: tuple[str, ...] = ()


def data_diversity(results: Results, path: Path) -> list[Path]:
    lines = {}
    for origin, most in (("written", WRITTEN), ("simulated", max(SIZES))):
        sizes = [size for size in SIZES if size <= most]
        lines[origin] = (sizes, results[f"{origin}_scenarios"], list(map(str, sizes)))
    return draw_against(lines, "training scenarios", QUALITIES, path, ticks=SIZES)


def dropout(results: Results, path: Path) -> list[Path]:
    names = list(EXPERIMENTS["dropout"].configs)
    lines = {"": (list(map(float, names)), results["dropout"], names)}
    return draw_against(lines, "drop probability, everywhere", QUALITIES, path)


def plateau(results: Results, path: Path) -> list[Path]:
    """The first run without early stopping."""
    return draw_plateau(results["ends"][0], path)


def early_stopping(results: Results, path: Path) -> list[Path]:
    stopped = [row for row in results["patience"] if row["name"] == "patience 15, standard error"]
    return draw_stopping(results["ends"], "all else on", stopped, path)


def augmentation(_: Results, path: Path) -> list[Path]:
    budgets = [scenario.profile.budget for scenario in load_dataset().train]
    return draw_crossing([budget for budget in budgets if budget is not None], path)


def recursion_steps(_: Results, path: Path) -> list[Path]:
    """The recursion of the default model, as the README's first command trains it, for the first test scenario."""
    stored, dataset = load_model(DEFAULT_MODEL), load_dataset()
    names = stored.vocabulary
    trace = trace_recursion(stored, dataset.test[0].profile)
    return draw_recursion(trace, dataset.test[0], names.categories, names.tools, path)


PICTURES = {
    "graph": Picture(lambda _, path: draw_graph(path)),
    "gradient_check": Picture(lambda _, path: draw_gradient_check(path)),
    "data_diversity": Picture(data_diversity, ("written_scenarios", "simulated_scenarios")),
    "learning_rates": Picture(
        lambda results, path: draw_rates(results["learning_rates"], path), ("learning_rates",)
    ),
    "plateau": Picture(plateau, ("ends",)),
    "tool_heads": Picture(
        lambda results, path: draw_tool_heads(results["tool_heads"], path), ("tool_heads",)
    ),
    "dropout": Picture(dropout, ("dropout",)),
    "early_stopping": Picture(early_stopping, ("ends", "patience")),
    "evaluations": Picture(
        lambda results, path: draw_evaluations(results["evaluations"], path), ("evaluations",)
    ),
    "augmentation": Picture(augmentation),
    "ends": Picture(
        lambda results, path: draw_comparison(results["ends"], QUALITIES, path, "all else on"), ("ends",)
    ),
    "recursion_steps": Picture(recursion_steps),
    "depth": Picture(
        lambda results, path: draw_comparison(results["recursion"], QUALITIES, path, "as shipped"),
        ("recursion",),
    ),
    "optimizer": Picture(
        lambda results, path: draw_comparison(results["optimizer"], QUALITIES, path, "as shipped"),
        ("optimizer",),
    ),
    "ablation": Picture(lambda results, path: draw_forest(effects(results["ablation"]), path), ("ablation",)),
}
