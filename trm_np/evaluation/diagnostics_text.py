"""Text of `trm evaluate`: the metrics, then the diagnostics in sections."""

from collections.abc import Mapping, Sequence
from statistics import mean, pstdev
from typing import Any

from trm_np.evaluation.summary import STRICT, TARGETS, figure, heading, metrics_text, table, title

WORST = 10  # scenarios in the last section
INSTEAD = 3  # categories chosen most often in place of an expected one

TOOLS_NOTE = "hits are on the diagonal; a scenario whose two tools are both wrong counts in four cells"
CATEGORIES_NOTE = (
    "both: expected, and among the first three; instead: the categories most often chosen where it was missed"
)

Found = Mapping[str, Any]


def evaluation_text(results: Found) -> str:
    """All sections, with the ten worst scenarios."""
    count = len(results["scenarios"])
    held_out = "1 held-out scenario" if count == 1 else f"{count} held-out scenarios"
    sections = {
        f"The model on {held_out}, with 95 % intervals, and the baselines": warned_text(results),
        **choice_texts(results.get("choices")),
        "One field hidden from the model at a time": hidden_text(
            results["hidden"], results["test"], results["baselines"]["popularity"]
        ),
        "Calibration: predicted and true values": calibration_text(results["calibration"]),
        **confusion_texts(results["confusion"]),
        f"The worst scenarios, {min(WORST, count)} of {count}": "\n".join(
            map(scenario_text, results["scenarios"][:WORST])
        ),
    }
    return "\n\n".join(f"{head}\n{'-' * len(head)}\n{text}" for head, text in sections.items())


def choice_texts(choices: Found | None) -> dict[str, str]:
    """A section on choices, if there are any: for each metric the best baseline and the model's difference from it."""
    if choices is None:
        return {}
    rows = [("chosen gifts", "best baseline", "model above it", "95 %")]
    for name, against in choices["against_best"].items():
        low, high = against["interval"] or (None, None)
        bounds = "" if low is None else f"{low:+.3f} to {high:+.3f}"
        rows.append((title(name), heading(against["baseline"]), f"{against['difference']:+.3f}", bounds))
    return {"Choices: the model against the best baseline, profile by profile": table(rows)}


def confusion_texts(confusion: Found) -> dict[str, str]:
    """Sections for tools and for categories, if the scenarios expect some."""
    texts = {}
    if "tools" in confusion:
        head = "Tools: expected (rows) and chosen (columns)"
        texts[head] = f"{TOOLS_NOTE}\n\n{tools_text(confusion['tools'])}"
    if "categories" in confusion:
        head = "Categories: expected, among the first three, and chosen in place of a missed one"
        texts[head] = f"{CATEGORIES_NOTE}\n\n{categories_text(confusion['categories'])}"
    return texts


def warned_text(results: Found) -> str:
    """The metrics, after a warning if the model was trained on some of the scenarios."""
    text, seen, count = metrics_text(results), results["trained_on"], len(results["scenarios"])
    if not seen:
        return text
    were, worth = "was" if seen == 1 else "were", "nothing" if seen == count else "less"
    warning = (
        f"{seen} of these {count} scenarios {were} trained on: the metrics say {worth} about new profiles"
    )
    return f"{warning}\n\n{text}"


def hidden_text(hidden: Found, seen: Mapping[str, float], popularity: Mapping[str, float]) -> str:
    """A table of the metrics with each field hidden, beside those with none hidden, and a table of the drops."""
    names = next(iter(hidden.values()))["metrics"]
    values = [("hidden", "nothing", *hidden, "popular")]
    drops = [("lost by hiding", *hidden)]
    for name in names:
        found = [figure(without["metrics"], name) for without in hidden.values()]
        values.append((title(name), figure(seen, name), *found, figure(popularity, name)))
        drops.append((title(name), *(figure(without["drop"], name) for without in hidden.values())))
    return f"{table(values)}\n\n{table(drops)}"


def calibration_text(calibration: Found) -> str:
    """Reliability tables: the number of predictions in each bin, their mean, and the mean of the true values."""
    tables = []
    for name, found in calibration.items():
        rows = [(name, "count", "predicted", "true")]
        rows += [
            (
                f"{bin['from']:.1f} to {bin['to']:.1f}",
                str(bin["count"]),
                f"{bin['predicted']:.3f}",
                f"{bin['true']:.3f}",
            )
            for bin in found["bins"]
        ]
        error = f"expected calibration error of {name}: {found['expected_calibration_error']:.3f}"
        tables.append(f"{table(rows)}\n{error}")
    return "\n\n".join(tables)


def tools_text(confusion: Found) -> str:
    """Hits on the diagonal; elsewhere how often the tool of the column was chosen in place of the row's."""
    numbers = range(1, len(confusion["names"]) + 1)
    rows = [("", *map(str, numbers), "expected", "chosen")]
    for number, name, counts, *both in zip(
        numbers,
        confusion["names"],
        confusion["counts"],
        confusion["expected"],
        confusion["chosen"],
        strict=True,
    ):
        rows.append((f"{number} {name}", *map(str, counts), *map(str, both)))
    return table(rows)


def categories_text(confusion: Found) -> str:
    """For each category how often it was expected, chosen, and both, and what was chosen in its place."""
    names = confusion["names"]
    rows, instead = [("", "expected", "chosen", "both")], ["instead"]
    for place, counts in enumerate(confusion["counts"]):
        totals = (confusion["expected"][place], confusion["chosen"][place], counts[place])
        rows.append((names[place], *map(str, totals)))
        others = sorted((other for other in range(len(names)) if other != place), key=lambda o: -counts[o])
        chosen = [f"{names[other]} {counts[other]}" for other in others[:INSTEAD] if counts[other]]
        instead.append(", ".join(chosen))
    lines = zip(table(rows).splitlines(), instead, strict=True)
    return "\n".join(f"{line}  {others}".rstrip() for line, others in lines)


def scenario_text(scenario: Found) -> str:
    """Score and name of a scenario, and lines with what was expected and what was chosen."""
    return "\n      ".join(
        [
            f"{scenario['score']:.2f}  {scenario['name']}",
            *(
                hits_text(kind, scenario[f"expected_{kind}"], scenario[kind])
                for kind in ("categories", "tools")
                if scenario[f"expected_{kind}"]
            ),
            f"reward {scenario['reward']:.2f} of {scenario['best_reward']:.2f}: {', '.join(scenario['gifts'])}",
        ]
    )


def hits_text(kind: str, expected: Sequence[str], chosen: Sequence[str]) -> str:
    hits = len(set(expected) & set(chosen))
    return f"{kind} {hits} of {len(expected)}: expected {', '.join(expected)}; chosen {', '.join(chosen)}"


def cross_validation_text(found: Found) -> str:
    """Metrics of all folds together, the standard deviation over folds, and the baselines in the same folds."""
    rows = [("training scenarios", "mean", "least", "most", "folds", *map(heading, found["baselines"]))]
    for name in (name for name in (*TARGETS, *STRICT) if name in found["pooled"][0]):
        values = [metrics[name] for metrics in found["pooled"]]
        single = [metrics[name] for seed in found["by_fold"] for metrics in seed if name in metrics]
        rows.append(
            (
                title(name),
                *(figure({name: value}, name) for value in (mean(values), min(values), max(values))),
                "" if name.endswith("_in_use") else f"± {pstdev(single):.3f}",
                *(figure(metrics, name) for metrics in found["baselines"].values()),
            )
        )
    return "\n".join(
        [
            f"{found['preset']}: {found['scenarios']} training scenarios in {found['folds']} folds, "
            "each tested by a model trained on the others",
            f"mean, least and most of {len(found['seeds'])} seeds, the folds of each taken together; "
            "± is the spread of single folds",
            "",
            table(rows),
        ]
    )
