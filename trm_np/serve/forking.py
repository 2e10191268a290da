"""Fork of a process with threads: the child has none of them, and locks that they held stay held."""

import os
from collections.abc import Callable
from weakref import WeakMethod


def after_fork(renew: Callable[[], None]) -> None:
    """Call a method after each fork in the child, while its object lives; without fork, do nothing."""
    method = WeakMethod(renew)

    def call() -> None:
        if (alive := method()) is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
