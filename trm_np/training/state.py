"""State of training as values of JSON and arrays, and back; everything that is read is checked."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from trm_np.autograd import nn
from trm_np.autograd.ops import Array
from trm_np.autograd.schedule import PlateauState
from trm_np.data.schema import LARGEST_COUNT
from trm_np.text import shown
from trm_np.training.stopping import EarlyStopping, StoppingState

State = TypeVar("State")


def in_json(state: PlateauState | StoppingState) -> dict[str, Any]:
    """Fields of a state; "best" is text, because it is infinite at first and JSON has no infinity."""
    return asdict(state) | {"best": repr(state.best)}


def out_of_json(kind: type[State], values: Mapping[str, Any]) -> State:
    """The inverse of `in_json`; raises TypeError or ValueError."""
    require_kind("best", values["best"], str)
    return record_of(kind, {**values, "best": float(values["best"])})


def generator_states(generators: object) -> dict[str, Any]:
    """State of each NumPy generator of a record, by its name."""
    return {name: rng.bit_generator.state for name, rng in vars(generators).items()}


def load_stopping(
    stopping: EarlyStopping, values: Mapping[str, Any], arrays: Mapping[str, Array], model: nn.Module
) -> None:
    """Load the state of early stopping, and the best weights if it has kept some; raises as `load_state` does."""
    stopping.state = out_of_json(StoppingState, values)
    if stopping.has_kept:
        best = model.state_dict()
        for name, weight in best.items():
            copy_into(weight, arrays[f"best.{name}"])
        stopping.best_weights = best


def record_of(kind: type[State], values: Mapping[str, Any]) -> State:
    """A record of these values; raises TypeError for other names, and ValueError for values of another kind."""
    for name, needed in get_type_hints(kind).items():
        require_kind(name, values[name], needed)
    return kind(**values)


def require_kind(name: str, value: object, kind: Any) -> None:
    """Raise ValueError unless a value from JSON is of this kind; integers must not be negative."""
    if not is_of(value, kind):
        raise ValueError(f"{name} is {shown(value)}")


def is_of(value: object, kind: Any) -> bool:
    parts = get_args(kind)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(is_of(item, parts[0]) for item in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(is_of(item, parts[1]) for item in value.values())
    if kind is float:
        return (type(value) is float and not math.isnan(value)) or is_of(value, int)
    return type(value) is kind and (not isinstance(value, int) or 0 <= value <= LARGEST_COUNT)


def copy_into(place: Array, value: Array) -> None:
    """Copy without broadcasting; raises ValueError."""
    if value.shape != place.shape:
        raise ValueError(f"an array of shape {value.shape} where {place.shape} is needed")
    place[...] = value
