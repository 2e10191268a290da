"""The options of a recommendation: how many gifts, until when, with which tools, and which rules are lifted."""

from collections.abc import Sequence
from typing import NamedTuple

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
        allow = names(self.allow, "allow")
        if not set(allow) <= set(ALLOWABLE):
            raise ValueError(f"allow={shown(allow)}: must be of {', '.join(ALLOWABLE)}")
        tools = None if json_value(self.tools) is None else names(self.tools, "tools")
        return Terms(
            number_of_gifts(self.k),
            days_until(self.days_left),
            tools,
            allow,
            truth(self.any_age),
            names(self.exclude, "exclude"),
        )


def number_of_gifts(k: object) -> int:
    """Raises ValueError."""
    number = json_value(k)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError(f"k={shown(number)}: must be an integer, 1 or more")
    return number


def days_until(days_left: object) -> float | None:
    """Raises ValueError."""
    days = json_value(days_left)
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int | float) or not days >= 0:
        raise ValueError(f"days_left={shown(days)}: must be a number, 0 or more, or None if nobody knows")
    return days


def truth(any_age: object) -> bool:
    """Raises ValueError."""
    value = json_value(any_age)
    if not isinstance(value, bool):
        raise ValueError(f"any_age={shown(value)}: must be True or False")
    return value


def names(given: object, argument: str) -> tuple[str, ...]:
    """Raises ValueError."""
    value = json_value(given)
    if not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise ValueError(f"{argument}={shown(value)}: must be a list of names")
    return tuple(value)
