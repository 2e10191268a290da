"""Cross-validation over the training scenarios of a model. Each is tested once, by a model that has not seen it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import Any

import numpy as np

from trm_np.config import Config, ConfigError
from trm_np.data.tables import Ints
from trm_np.data.task import Split, Task, task_from
from trm_np.evaluation.compare import learnt_predictions, stored_dataset
from trm_np.evaluation.metrics import Predictions, evaluate_predictions
from trm_np.evaluation.predict import evaluation_loss, predict
from trm_np.storage.checkpoint import StoredModel
from trm_np.training.trainer import Trainer

FOLDS = 5

Metrics = dict[str, float]


@dataclass(frozen=True, eq=False)
class Fold:
    """Predictions for the scenarios `rows` by a model trained on the others and by the baselines, and two losses."""

    rows: Ints
    model: Predictions
    baselines: dict[str, Predictions]
    training_loss: float
    held_out_loss: float


def cross_validate(
    stored: StoredModel, held_out: str | None, seeds: Sequence[int], done: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Cross-validate the settings of a stored model in 5 folds over its training scenarios, for each seed.

    A seed shuffles the scenarios into folds and starts five models. Each model trains on four folds and is tested on
    the fifth. Early stopping uses the validation scenarios of the `held_out` file (`None` is the shipped one). Its
    test scenarios are not used. The metrics of a seed pool its five test folds, so each scenario counts once. The
    result is slightly optimistic, because the settings were chosen with models trained on all these scenarios.

    `done` is called after each fold. Raises ConfigError if there are fewer scenarios than folds, DataError and
    Diverged.
    """
    if len(stored.scenarios) < FOLDS:
        raise ConfigError(
            f"cross-validation needs at least {FOLDS} training scenarios; the model has {len(stored.scenarios)}"
        )
    task = task_from(stored_dataset(stored, held_out), stored.config.model.gift_features)
    pooled, by_fold, baselines = [], [], []
    for seed in seeds:
        folds = []
        for fold in train_folds(stored.config, task, seed):
            folds.append(fold)
            done()
        pooled.append(fold_metrics(folds, task))
        by_fold.append([fold_metrics([fold], task) for fold in folds])
        baselines.append(baseline_metrics(folds, task))
    return {
        "preset": stored.config.preset,
        "scenarios": len(task.train),
        "folds": FOLDS,
        "seeds": list(seeds),
        "pooled": pooled,
        "by_fold": by_fold,
        "baselines": {
            name: {metric: mean(each[name][metric] for each in baselines) for metric in baselines[0][name]}
            for name in baselines[0]
        },
    }


def train_folds(config: Config, task: Task, seed: int) -> Iterator[Fold]:
    """Train and test on each fold in turn."""
    for rows in shuffled_folds(len(task.train), seed):
        rest = np.setdiff1d(np.arange(len(task.train)), rows)
        part = replace(task, train=task.train.take(rest), test=task.train.take(rows))
        trainer = Trainer(config, part, seed)
        for _ in trainer.epochs():
            pass
        trainer.stopping.restore(trainer.model)
        losses = [
            evaluation_loss(trainer.model, split, part, config.loss)["total"]
            for split in (part.train, part.test)
        ]
        predictions = predict(trainer.model, part.test.profiles, part)
        yield Fold(rows, predictions, learnt_predictions(part.test, part), *losses)


def shuffled_folds(count: int, seed: int) -> list[Ints]:
    """Shuffle the rows 0 to count - 1 into folds whose sizes differ by at most one."""
    return np.array_split(np.random.default_rng(seed).permutation(count), FOLDS)


def fold_metrics(folds: Sequence[Fold], task: Task) -> Metrics:
    """The metrics of the model over all scenarios of some folds, and the gap between the mean losses."""
    split, predictions = join(folds, [fold.model for fold in folds], task)
    sizes = [len(fold.rows) for fold in folds]
    training, held_out = (
        float(np.average([getattr(fold, name) for fold in folds], weights=sizes))
        for name in ("training_loss", "held_out_loss")
    )
    return {
        **evaluate_predictions(predictions, split, task),
        "generalization_gap": abs(training - held_out),
    }


def baseline_metrics(folds: Sequence[Fold], task: Task) -> dict[str, Metrics]:
    """The metrics of each baseline over all scenarios of some folds."""
    metrics = {}
    for name in folds[0].baselines:
        split, joined = join(folds, [fold.baselines[name] for fold in folds], task)
        metrics[name] = evaluate_predictions(joined, split, task)
    return metrics


def join(folds: Sequence[Fold], parts: Sequence[Predictions], task: Task) -> tuple[Split, Predictions]:
    """The scenarios of some folds as one split, and their predictions in the same order."""
    split = task.train.take(np.concatenate([fold.rows for fold in folds]))
    columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Predictions)]
    return split, Predictions(*columns)
