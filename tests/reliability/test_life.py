"""The life of a run folder: whatever happens to it, in whatever order, it loads, and training only goes forward."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.reliability.faults import Crash, on_failing_disk
from tests.training.small_run import new_run, records, small, written
from trm_np.config import Config
from trm_np.storage.checkpoint import CheckpointError, load_model
from trm_np.storage.files import FolderInUse
from trm_np.training.run import BEST, LAST, PREVIOUS, Run
from trm_np.training.trainer import Interrupted


def config() -> Config:
    return small(
        training__epochs=5, training__evaluate_every=1, training__batch_size=13, training__improvement=0
    )


@cache
def uninterrupted() -> dict[str, bytes]:
    folder = Path(tempfile.mkdtemp())
    try:
        new_run(folder, config()).train()
        return written(folder)
    finally:
        shutil.rmtree(folder)


class RunFolder(RuleBasedStateMachine):
    """One folder; `steps` is the most that its last.npz has stood at, `spoilt` are the files that we have damaged."""

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.steps = 0
        self.spoilt: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def go_on(self) -> Run:
        """A run that resumes if there is something to resume."""
        return new_run(self.folder, config(), resume=(self.folder / LAST).exists())

    @precondition(lambda self: LAST not in self.spoilt)
    @rule(batches=st.integers(0, 12))
    def train_and_interrupt(self, batches: int) -> None:
        asked = iter(range(batches))
        run = self.go_on()
        self.spoilt.clear()
        try:
            run.train(lambda: next(asked, None) is None)
        except Interrupted:
            return
        assert written(self.folder) == uninterrupted()

    @precondition(lambda self: LAST not in self.spoilt)
    @rule(step=st.integers(0, 3000))
    def lose_power(self, step: int) -> None:
        def live() -> None:
            run = self.go_on()
            try:
                run.train()
            finally:
                run.unlock()

        best = self.folder / BEST
        before = best.read_bytes() if best.exists() else b""
        raised = on_failing_disk(live, "crash", step)
        if raised is None:
            assert written(self.folder) == uninterrupted()
        else:
            assert isinstance(raised, Crash)
        if not best.exists() or best.read_bytes() != before:  # going on begins with writing it anew
            self.spoilt.clear()

    @precondition(lambda self: (self.folder / BEST).exists() and BEST not in self.spoilt)
    @rule(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def damage_best(self, place: float, bit: int) -> None:
        flip(self.folder / BEST, place, bit)
        self.spoilt.add(BEST)
        with pytest.raises(CheckpointError):
            load_model(self.folder / BEST)

    @precondition(lambda self: (self.folder / LAST).exists() and LAST not in self.spoilt)
    @rule(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def damage_last_and_take_the_one_before(self, place: float, bit: int) -> None:
        sound = (self.folder / LAST).read_bytes()
        flip(self.folder / LAST, place, bit)
        with pytest.raises(CheckpointError) as refused:
            self.go_on()
        if (self.folder / PREVIOUS).exists():
            assert "previous.npz beside it is whole" in str(refused.value)
            (self.folder / PREVIOUS).rename(self.folder / LAST)
            self.steps = 0
        else:
            (self.folder / LAST).write_bytes(sound)

    @precondition(lambda self: (self.folder / LAST).exists())
    @rule(seed=st.integers(1, 3))
    def resume_as_another_run(self, seed: int) -> None:
        before = written(self.folder)
        with pytest.raises(CheckpointError, match=f"seed is 0, not {seed}"):
            new_run(self.folder, config(), seed, resume=True)
        assert written(self.folder) == before

    @precondition(lambda self: LAST not in self.spoilt)
    @rule()
    def start_a_second_one(self) -> None:
        first = self.go_on()
        with pytest.raises(FolderInUse):
            self.go_on()
        first.unlock()

    @invariant()
    def it_loads(self) -> None:
        for name, kind in ((BEST, "model"), (LAST, "training")):
            if name not in self.spoilt and (self.folder / name).exists():
                load_model(self.folder / name, kind)

    @invariant()
    def training_only_goes_forward(self) -> None:
        if (self.folder / LAST).exists() and LAST not in self.spoilt:
            steps = max(stored(self.folder / LAST)["training"]["optimizer_steps"])
            assert steps >= self.steps
            self.steps = steps

    @invariant()
    def best_is_the_best_so_far(self) -> None:
        if (self.folder / LAST).exists() and not self.spoilt & {BEST, LAST}:
            length = stored(self.folder / LAST)["log_length"]
            lines = (self.folder / "metrics.jsonl").read_bytes()[:length].splitlines()
            epoch, best = 0, float("-inf")
            for record in map(json.loads, lines):
                quality = record["validation"]["recommendation_quality"]
                if quality > best:
                    epoch, best = record["epoch"], quality
            later = [record["epoch"] for record in records_whole(self.folder) if record["epoch"] > len(lines)]
            if (self.folder / BEST).exists() or epoch:
                assert load_model(self.folder / BEST).header["best_epoch"] in {epoch, *later}


def flip(path: Path, place: float, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.unlink()  # it may have a second name
    path.write_bytes(data)


def stored(path: Path) -> dict[str, Any]:
    return load_model(path, "training").header


def records_whole(folder: Path) -> list[dict[str, Any]]:
    """The records that are whole: a crash may have torn the last."""
    try:
        return records(folder)
    except json.JSONDecodeError:
        text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()[:-1]]


TestRunFolder = pytest.mark.slow(pytest.mark.filterwarnings("ignore::ResourceWarning")(RunFolder.TestCase))
TestRunFolder.settings = settings(
    max_examples=4, stateful_step_count=10, phases=[Phase.explicit, Phase.generate]
)
