"""A training run in a folder: the files that it writes, and how it resumes from them.

metrics.jsonl   one object for each epoch
best.npz        the model of the best evaluation so far
last.npz        everything that resuming needs, at each evaluation and when interrupted
previous.npz    the last.npz before, in case that one is damaged; removed at the end
summary.json    the results, at the end
curves.svg      the training curves, drawn by the command if matplotlib is there (cli/train.py)
times.jsonl     the seconds of training at the end of each epoch; all other files are reproducible
.lock           locked by the process that writes to the folder
"""

import errno
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from operator import index
from pathlib import Path
from typing import Any, Protocol

from trm_np.autograd import nn
from trm_np.autograd.ops import Array
from trm_np.config import Config, completed, flatten, switches
from trm_np.data.load import Dataset, as_json
from trm_np.data.task import Task, task_from
from trm_np.evaluation.compare import evaluate
from trm_np.evaluation.ranking import fit_category_share
from trm_np.storage.checkpoint import (
    CATEGORY_SHARE,
    Checkpoint,
    CheckpointError,
    StoredModel,
    digest,
    load_model,
    save_checkpoint,
)
from trm_np.storage.files import (
    FolderInUse,
    append_line,
    atomic_write,
    clear_temporaries,
    cut,
    keep_as,
    lock_folder,
    remove,
    require_plain,
    try_to_write,
    unlock_folder,
)
from trm_np.text import printable
from trm_np.training.conditions import conditions, differences
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.state import require_kind
from trm_np.training.stopping import EarlyStopping
from trm_np.training.trainer import Interrupted, Record, Trainer

BEST, LAST, PREVIOUS = "best.npz", "last.npz", "previous.npz"
METRICS, SUMMARY, CURVES, TIMES = "metrics.jsonl", "summary.json", "curves.svg", "times.jsonl"
FILES = (BEST, LAST, PREVIOUS, METRICS, SUMMARY, CURVES, TIMES)


class OutputError(OSError):
    """Refusal of an output folder, and the reason."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(printable(f"{folder}: cannot write there ({error.strerror})"))


class AnyTrainer(Protocol):
    """Interface of a trainer; its model is the one that is evaluated and stored."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def stopping(self) -> EarlyStopping: ...
    def epochs(self, interrupted: Callable[[], bool]) -> Iterator[Record]: ...
    def state(self) -> tuple[dict[str, Any], dict[str, Array]]: ...
    def load_state(self, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None: ...


class Stored(Protocol):
    """A file of a run, as it was read."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def header(self) -> dict[str, Any]: ...
    @property
    def arrays(self) -> dict[str, Array]: ...


class FolderRun(ABC):
    """A run of any trainer in a folder, which is locked until `train` ends.

    A new run removes the files of an earlier one when training begins. With `resume` it continues from last.npz, bit
    for bit as if it had never stopped; `warnings` name changed conditions under which bits may differ. All ranks train,
    and the first one `writes`. Raises ConfigError, CheckpointError, FolderInUse or OutputError before any change.

    `digests` identify the data. A subclass defines the other content of the files, by `write`, `load` and `finish`.
    """

    def __init__(
        self,
        trainer: AnyTrainer,
        config: Any,
        digests: dict[str, str],
        seed: int,
        folder: Path,
        resume: bool,
        ranks: Ranks = ALONE,
    ) -> None:
        self.trainer, self.config, self.digests = trainer, config, digests
        self.seed, self.folder, self.writes = seed, folder, ranks.is_first
        self.conditions = conditions(ranks.size)
        self.warnings: list[str] = []
        self.best_metrics: dict[str, float] = {}  # of the model kept, on the validation scenarios
        self.log_length = 0
        if resume and not (folder / LAST).exists():
            raise CheckpointError(folder / LAST, "no such file", "start without --resume")
        self.lock = open_folder(folder) if self.writes else None
        try:
            self.stored = self.resume() if resume else None
        except BaseException:
            self.unlock()
            raise

    @property
    def replaces(self) -> bool:
        """Whether training removes the model of an earlier run."""
        return self.stored is None and (self.folder / BEST).exists()

    @abstractmethod
    def load(self, path: Path) -> Stored:
        """Read a training file of such a run; raises CheckpointError."""

    @abstractmethod
    def write(
        self, name: str, kind: str, extra: dict[str, Any], arrays: dict[str, Any] | None = None
    ) -> None:
        """Write the trainer's model to a file of this name: a "model", or what "training" needs."""

    @abstractmethod
    def finish(self) -> dict[str, Any]:
        """Evaluate the best model once on held-out data; write best.npz and summary.json."""

    def train(
        self,
        interrupted: Callable[[], bool] = lambda: False,
        show: Callable[[Record], None] = lambda record: None,
    ) -> dict[str, Any]:
        """Train to the end and return the summary and the "seconds" it took; `show` is given each epoch's record.

        Raises Diverged, Interrupted (last.npz is saved then), WriteError. The model has its best weights
        afterwards, however the run ended.
        """
        try:
            if self.writes:
                self.begin()
            started = time.perf_counter() - seconds_before(self.folder / TIMES)
            self.run_epochs(interrupted, show, started)
            seconds = round(time.perf_counter() - started, 3)
            return {**self.finish(), "seconds": seconds}
        finally:
            self.unlock()

    def run_epochs(
        self, interrupted: Callable[[], bool], show: Callable[[Record], None], started: float
    ) -> None:
        """Train the remaining epochs, and write each one at its end."""
        try:
            for record in self.trainer.epochs(interrupted):
                seconds = round(time.perf_counter() - started, 3)
                if self.writes:
                    append_line(
                        self.folder / TIMES, json.dumps({"epoch": record["epoch"], "seconds": seconds})
                    )
                    append_line(self.folder / METRICS, json.dumps(record))
                    if "validation" in record:
                        self.save(record)
                show({**record, "seconds": seconds})
        except Interrupted:
            if self.writes:
                self.save_last()
            raise
        finally:
            self.trainer.stopping.restore(self.trainer.model)

    def begin(self) -> None:
        """Remove the files of an earlier or killed run; raises OutputError."""
        try:
            clear_temporaries(self.folder, FILES)
            remove(self.folder, [SUMMARY, CURVES] if self.stored else FILES)
            cut(self.folder / METRICS, self.log_length)
        except OSError as error:
            raise OutputError(self.folder, error) from error
        if self.stored and self.trainer.stopping.best_weights:  # best.npz may be of a later epoch, or damaged
            self.trainer.stopping.restore(self.trainer.model)
            self.save_model({"validation": self.best_metrics})
            self.trainer.model.load_state_dict(self.stored.model.state_dict())
        self.stored = None

    def unlock(self) -> None:
        if self.lock:
            unlock_folder(self.lock)
            self.lock = None

    def save(self, record: Record) -> None:
        """After an evaluation, write last.npz, and best.npz if this model is the one kept."""
        if self.trainer.stopping.state.best_epoch == record["epoch"]:
            self.best_metrics = {
                name: value for name, value in record["validation"].items() if name != "losses"
            }
            self.save_model({"validation": self.best_metrics})
        self.save_last()

    def save_model(self, metrics: dict[str, dict[str, float]]) -> None:
        best_epoch = self.trainer.stopping.state.best_epoch
        extra = {"seed": self.seed, "best_epoch": best_epoch, "metrics": metrics, **self.fitted()}
        self.write(BEST, "model", extra)

    def fitted(self) -> dict[str, Any]:
        """Values that are fitted to the current model and stored with it."""
        return {}

    def save_last(self) -> None:
        values, arrays = self.trainer.state()
        extra = {
            "seed": self.seed,
            "digests": self.digests,
            "conditions": self.conditions,
            "best_metrics": self.best_metrics,
            "log_length": (self.folder / METRICS).stat().st_size,
            "training": values,
        }
        keep_as(self.folder / LAST, self.folder / PREVIOUS)
        self.write(LAST, "training", extra, arrays)

    def resume(self) -> Stored:
        """Load the training state of last.npz; returns that file, raises CheckpointError."""
        path = self.folder / LAST
        try:
            stored = self.load(path)
        except CheckpointError as error:
            raise self.with_older_offered(error) from error
        header = stored.header
        refuse_other_run(path, header, {"seed": self.seed, **flatten(self.config)}, self.digests)
        try:
            self.trainer.load_state(header["training"], stored.arrays)
            for name, kind in (
                ("log_length", int),
                ("best_metrics", dict[str, float]),
                ("conditions", dict[str, str]),
            ):
                require_kind(name, header[name], kind)
            self.log_length, self.best_metrics = header["log_length"], header["best_metrics"]
            self.warnings = differences(header["conditions"], self.conditions)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CheckpointError(path, f"its training state is damaged ({error!r})") from error
        self.trainer.model.load_state_dict(stored.model.state_dict())
        log = self.folder / METRICS
        if not log.is_file() or self.log_length > log.stat().st_size:
            reason = f"shorter than the {self.log_length} bytes it had when {LAST} was saved"
            raise CheckpointError(log, reason, "restore it from a copy, or train again without --resume")
        return stored

    def with_older_offered(self, error: CheckpointError) -> CheckpointError:
        """The same error, with the advice to resume from the older file if that one can be read."""
        older = self.folder / PREVIOUS
        try:
            epochs = self.load(older).header["training"]["progress"]["epochs"]
        except (CheckpointError, KeyError, TypeError):
            return error
        advice = f"{older.name} beside it is whole and stands at epoch {epochs}: give it the name {LAST} and resume"
        return CheckpointError(error.path, error.reason, advice)

    def end(self, summary: dict[str, Any]) -> None:
        """Write summary.json, which marks the run as finished."""
        atomic_write(self.folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
        remove(self.folder, [PREVIOUS])


class Run(FolderRun):
    """A run that trains a recommender on a dataset."""

    trainer: Trainer

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        seed: int,
        folder: Path,
        resume: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        seed = index(seed)  # one of NumPy's is no JSON
        self.dataset = dataset.first(config.training.scenario_limit)
        self.task: Task = task_from(self.dataset, config.model.gift_features)
        digests = {
            name: digest(value)
            for name, value in {**as_json(self.dataset), "vocabulary": self.dataset.vocabulary.lists}.items()
        }
        trainer = Trainer(config, self.task, seed, ranks)
        super().__init__(trainer, trainer.config, digests, seed, folder, resume, ranks)

    def load(self, path: Path) -> StoredModel:
        return load_model(path, kind="training")

    def write(
        self, name: str, kind: str, extra: dict[str, Any], arrays: dict[str, Any] | None = None
    ) -> None:
        data = self.dataset
        content = Checkpoint(self.trainer.model, self.config, data.vocabulary, data.gifts, data.train)
        save_checkpoint(self.folder / name, kind, content, extra, arrays)

    def category_share(self) -> float:
        """Category share of the ranking, fitted to the current model."""
        return fit_category_share(self.trainer.model, self.task.validation, self.task)

    def fitted(self) -> dict[str, Any]:
        share = self.category_share()
        return {CATEGORY_SHARE: share} if share else {}

    def finish(self) -> dict[str, Any]:
        """Evaluate the best model once on the test scenarios; write best.npz and summary.json."""
        trainer = self.trainer
        results = evaluate(trainer.model, self.task, self.config, self.seed, self.category_share())
        summary = {
            "preset": self.config.preset,
            "recipe": self.config.recipe,
            "seed": self.seed,
            "parameters": sum(parameter.size for parameter in trainer.parameters),
            "epochs_run": trainer.progress.epochs,
            "best_epoch": trainer.stopping.state.best_epoch,
            "stopped_by": trainer.progress.stopped_by,
            "switches": switches(self.config),
            "settings": flatten(self.config),
            "test_is_validation": self.dataset.shares_held_out,
            **results,
        }
        if self.writes:
            self.save_model({"validation": results["validation"], "test": results["test"]})
            self.end(summary)
        return summary


def refuse_other_run(
    path: Path, header: dict[str, Any], settings: dict[str, Any], digests: dict[str, str]
) -> None:
    """Raise CheckpointError unless the stored run has these settings, by any recipe, and these data."""
    stored = {"seed": header.get("seed"), **completed(header["config"])}
    differing = [
        f"{key} is {stored[key]}, not {value}"
        for key, value in settings.items()
        if key != "recipe" and stored[key] != value
    ]
    known = header.get("digests")
    found = known if isinstance(known, dict) else {}
    differing += [f"other {name} data" for name, value in digests.items() if found.get(name) != value]
    if differing:
        more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        reason = f"cannot go on from another run: {'; '.join(differing[:3])}{more}"
        raise CheckpointError(path, reason, "resume with what it was started with, or choose another --out")


def open_folder(folder: Path) -> Any:
    """Make the folder, lock it, and check before training that it can be written; returns the lock.

    Raises FolderInUse and OutputError.
    """
    lock = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
        try_to_write(folder)
        for name in FILES:
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
        for name in (METRICS, TIMES):
            require_plain(folder / name)
    except FolderInUse:
        raise
    except OSError as error:
        if lock:
            unlock_folder(lock)
        raise OutputError(folder, error) from error
    return lock


def seconds_before(times: Path) -> float:
    """Seconds of training so far, from times.jsonl; 0 if it has none."""
    with suppress(OSError, ValueError, KeyError, IndexError, TypeError):
        if times.is_file():  # a pipe would be waited for
            return float(json.loads(times.read_bytes().splitlines()[-1])["seconds"])
    return 0.0
