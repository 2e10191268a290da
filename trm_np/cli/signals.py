"""The signals that end a command: noted while it finishes its work, raised as KeyboardInterrupt elsewhere."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@contextmanager
def first_signal(
    act: Callable[[], object] = lambda: None, numbers: Sequence[int] = ENDING, next_ends: bool = True
) -> Iterator[list[int]]:
    """Within, the first of these signals is noted in the list, and then `act` is called.

    The next one ends the process at once, or is ignored if not `next_ends`.
    """
    received: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        received.append(number)
        for each in numbers:
            if signal.getsignal(each) is handle:
                ending = leave if each == signal.SIGINT else signal.SIG_DFL
                signal.signal(each, ending if next_ends else signal.SIG_IGN)
        act()

    with handled(dict.fromkeys(numbers, handle)):
        yield received


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
