"""Tables of the lab as text."""

from collections.abc import Iterable, Sequence
from statistics import mean

from trm_np.evaluation.summary import table, title
from trm_np.lab.effects import NO_EFFECT, Effect, effects, mean_and_interval
from trm_np.lab.trial import Row

SHORT: tuple[str, ...] = (
    "recommendation_quality",
    "category_recall_at_3",
    "tool_exact_rate",
    "reward_vs_best",
    "reward_spearman",
    "generalization_gap",
)
IN_A_ROW = 7  # most metrics in one table
AMONG = {"all on": "switched on last, the other seven being on", "all off": "switched on alone"}


def effects_text(effects: Sequence[Effect], whole: bool = False) -> str:
    """The effect of each optimization with all others on, and alone. With `whole`, on all metrics."""
    parts = []
    effects = [each for each in effects if whole or each.metric in SHORT]
    for among, heading in AMONG.items():
        chosen = [each for each in effects if each.among == among]
        shown = list(dict.fromkeys(each.metric for each in chosen))
        for names in (shown[first : first + IN_A_ROW] for first in range(0, len(shown), IN_A_ROW)):
            parts.append(f"{heading}\n\n{effects_table(chosen, names)}")
    note = "Mean effect, its 95 % interval below; helps or hurts where that excludes zero."
    return "\n\n".join(
        [*parts, f"{note} Of {len(effects)} intervals {len(effects) / 20:.0f} would by chance."]
    )


def effects_table(effects: Iterable[Effect], metrics: Sequence[str]) -> str:
    """A table with two lines for each switch: means with verdicts, and intervals."""
    found = {(each.switch, each.metric): each for each in effects}
    switches = dict.fromkeys(switch for switch, _ in found)
    seeds = {each.seeds for each in found.values()}
    rows = [(f"{' to '.join(map(str, sorted(seeds)))} seeds", *map(title, metrics))]
    for switch in switches:
        each = [found[switch, metric] for metric in metrics]
        rows.append((switch, *(f"{verdict_word(one)}{one.mean:+.4f}" for one in each)))
        rows.append(("", *(between(one.low, one.high) for one in each)))
    return table(rows)


def verdict_word(effect: Effect) -> str:
    return "" if effect.verdict == NO_EFFECT else f"{effect.verdict} "


def between(low: float, high: float) -> str:
    return f"{low:+.4f} {high:+.4f}" if low > float("-inf") else "one seed"


def sweep_text(rows: Sequence[Row], metrics: Sequence[str] = SHORT) -> str:
    """A table with the mean of each configuration over its seeds and half the width of its 95 % interval."""
    lines = [("test", "seeds", "last epoch", "epoch kept", *map(title, metrics))]
    for name in dict.fromkeys(row["name"] for row in rows):
        done = [row for row in rows if row["name"] == name and "test" in row]
        if not done:
            lines.append((name, "0", *("-" for _ in lines[0][2:])))
            continue
        epochs = [f"{mean(row[which] for row in done):.1f}" for which in ("epochs_run", "best_epoch")]
        cells = [with_interval([row["test"][metric] for row in done]) for metric in metrics]
        lines.append((name, str(len(done)), *epochs, *cells))
    return table(lines)


def with_interval(values: Sequence[float]) -> str:
    middle, _, high = mean_and_interval(values)
    return f"{middle:.3f} ± {high - middle:.3f}" if len(values) > 1 else f"{middle:.3f}"


def ablation_text(rows: Sequence[Row], whole: bool = False) -> str:
    """The effects of the optimizations. With `whole`, also the means of each configuration."""
    found = effects_text(effects(rows), whole)
    return f"{found}\n\n{sweep_text(rows)}" if whole else found


def failures_text(rows: Iterable[Row]) -> str:
    """One line for each failed run, with its error."""
    failed = [row for row in rows if "error" in row]
    return "\n".join(f"failed: {row['name']}, seed {row['seed']}: {row['error']}" for row in failed)
