"""Tests and campaigns under nohup or in the background."""

import signal


def hear_signals() -> None:
    """Let what is started from here hear the signals that this process ignores.

    An ignored signal stays ignored in new processes, one that is handled does not.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
