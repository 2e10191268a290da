"""Details behind the test metrics of a model: their uncertainty, and their sources.

Every metric, field, bin and scenario is reported; none is selected by its result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from trm_np.autograd import Tensor
from trm_np.autograd import functional as F
from trm_np.data.load import Dataset
from trm_np.data.records import Gift, Profile, Scenario
from trm_np.data.tables import MISSING, Bools, Floats, Ints, ProfileTable
from trm_np.data.task import Split, Task
from trm_np.evaluation.calibration import expected_calibration_error, reliability
from trm_np.evaluation.metrics import Predictions, averages, scenario_values, selected_tools, top_categories
from trm_np.evaluation.predict import predict
from trm_np.model.trm import TRM
from trm_np.world.reward import reward

FIELDS = tuple(field.name for field in fields(Profile) if field.name in ProfileTable.__annotations__)
BOOTSTRAP_SEED = 0
RESAMPLES = 9999
CONFIDENCE = 0.95
CELLS = 2**18  # resamples × scenarios in a batch

Values = dict[str, Floats]


def diagnose(model: TRM, task: Task, dataset: Dataset) -> dict[str, Any]:
    """Intervals of the test metrics, metrics with each field hidden, calibration, confusion, and every scenario."""
    split = task.test
    predictions = predict(model, split.profiles, task)
    values = scenario_values(predictions, split, task)
    selected = {
        "categories": (split.labels.categories, top_categories(predictions.category_scores)),
        "tools": (split.labels.tools, selected_tools(predictions.tool_scores)),
    }
    return {
        "intervals": intervals(values),
        "hidden": {field: without_field(model, split, task, field, averages(values)) for field in FIELDS},
        "calibration": calibration(predictions, split, task, model.config.tool_head),
        "confusion": {
            kind: confusion(labels[given], chosen[given], getattr(task.vocabulary, kind))
            for kind, (labels, chosen) in selected.items()
            if (given := labels.any(axis=1)).any()
        },
        "scenarios": by_scenario(dataset.test, predictions, values, task, dataset.gifts),
    }


def intervals(
    values: Values, averages: Callable[[Values], Mapping[str, Floats]] = averages
) -> dict[str, list[float]]:
    """95 % confidence intervals [low, high] of the metrics that `averages` computes from the values of scenarios.

    Percentile bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13): it resamples
    whole scenarios, so that a ratio keeps its pairs, for the given model. A rate of exactly 1 (or 0) has an interval of
    zero width, because no scenario differs. There are no intervals for a single scenario, or for a metric of labels so
    rare that a resample may have none.
    """
    from scipy.stats import bootstrap  # type: ignore[import-untyped]  # late: it takes half a second

    names, count = list(averages(values)), len(next(iter(values.values())))
    if count == 1:
        return {}

    def metrics(rows: Ints, axis: int) -> Floats:
        found = averages({name: value[rows] for name, value in values.items()})
        return np.stack([found.get(name, np.full(rows.shape[:-1], np.nan)) for name in names])

    with catch_warnings():  # of a metric that is missing in some resamples, and left out
        simplefilter("ignore", RuntimeWarning)
        found = bootstrap(
            (np.arange(count),),
            metrics,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(CELLS // count, 1),
            confidence_level=CONFIDENCE,
            method="percentile",
            random_state=np.random.default_rng(BOOTSTRAP_SEED),
        ).confidence_interval
    bounds = np.stack([found.low, found.high], axis=1).tolist()
    return {name: pair for name, pair in zip(names, bounds, strict=True) if not np.isnan(pair).any()}


def without_field(
    model: TRM, split: Split, task: Task, field: str, seen: Values
) -> dict[str, dict[str, float]]:
    """Metrics with one field of the profiles hidden from the model, and their drop from those `seen`.

    The true values still come from the whole profile.
    """
    predictions = predict(model, hide_field(split.profiles, field), task)
    metrics = averages(scenario_values(predictions, split, task))
    return {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "drop": {name: float(seen[name] - value) for name, value in metrics.items()},
    }


def hide_field(profiles: ProfileTable, field: str) -> ProfileTable:
    """The profiles with one field missing."""
    known = getattr(profiles, field)
    return replace(profiles, **{field: np.full_like(known, np.nan if known.dtype.kind == "f" else MISSING)})


def calibration(predictions: Predictions, split: Split, task: Task, tool_head: str) -> dict[str, Any]:
    """Reliability tables of category and tool probabilities, where labels are given, and of gift rewards."""
    likely = F.softmax if tool_head == "softmax" else F.sigmoid
    pairs = {
        "categories": (F.sigmoid(Tensor(predictions.category_scores)).data, split.labels.categories),
        "tools": (likely(Tensor(predictions.tool_scores)).data, split.labels.tools),
        "reward": (predictions.predicted_reward, reward(split.profiles, task.gifts, task.implied)),
    }
    tables = {}
    for name, (predicted, true) in pairs.items():
        given = true.any(axis=1)
        if not given.any():
            continue
        table = reliability(predicted[given], true[given])
        columns = (table.edges[:-1], table.edges[1:], table.count, table.predicted, table.true)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        keys = ("from", "to", "count", "predicted", "true")
        tables[name] = {
            "expected_calibration_error": expected_calibration_error(table),
            "bins": [dict(zip(keys, row, strict=True)) for row in rows if row[2]],
        }
    return tables


def confusion(labels: Floats, chosen: Ints, names: Sequence[str]) -> dict[str, Any]:
    """Counts of how often each of C names was expected (N, C), chosen (N, k), and chosen in place of another.

    The diagonal of `counts` (C, C) has the hits. Any other entry is the number of scenarios in which the name of the
    row was expected but not chosen, and the name of the column was chosen but not expected.
    """
    expected = labels > 0
    picked = np.zeros_like(expected)
    np.put_along_axis(picked, chosen, True, axis=1)

    def together(rows: Bools, columns: Bools) -> Ints:
        both: Ints = rows.T.astype(np.int64) @ columns.astype(np.int64)
        return both

    counts = together(expected & ~picked, picked & ~expected) + np.diag((expected & picked).sum(axis=0))
    return {
        "names": list(names),
        "expected": expected.sum(axis=0).tolist(),
        "chosen": picked.sum(axis=0).tolist(),
        "counts": counts.tolist(),
    }


def by_scenario(
    scenarios: Sequence[Scenario], predictions: Predictions, values: Values, task: Task, gifts: Sequence[Gift]
) -> list[dict[str, Any]]:
    """Expected and actual results of each scenario, the worst first.

    The score is the mean of three shares: category recall, the share of expected tools that are selected, and the
    reward relative to the best. Without expected categories or tools, their share is left out.
    """
    categories, tools = top_categories(predictions.category_scores), selected_tools(predictions.tool_scores)
    results = []
    for row, scenario in enumerate(scenarios):
        top = [task.vocabulary.categories[index] for index in categories[row]]
        selected = [task.vocabulary.tools[index] for index in tools[row]]
        shares = [values["reward"][row] / values["best_reward"][row]]
        if scenario.expected_tools:
            shares.insert(0, len(set(selected) & set(scenario.expected_tools)) / len(scenario.expected_tools))
        if scenario.expected_categories:
            shares.insert(0, values["category_recall"][row])
        results.append(
            {
                "name": scenario.name,
                "score": float(np.mean(shares)),
                "expected_categories": list(scenario.expected_categories),
                "categories": top,
                "expected_tools": list(scenario.expected_tools),
                "tools": selected,
                "gifts": [gifts[index].id for index in predictions.choices[row]],
                "reward": float(values["reward"][row]),
                "best_reward": float(values["best_reward"][row]),
            }
        )
    return sorted(results, key=lambda scenario: scenario["score"])
