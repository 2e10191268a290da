"""Write files whole or not at all, append whole lines, and lock a folder so that one process writes to it at a time.

Every file that this program writes goes through this module.
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
LINK_OR_PIPE = (errno.ELOOP, errno.EMLINK, errno.ENXIO)  # errors of open for links and pipes
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)  # by a file system
TEMPORARY, NAME_KEPT = ".tmp", 50  # suffix of a temporary name, and characters of the file name in it
HOLDER_BYTES = 200  # bytes of the lock's text that are shown


class WriteError(OSError):
    """Raised if a file cannot be written. A file that was there before is unchanged. `needed` is the size in bytes."""

    def __init__(self, path: Path, needed: int, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.path, self.needed = path, needed

    def __str__(self) -> str:
        reason = self.strerror or "unknown reason"
        return printable(f"{self.path}: cannot be written ({reason}); it takes {self.needed:,} bytes")


class FolderInUse(OSError):
    """Raised if another process writes to the folder."""


def atomic_write(path: Path, *pieces: Piece, mode: int = 0o666) -> None:
    """Write the pieces one after the other as a file, whole or not at all. Raises WriteError.

    An existing file keeps its permissions and, where the system allows, its owner. A new file gets `mode`, reduced by
    the umask. A symbolic link is followed. Anything but a regular file, such as a device, is refused.

    The pieces go to a temporary file in the same folder. It is renamed once it is safe on disk. Every call uses a new
    temporary name, so if several processes write at once, the last one wins with a whole file. `clear_temporaries`
    removes what a killed process left behind.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_of(target)
    try:
        # Not `target`: /dev/stdout may lead to a pipe without a name.
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
        systems.replace(temporary, target)
        sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise WriteError(path, sum(memoryview(piece).nbytes for piece in pieces), error) from error
        raise


def file_status(path: Path) -> os.stat_result | None:
    """The status of a regular file, or `None` if there is none. Raises OSError for anything else, to protect it from
    the rename."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EEXIST, "it exists and is not a regular file")
    return status


def append_line(path: Path, line: str) -> None:
    """Append a line, whole or not at all, and make it safe on disk. Raises WriteError."""
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
    """Open a regular file in a folder that may belong to somebody else.

    Raises OSError for a link, and for anything but a regular file. Never blocks on a pipe.
    """
    try:
        descriptor = systems.open_file(path, flags, follow_link=False)
    except OSError as error:
        if error.errno in LINK_OR_PIPE:
            raise OSError(errno.EEXIST, f"{path.name} is a link or not a regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EEXIST, f"{path.name} is a link or not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_plain(path: Path) -> None:
    """Raise OSError for a link, and for anything but a regular file. The path may be free."""
    with suppress(FileNotFoundError):
        os.close(open_plain(path, os.O_RDONLY))


def write_all(descriptor: int, piece: Piece) -> None:
    """Write all bytes of a piece, in as many calls as the system needs."""
    rest = memoryview(piece).cast("B")
    while len(rest):
        rest = rest[os.write(descriptor, rest) :]


def keep_as(path: Path, older: Path) -> None:
    """Keep a file under a second name, which survives a later `atomic_write` to `path`.

    The second name is a hard link. If that fails, for example because the file system has no hard links, nothing is
    kept: writing `path` anew matters more.
    """
    temporary = temporary_of(older)
    with suppress(OSError):
        os.link(path, temporary)
        systems.replace(temporary, older)
    with suppress(OSError):
        os.unlink(temporary)


def temporary_of(path: Path) -> Path:
    """A new name in the same folder."""
    return path.with_name(f".{path.name[:NAME_KEPT]}.{os.urandom(8).hex()}{TEMPORARY}")


def is_temporary_of(name: str, of: str) -> bool:
    return name.startswith(f".{of[:NAME_KEPT]}.") and name.endswith(TEMPORARY)


def cut(path: Path, length: int) -> None:
    """Truncate a file to `length` bytes, or create an empty one. Raises WriteError."""
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
    """Remove those of these files that exist. Raises OSError."""
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(folder / name)


def clear_temporaries(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files of these names that a killed process left behind. Raises OSError."""
    of = tuple(names)
    remove(folder, [each for each in os.listdir(folder) if any(is_temporary_of(each, name) for name in of)])


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power failure."""
    descriptor = systems.open_folder(folder)
    if descriptor is not None:
        try:
            make_safe(descriptor)
        finally:
            os.close(descriptor)


def make_safe(descriptor: int) -> None:
    """Flush an open file or folder to the disk. Raises OSError; on a file system without fsync it only warns."""
    try:
        systems.sync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn_once("this file system cannot flush files to disk (fsync): a power failure may damage them")


@cache
def warn_once(what: str) -> None:
    """Print a warning once per process."""
    with suppress(OSError, ValueError, AttributeError):
        print(f"Warning: {what}", file=sys.stderr, flush=True)


def try_to_write(folder: Path) -> None:
    """Write a trial file into a folder and remove it. Raises OSError."""
    try:
        atomic_write(folder / TRIAL, bytes(4096))
    finally:
        remove(folder, [TRIAL])


def lock_folder(folder: Path) -> Any:
    """Lock a folder against other writers until the process ends or the returned file is closed.

    The system frees the lock however the process ends. Raises FolderInUse, which names the holder, and OSError.
    """
    import socket

    descriptor = open_plain(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    file = os.fdopen(descriptor, "a+b", buffering=0)  # open as long as the lock is held
    try:
        try:
            systems.lock(descriptor)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            warn_once("this file system cannot lock the folder (flock): make sure that only one run uses it")
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
    """Release the lock that `lock_folder` returned."""
    with suppress(OSError):
        lock.truncate(0)
    lock.close()
