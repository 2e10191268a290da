"""The grid of an ablation: combinations of the eight switches, and the grid that a row of results belongs to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from trm_np.config import RECIPES, SWITCHES, Config, completed, flatten, resolve, switches_in
from trm_np.lab.results import ResultsError
from trm_np.lab.trial import Row

ALL_ON, ALL_OFF = "all on", "all off"
Off = tuple[str, ...]  # the switches that are off, in the order of SWITCHES


def without(switch: str) -> str:
    return f"without {switch}"


def only(switch: str) -> str:
    return f"only {switch}"


def grid(
    preset: str, settings: Mapping[str, str], full: bool = False, recipe: str = "report"
) -> dict[str, Config]:
    """The configurations of an ablation: all on, all off, each switch off, and each switch alone.

    With `full`, all 256 subsets; the 18 above keep their names.
    """
    off = {ALL_ON: (), ALL_OFF: tuple(SWITCHES)}
    off |= {without(switch): (switch,) for switch in SWITCHES}
    off |= {only(switch): tuple(name for name in SWITCHES if name != switch) for switch in SWITCHES}
    if full:
        named = set(off.values())
        off |= {f"without {', '.join(names)}": names for names in subsets() if names not in named}
    return {name: resolve(preset, names, settings, recipe) for name, names in off.items()}


def subsets() -> Iterable[Off]:
    """Yield every subset of the switches, each in the order of SWITCHES."""
    for chosen in product((False, True), repeat=len(SWITCHES)):
        yield tuple(name for name, is_in in zip(SWITCHES, chosen, strict=True) if is_in)


def first_grid(rows: Sequence[Row]) -> list[Row]:
    """The rows of the grid that the first row belongs to. In a file of results this is the last completed grid.

    Other grids have another version, other data, or other settings besides the switches. Raises ResultsError.
    """
    # Another version may have settings that `place_of` does not know.
    alike = [row for row in rows if all(row[name] == rows[0][name] for name in ("version", "data"))]
    return [row for row in alike if place_of(row)[0] == place_of(rows[0])[0]]


def place_of(row: Row) -> tuple[str, int, Off]:
    """The place of a row: its grid, its seed, and the switches that are off. Raises ResultsError.

    The grid is identified by version, data, and the settings with all switches on.
    """
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
    """The settings with every switch on. Files of earlier versions name no recipe and use that of the report."""
    return flatten(resolve(preset, recipe=recipe if recipe in RECIPES else "report"))


def unusable(row: Row, error: Exception) -> ResultsError:
    problem = f"{type(error).__name__}: {error}"
    return ResultsError(
        f"the row of {row['name']!r}, seed {row['seed']}, is not from an ablation ({problem})"
    )
