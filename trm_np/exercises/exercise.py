"""An exercise, and the words in which its check says what is wrong: the call, what it returned and what it should."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_LETTERS = 300  # of an argument or a result that is shown


class Wrong(Exception):
    """Raised by a check: one line that says what is wrong."""


class Stopped(Exception):
    """Raised if the learner's function raised an error, which is the cause; says during which call."""


@dataclass(frozen=True)
class Exercise:
    """A function to write, hints from the first nudge to nearly all, and a check that raises `Wrong` or `Stopped`."""

    name: str
    hints: tuple[str, ...]
    check: "Callable[[Attempt], None]"


class Attempt:
    """The function that a learner wrote; `call` is the last call of it, as text, and `found` what it returned."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        self.call = ""
        self.found: Any = None

    def __call__(self, *arguments: Any, call: str = "", about: str = "") -> Any:
        """Run the function on copies of the arguments, shown as `call`; `about` says what this call is for."""
        self.call = call or f"{self.name}({', '.join(map(shown, arguments))})"
        copies = [argument if callable(argument) else deepcopy(argument) for argument in arguments]
        return self.guarded(lambda: self.function(*copies), about)

    def guarded(self, run: Callable[[], Any], about: str = "") -> Any:
        """Run what belongs to the learner; an error becomes `Stopped`."""
        try:
            self.found = run()
        except (Exception, SystemExit) as error:
            raise Stopped(sentence(self.call, about)) from error
        return self.found

    def expect(
        self,
        arguments: Sequence[Any],
        expected: Any,
        about: str = "",
        mistakes: Iterable[tuple[Any, str]] = (),
        call: str = "",
    ) -> None:
        """Compare the result of one call; raises Wrong. `mistakes` are results of which the reason is known."""
        self.compare(self(*arguments, call=call, about=about), expected, about, mistakes)

    def compare(
        self, found: Any, expected: Any, about: str = "", mistakes: Iterable[tuple[Any, str]] = ()
    ) -> None:
        """Raise Wrong unless what was found is what is expected."""
        if same(found, expected):
            return
        known = next((reason for value, reason in mistakes if same(found, value)), about)
        forgotten = " (is there a `return`?)" if found is None and expected is not None else ""
        line = f"{self.call} returned {shown(found)}{forgotten}; expected {shown(expected)}"
        raise Wrong(sentence(line, known))

    def require(self, holds: object, fault: str) -> None:
        """Raise Wrong with the last call and the fault unless the condition holds."""
        if not holds:
            raise Wrong(f"{self.call}: {fault}")


def sentence(line: str, about: str) -> str:
    return f"{line}: {about}" if about else line


def same(found: Any, expected: Any) -> bool:
    """Whether two results agree, numbers up to rounding; lists, tuples and arrays may stand for each other."""
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(same(found[key], value) for key, value in expected.items())
        )
    if expected is None or isinstance(expected, str):
        return found is expected or (isinstance(found, str) and found == expected)
    if isinstance(expected, list | tuple) and not all(isinstance(value, float | int) for value in expected):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    try:
        array = np.asarray(found, dtype=np.float64)
    except Exception:  # an object may convert itself to an array, and fail in any way
        return False
    wanted = np.asarray(expected, dtype=np.float64)
    return array.shape == wanted.shape and np.allclose(array, wanted, 1e-6, 1e-9, equal_nan=True)


def shown(value: Any) -> str:
    """A value on one line, as it could be typed; cut where it is long."""
    text = " ".join(written(value).split())
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def written(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=4, separator=", ", threshold=40, max_line_width=10**6)
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}" if math.isfinite(value) else f"{float(value)}"
    if isinstance(value, np.random.Generator):
        return "rng"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' if len(value) == 1 else ''})"
    if callable(value):
        return str(getattr(value, "__name__", "a function"))
    return repr(value)
