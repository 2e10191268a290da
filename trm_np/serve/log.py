"""Lines for the operator of the server, on stderr. A line that cannot be written is lost, and delays nothing."""

import sys
import threading
from contextlib import suppress
from typing import Any

SECONDS = 1.0  # that a line is waited for

_writing: list[threading.Thread] = []


def say(text: str, stream: Any = None) -> None:
    """Write to stderr, or another stream, from another thread: a pipe that nobody reads takes no more at some time.

    Meanwhile lines are lost.
    """
    if _writing and _writing[-1].is_alive():
        return
    thread = threading.Thread(target=_write, args=(text, stream or sys.stderr), name="log", daemon=True)
    _writing[:] = [thread]
    thread.start()
    thread.join(SECONDS)


def _write(text: str, stream: Any) -> None:
    with suppress(OSError, ValueError):  # a closed pipe, a full disk, a closed file
        print(text, file=stream, flush=True)
