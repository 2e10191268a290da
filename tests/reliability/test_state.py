"""Training stores everything that it needs to go on: all attributes of the trainer are searched."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.small_run import new_run, small
from trm_np.autograd.nn import Module
from trm_np.training.run import Run
from trm_np.training.trainer import Interrupted

SETTINGS: dict[str, Any] = {"training__epochs": 4, "training__evaluate_every": 1, "training__batch_size": 10}
SETTINGS |= {"training__imagined": 0.5}


def leaves(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Everything that can be reached from a value through attributes, keys and items, each object once, by its path."""
    if isinstance(value, (str, bytes, int, float, type(None), np.number)):
        yield path, value
    elif isinstance(value, np.ndarray):
        yield path, (value.dtype.str, value.shape, value.tobytes())
    elif isinstance(value, np.random.Generator):
        yield path, value.bit_generator.state
    elif id(value) not in seen:
        seen.add(id(value))
        for name, inner in inside(value):
            yield from leaves(inner, f"{path}.{name}", seen)


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((str(key), value[key]) for key in value)
    elif isinstance(value, (list, tuple)):
        yield from ((str(index), item) for index, item in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    else:
        if isinstance(value, Module):
            yield "training", value.training  # the class has it until the instance does
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        yield from ((name, getattr(value, name)) for name in slots if hasattr(value, name))
        yield from vars(value).items() if hasattr(value, "__dict__") else ()


def everything(run: Run) -> dict[str, Any]:
    trainer = run.trainer
    given = ("config", "task", "ranks", "practice")  # practice follows from the task and the seed
    state = {key: value for key, value in vars(trainer).items() if key not in given}
    return dict(leaves({**state, "best_metrics": run.best_metrics}, "trainer", set()))


def stopped(folder: Path) -> Run:
    """A run that was stopped within its third epoch."""
    run = new_run(folder, small(**SETTINGS))
    asked = iter(range(8))
    restore = run.trainer.stopping.restore
    run.trainer.stopping.restore = lambda model: None  # type: ignore[method-assign]  # it shall stand as it stopped
    with pytest.raises(Interrupted):
        run.train(lambda: next(asked, None) is None)
    run.trainer.stopping.restore = restore  # type: ignore[method-assign]
    del run.trainer.stopping.__dict__["restore"]
    return run


# What a resumed trainer need not have: gradients are made anew, and with them the views of them in `_places`; scratch
# space is written before it is read; versions count changes in place within one graph, numbers the nodes of a process.
PASSING = ("grad", "gradient", "_places", "row_rng.rows", "row_rng.count", "_version", "_node.number")


def at_hand(folder: Path, resume: bool = False) -> Run:
    """A run that is only looked at."""
    run = new_run(folder, small(**SETTINGS), resume=resume)
    run.unlock()
    return run


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    names = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    return sorted(name for name in names if not any(f".{passing}" in name for passing in PASSING))


def test_a_resumed_trainer_is_the_stopped_one_to_its_last_corner(tmp_path: Path) -> None:
    before = stopped(tmp_path)
    assert differing(everything(before), everything(at_hand(tmp_path, resume=True))) == []


# Two are used before; 13 gifts are all compared, without drawing; nobody chose.
UNMOVED = ("init", "votes", "candidates", "choices")


def test_the_search_reaches_every_part_and_sees_every_change(tmp_path: Path) -> None:
    run, fresh = stopped(tmp_path / "run"), at_hand(tmp_path / "fresh")
    changed = differing(everything(run), everything(fresh))
    for part in ("progress.epochs", "progress.order.0", "scheduler.state.best", "stopping.state.best_epoch"):
        assert f"trainer.{part}" in changed
    for part in ("optimizer", "model", "stopping.best_weights", "generators", "best_metrics"):
        assert any(name.startswith(f"trainer.{part}") for name in changed), part
    assert all(
        any(name.startswith(f"trainer.generators.{name_of}") for name in changed)
        for name_of in vars(run.trainer.generators)
        if name_of not in UNMOVED
    )


def test_a_field_that_is_in_no_record_is_found(tmp_path: Path) -> None:
    before = stopped(tmp_path)
    before.trainer.momentum_of_luck = 0.5  # type: ignore[attr-defined]
    resumed = at_hand(tmp_path, resume=True)
    assert differing(everything(before), everything(resumed)) == ["trainer.momentum_of_luck"]


def test_every_generator_in_use_is_one_of_those_stored(tmp_path: Path) -> None:
    trainer = at_hand(tmp_path).trainer
    stored = {id(generator) for generator in vars(trainer.generators).values()}
    found: set[int] = set()
    parts: list[Any] = [trainer, *trainer.model.modules()]
    while parts:
        for _, value in inside(parts.pop()):
            if isinstance(value, np.random.Generator):
                found.add(id(value))
            elif isinstance(value, Module):
                parts.append(value)
    assert found and found <= stored
