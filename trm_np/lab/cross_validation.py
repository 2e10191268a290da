"""Cross-validation: the scenarios a model was trained on, each judged once by a model that has not seen it."""

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
    """Predictions for the scenarios `rows` by a model trained on the others, and by the baselines; and two losses."""

    rows: Ints
    model: Predictions
    baselines: dict[str, Predictions]
    training_loss: float
    held_out_loss: float


def cross_validate(
    stored: StoredModel,
    held_out: str | None,
    seeds: Sequence[int],
    done: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train and test with the settings of a stored model in 5 folds over its training scenarios, for each seed.

    A seed deals the scenarios into folds and starts five models. Each trains on four folds, with the validation
    scenarios of the `held_out` file (the shipped one if None) for early stopping, as the stored model had them, and
    is tested on the fifth, which its training has not seen; the test scenarios of the file are not used. The
    figures of a seed are those of its five test folds together: each scenario counts once. What remains optimistic:
    settings are chosen by looking at models that were trained on all these scenarios.

    `done` is called after each fold. Raises ConfigError if there are fewer scenarios than folds, DataError, Diverged.
    """
    if len(stored.scenarios) < FOLDS:
        raise ConfigError(
            f"cross-validation needs at least {FOLDS} training scenarios; the model has {len(stored.scenarios)}"
        )
    task = task_from(stored_dataset(stored, held_out), stored.config.model.gift_features)
    pooled, by_fold, baselines = [], [], []
    for seed in seeds:
        folds = []
        for fold in folds_of(stored.config, task, seed):
            folds.append(fold)
            done()
        pooled.append(judge_folds(folds, task))
        by_fold.append([judge_folds([fold], task) for fold in folds])
        baselines.append(judge_baselines(folds, task))
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


def folds_of(config: Config, task: Task, seed: int) -> Iterator[Fold]:
    """Train and test on each fold in turn."""
    for rows in deal(len(task.train), seed):
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
        said = predict(trainer.model, part.test.profiles, part)
        yield Fold(rows, said, learnt_predictions(part.test, part), *losses)


def deal(count: int, seed: int) -> list[Ints]:
    """Deal the rows 0 to count - 1 into folds that differ by at most one in size."""
    return np.array_split(np.random.default_rng(seed).permutation(count), FOLDS)


def judge_folds(folds: Sequence[Fold], task: Task) -> Metrics:
    """The metrics of the model over all scenarios of some folds, with the gap between the mean losses."""
    split, said = join(folds, [fold.model for fold in folds], task)
    sizes = [len(fold.rows) for fold in folds]
    training, held_out = (
        float(np.average([getattr(fold, name) for fold in folds], weights=sizes))
        for name in ("training_loss", "held_out_loss")
    )
    return {
        **evaluate_predictions(said, split.labels, split.profiles, task.gifts, task.implied),
        "generalization_gap": abs(training - held_out),
    }


def judge_baselines(folds: Sequence[Fold], task: Task) -> dict[str, Metrics]:
    """The metrics of each baseline over all scenarios of some folds."""
    found = {}
    for name in folds[0].baselines:
        split, said = join(folds, [fold.baselines[name] for fold in folds], task)
        found[name] = evaluate_predictions(said, split.labels, split.profiles, task.gifts, task.implied)
    return found


def join(folds: Sequence[Fold], said: Sequence[Predictions], task: Task) -> tuple[Split, Predictions]:
    """The scenarios of some folds in one split, and in its order what was said of them."""
    split = task.train.take(np.concatenate([fold.rows for fold in folds]))
    columns = [np.concatenate([getattr(part, field.name) for part in said]) for field in fields(Predictions)]
    return split, Predictions(*columns)
