"""Files of puzzle models, in the layout of checkpoint.py and checked as strictly.

The header names the task and its symbols. The attention masks come from the task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np

from trm_np.autograd.init import Blank
from trm_np.autograd.ops import Array
from trm_np.config import ConfigError, flatten
from trm_np.model.cost import NUMBER, Cost, cost_of_recursion, require_modest
from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig, from_flat
from trm_np.puzzles.maze import MAZE_5
from trm_np.puzzles.model import GROUP, PuzzleModel
from trm_np.puzzles.sudoku import SUDOKU_6, SUDOKU_9
from trm_np.puzzles.task import Task
from trm_np.storage.checkpoint import (
    BEST,
    FORMAT,
    MOMENTS,
    OLDER,
    beside,
    convert,
    entries_of,
    read_header,
    refusing,
    require_finite,
    require_parts,
)
from trm_np.storage.files import atomic_write
from trm_np.storage.npz import npz_pieces, open_npz
from trm_np.text import listed, shown

TASKS: dict[str, Task] = {task.name: task for task in (SUDOKU_6, SUDOKU_9, MAZE_5)}
LEARNER = "learner."  # prefix of the weights that are trained; WEIGHTS are their average
MAKER = "trm puzzle train makes one, best.npz in its --out folder"


@dataclass(frozen=True, eq=False)
class StoredPuzzleModel:
    """A model as it was read, in evaluation mode; `arrays` are the further entries of a training file."""

    model: PuzzleModel
    config: PuzzleConfig
    task: Task
    header: dict[str, Any]
    arrays: dict[str, Array]


def save_puzzle_model(
    path: Path,
    kind: str,
    model: PuzzleModel,
    config: PuzzleConfig,
    extra: Mapping[str, Any],
    arrays: Mapping[str, Array] | None = None,
) -> None:
    """Write a "model" file, or with further entries a "training" file; equal content gives equal bytes."""
    header = {
        "format": FORMAT,
        "kind": f"puzzle {kind}",
        "task": identity(model.task),
        "config": flatten(config),
        **extra,
    }
    atomic_write(path, *npz_pieces(header, {**entries_of(model), **(arrays or {})}))


def identity(task: Task) -> dict[str, Any]:
    """Fields of a header that identify a task."""
    return {
        "name": task.name,
        "symbols": task.symbols,
        "rows": task.rows,
        "columns": task.columns,
        "heads": len(task.sees),
    }


def load_puzzle_model(
    path: str | PathLike[str],
    kind: str = "model",
    tasks: Mapping[str, Task] = TASKS,
    trust: bool = False,
) -> StoredPuzzleModel:
    """Load a file from `save_puzzle_model`. Its task must be one of `tasks`. Raises CheckpointError.

    A model that costs more than cost.py allows is refused too, unless `trust` is set.
    """
    with refusing(path, MAKER), open_npz(path) as file:
        header = read_header(path, file.header, f"puzzle {kind}")
        task = read_task(header, tasks)
        try:
            config = from_flat(header["config"])
        except ConfigError as error:
            raise ValueError(f"header: config: {error}") from error
        for key in flatten(config).keys() - header["config"].keys():
            raise ValueError(f"header: config lacks {shown(key)}")
        require_parts(config.model, len(file.forms))
        model = PuzzleModel(config.model, task, cast(Any, Blank()))
        weights = entries_of(model)
        arrays: dict[str, Array] = {}
        if kind == "training":
            has_best = any(name.startswith(BEST) for name in file.forms)
            arrays = beside(weights, (LEARNER, *MOMENTS, *((BEST,) if has_best else ())))
            arrays |= room_for_places(config, task)
        file.read(weights | arrays, ())
        if header["format"] == OLDER:
            convert(weights | arrays, config.model.core_heads, (config.training.beta1, config.training.beta2))
            header["format"] = FORMAT
        require_finite(weights | arrays)
        if kind == "model" and not trust:
            require_modest(cost_of(config.model, task), file.size)
    return StoredPuzzleModel(model.eval(), config, task, header, arrays)


def cost_of(model: PuzzleModelConfig, task: Task) -> Cost:
    """Cost of solving one group of puzzles."""
    work, numbers = cost_of_recursion(model, model.answer_steps, task.cells)
    return Cost(work, 0, GROUP * NUMBER * (numbers + 2 * task.cells * len(task.symbols)))


def room_for_places(config: PuzzleConfig, task: Task) -> dict[str, Array]:
    """Empty arrays for the state of a batch, by the names of their entries."""
    batch, width = config.training.batch_size, config.model.core_width
    latent, board, each = (batch, task.cells, width), (batch, task.cells), (batch,)
    return {
        **{name: np.empty(latent, np.float32) for name in ("y", "z")},
        **{name: np.empty(board, np.uint8) for name in ("questions", "answers")},
        **{name: np.empty(each, np.uint8) for name in ("steps", "least", "finished")},
    }


def read_task(header: Mapping[str, Any], tasks: Mapping[str, Task]) -> Task:
    """The known task that the header names; raises ValueError if its symbols or masks differ."""
    found = header.get("task")
    name = found.get("name") if isinstance(found, dict) else None
    if not isinstance(name, str) or name not in tasks:
        raise ValueError(f"header: found a puzzle named {shown(name)}; known: {listed(list(tasks))}")
    task = tasks[name]
    if found != identity(task):
        raise ValueError(f"header: found the puzzle {shown(found)}; {name} here is {shown(identity(task))}")
    return task
