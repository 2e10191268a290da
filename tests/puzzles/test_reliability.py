"""Runs on puzzles: the same bytes after any interruption, and complete files."""

import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.puzzles.small_puzzles import SMALL, new_run, small
from tests.reliability.kills import STOPS, Training, kill_until_done, wait_until_training
from tests.reliability.test_state import PASSING, leaves
from trm_np.puzzles.files import csv_of
from trm_np.puzzles.run import PuzzleRun
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.stored import load_puzzle_model
from trm_np.puzzles.sudoku import SUDOKU_6
from trm_np.training.trainer import Interrupted

# Besides what is recreated: arguments of the model, and the learning rate, which every update sets first.
ALSO_PASSING = (*PASSING, "task.", "blocked", "param_groups.0.lr")
OPTIONS = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
OPTIONS += ["--epochs", "12", "--set", "training.evaluate_every=1"]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Training]:
    """Make a training run on few puzzles in a folder."""
    folder = tmp_path_factory.mktemp("puzzles")
    made = make_puzzles(SUDOKU_6, 40, np.random.default_rng(0))
    files = {"--puzzles": made.take(slice(0, 30)), "--held-out": made.take(slice(30, 40))}
    words = []
    for option, puzzles in files.items():
        path = folder / f"{option}.csv"
        path.write_bytes(csv_of(SUDOKU_6, puzzles))
        words += [option, str(path)]
    program = ("trm", "puzzle", "train")
    return lambda out: Training(out, *OPTIONS, *words, program=program, load=load_puzzle_model)


@pytest.fixture(scope="module")
def whole(training: Callable[[Path], Training], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    run = training(tmp_path_factory.mktemp("whole"))
    run.start().communicate()
    return run.results()


@pytest.mark.slow
def test_a_run_killed_several_times_ends_with_the_same_bytes(
    training: Callable[[Path], Training], whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = training(tmp_path / "a run's folder")
    times, broken = kill_until_done(run, 0.3, np.random.default_rng(0))
    assert broken == []
    assert times > 0
    assert run.results() == whole


@pytest.mark.slow  # tests/cli/test_commands.py has a quick one, of the other model
@pytest.mark.parametrize("number", STOPS)
def test_a_signal_saves_the_run_and_prints_how_to_resume(
    number: signal.Signals, training: Callable[[Path], Training], whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = training(tmp_path)
    process = run.start(held=True)
    wait_until_training(run, process, 0)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert shlex.join([*run.command[1:], "--resume"]) in errors
    run.start().communicate()
    assert run.results() == whole


def everything(run: PuzzleRun) -> dict[str, object]:
    """Everything reachable from a trainer, except its arguments."""
    given = ("config", "task", "puzzles", "validation")
    state = {key: value for key, value in vars(run.trainer).items() if key not in given}
    return {
        path: value
        for path, value in leaves({**state, "best_metrics": run.best_metrics}, "trainer", set())
        if not any(f".{passing}" in path for passing in ALSO_PASSING)
    }


def test_a_resumed_trainer_has_its_whole_state(tmp_path: Path) -> None:
    settings = small(training__epochs=4, training__evaluate_every=1)
    run = new_run(tmp_path, settings)
    run.trainer.stopping.restore = lambda model: None  # type: ignore[method-assign]  # keep the state at the stop
    asked = iter(range(10))
    with pytest.raises(Interrupted):
        run.train(lambda: next(asked, None) is None)
    del run.trainer.stopping.__dict__["restore"]
    resumed = new_run(tmp_path, settings, resume=True)
    resumed.unlock()
    fresh = new_run(tmp_path / "fresh", settings)
    fresh.unlock()
    before, after, untouched = everything(run), everything(resumed), everything(fresh)
    assert after == before
    assert sum(after[path] != untouched.get(path) for path in after) > 20
