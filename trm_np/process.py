"""The process that a program runs in: Ctrl-C from its first moment to its last, and the three standard streams.

Only modules that Python has loaded by then are imported here, since nothing is arranged before. That is why it is
`_signal`: `signal` takes milliseconds.
"""

import atexit
import os
import sys
from _signal import (  # type: ignore[import-not-found, unused-ignore]
    SIG_IGN,
    SIGINT,
    default_int_handler,
    getsignal,
    signal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

INTERRUPTED = 128 + SIGINT


def prepare() -> None:
    """Set up signals and streams; the first call of a program."""
    if getsignal(SIGINT) is default_int_handler:  # else it is ignored, as in the background, or another's
        signal(SIGINT, leave)
        sys.unraisablehook = leave_if_interrupted
        atexit.register(signal, SIGINT, SIG_IGN)  # what is registered first comes last: all is done by then
    fill_streams()


def leave(*_: object) -> "NoReturn":
    """End the process here and now: an exception may be swallowed, or printed, by what is being imported."""
    try:
        os.write(2, b"Error: interrupted\n")
    finally:
        os._exit(INTERRUPTED)


def interrupt(*_: object) -> "NoReturn":
    """Raise KeyboardInterrupt, so that what has begun is cleaned up; the next one ends the process."""
    signal(SIGINT, leave)
    raise KeyboardInterrupt


def leave_if_interrupted(unraisable: "Any") -> None:
    """End the process for a KeyboardInterrupt that was raised where Python drops exceptions, as in a callback."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        leave()
    sys.__unraisablehook__(unraisable)


def fill_streams() -> None:
    """Fill the places of standard streams that were closed when the process started.

    Left free, the next file opened would take one, and with it what a library prints. What is printed on stderr is
    lost; what is written to stdout fails, so that no output is lost in silence. `sys.stdin` stays None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is the one that `open` takes
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
