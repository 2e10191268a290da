"""The grid of an ablation: which of the eight optimizations are on, and which grid a row is from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from trm_np.config import RECIPES, SWITCHES, Config, completed, flatten, resolve, switches_in
from trm_np.lab.results import ResultsError
from trm_np.lab.trial import Row
from trm_np.text import printable

ALL_ON, ALL_OFF = "all on", "all off"
Off = tuple[str, ...]  # the switches that are off, in the order of SWITCHES


def without(switch: str) -> str:
    return f"without {switch}"


def only(switch: str) -> str:
    return f"only {switch}"


def grid(
    preset: str, settings: Mapping[str, str], full: bool = False, recipe: str = "report"
) -> dict[str, Config]:
    """All on, all off, each one off, each one alone; with `full` all 256 subsets, those 18 under the same names."""
    off = {ALL_ON: (), ALL_OFF: tuple(SWITCHES)}
    off |= {without(switch): (switch,) for switch in SWITCHES}
    off |= {only(switch): tuple(name for name in SWITCHES if name != switch) for switch in SWITCHES}
    if full:
        named = set(off.values())
        off |= {f"without {', '.join(names)}": names for names in subsets() if names not in named}
    return {name: resolve(preset, names, settings, recipe) for name, names in off.items()}


def subsets() -> Iterable[Off]:
    """Every subset of the switches, each in the order of the report's table."""
    for chosen in product((False, True), repeat=len(SWITCHES)):
        yield tuple(name for name, is_in in zip(SWITCHES, chosen, strict=True) if is_in)


def first_grid(rows: Sequence[Row]) -> list[Row]:
    """The rows of the grid that the first row is from: in a file of results, the one that was completed last.

    Others were made under another version, with other data, or with a setting that is no switch's. Raises ResultsError.
    """
    alike = [
        row for row in rows if all(row[name] == rows[0][name] for name in ("version", "data"))
    ]  # of another version the settings may be others too
    return [row for row in alike if place_of(row)[0] == place_of(rows[0])[0]]


def place_of(row: Row) -> tuple[str, int, Off]:
    """The grid that a row belongs to, by what it would be with all switches on; its seed; the switches that are off."""
    try:
        seed = int(row["seed"])
        settings = completed(row["settings"])
        off = tuple(name for name, on in switches_in(settings).items() if not on)
        after = all_on(settings["preset"], settings["recipe"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unusable(row, error) from error
    turned_on = {key: after[key] for name in off for key in SWITCHES[name]}
    return json.dumps([row["version"], row["data"], {**settings, **turned_on}]), seed, off


@cache
def all_on(preset: str, recipe: str) -> dict[str, Any]:
    """The settings with which every switch is on; earlier files name no recipe, and had the report's switches."""
    return flatten(resolve(preset, recipe=recipe if recipe in RECIPES else "report"))


def unusable(row: Row, error: Exception) -> ResultsError:
    problem = f"{type(error).__name__}: {error}"
    return ResultsError(
        printable(f"the row of {row['name']!r}, seed {row['seed']}, is not from an ablation ({problem})")
    )
