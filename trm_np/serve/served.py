"""The served model, and the thread that replaces it when its file changes."""

import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from trm_np import __version__
from trm_np.data.problems import DataError
from trm_np.deadline import TooLate, until
from trm_np.recommend.outputs import ModelError
from trm_np.recommend.recommender import Recommender
from trm_np.serve.forking import after_fork
from trm_np.serve.http import to_json
from trm_np.serve.log import say
from trm_np.serve.metrics import Metrics
from trm_np.serve.openapi import document
from trm_np.serve.question import LIMITS, SECONDS
from trm_np.serve.trial import TrialError, tried
from trm_np.storage.checkpoint import CheckpointError
from trm_np.systems import return_memory, set_allocator
from trm_np.text import printable

LOOK_EVERY = 1.0  # seconds
# By itself glibc gives each thread a heap of its own, which keeps what the largest model took that the thread has met.
ONE_HEAP = {"MALLOC_ARENA_MAX": (-8, 1)}
Signature = tuple[
    tuple[int, ...], ...
]  # of each file: when it was written, size, inode; none if it is not there


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model with its responses for /model, /openapi.json and /health. A request uses one snapshot throughout.

    `signature` is that of the files that it was read from.
    """

    recommender: Recommender
    description: bytes
    openapi: dict[str, Any]
    health: dict[str, str]
    signature: Signature


class ServedModel:
    """The snapshot `now` of a model file and perhaps a catalogue file; `refused` says why a newer file is not used.

    A thread looks at the files, in each process: a request never does. It has `looked` last at a time of
    `time.monotonic`; None before.
    """

    def __init__(self, path: str, catalogue: str | None, metrics: Metrics, trust: bool = False) -> None:
        """Raises CheckpointError and DataError; `trust` as in `Recommender.load`."""
        self.path = path
        self.catalogue = catalogue
        self.metrics = metrics
        self.trust = trust
        self.refused = ""
        self.looked: float | None = None
        self._requested = threading.Event()
        set_allocator(ONE_HEAP)  # too late once there are threads
        self.now = load(path, catalogue, trust)
        self._tried = self._seen = self.now.signature

    @property
    def title(self) -> str:
        """The model file, with preset and number of gifts."""
        recommender = self.now.recommender
        return printable(f"{self.path} ({recommender.stored.config.preset}, {len(recommender.gifts)} gifts)")

    def watch(self) -> None:
        """Look at the files from now on, in this process and in those forked from it."""
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        self._requested = threading.Event()
        self._tried = self.now.signature  # where another process began to load a later one, this one did not
        threading.Thread(target=self._watch, name="model", daemon=True).start()

    def reload(self) -> None:
        """Have the files loaded again, whether they have changed or not."""
        self._requested.set()

    def _watch(self) -> None:
        while True:
            requested = self._requested.wait(LOOK_EVERY)
            if requested:  # a request that comes after the wait stays for the next
                self._requested.clear()
            try:
                self.look(requested)
            except Exception as error:  # even a bug: without this thread no later file would be loaded
                self.refused = printable(f"{self.path}: {error!r}")
            self.looked = time.monotonic()

    def look(self, requested: bool = False) -> None:
        """Load the files if that is requested, or if they have changed and, since the last look, not changed again."""
        before, self._seen = self._seen, signature(self.path, self.catalogue)
        if requested or self._seen == before != self._tried:
            self._tried = self._seen
            self._load()

    def _load(self) -> None:
        try:
            digest = tried(self.path, self.catalogue, self.trust)
            found = load(self.path, self.catalogue, self.trust)
            if found.health["sha256"] != digest:
                raise CheckpointError(self.path, "has changed while it was read", "load it again")
            self.now, self.refused = found, ""
        except Exception as error:  # even a bug, which must not look like a model that was taken
            known = isinstance(error, (CheckpointError, DataError, TrialError))
            self.refused = printable(str(error) if known else f"{self.path}: {error!r}")
        return_memory()  # of the model before, and of its largest answers
        self.metrics.count_model(refused=bool(self.refused))
        if self.refused:
            say(f"Refused, and the model before it stays: {self.refused}")
        else:
            say(f"Loaded: {self.title}")


def signature(*paths: str | None) -> Signature:
    """Signs by which a change of these files is noticed."""
    return tuple(file_signature(path) for path in paths if path is not None)


def file_signature(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def try_out(recommender: Recommender, path: str) -> None:
    """Ask one question; raises CheckpointError if it has no answer in numbers, or none in time."""
    try:
        with until(time.monotonic() + SECONDS):
            recommender.try_out()
    except ModelError as error:
        raise CheckpointError(path, str(error)) from error
    except TooLate as error:
        raise CheckpointError(path, f"one question has no answer within {SECONDS:g} seconds") from error


def load(path: str, catalogue: str | None, trust: bool = False) -> Snapshot:
    """Raises CheckpointError and DataError."""
    before = signature(path, catalogue)
    recommender = Recommender.load(path, catalogue, trust)
    try_out(recommender, path)
    described = description(recommender)
    health = {"model": path, "sha256": described["sha256"], "loaded_at": described["loaded_at"]}
    openapi = document(recommender.stored.vocabulary)
    return Snapshot(recommender, to_json(described), openapi, health, before)


def description(recommender: Recommender) -> dict[str, Any]:
    """Reply of /model."""
    stored = recommender.stored
    return {
        "version": __version__,
        "preset": stored.config.preset,
        "parameters": sum(parameter.data.size for _, parameter in stored.model.named_parameters()),
        "seed": stored.header["seed"],
        "sha256": stored.sha256,
        "metrics": stored.header["metrics"],
        "vocabulary": {**stored.vocabulary.lists, "synonyms": stored.vocabulary.synonyms},
        "gifts": len(recommender.gifts),
        "currency": stored.vocabulary.money.currency,
        "loaded_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "limits": LIMITS,
        "most_steps": stored.config.model.supervision_steps,
    }
