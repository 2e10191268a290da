"""A disk that fails at one chosen call: `os` as the writer of files sees it, with a fault at the n-th step."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

STEPS = ("open", "write", "fsync", "close", "replace", "link", "unlink", "ftruncate", "fstat")
ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EINTR")}
FAULTS = ("crash", "short write", *ERRORS)


class Crash(BaseException):
    """The power is gone: nothing that comes afterwards happens."""


class FailingDisk:
    """The module `os`, but for call number `at`, from 0, of those that work on files; `calls` counts them."""

    def __init__(self, fault: str = "", at: int = -1) -> None:
        self.fault, self.at, self.calls, self.is_off = fault, at, 0, False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return (lambda *given: self.call(name, real, given)) if name in STEPS else real

    def call(self, name: str, real: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        if self.is_off:
            raise Crash
        self.calls += 1
        if self.calls - 1 != self.at:
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


def steps_of(work: Callable[[], object]) -> int:
    """How many calls the work makes on a sound disk."""
    disk = FailingDisk()
    with patch("trm_np.files.os", disk):
        work()
    return disk.calls


def on_failing_disk(work: Callable[[], object], fault: str, at: int) -> BaseException | None:
    """What the work raises on a disk with this fault."""
    with patch("trm_np.files.os", FailingDisk(fault, at)):
        try:
            work()
        except (OSError, Crash) as error:
            return error
    return None


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
