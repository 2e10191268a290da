"""A disk that fails at one chosen call: `os` as writing a file sees it, with a fault at the n-th step."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.training.small_run import new_run, small
from trm_np import systems
from trm_np.storage.files import WriteError, clear_temporaries
from trm_np.training.run import FILES
from trm_np.training.trainer import Record

STEPS = (
    *("open", "write", "fsync", "close", "replace", "link", "unlink", "ftruncate"),
    *("stat", "fstat", "fchmod", "fchown"),
)
ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EINTR")}
FAULTS = ("crash", "short write", *ERRORS)
LACKING = {
    "fsync": errno.EINVAL,
    "link": errno.EPERM,
    "lock": errno.ENOLCK,
}  # what some network disks cannot do

SETTINGS = {
    "training__epochs": 3,
    "training__evaluate_every": 1,
    "training__batch_size": 25,
    "training__improvement": 0,
}


class Crash(BaseException):
    """The power is gone: nothing that comes afterwards happens."""


class FailingDisk:
    """The module `os`, but for call number `at`, from 0, of those that work on files; `calls` counts them by name.

    A `poor` disk has none of the calls in LACKING.
    """

    def __init__(self, fault: str = "", at: int = -1, poor: bool = False) -> None:
        self.fault, self.at, self.poor = fault, at, poor
        self.calls, self.is_off = Counter[str](), False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return (lambda *given: self.call(name, real, given)) if name in STEPS else real

    def call(self, name: str, real: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        if self.is_off:
            raise Crash
        step = self.calls.total()
        self.calls[name] += 1
        if self.poor and name in LACKING:
            raise OSError(LACKING[name], os.strerror(LACKING[name]))
        if step != self.at:
            return real(*given)
        if name == "close":  # as Linux does it: an error of close is told once the file is closed
            real(*given)
        if name == "write":  # half of it arrives
            half = real(given[0], given[1][: len(given[1]) // 2])
            if self.fault == "short write":
                return half
        if self.fault == "crash":
            self.is_off = True
            raise Crash
        if self.fault == "short write":
            return None if name == "close" else real(*given)
        raise OSError(ERRORS[self.fault], os.strerror(ERRORS[self.fault]))


@contextmanager
def on_disk(disk: FailingDisk) -> Iterator[FailingDisk]:
    """Within, files are written to this disk."""
    lock = partial(disk.call, "lock", systems.lock)
    with (
        patch("trm_np.storage.files.os", disk),
        patch("trm_np.systems.os", disk),
        patch("trm_np.systems.lock", lambda descriptor: lock((descriptor,))),
    ):
        yield disk


def steps_of(work: Callable[[], object], poor: bool = False) -> Counter[str]:
    """Number of calls that the work makes on a disk without a fault, by name."""
    with on_disk(FailingDisk(poor=poor)) as disk:
        work()
    return disk.calls


def on_failing_disk(
    work: Callable[[], object], fault: str, at: int, poor: bool = False
) -> BaseException | None:
    """Do the work on a disk with this fault; return the exception that it raises."""
    with on_disk(FailingDisk(fault, at, poor)):
        try:
            work()
        except (OSError, Crash) as error:
            return error
    return None


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def trials(work: Callable[[], object], every: int = 1, poor: bool = False) -> Iterator[tuple[str, int]]:
    """Every fault at each step of the work, or at each `every`-th step."""
    return ((fault, step) for fault in FAULTS for step in range(0, steps_of(work, poor).total(), every))


class Evaluated:
    """A run after its second evaluation, which is not saved yet, and its folder `before` and `after` it is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, folder.with_name(folder.name + " kept")
        self.run = new_run(folder, small(**SETTINGS))
        epochs = iter(self.run.trainer.epochs())
        self.run.begin()
        self.run.save(next(epochs))
        self.record: Record = next(epochs)
        shutil.copytree(folder, self.kept)
        self.run.unlock()
        self.before = content(folder)
        self.save()
        self.after = content(folder)

    def save(self) -> None:
        self.run.save(self.record)

    def check(self, fault: str, at: int, poor: bool = False) -> None:
        """Save on a failing disk: each file is the old or the new one, none is left over, and the error says enough."""
        for path in self.folder.iterdir():
            path.unlink()
        shutil.copytree(self.kept, self.folder, dirs_exist_ok=True)
        raised = on_failing_disk(self.save, fault, at, poor)
        if fault == "crash":
            clear_temporaries(self.folder, FILES)  # which the next start does
        found, before, after = content(self.folder), self.before, self.after
        assert found.keys() <= after.keys(), (fault, at)
        for name in ("best.npz", "last.npz"):
            assert found[name] in (before[name], after[name]), (fault, at, name)
        assert found.get("previous.npz", before["last.npz"]) == before["last.npz"], (fault, at)
        if isinstance(raised, WriteError):
            assert raised.needed == len(after[raised.path.name]), (fault, at)
        elif raised is None:
            assert (found["best.npz"], found["last.npz"]) == (after["best.npz"], after["last.npz"]), (
                fault,
                at,
            )
