"""A training run in a folder: what is written there and when, and how a run goes on from it.

metrics.jsonl   one object for each epoch
best.npz        the model of the best evaluation so far
last.npz        everything that training needs to go on, at each evaluation and when interrupted
summary.json    what came of it, at the end
"""

import errno
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trm_np.checkpoint import CheckpointError, digest, load_model, save_checkpoint
from trm_np.config import Config, flatten
from trm_np.data.load import Dataset
from trm_np.data.problems import printable
from trm_np.data.task import Task, task_from
from trm_np.files import write_whole
from trm_np.judging import judge
from trm_np.parallel import ALONE, Ranks
from trm_np.summary import switches
from trm_np.train import Interrupted, Record, Trainer

BEST, LAST, METRICS, SUMMARY = "best.npz", "last.npz", "metrics.jsonl", "summary.json"


class OutputError(OSError):
    """The output folder cannot be used."""


class Run:
    """One run of a trainer on a dataset, in a folder.

    A new run takes away the files of an earlier one. With `resume` it goes on from the folder's last.npz,
    with the same bits as if it had never stopped. Of several `ranks` all train, and the first writes. Raises
    ConfigError, CheckpointError or OutputError before anything is written.
    """

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        seed: int,
        folder: Path,
        resume: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self.dataset = dataset.first(config.training.scenario_limit)
        self.task: Task = task_from(self.dataset, config.model.gift_features)
        self.seed = seed
        self.folder = folder
        self.writes = ranks.is_first
        self.trainer = Trainer(config, self.task, seed, ranks)
        log_length = self.resume() if resume else 0
        if self.writes:
            clear(folder, [SUMMARY] if resume else [BEST, LAST, METRICS, SUMMARY])
            (folder / METRICS).touch()
            os.truncate(folder / METRICS, log_length)

    def train(
        self,
        interrupted: Callable[[], bool] = lambda: False,
        show: Callable[[Record], None] = lambda record: None,
    ) -> dict[str, Any]:
        """Train to the end and return the summary; `show` is given the record of each epoch.

        Raises Diverged, Interrupted (last.npz is saved then), OSError. Whatever ended it, the model has its
        best weights afterwards.
        """
        try:
            for record in self.trainer.epochs(interrupted):
                if self.writes:
                    self.log(record)
                    if "validation" in record:
                        self.save(record)
                show(record)
        except Interrupted:
            if self.writes:
                self.save_last()
            raise
        finally:
            self.trainer.stopping.restore(self.trainer.model)
        return self.finish()

    def log(self, record: Record) -> None:
        with open(self.folder / METRICS, "a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
            log.flush()
            os.fsync(log.fileno())  # last.npz, which stores the length, must not outlive the lines

    def save(self, record: Record) -> None:
        """After an evaluation: where training stands, and the model if it is the one kept."""
        if self.trainer.stopping.state.best_epoch == record["epoch"]:
            metrics = {name: value for name, value in record["validation"].items() if name != "losses"}
            self.save_model({"validation": metrics})
        self.save_last()

    def save_model(self, metrics: dict[str, dict[str, float]]) -> None:
        best_epoch = self.trainer.stopping.state.best_epoch
        self.write(BEST, "model", {"seed": self.seed, "best_epoch": best_epoch, "metrics": metrics})

    def save_last(self) -> None:
        values, arrays = self.trainer.state()
        extra = {
            "seed": self.seed,
            "digests": self.digests(),
            "log_length": (self.folder / METRICS).stat().st_size,
            "training": values,
        }
        self.write(LAST, "training", extra, arrays)

    def write(
        self, name: str, kind: str, extra: dict[str, Any], arrays: dict[str, Any] | None = None
    ) -> None:
        data = self.dataset
        save_checkpoint(
            self.folder / name,
            kind,
            self.trainer.model,
            self.config,
            data.vocabulary,
            data.gifts,
            data.train,
            extra,
            arrays,
        )

    def digests(self) -> dict[str, str]:
        """One digest for each part of the data, to know it again."""
        return {name: digest(value) for name, value in asdict(self.dataset).items()}

    def resume(self) -> int:
        """Take up the training of last.npz; returns how long metrics.jsonl was when it was saved."""
        path = self.folder / LAST
        stored = load_model(path, kind="training")
        header = stored.header
        refuse_other_run(path, header, {"seed": self.seed, **flatten(self.config)}, self.digests())
        try:
            self.trainer.load_state(header["training"], stored.arrays)
            log_length = int(header["log_length"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(path, f"its training state is damaged ({error!r})") from error
        self.trainer.model.load_state_dict(stored.model.state_dict())
        log = self.folder / METRICS
        if not log.is_file() or not 0 <= log_length <= log.stat().st_size:
            raise CheckpointError(log, f"shorter than the {log_length} bytes it had when {LAST} was saved")
        return log_length

    def finish(self) -> dict[str, Any]:
        """Judge the best model once on the test scenarios; write best.npz and summary.json."""
        trainer = self.trainer
        judged = judge(trainer.model, self.task, self.config, self.seed)
        summary = {
            "preset": self.config.preset,
            "seed": self.seed,
            "parameters": sum(parameter.size for parameter in trainer.parameters),
            "epochs_run": trainer.progress.epochs,
            "best_epoch": trainer.stopping.state.best_epoch,
            "stopped_by": trainer.progress.stopped_by,
            "seconds": round(trainer.progress.seconds, 3),
            "switches": switches(self.config),
            "settings": flatten(self.config),
            "test_is_validation": self.dataset.shares_held_out,
            **judged,
        }
        if self.writes:
            self.save_model({"validation": judged["validation"], "test": judged["test"]})
            text = json.dumps(summary, indent=2) + "\n"
            write_whole(self.folder / SUMMARY, lambda file: file.write(text.encode()))
        return summary


def refuse_other_run(
    path: Path, header: dict[str, Any], settings: dict[str, Any], digests: dict[str, str]
) -> None:
    """Raise CheckpointError unless the stored run has these settings and these data."""
    stored = {"seed": header.get("seed"), **header["config"]}
    differing = [
        f"{key} is {stored[key]}, not {value}" for key, value in settings.items() if stored[key] != value
    ]
    known = header.get("digests")
    found = known if isinstance(known, dict) else {}
    differing += [f"other {name} data" for name, value in digests.items() if found.get(name) != value]
    if differing:
        more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        raise CheckpointError(path, f"cannot go on from another run: {'; '.join(differing[:3])}{more}")


def clear(folder: Path, names: Iterable[str]) -> None:
    """Make the folder, take these files away, and try to write there while it costs nothing.

    Raises OutputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".trial.tmp"
        trial.touch()
        trial.unlink()
        files = [folder / name for name in names]
        for file in files:
            if file.is_dir():  # before anything is taken away
                raise IsADirectoryError(errno.EISDIR, f"{file.name} is a folder")
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(printable(f"{folder}: cannot write there ({error.strerror})")) from error
