"""Files of puzzle models: hostile in every way in which one of the recommender can be, and in those of their own."""

import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.hostile.damage import flips, truncations
from tests.hostile.forging import Content, content_of, forged, smallest
from tests.hostile.kinds import KINDS, make_all
from tests.hostile.watching import MOST_MEMORY, loads
from trm_np.cli import trm
from trm_np.model.cost import MOST_MEMORY as MOST_OF_AN_ANSWER
from trm_np.model.cost import MOST_WORK
from trm_np.puzzles.config import PRESETS, PuzzleConfig, resolve
from trm_np.puzzles.model import GROUP, PuzzleModel, unroll
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.stored import TASKS, cost_of, load_puzzle_model, save_puzzle_model
from trm_np.puzzles.sudoku import SUDOKU_6
from trm_np.puzzles.training import PuzzleTrainer
from trm_np.storage.checkpoint import CheckpointError

SETTINGS = {
    **{"model.core_width": 4, "model.core_blocks": 1, "model.core_hidden": 1, "model.supervision_steps": 1},
    **{"model.answer_steps": 1, "training.epochs": 1, "training.updates": 1, "training.batch_size": 1},
}
Found = dict[str, dict[str, Any]]


@cache
def puzzle_file(kind: str = "model") -> bytes:
    """A puzzle model, or training, as small as they come."""
    config = resolve(PuzzleConfig(), SETTINGS)
    puzzles = make_puzzles(SUDOKU_6, 2, np.random.default_rng(0))
    trainer = PuzzleTrainer(config, SUDOKU_6, puzzles, puzzles, seed=0)
    arrays = trainer.state()[1] if kind == "training" else {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "best.npz"
        save_puzzle_model(path, kind, trainer.model, config, {"seed": 0, "metrics": {}}, arrays)
        return path.read_bytes()


def with_header(**entries: Any) -> Callable[[], bytes]:
    return lambda: forged({**content_of(puzzle_file())[0], **entries}, content_of(puzzle_file())[1])


def with_settings(file: str = "model", arrays: Content | None = None, **settings: Any) -> Callable[[], bytes]:
    """The same with settings `training__epochs=3`, and some arrays in place of its own."""

    def make() -> bytes:
        header, content = content_of(puzzle_file(file))
        config = header["config"] | {name.replace("__", "."): value for name, value in settings.items()}
        return forged({**header, "config": config}, content | (arrays or {}))

    return make


def wide(hidden: int) -> Content:
    """Weights of so wide a hidden layer, which are all there."""
    block = "weights.core.blocks.0.swiglu"
    return {
        f"{block}.gate_up.weight": np.zeros((2 * hidden, 4), np.float32),
        f"{block}.down.weight": np.zeros((4, hidden), np.float32),
    }


LARGE = 100_000
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "latent steps without end": (with_settings(model__latent_steps=LARGE), "multiply-adds; allowed: "),
    "cycles without end": (with_settings(model__cycles=LARGE), "multiply-adds; allowed: "),
    "steps, cycles and latent steps": (
        with_settings(model__answer_steps=255, model__cycles=100, model__latent_steps=100),
        "multiply-adds; allowed: ",
    ),
    "a hidden layer of 100,000": (
        with_settings(arrays=wide(LARGE), model__core_hidden=LARGE),
        "bytes of memory; allowed: ",
    ),
    "a hidden layer that is not there": (with_settings(model__core_hidden=LARGE), "found float32 of shape"),
    "a width that is not there": (with_settings(model__core_width=LARGE), ""),
    "blocks without end": (with_settings(model__core_blocks=LARGE), "model.core_blocks is more than"),
    "other heads": (with_settings(model__core_heads=2), "sudoku6 has masks for 4"),
    "more steps than a byte counts": (with_settings(model__answer_steps=256), "must be from 1 to 255"),
    "a number that is text": (with_settings(model__cycles="1"), "model.cycles"),
    "a setting that does not exist": (with_settings(model__depth=1), "model.depth"),
    "no setting": (with_header(config={}), "config lacks"),
    "a task that does not exist": (with_header(task={"name": "sudoku16"}), 'a puzzle named "sudoku16"'),
    "a task that is a list": (with_header(task=[]), "a puzzle named null"),
    "a name that is a list": (with_header(task={"name": ["sudoku6"]}), "a puzzle named "),
    "a task of other symbols": (
        with_header(task={**content_of(puzzle_file())[0]["task"], "symbols": ".abcdef"}),
        "sudoku6 here is",
    ),
    "another task than its weights are for": (
        with_header(task={"name": "maze5", "symbols": ".#SGxo", "rows": 9, "columns": 9, "heads": 4}),
        "found float32 of shape (7, 4); needed: float32 of shape (6, 4)",
    ),
    "a weight that is none": (
        with_settings(arrays={"weights.core.halt_head.bias": np.array([0, np.nan], np.float32)}),
        "a number that is not finite",
    ),
    "a training": (lambda: puzzle_file("training"), "last.npz is there to --resume"),
    "a recommender": (smallest, "trm recommend reads it"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Result of loading each kind, by its name."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = make_all(folder)
    for index, (name, (data, _)) in enumerate(HOSTILE.items()):
        paths[name] = folder / f"puzzles{index}.npz"
        paths[name].write_bytes(data())
    return {each["name"]: each for each in loads(paths, folder, "puzzles", puzzle_file())}


def test_every_kind_is_refused_in_one_line_and_does_nothing_else(found: Found) -> None:
    assert len(found) == KINDS + len(HOSTILE)
    assert {name: each for name, each in found.items() if each["error"] != "CheckpointError"} == {}
    assert {name: each for name, each in found.items() if each["events"]} == {}
    assert [each for each in found.values() if each["bytes"] > MOST_MEMORY] == []
    assert [each for each in found.values() if not each["message"].isprintable()] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_the_reason_is_said(found: Found, name: str) -> None:
    assert HOSTILE[name][1] in found[name]["message"]


def test_what_costs_too_much_is_taken_if_trusted(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(with_settings(model__cycles=LARGE)())
    assert load_puzzle_model(path, trust=True).config.model.cycles == LARGE
    done = CliRunner().invoke(trm, ["puzzle", "solve", str(path), "." * 36])
    assert (done.exit_code, done.stdout) == (65, "")
    assert "--trust" in done.stderr
    path.write_bytes(with_settings(model__cycles=20_000)())
    assert CliRunner().invoke(trm, ["puzzle", "solve", str(path), "." * 36]).exit_code == 65


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_far_from_the_limits(name: str) -> None:
    cost = cost_of(PRESETS[name].model, TASKS[name])
    assert 5 * cost.work < MOST_WORK and 2 * cost.each < MOST_OF_AN_ANSWER


@pytest.mark.parametrize("settings", [{}, {"core_hidden": 500}, {"core_width": 64}], ids=str)
def test_an_answer_takes_no_more_memory_than_was_worked_out(settings: dict[str, int]) -> None:
    config = resolve(PuzzleConfig(), SETTINGS | {f"model.{key}": value for key, value in settings.items()})
    model = PuzzleModel(config.model, SUDOKU_6, np.random.default_rng(0))
    questions = np.zeros((GROUP, 36), np.uint8)
    tracemalloc.start()
    try:
        unroll(model, questions, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < cost_of(config.model, SUDOKU_6).each


@pytest.mark.parametrize("kind", ["model", "training"])
def test_a_sample_of_damage_is_refused(kind: str, tmp_path: Path) -> None:
    data, rng, path = puzzle_file(kind), np.random.default_rng(0), tmp_path / "damaged.npz"
    damaged = [
        *flips(data, rng.integers(8 * len(data), size=200)),
        *truncations(data, rng.integers(len(data), size=50)),
    ]
    for each in damaged:
        path.write_bytes(each)
        with pytest.raises(CheckpointError):
            load_puzzle_model(path, kind)


def test_places_without_end_in_a_training_file_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(with_settings("training", training__batch_size=LARGE)())
    with pytest.raises(CheckpointError, match="needed: float32 of shape"):
        load_puzzle_model(path, "training")


def test_a_forged_file_is_wrong_in_nothing_but_what_it_is_forged_for(tmp_path: Path) -> None:
    for kind in ("model", "training"):
        assert forged(*content_of(puzzle_file(kind))) == puzzle_file(kind)
        (tmp_path / kind).write_bytes(puzzle_file(kind))
        load_puzzle_model(tmp_path / kind, kind)
