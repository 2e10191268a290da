"""Train several trials together whose epochs are the same. The rows are exactly those of separate training.

Early stopping decides when training ends and which weights are kept. It does not change the epochs before. Nor does the
frequency of evaluation, unless the learning rate scheduler acts on evaluations. So trials that differ in nothing else
share their epochs. One configuration is trained, and every trial follows its evaluations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from math import gcd

import numpy as np

from trm_np.config import Config
from trm_np.data.load import Dataset
from trm_np.lab.trial import Row, Trial, data_digest, failed, row_of, task_of
from trm_np.training.allocator import keep_memory
from trm_np.training.stopping import EarlyStopping
from trm_np.training.trainer import Record, Trainer


def leading(configs: Sequence[Config]) -> Config:
    """The configuration to train for these trials. It never stops early, and evaluates whenever one of them does."""
    training = configs[0].training
    if not training.plateau:
        every = reduce(gcd, (config.training.evaluate_every for config in configs))
        training = replace(training, evaluate_every=every)
    return replace(configs[0], training=replace(training, patience=None, improvement=None))


def groups(trials: Iterable[Trial[Config]]) -> list[list[int]]:
    """Group the indices of trials that have the same epochs, in the order of the first of each group."""
    found: dict[tuple[int, Config], list[int]] = {}
    for place, trial in enumerate(trials):
        alike = leading([trial.config])
        if not alike.training.plateau:
            alike = replace(alike, training=replace(alike.training, evaluate_every=1))
        found.setdefault((trial.seed, alike), []).append(place)
    return list(found.values())


class Follower:
    """A trial that follows the training: its own evaluations, the weights it keeps, and whether it has ended."""

    def __init__(self, trial: Trial[Config]) -> None:
        self.trial = trial
        training = trial.config.training
        self.stopping = EarlyStopping(training.patience, training.improvement)
        self.curve: list[Record] = []
        self.stopped_by = ""

    def follow_start(self, trainer: Trainer) -> None:
        """Take over the evaluation before the first epoch, if there is one."""
        if trainer.stopping.has_kept:
            self.stopping.step(np.array(trainer.stopping.state.best_values), 0, trainer.model)

    def follow(self, record: Record, trainer: Trainer) -> None:
        """Take over the evaluation of an epoch, if this trial would evaluate it."""
        training, epoch = self.trial.config.training, record["epoch"]
        if self.stopped_by or (epoch % training.evaluate_every and epoch != training.epochs):
            return
        self.curve.append(record)
        # The best values of the leading training are the newest, since it never stops.
        quality = np.array(trainer.stopping.state.best_values)
        stop = self.stopping.step(quality, epoch, trainer.model)
        self.stopped_by = "epochs" if epoch == training.epochs else "early_stopping" if stop else ""

    def row(self, trainer: Trainer, data: str) -> Row:
        self.stopping.restore(trainer.model)
        ended = {
            "epochs_run": self.curve[-1]["epoch"],
            "best_epoch": self.stopping.state.best_epoch,
            "stopped_by": self.stopped_by,
        }
        return row_of(self.trial, data, trainer, ended, self.curve)


def run_together(trials: Sequence[Trial[Config]], dataset: Dataset) -> list[Row]:
    """The rows of the trials of one group, as if trained separately. After an error, the unfinished ones fail."""
    followers, data = [Follower(trial) for trial in trials], data_digest(dataset)
    error: Exception | None = None
    trainer = None
    try:
        keep_memory()
        config = leading([trial.config for trial in trials])
        trainer = Trainer(config, task_of(dataset, config), trials[0].seed)
        trainer.evaluate_initial_model()
        for follower in followers:
            follower.follow_start(trainer)
        for record in trainer.epochs():
            if "validation" in record:
                for follower in followers:
                    follower.follow(record, trainer)
            if all(follower.stopped_by for follower in followers):
                break
    except Exception as problem:
        error = problem
    return [finished_or_failed(follower, trainer, data, error) for follower in followers]


def finished_or_failed(
    follower: Follower, trainer: Trainer | None, data: str, error: Exception | None
) -> Row:
    if trainer is None or not follower.stopped_by:
        assert error is not None
        return failed(follower.trial, data, error)
    try:
        return follower.row(trainer, data)
    except Exception as problem:
        return failed(follower.trial, data, problem)
