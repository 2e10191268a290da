"""Trials that one training gives the rows of, exactly.

Early stopping decides which weights are kept and when to end, and nothing that is learnt before. How often is
evaluated decides no more than that either, unless the scheduler acts on evaluations. So trials that differ in
nothing else go through the same epochs: one of them is trained, and the others only read along.
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
    """The configuration whose training all of these read: it never stops, and evaluates whenever one of them does."""
    training = configs[0].training
    if not training.plateau:
        every = reduce(gcd, (config.training.evaluate_every for config in configs))
        training = replace(training, evaluate_every=every)
    return replace(configs[0], training=replace(training, patience=None, improvement=None))


def groups(trials: Iterable[Trial]) -> list[list[int]]:
    """The places of the trials, those that go through the same epochs together, in the order of the first of each."""
    found: dict[tuple[int, Config], list[int]] = {}
    for place, trial in enumerate(trials):
        alike = leading([trial.config])
        if not alike.training.plateau:
            alike = replace(alike, training=replace(alike.training, evaluate_every=1))
        found.setdefault((trial.seed, alike), []).append(place)
    return list(found.values())


class Reader:
    """A trial that reads along: what its own evaluations are, what it keeps, and whether it has ended."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        training = trial.config.training
        self.stopping = EarlyStopping(training.patience, training.improvement)
        self.curve: list[Record] = []
        self.stopped_by = ""

    def read_start(self, trainer: Trainer) -> None:
        """The start of the training, where that is evaluated."""
        if trainer.stopping.has_kept:
            self.stopping.step(np.array(trainer.stopping.state.best_values), 0, trainer.model)

    def read(self, record: Record, trainer: Trainer) -> None:
        """An epoch of the training, of which this trial evaluates some."""
        training, epoch = self.trial.config.training, record["epoch"]
        if self.stopped_by or (epoch % training.evaluate_every and epoch != training.epochs):
            return
        self.curve.append(record)
        # The newest, since the leading one never stops.
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


def run_together(trials: Sequence[Trial], dataset: Dataset) -> list[Row]:
    """The rows of trials of one group, each as `run_trial` gives it; an error is the row of those not yet ended."""
    readers, data = [Reader(trial) for trial in trials], data_digest(dataset)
    error: Exception | None = None
    trainer = None
    try:
        keep_memory()
        config = leading([trial.config for trial in trials])
        trainer = Trainer(config, task_of(dataset, config), trials[0].seed)
        trainer.evaluate_initial_model()
        for reader in readers:
            reader.read_start(trainer)
        for record in trainer.epochs():
            if "validation" in record:
                for reader in readers:
                    reader.read(record, trainer)
            if all(reader.stopped_by for reader in readers):
                break
    except Exception as problem:
        error = problem
    return [finished_or_failed(reader, trainer, data, error) for reader in readers]


def finished_or_failed(reader: Reader, trainer: Trainer | None, data: str, error: Exception | None) -> Row:
    if trainer is None or not reader.stopped_by:
        assert error is not None
        return failed(reader.trial, data, error)
    try:
        return reader.row(trainer, data)
    except Exception as problem:
        return failed(reader.trial, data, problem)
