"""Metrics of a model on held-out scenarios, beside those of the baselines and of the untrained model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from trm_np.config import Config
from trm_np.data.load import HELD_OUT_FILE, Data, Dataset, load_held_out, load_scenarios, stock_of
from trm_np.data.problems import Place
from trm_np.data.task import Split, Task, task_from
from trm_np.evaluation.baselines import (
    nearest_neighbour_predictions,
    oracle_predictions,
    popularity_predictions,
    random_metrics,
)
from trm_np.evaluation.compare_choices import evaluate_choices
from trm_np.evaluation.diagnostics import diagnose
from trm_np.evaluation.linear import linear_predictions
from trm_np.evaluation.metrics import Predictions, evaluate_predictions
from trm_np.evaluation.predict import evaluate_model, evaluation_loss
from trm_np.evaluation.ranking import ranking_figures
from trm_np.model.new import Generators, new_model
from trm_np.model.trm import TRM
from trm_np.storage.checkpoint import StoredModel

RANDOM_BASELINE_SEED = 0  # of the random baseline alone; its figures are means over its draws


def evaluate(
    model: TRM, task: Task, config: Config, seed: int, category_share: float = 0.0
) -> dict[str, dict[str, Any]]:
    """Metrics of a model on validation and test scenarios, and of the baselines on the test scenarios.

    The baseline "untrained" is the same model with the initial weights of this seed. "ranking" compares its lists with
    and without the category share. "choices" has the metrics on choices, if the test scenarios have some.
    """
    untrained = new_model(config, task, Generators.from_seed(seed))
    learnt = learnt_predictions(task.test, task)
    training_loss = evaluation_loss(model, task.train, task, config.loss)["total"]

    def evaluated(split: Split) -> dict[str, float]:
        return evaluate_model(model, split, task, config.loss, training_loss=training_loss).metrics

    metrics: dict[str, dict[str, Any]] = {
        "validation": evaluated(task.validation),
        "test": evaluated(task.test),
        "baselines": {
            **evaluate_baselines(task.test, task, learnt),
            "untrained": evaluate_model(untrained, task.test, task, config.loss)[0],
        },
    }
    if model.experience is None:
        metrics["ranking"] = ranking_figures(model, task, category_share)
    if task.test.chosen.nnz:
        rewards = learnt["linear"].predicted_reward
        metrics["choices"] = evaluate_choices(model, untrained, rewards, task, category_share)
    return metrics


def evaluate_stored(stored: StoredModel, held_out: Data | None) -> dict[str, Any]:
    """Results of `evaluate` and `diagnose` for a stored model with its own catalogue; raises DataError.

    `held_out` is a file of scenarios or the value of its JSON, None for the shipped one.
    """
    dataset = stored_dataset(stored, held_out)
    task = task_from(dataset, stored.config.model.gift_features)
    return {
        "preset": stored.config.preset,
        "recipe": stored.config.recipe,
        "test_is_validation": dataset.shares_held_out,
        "trained_on": trained_on(dataset),
        **evaluate(stored.model, task, stored.config, stored.header["seed"], stored.category_share),
        **diagnose(stored.model, task, dataset),
    }


def stored_dataset(stored: StoredModel, held_out: Data | None) -> Dataset:
    """Dataset of a stored model with the held-out scenarios of a file, None for the shipped ones; raises DataError."""
    if held_out is None and stored.vocabulary != load_scenarios()[0]:
        found = "a vocabulary other than the model's"
        raise Place(f"{HELD_OUT_FILE} (shipped)").error(found, "its own scenarios: give --held-out")
    validation, test = load_held_out(held_out, stored.vocabulary, stock_of(stored.gifts))
    return Dataset(stored.vocabulary, stored.scenarios, validation, test, stored.gifts)


def trained_on(dataset: Dataset) -> int:
    """Number of test scenarios with the profile of a training scenario."""
    seen = {scenario.profile for scenario in dataset.train}
    return sum(scenario.profile in seen for scenario in dataset.test)


def evaluate_baselines(
    split: Split, task: Task, learnt: Mapping[str, Predictions] | None = None
) -> dict[str, dict[str, float]]:
    """Metrics of the baselines: random, learned in simpler ways, and perfect predictions.

    `learnt` are the `learnt_predictions`, computed if not given.
    """
    learnt = learnt_predictions(split, task) if learnt is None else learnt
    return {
        "random": random_metrics(np.random.default_rng(RANDOM_BASELINE_SEED), split, task),
        **{name: evaluate_predictions(each, split, task) for name, each in learnt.items()},
        "oracle": evaluate_predictions(oracle_predictions(split, task), split, task),
    }


def learnt_predictions(split: Split, task: Task) -> dict[str, Predictions]:
    """Predictions for a split by the baselines that learn from the training scenarios."""
    return {
        "popularity": popularity_predictions(len(split), task),
        "nearest_neighbour": nearest_neighbour_predictions(split.profiles, task),
        "linear": linear_predictions(split.profiles, task),
    }
