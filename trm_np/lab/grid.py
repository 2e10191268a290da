"""The grid of an ablation: which of the eight optimizations are on."""

from collections.abc import Iterable, Mapping
from itertools import product

from trm_np.config import SWITCHES, Config, resolve

ALL_ON, ALL_OFF = "all on", "all off"


def without(switch: str) -> str:
    return f"without {switch}"


def only(switch: str) -> str:
    return f"only {switch}"


def grid(preset: str, settings: Mapping[str, str], full: bool = False) -> dict[str, Config]:
    """All on, all off, each one off, each one alone; with `full` all 256 subsets, those 18 under the same names."""
    off = {ALL_ON: (), ALL_OFF: tuple(SWITCHES)}
    off |= {without(switch): (switch,) for switch in SWITCHES}
    off |= {only(switch): tuple(name for name in SWITCHES if name != switch) for switch in SWITCHES}
    if full:
        named = set(off.values())
        off |= {f"without {', '.join(names)}": names for names in subsets() if names not in named}
    return {name: resolve(preset, names, settings) for name, names in off.items()}


def subsets() -> Iterable[tuple[str, ...]]:
    """Every subset of the switches, each in the order of the report's table."""
    for chosen in product((False, True), repeat=len(SWITCHES)):
        yield tuple(name for name, is_in in zip(SWITCHES, chosen, strict=True) if is_in)
