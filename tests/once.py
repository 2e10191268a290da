"""A function of values that is computed once for equal values."""

import pickle
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have later calls with equal arguments return copies of the first result.

    Generators among the arguments count by their state. They are left in the state in which the first call left them.
    """
    results: dict[bytes, bytes] = {}

    @wraps(function)
    def remembered(*arguments: Any) -> Any:
        generators = [each for each in arguments if isinstance(each, np.random.Generator)]
        key = pickle.dumps(arguments)
        if key not in results:
            value = function(*arguments)
            results[key] = pickle.dumps((value, [each.bit_generator.state for each in generators]))
        value, states = pickle.loads(results[key])
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        return value

    return remembered
