"""The lab's tables, as text."""

from collections.abc import Iterable, Sequence
from statistics import mean

from trm_np.lab.effects import Effect, effects, mean_and_interval
from trm_np.lab.trial import Row
from trm_np.summary import table, title

SHORT = ("recommendation_quality", "category_recall_at_3", "tool_exact_rate", "reward_vs_best")
SHORT = (*SHORT, "reward_spearman", "generalization_gap")
AMONG = {"all on": "switched on last, the other seven being on", "all off": "switched on alone"}


def effects_text(effects: Sequence[Effect], whole: bool = False) -> str:
    """What each optimization adds: a table for each company it is in; of all metrics if `whole`."""
    parts = []
    for among, heading in AMONG.items():
        chosen = [each for each in effects if each.among == among]
        metrics = [each.metric for each in chosen if each.switch == chosen[0].switch]
        shown = [name for name in metrics if whole or name in SHORT]
        for names in (shown[first : first + len(SHORT)] for first in range(0, len(shown), len(SHORT))):
            parts.append(f"{heading}: mean effect, 95 % interval, verdict\n\n{effects_table(chosen, names)}")
    return "\n\n".join(parts)


def effects_table(effects: Iterable[Effect], metrics: Sequence[str]) -> str:
    """Three lines for each switch: the means, the intervals, the verdicts."""
    found = {(each.switch, each.metric): each for each in effects}
    rows = [("", *map(title, metrics))]
    for switch in dict.fromkeys(switch for switch, _ in found):
        each = [found[switch, metric] for metric in metrics]
        rows.append((f"{switch} ({each[0].seeds} seeds)", *(f"{one.mean:+.3f}" for one in each)))
        rows.append(("", *(between(one.low, one.high) for one in each)))
        rows.append(("", *(one.verdict for one in each)))
    return table(rows)


def between(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}" if low > float("-inf") else "one seed"


def sweep_text(rows: Sequence[Row], metrics: Sequence[str] = SHORT) -> str:
    """The mean of each configuration over its seeds, and how far its 95 % interval reaches to either side."""
    lines = [("test", "seeds", "last epoch", "epoch kept", *map(title, metrics))]
    for name in dict.fromkeys(row["name"] for row in rows):
        done = [row for row in rows if row["name"] == name and "test" in row]
        if not done:
            lines.append((name, "0", *("-" for _ in lines[0][2:])))
            continue
        epochs = [f"{mean(row[which] for row in done):.1f}" for which in ("epochs_run", "best_epoch")]
        cells = [with_reach([row["test"][metric] for row in done]) for metric in metrics]
        lines.append((name, str(len(done)), *epochs, *cells))
    return table(lines)


def with_reach(values: Sequence[float]) -> str:
    middle, _, high = mean_and_interval(values)
    return f"{middle:.3f} ± {high - middle:.3f}" if len(values) > 1 else f"{middle:.3f}"


def experiment_text(name: str, rows: Sequence[Row]) -> str:
    """The table of an experiment: effects for the ablation, which is about pairs; means for all others."""
    return effects_text(effects(rows), whole=True) if name == "ablation" else sweep_text(rows)


def failures_text(rows: Iterable[Row]) -> str:
    """A line for each run that failed, with what it failed of."""
    failed = [row for row in rows if "error" in row]
    return "\n".join(f"failed: {row['name']}, seed {row['seed']}: {row['error']}" for row in failed)
