"""Signals that a command handles itself for a while, and those that nobody asked it to handle."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from trm_np.process import interrupt, leave

Handler = Callable[[int, FrameType | None], Any]

HANG_UP = getattr(signal, "SIGHUP", None)  # which not every system has
ENDING = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANG_UP)))


@contextmanager
def handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    """Within, signals go to these handlers, and afterwards to those before them.

    An ignored signal stays ignored, as nohup asks, and as shells do for background commands.
    """
    before = {number: signal.getsignal(number) for number in handlers}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in ours:
            signal.signal(number, handlers[number])
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def going_to(handler: Handler) -> list[int]:
    """The signals that go to this handler now."""
    return [number for number in ENDING if signal.getsignal(number) == handler]


def let_the_next_end(handler: Handler) -> None:
    """Make the next signal that would go to this handler end the process at once."""
    for number in going_to(handler):
        signal.signal(number, leave if number == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt so that what has begun is cleaned up, if outside it ends the process."""
    if signal.getsignal(signal.SIGINT) is not leave:
        yield
        return
    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    except BaseException as error:
        if signal.getsignal(signal.SIGINT) is leave:  # whatever an import has made of the interrupt
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, leave)
