"""A deadline for long computations, which check it by calls of `require_time`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NEVER = float("inf")
_deadline: ContextVar[float] = ContextVar("deadline", default=NEVER)


class TooLate(Exception):
    """The deadline has passed."""


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Have what this thread does here end with TooLate at the `deadline`, of `time.monotonic`."""
    before = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(before)


def require_time() -> None:
    """Raise TooLate once it is later than the deadline; nothing where there is none."""
    deadline = _deadline.get()
    if deadline != NEVER and time.monotonic() > deadline:
        raise TooLate
