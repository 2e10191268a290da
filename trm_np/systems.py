"""Calls that differ between operating systems, each in its POSIX form and in that of Windows.

What a system lacks is found by looking for it, not by the system's name. docs/reliability.md says what becomes of each
promise where a call is missing.
"""

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Without these flags Windows translates ends of lines, and lets other programs inherit open files.
AS_BYTES = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # without it `open` waits for the other end of a named pipe
RETRIES = (0.01, 0.03, 0.1, 0.3, 1.0)  # seconds to wait before the next attempt to replace a file
LOCKED_BYTE = 2**30  # far behind what is written there: Windows lets nobody read a byte that is locked


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o666, follow_link: bool = True) -> int:
    """Open a file as bytes, whatever it is, without waiting; raises OSError, with ELOOP for a link not to be followed.

    Without O_NOFOLLOW the link is looked for before: another one that comes in between is followed.
    """
    if not follow_link and not NO_LINK and os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
    try:
        return os.open(path, flags | AS_BYTES | NO_WAIT | (0 if follow_link else NO_LINK), mode)
    except PermissionError as error:  # of Windows for a folder
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path)) from error
        raise


def sync(descriptor: int) -> None:
    """Have the system write an open file to the disk; raises OSError. macOS has a call of its own that goes so far."""
    try:
        from fcntl import F_FULLFSYNC, fcntl  # type: ignore[attr-defined, unused-ignore]
    except ImportError:
        os.fsync(descriptor)
        return
    try:
        fcntl(descriptor, F_FULLFSYNC)
    except OSError:  # a file system that lacks it
        os.fsync(descriptor)


def open_folder(folder: Path) -> int | None:
    """Open a folder to `sync` it; None on Windows, where a folder cannot be flushed."""
    return None if hasattr(os, "O_BINARY") else os.open(folder, os.O_RDONLY)


def replace(source: Path, target: Path) -> None:
    """Rename a file, over another one if there is one; raises OSError.

    Windows refuses to replace a file that another program, such as a virus scanner, has open at this moment.
    """
    for wait in RETRIES:
        try:
            return os.replace(source, target)
        except PermissionError:
            if not hasattr(os, "O_BINARY"):
                raise
            time.sleep(wait)
    os.replace(source, target)


def is_closed_pipe(error: OSError) -> bool:
    """Whether a pipe has lost its reader, which Windows also reports as EINVAL."""
    if isinstance(error, BrokenPipeError):
        return True
    nameless = type(error) is OSError and error.filename is None
    return nameless and error.errno == errno.EINVAL and hasattr(os, "O_BINARY")


def give_owner_and_permissions(descriptor: int, status: os.stat_result) -> None:
    """Give an open file the owner, as far as the system allows, and the permissions of another one."""
    now = os.fstat(descriptor)
    if hasattr(os, "fchown") and (now.st_uid, now.st_gid) != (status.st_uid, status.st_gid):
        with suppress(OSError):
            os.fchown(descriptor, status.st_uid, status.st_gid)
    mode = stat.S_IMODE(status.st_mode)
    if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)


def lock(descriptor: int) -> None:
    """Lock a file until it is closed or the process ends; raises BlockingIOError if another has it, and OSError."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except PermissionError as error:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[attr-defined, unused-ignore]


def limit(memory: int | None, seconds: int) -> None:
    """Limit this process to so many bytes of data and seconds of a processor; nothing where there are no such limits.

    More of one is a MemoryError, more of the other a signal that ends it.
    """
    try:
        import resource
    except ImportError:
        return
    limits: Any = resource  # which a type checker on Windows finds empty
    for kind, most in ((getattr(limits, "RLIMIT_DATA", None), memory), (limits.RLIMIT_CPU, seconds)):
        if kind is not None and most is not None:
            hard = limits.getrlimit(kind)[1]
            limits.setrlimit(kind, (most if hard == limits.RLIM_INFINITY else min(most, hard), hard))


def of_allocator(name: str) -> Any:
    """A function of glibc's allocator (malloc.h), or None where there is none of that name."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # which a Python that was built without libffi lacks

        return getattr(ctypes.CDLL(None), name)
    except (ImportError, OSError, AttributeError):
        return None


def set_allocator(settings: Mapping[str, tuple[int, int]]) -> bool:
    """Set parameters of glibc's allocator; returns whether that is possible (Linux with glibc).

    Each setting is a parameter of mallopt and its value, by the environment variable that sets the same. Variables that
    the user has set take precedence.
    """
    mallopt = of_allocator("mallopt")
    if mallopt is None:
        return False
    return all(mallopt(*setting) == 1 for name, setting in settings.items() if name not in os.environ)


def return_memory() -> None:
    """Give memory that is free back to the system, where the allocator can (Linux with glibc)."""
    malloc_trim = of_allocator("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def most_files() -> int | None:
    """Number of files that this process may have open at a time; None where that is not known."""
    try:
        import resource
    except ImportError:
        return None
    limits: Any = resource
    most = limits.getrlimit(limits.RLIMIT_NOFILE)[0]
    return None if most == limits.RLIM_INFINITY else int(most)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Within, processes that are started ignore Ctrl-C, on systems where a process can hand that on."""
    import signal

    signals: Any = signal
    if not hasattr(signals, "pthread_sigmask"):
        yield
        return
    before = signals.pthread_sigmask(signals.SIG_BLOCK, {signals.SIGINT})
    try:
        yield
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)
