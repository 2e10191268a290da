"""Parameters of which the quick tests try a few."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def some_quick(values: Iterable[Any], is_quick: Callable[[Any], bool]) -> list[Any]:
    """Mark the values slow that are not quick; a tuple has the values of several parameters."""
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if is_quick(value) else pytest.mark.slow,
        )
        for value in values
    ]
