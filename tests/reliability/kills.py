"""Training runs that are killed or told to stop at random instants, and resumed to the end."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.waiting import wait_until
from trm_np.cli.signals import ENDING
from trm_np.storage.checkpoint import CheckpointError, load_model
from trm_np.training.run import BEST, LAST, METRICS, SUMMARY

ROOT = Path(__file__).parents[2]
RESULTS = (BEST, LAST, METRICS, SUMMARY)
SHARE_IN_TRAINING = 0.8  # of the kills; the others come at any moment, most of them while it starts
STOPS = ENDING


class Training:
    """A run by the command in a folder of its own, whose seed and settings stay the same; `command` are its options.

    `program` is a script of bin/, and the words to it that train; `load` reads what it writes.
    """

    def __init__(
        self,
        folder: Path,
        *command: str,
        program: Sequence[str] = ("trm-train",),
        load: Callable[[Path, str], object] = load_model,
    ) -> None:
        self.folder, self.load = folder, load
        script, *words = program
        self.command = [sys.executable, str(ROOT / "bin" / script), *words, *command, "--out", str(folder)]

    def start(self, held: bool = False) -> subprocess.Popen[str]:
        """Start it, or go on with it where there is something to go on with; `held` as in held.py."""
        python, *command = self.command
        holding = [str(ROOT / "tests" / "reliability" / "held.py")] if held else []
        resume = ["--resume"] if (self.folder / LAST).exists() else []
        return subprocess.Popen(
            [python, *holding, *command, *resume],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def logged(self) -> int:
        """Bytes of the log, to which each epoch adds a line."""
        log = self.folder / METRICS
        return log.stat().st_size if log.exists() else 0

    def results(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in RESULTS}

    def unloadable(self) -> list[str]:
        """The files there that cannot be loaded, with the reason."""
        found = []
        for name, kind in ((BEST, "model"), (LAST, "training")):
            try:
                if (self.folder / name).exists():
                    self.load(self.folder / name, kind)
            except CheckpointError as error:
                found.append(str(error))
        return found


def kill_until_done(training: Training, longest: float, rng: np.random.Generator) -> tuple[int, list[str]]:
    """Kill it within so many seconds, again and again until it ends by itself: how often, and what was broken."""
    kills, broken = 0, []
    while True:
        logged = training.logged()
        process = training.start(held=not kills)
        if not kills or rng.random() < SHARE_IN_TRAINING:
            wait_until_training(training, process, logged)
        try:
            _, errors = process.communicate(timeout=rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            broken += training.unloadable()
        else:
            return kills, broken if process.returncode == 0 else [*broken, errors]


def stop_until_done(training: Training, longest: float, rng: np.random.Generator) -> tuple[int, list[str]]:
    """Signal it once it trains, again and again until it ends by itself: how often, and what was not as promised."""
    stops, broken = 0, []
    while True:
        logged = training.logged()
        process = training.start(held=not stops)
        wait_until_training(training, process, logged)
        time.sleep(rng.uniform(0, longest))
        number = STOPS[rng.integers(len(STOPS))]
        process.send_signal(number)
        _, errors = process.communicate()
        if process.returncode == 0:
            return stops, broken
        stops += 1
        command = shlex.join([*training.command[1:], "--resume"])
        if process.returncode != 128 + number or command not in errors:
            broken.append(f"{number.name}: exit {process.returncode}: {errors}")
        broken += training.unloadable()


def wait_until_training(training: Training, process: subprocess.Popen[str], logged: int) -> None:
    """Until it has logged more than that, or has ended."""
    wait_until(lambda: process.poll() is not None or training.logged() > logged)
