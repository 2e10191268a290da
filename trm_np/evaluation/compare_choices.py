"""Metrics on the choices of the test scenarios: the model beside the baselines."""

from typing import Any

import numpy as np

from trm_np.data.tables import Floats, Ints
from trm_np.data.task import Split, Task
from trm_np.evaluation.choice_baselines import choice_baselines
from trm_np.evaluation.choices import chance_values, choice_values, exposure_metrics, means, top_gifts
from trm_np.evaluation.diagnostics import Values, intervals
from trm_np.evaluation.predict import choice_scores
from trm_np.model.trm import TRM


def evaluate_choices(
    model: TRM, untrained: TRM, linear_rewards: Floats, task: Task, category_share: float = 0.0
) -> dict[str, Any]:
    """Metrics of choices.py for a model and all baselines, and the model's difference from the best baseline.

    `linear_rewards` (N, G) are the predictions of the linear model for the test scenarios. The model ranks with the
    `category_share`. The whole catalogue is ranked, except the history of each profile.
    """
    split, gifts = task.test, len(task.gifts)
    scores, left_out = choice_baselines(task.train, split, task.gifts, task.vocabulary)
    lists = {
        **{name: top_gifts(score, split.history) for name, score in scores.items()},
        "linear": top_gifts(linear_rewards.__getitem__, split.history),
        "untrained": ranked(untrained, split, task),
    }
    values = {name: choice_values(each, split.chosen, split.history) for name, each in lists.items()}
    baselines = {"random": means(chance_values(split.chosen, split.history))}
    baselines |= {
        name: {**means(values[name]), **exposure_metrics(each, gifts)} for name, each in lists.items()
    }
    ours = ranked(model, split, task, category_share)
    of_model = choice_values(ours, split.chosen, split.history)
    validation = task.validation
    validation_lists = ranked(model, validation, task, category_share)
    in_validation = choice_values(validation_lists, validation.chosen, validation.history)
    profiles = len(of_model["hit_at_1"])
    return {
        "profiles": profiles,
        "people": profiles,  # the old key, until version 0.2
        "validation": means(in_validation),
        "test": {**means(of_model), **exposure_metrics(ours, gifts)},
        "baselines": baselines,
        "left_out": left_out,
        "against_best": against_best(of_model, values),
    }


def ranked(model: TRM, split: Split, task: Task, category_share: float = 0.0) -> Ints:
    """The ten gifts (N, 10) that the model ranks first for each profile."""
    scores = choice_scores(model, split, task, category_share=category_share)
    return top_gifts(scores.__getitem__, split.history)


def against_best(model: Values, baselines: dict[str, Values]) -> dict[str, dict[str, Any]]:
    """Best baseline by each metric, the mean difference of the model from it, and its 95 % confidence interval.

    The bootstrap is paired: it resamples profiles with the difference of their two values (Efron and Tibshirani, "An
    introduction to the bootstrap", 1993). The best baseline is selected on the same profiles, which favours it.
    """
    best = {metric: max(baselines, key=lambda name: baselines[name][metric].mean()) for metric in model}
    differences = {metric: value - baselines[best[metric]][metric] for metric, value in model.items()}
    bounds = intervals(
        differences, lambda values: {name: value.mean(axis=-1) for name, value in values.items()}
    )
    return {
        metric: {
            "baseline": best[metric],
            "difference": float(np.mean(value)),
            "interval": bounds.get(metric),
        }
        for metric, value in differences.items()
    }
