"""Files written whole or not at all, lines appended whole, and a folder that one process writes at a time.

Every file that this program writes goes through here.
"""

import errno
import os
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from trm_np import systems
from trm_np.text import printable

Piece = bytes | memoryview
LOCK, TRIAL = ".lock", ".trial"
OF_LINKS_AND_PIPES = (errno.ELOOP, errno.EMLINK, errno.ENXIO)  # what open says of them
CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)  # of file systems
TEMPORARY, NAME_KEPT = ".tmp", 50  # how a temporary name ends, and characters of the file's in it
HOLDER_BYTES = 200  # of the lock's text that are shown


class WriteError(OSError):
    """A file could not be written; what was there before is there still. `needed` is its size in bytes."""

    def __init__(self, path: Path, needed: int, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.path, self.needed = path, needed

    def __str__(self) -> str:
        reason = self.strerror or "unknown reason"
        return printable(f"{self.path}: cannot be written ({reason}); it takes {self.needed:,} bytes")


class FolderInUse(OSError):
    """Another process writes to the folder."""


def atomic_write(path: Path, *pieces: Piece, mode: int = 0o666) -> None:
    """Write the pieces one after the other as a file: all of them, or what was there stays. Raises WriteError.

    A file that is there keeps its permissions and, where the system allows, its owner; `mode` are those of a new
    one, of which the umask takes some. A symbolic link is followed. Anything but a file, such as a device, is
    refused.

    They go to a temporary file beside it, which takes its name once it is safe on disk. It is new each time, so that of
    several that write at once the last one wins, whole; `clear_temporaries` takes away what a killed process left.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_of(target)
    try:
        # Of what `path` leads to, also where that has no name, as a pipe at /dev/stdout.
        before = file_status(path)
        first = stat.S_IMODE(before.st_mode) | stat.S_IWUSR if before else mode
        descriptor = systems.open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, first)
        try:
            for piece in pieces:
                write_all(descriptor, piece)
            if before:
                systems.give_owner_and_permissions(descriptor, before)
            make_safe(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
        sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise WriteError(path, sum(memoryview(piece).nbytes for piece in pieces), error) from error
        raise


def file_status(path: Path) -> os.stat_result | None:
    """The status of a file, None where nothing is; raises OSError for anything else, which a rename would replace."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EEXIST, "it is there and is no file")
    return status


def append_line(path: Path, line: str) -> None:
    """Append a line, all of it or nothing, and make it safe on disk; raises WriteError."""
    data = line.encode() + b"\n"
    try:
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            length = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, data)
                make_safe(descriptor)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(descriptor, length)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise WriteError(path, len(data), error) from error


def open_plain(path: Path, flags: int) -> int:
    """Open a file of a folder that may be another's: no link is followed, and nothing but a file opened.

    A pipe is not waited for. Raises OSError.
    """
    try:
        descriptor = systems.open_file(path, flags, follow_link=False)
    except OSError as error:
        if error.errno in OF_LINKS_AND_PIPES:
            raise OSError(errno.EEXIST, f"{path.name} is a link, or no file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EEXIST, f"{path.name} is a link, or no file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_plain(path: Path) -> None:
    """Raise OSError for a link, or for what is no file; nothing may be there."""
    with suppress(FileNotFoundError):
        os.close(open_plain(path, os.O_RDONLY))


def write_all(descriptor: int, piece: Piece) -> None:
    """All bytes of a piece, in as many writes as the system takes."""
    rest = memoryview(piece).cast("B")
    while len(rest):
        rest = rest[os.write(descriptor, rest) :]


def keep_as(path: Path, older: Path) -> None:
    """Keep the file, if it is there, under another name too, which a later `atomic_write` of `path` leaves alone.

    Nothing is copied, so it takes a file system with hard links; on another, and where it fails, nothing is kept:
    that is no reason not to write `path` anew.
    """
    temporary = temporary_of(older)
    with suppress(OSError):
        os.link(path, temporary)
        os.replace(temporary, older)
    with suppress(OSError):
        os.unlink(temporary)


def temporary_of(path: Path) -> Path:
    """A name beside it that is not in use."""
    return path.with_name(f".{path.name[:NAME_KEPT]}.{os.urandom(8).hex()}{TEMPORARY}")


def is_temporary_of(name: str, of: str) -> bool:
    return name.startswith(f".{of[:NAME_KEPT]}.") and name.endswith(TEMPORARY)


def cut(path: Path, length: int) -> None:
    """Cut the file back to so many bytes, and make an empty one where there is none; raises WriteError."""
    try:
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT)
        try:
            os.ftruncate(descriptor, length)
            make_safe(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise WriteError(path, length, error) from error


def remove(folder: Path, names: Iterable[str]) -> None:
    """Take away those of these files that are there; raises OSError."""
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(folder / name)


def clear_temporaries(folder: Path, names: Iterable[str]) -> None:
    """Take away what a killed process left of these files; raises OSError."""
    of = tuple(names)
    remove(folder, [each for each in os.listdir(folder) if any(is_temporary_of(each, name) for name in of)])


def sync_folder(folder: Path) -> None:
    """Make what was renamed in the folder last through a power cut."""
    descriptor = systems.open_folder(folder)
    if descriptor is not None:
        try:
            make_safe(descriptor)
        finally:
            os.close(descriptor)


def make_safe(descriptor: int) -> None:
    """Have the system write an open file or folder to the disk; raises OSError, but not where it cannot do such."""
    try:
        systems.sync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        warn_once("files are not made safe on disk here (fsync): they are whole unless the power goes")


@cache
def warn_once(what: str) -> None:
    """Say what this file system cannot do, the first time."""
    with suppress(OSError, ValueError, AttributeError):
        print(f"Warning: {what}", file=sys.stderr, flush=True)


def try_to_write(folder: Path) -> None:
    """Write a trial file into the folder and take it away; raises OSError."""
    try:
        atomic_write(folder / TRIAL, bytes(4096))
    finally:
        remove(folder, [TRIAL])


def lock_folder(folder: Path) -> Any:
    """Lock the folder against another writer until the process ends or the returned file is closed.

    The system frees the lock however the holder ends. Raises FolderInUse, which names the holder, and OSError.
    """
    import socket

    descriptor = open_plain(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    file = os.fdopen(descriptor, "a+b", buffering=0)  # as long as the lock is held
    try:
        try:
            systems.lock(descriptor)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
            warn_once(
                "this folder cannot be locked (flock): see yourself that one run at a time writes to it"
            )
        file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode())
        return file
    except BlockingIOError:
        file.seek(0)
        holder = file.read(HOLDER_BYTES).decode(errors="replace").strip() or "another process"
        file.close()
        raise FolderInUse(
            printable(f"{folder}: in use by {holder}; wait for it, or choose another --out")
        ) from None
    except BaseException:
        file.close()
        raise


def unlock_folder(lock: Any) -> None:
    """Free what `lock_folder` returned."""
    with suppress(OSError):
        lock.truncate(0)
    lock.close()
