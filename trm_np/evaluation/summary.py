"""The text at the end of a run: the report's targets, the metrics of the model and those of the baselines."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Targets of the report for epoch 50, and stricter metrics.
TARGETS: dict[str, tuple[str, float]] = {
    "category_match_rate": ("at least", 0.80),
    "tool_match_rate": ("at least", 0.70),
    "average_reward": ("at least", 0.70),
    "recommendation_quality": ("at least", 0.75),
    "generalization_gap": ("below", 0.05),
}
STRICT = (
    "category_recall_at_3",
    "category_precision_at_3",
    "category_ndcg_at_3",
    "tool_exact_rate",
    "reward_vs_best",
    "reward_spearman",
    "categories_in_use",
    "tools_in_use",
)
COUNTS = ("categories_in_use", "tools_in_use")  # a random baseline uses most names
# Phrase for a baseline that is ahead of the model; the oracle always is.
BETTER = {
    "untrained": "untrained",
    "random": "at random",
    "popularity": "by popularity",
    "nearest_neighbour": "by the nearest neighbours",
    "linear": "by the linear model",
    "popular_within_budget": "by popularity within the budget",
    "ridge": "by ridge regression from the profile",
    "item_cosine": "by the cosines of gifts in histories",
    "ease": "by EASE on histories",
}
# Headings of columns, where the name of a baseline is too wide.
SHORT = {
    "popularity": "popular",
    "popular_within_budget": "in budget",
    "nearest_neighbour": "nearest",
    "item_cosine": "cosine",
}


def is_met(metric: str, value: float) -> bool:
    kind, bound = TARGETS[metric]
    return value >= bound if kind == "at least" else value < bound


def summary_text(summary: Mapping[str, Any]) -> str:
    """Results of a run: a few lines and a table."""
    off = [name for name, on in summary["switches"].items() if not on]
    ended = {"epochs": "ran to its last epoch,", "early_stopping": "stopped early, after epoch"}[
        summary["stopped_by"]
    ]
    lines = [
        f"{summary['preset']}, recipe {summary['recipe']}: {summary['parameters']:,} parameters, seed {summary['seed']}"
        + (f", without {', '.join(off)}" if off else ""),
        f"{ended} {summary['epochs_run']}, in {summary['seconds']:.1f} s; "
        f"kept the model of epoch {summary['best_epoch']}",
    ]
    chosen = ": its figures also chose the epoch" if summary["test_is_validation"] else ""
    return "\n".join([*lines, "", metrics_text(summary) + chosen])


def metrics_text(results: Mapping[str, Any]) -> str:
    """Test metrics of a model, with intervals if given, and a line on the validation scenarios."""
    test, baselines, parts = results["test"], results["baselines"], []
    if "category_match_rate" in test or "tool_match_rate" in test:
        parts += [
            figures_text(test, baselines, results.get("intervals")),
            "\n".join(baselines_ahead(test, baselines)),
        ]
    if "ranking" in results:
        parts.append(ranking_text(results["ranking"], results["test_is_validation"]))
    if "choices" in results:
        parts += choices_texts(results["choices"])
    if results["test_is_validation"]:
        parts.append("one list serves as validation and as test")
    else:
        quality = results["validation"]["recommendation_quality"]
        parts.append(f"recommendation quality on the validation scenarios: {quality:.3f}")
    return "\n\n".join(filter(None, parts))


def ranking_text(ranking: Mapping[str, Any], test_is_validation: bool) -> str:
    """Effect of the category share on the lists of three."""
    share = ranking["category_share"]
    rows = [("the three gifts shown", "by reward alone", f"with {share:g} × category")]
    for split in ("test",) if test_is_validation else ("validation", "test"):
        without, counted = ranking[split]["by_reward"], ranking[split]["with_categories"]
        rows += [
            (f"{split}: {title(name)}", figure(without, name), figure(counted, name)) for name in without
        ]
    return table(rows)


def choices_texts(choices: Mapping[str, Any]) -> list[str]:
    """The table of the metrics on choices, the baselines that are ahead, and those that are left out."""
    test, baselines = choices["test"], choices["baselines"]
    profiles = "1 profile" if choices["profiles"] == 1 else f"{choices['profiles']} profiles"
    rows = [(f"chosen for {profiles}", "model", *map(heading, baselines))]
    rows += [(title(name), figure(test, name), *in_all(baselines, name)) for name in test]
    left_out = [f"left out: {heading(name)}, since {why}" for name, why in choices["left_out"].items()]
    strict = [name for name in test if name.endswith("_at_10")]
    return [table(rows), "\n".join(baselines_ahead(test, baselines, strict)), "\n".join(left_out)]


def baselines_ahead(
    metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], strict: Iterable[str] = STRICT
) -> list[str]:
    """A line for each strict metric in which a baseline is ahead of the model in the digits shown."""
    lines = []
    for name in (name for name in strict if name not in COUNTS and name in metrics):
        figures = {each: baselines[each][name] for each in BETTER if name in baselines.get(each, {})}
        best = max(figures, key=lambda each: figures[each], default="")
        theirs, own = figure(figures, best), figure(metrics, name)
        if best and float(theirs) > float(own):
            lines.append(f"{title(name)} is better {BETTER[best]}: {theirs}, the model {own}")
    return lines


def figures_text(
    metrics: Mapping[str, float],
    baselines: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Table of the metrics on held-out scenarios, with targets, baselines, and 95 % intervals if given."""
    rows = [
        ("held-out scenarios", "target", "model", "", *column(intervals, "95 %"), *map(heading, baselines))
    ]
    for name in (name for name in (*TARGETS, *STRICT) if name in metrics):
        target, verdict = against_target(name, metrics[name])
        between = column(intervals, interval((intervals or {}).get(name)))
        rows.append((title(name), target, figure(metrics, name), verdict, *between, *in_all(baselines, name)))
    return table(rows)


def against_target(metric: str, value: float) -> tuple[str, str]:
    """Target of a metric and whether it is met, empty if it has none."""
    if metric not in TARGETS:
        return "", ""
    kind, bound = TARGETS[metric]
    return f"{'≥' if kind == 'at least' else '<'} {bound:.2f}", "met" if is_met(metric, value) else "missed"


def column(intervals: Mapping[str, Sequence[float]] | None, cell: str) -> tuple[str, ...]:
    """A cell of the column of intervals, or none without intervals."""
    return () if intervals is None else (cell,)


def interval(bounds: Sequence[float] | None) -> str:
    """Both bounds with two decimals; "-" for an interval of zero width at 0 or 1."""
    if bounds is None:
        return ""
    agreed = bounds[0] == bounds[1] and bounds[0] in (0, 1)
    return "-" if agreed else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def heading(baseline: str) -> str:
    return SHORT.get(baseline, baseline)


def title(metric: str) -> str:
    return re.sub(r"_at_(\d+)", r"@\1", metric).replace("_", " ")


def in_all(baselines: Mapping[str, Mapping[str, float]], name: str) -> list[str]:
    return [figure(metrics, name) for metrics in baselines.values()]


def figure(metrics: Mapping[str, float], name: str) -> str:
    """A metric with three decimals, a count without, "-" for a missing one."""
    if name not in metrics:
        return "-"
    return f"{metrics[name]:.0f}" if name.endswith("_in_use") else f"{metrics[name]:.3f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, the first aligned left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
