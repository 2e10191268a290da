"""Windows as far as it can be had elsewhere, for a run of tests: `python -m pytest -p tests.windows tests/storage`.

Every module of trm_np that is imported afterwards finds `os`, `signal` and the others as on Windows: what that lacks is
gone, what differs there differs. The tests, Python's library and all other packages see the system as it is.
"""

import builtins
import errno
import fcntl
import io
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

O_BINARY, O_TEXT, O_NOINHERIT = 1 << 26, 1 << 27, 1 << 28  # bits that the real `open` does not know
FLAGS = ("O_APPEND", "O_CREAT", "O_EXCL", "O_RDONLY", "O_RDWR", "O_TRUNC", "O_WRONLY")
SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
ABSENT = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "_posixsubprocess"}
# Of `os` in Python's documentation "Availability: Windows", as far as a program of this kind could use it.
OF_OS = """
    F_OK R_OK SEEK_CUR SEEK_END SEEK_SET W_OK X_OK PathLike DirEntry _exit abort access altsep chdir chmod close
    cpu_count curdir devnull dup dup2 environ error extsep fdopen fsdecode fsencode fspath fstat fsync ftruncate
    get_exec_path get_inheritable get_terminal_size getcwd getenv getlogin getpid getppid isatty kill linesep
    link listdir lseek lstat makedirs mkdir name open pardir path pathsep pipe putenv read readlink remove
    removedirs rename renames replace rmdir scandir sep set_inheritable stat stat_result strerror symlink
    terminal_size times truncate umask unlink unsetenv urandom utime waitpid walk write
""".split()  # noqa: SIM905  # a list of 85 lines is no easier to read


class AsOnWindows(ModuleType):
    """A module with these names of another one, and these of its own."""

    def __init__(self, like: ModuleType, names: "list[str]", own: Mapping[str, Any]) -> None:
        super().__init__(like.__name__)
        vars(self).update({name: getattr(like, name) for name in names if hasattr(like, name)} | dict(own))


as_text: set[int] = set()  # open descriptors whose ends of lines are translated


def open_(path: Any, flags: int, mode: int = 0o777) -> int:
    if flags & ~(O_BINARY | O_TEXT | O_NOINHERIT | sum(getattr(os, name) for name in FLAGS)):
        raise OSError(errno.EINVAL, "flags that Windows does not have")
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "a folder cannot be opened")
    descriptor = os.open(path, flags & ~(O_BINARY | O_TEXT | O_NOINHERIT), mode)
    (as_text.discard if flags & O_BINARY else as_text.add)(descriptor)
    return descriptor


def write(descriptor: int, data: Any) -> int:
    if descriptor in as_text:
        os.write(descriptor, bytes(data).replace(b"\n", b"\r\n"))
        return len(data)
    return os.write(descriptor, data)


def close(descriptor: int) -> None:
    as_text.discard(descriptor)
    os.close(descriptor)


def require_closed(path: Any) -> None:
    """Raise PermissionError for a file that this process has open."""
    for each in os.listdir("/proc/self/fd"):
        try:
            if os.path.samefile(f"/proc/self/fd/{each}", path):
                raise PermissionError(
                    errno.EACCES, "a file that is open cannot be renamed, replaced or removed"
                )
        except FileNotFoundError:
            continue


def rename(source: Any, target: Any) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "the target exists")
    require_closed(source)
    os.rename(source, target)


def replace(source: Any, target: Any) -> None:
    require_closed(source)
    require_closed(target)
    os.replace(source, target)


def unlink(path: Any) -> None:
    require_closed(path)
    os.unlink(path)


def handle(number: int, handler: Any) -> Any:
    if number not in [getattr(signal, name) for name in SIGNALS]:
        raise ValueError("signal number not on Windows")
    return signal.signal(number, handler)


def locking(descriptor: int, mode: int, count: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "locked by another") from None


class FileIO(io.FileIO):
    """An open file; one whose ends of lines are translated is not what a program of this kind means."""

    def __init__(self, file: Any, *arguments: Any, **named: Any) -> None:
        if file in as_text:
            raise OSError("read as text: give it O_BINARY")
        super().__init__(file, *arguments, **named)


def only_spawn(method: "str | None" = None) -> Any:
    if method not in (None, "spawn"):
        raise ValueError(f"cannot find context for {method!r}")
    return multiprocessing.get_context("spawn")


OF_SIGNAL = [
    *SIGNALS,
    "SIG_DFL",
    "SIG_IGN",
    "Handlers",
    "Signals",
    "default_int_handler",
    "getsignal",
    "raise_signal",
]
MODULES: dict[str, ModuleType] = {
    "os": AsOnWindows(
        os,
        [*OF_OS, *FLAGS],
        {
            **{"O_BINARY": O_BINARY, "O_TEXT": O_TEXT, "O_NOINHERIT": O_NOINHERIT},
            **{"open": open_, "write": write, "close": close, "rename": rename, "replace": replace},
            **{"unlink": unlink, "remove": unlink},
        },
    ),
    "signal": AsOnWindows(signal, OF_SIGNAL, {"SIGBREAK": 21, "signal": handle}),
    "_signal": AsOnWindows(signal, OF_SIGNAL, {"SIGBREAK": 21, "signal": handle}),
    "msvcrt": AsOnWindows(os, [], {"LK_NBLCK": 2, "locking": locking}),
    "io": AsOnWindows(io, dir(io), {"FileIO": FileIO}),
    "multiprocessing": AsOnWindows(
        multiprocessing,
        dir(multiprocessing),
        {"get_context": only_spawn, "get_all_start_methods": lambda: ["spawn"]},
    ),
}
real_import = builtins.__import__


def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """Import, for a module of trm_np, what Windows would give it."""
    if level == 0 and globals and str(globals.get("__name__", "")).startswith("trm_np"):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in MODULES:
            return MODULES[name]
    return real_import(name, globals, locals, fromlist, level)


if any(name.startswith("trm_np.") for name in sys.modules):
    raise RuntimeError("modules of trm_np are loaded already: they see the system as it is")
builtins.__import__ = import_
# With -X warn_default_encoding: an encoding that is not stated would be cp1252.
warnings.filterwarnings("error", category=EncodingWarning, module=r"trm_np\b")
