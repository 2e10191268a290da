"""The options of a recommendation: how many gifts, until when, with which tools, and which rules are lifted."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trm_np.data.lenient import json_value
from trm_np.text import shown

ALLOWABLE = ("sold_out", "late", "over_budget")  # the rules that `allow` lifts


class Terms(NamedTuple):
    """The arguments of `Recommender.recommend` beside the profile, which says what each of them means."""

    k: int = 3
    days_left: float | None = None
    tools: Sequence[str] | None = None
    allow: Sequence[str] = ()
    any_age: bool = False
    exclude: Sequence[str] = ()

    def checked(self) -> "Terms":
        """The same as plain values; raises `ValueError`. That there are such tools is checked when they run."""
        given = {name: json_value(value) for name, value in self._asdict().items()}
        for name, is_allowed, allowed in RULES:
            if not is_allowed(given[name]):
                raise ValueError(f"{name}={shown(given[name])}: must be {allowed}")
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        return Terms(**plain)


def are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Options, whether one may have a value of JSON, and what is allowed instead.
RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("k", lambda k: is_number(k) and isinstance(k, int) and k >= 1, "an integer, 1 or more"),
    (
        "days_left",
        lambda days: days is None or (is_number(days) and days >= 0),
        "a number, 0 or more, or None if nobody knows",
    ),
    ("tools", lambda tools: tools is None or are_names(tools), "a list of names"),
    ("allow", are_names, "a list of names"),
    ("allow", set(ALLOWABLE).issuperset, f"of {', '.join(ALLOWABLE)}"),
    ("any_age", lambda any_age: isinstance(any_age, bool), "True or False"),
    ("exclude", are_names, "a list of names"),
)
