"""Waiting: for an event, never for a time that decides; tests/test_clocks.py keeps the tests to it."""

import time
from collections.abc import Callable

HANG = 600  # seconds after which what has not come is taken never to come, on a slow machine too


def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition holds."""
    given_up = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < given_up, f"nothing has come of it in {HANG} seconds"
        time.sleep(0.01)
