"""A failing disk costs no earlier file: at every step of every file written, whatever the fault."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.faults import (
    SETTINGS,
    STEPS,
    Crash,
    Evaluated,
    FailingDisk,
    content,
    on_disk,
    on_failing_disk,
    steps_of,
    trials,
)
from tests.training.small_run import SET, new_run, small
from trm_np.cli.train import train
from trm_np.storage.checkpoint import load_model
from trm_np.storage.files import (
    WriteError,
    append_line,
    atomic_write,
    clear_temporaries,
    cut,
    keep_as,
    lock_folder,
    unlock_folder,
)
from trm_np.training.run import FILES, OutputError, Run

WORKS: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: atomic_write(folder / "file", b"new ", b"content"),
    "a line": lambda folder: append_line(folder / "log", "a line"),
    "a log that is cut back": lambda folder: cut(folder / "log", 2),
    "the older": lambda folder: keep_as(folder / "file", folder / "older"),
}


DISKS = pytest.mark.parametrize("poor", [False, True], ids=["", "no fsync, no second names, no locks"])


@DISKS
@pytest.mark.parametrize("name", WORKS)
def test_each_file_is_the_old_or_the_new_one_whole_at_every_step(
    name: str, poor: bool, tmp_path: Path
) -> None:
    work, before = WORKS[name], {"file": b"old", "log": b"first\n", "older": b"oldest"}

    def start() -> dict[str, bytes]:
        for file, text in before.items():
            (tmp_path / file).unlink(missing_ok=True)  # it may have a second name
            (tmp_path / file).write_bytes(text)
        return before

    start()
    work(tmp_path)
    after = content(tmp_path)
    for fault, step in trials(lambda: work(tmp_path), poor=poor):
        start()
        raised = on_failing_disk(lambda: work(tmp_path), fault, step, poor)
        if fault == "crash":
            clear_temporaries(tmp_path, before)  # which the next start does
        found = content(tmp_path)
        assert found.keys() == before.keys(), (fault, step)
        for file, text in found.items():
            is_torn_line = fault == "crash" and file == "log" and text.startswith(before[file])
            assert text in (before[file], after[file]) or is_torn_line, (fault, step, file)
        assert isinstance(raised, (WriteError, Crash, type(None)))
        if raised is None:
            assert found == after or name == "the older", (fault, step)


def test_the_disk_sees_each_kind_of_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    os.chmod(tmp_path / "file", 0o777)  # which no umask leaves to a new file

    def all_works() -> None:
        for work in WORKS.values():
            work(tmp_path)
        unlock_folder(lock_folder(tmp_path))

    seen = steps_of(all_works)
    assert seen.keys() >= {*STEPS, "lock"} - {"fchown"}, "only root may give a file to somebody else"


@DISKS
@pytest.mark.slow
def test_a_checkpoint_is_saved_or_the_one_before_is_there(tmp_path: Path, poor: bool) -> None:
    evaluated = Evaluated(tmp_path / "run")
    assert {name for name in FILES if evaluated.before.get(name) != evaluated.after.get(name)} == {
        *("best.npz", "last.npz", "previous.npz")
    }
    for fault, at in trials(evaluated.save, every=97, poor=poor):
        evaluated.check(fault, at, poor)


@DISKS
@pytest.mark.slow
def test_a_run_that_a_full_disk_ended_goes_on_to_the_same_bytes(tmp_path: Path, poor: bool) -> None:
    whole = tmp_path / "whole"
    new_run(whole, small(**SETTINGS)).train()
    for step in range(0, 600, 157):
        folder = tmp_path / str(step)
        shutil.rmtree(folder, ignore_errors=True)
        run: Run = new_run(folder, small(**SETTINGS))
        raised = on_failing_disk(run.train, "ENOSPC", step, poor)
        assert isinstance(raised, (OutputError, WriteError, type(None))), step
        resume = (folder / "last.npz").exists()
        new_run(folder, small(**SETTINGS), resume=resume).train()
        for name in ("best.npz", "last.npz", "metrics.jsonl", "summary.json"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), (step, name)


def test_the_command_exits_74_and_says_how_much_was_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, on_disk(FailingDisk("ENOSPC", at=2000)):
        train.main([*SET, "--quiet", "--set", "training.evaluate_every=1", "--out", str(tmp_path)])
    assert ended.value.code == 74
    (line,) = capsys.readouterr().err.splitlines()
    assert "npz: cannot be written (No space left on device); it takes " in line
    load_model(tmp_path / "best.npz")
    assert all(json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines())


def test_a_folder_on_a_full_disk_is_refused_before_training(tmp_path: Path) -> None:
    def begin() -> None:
        new_run(tmp_path, small(**SETTINGS)).unlock()

    for fault in ("ENOSPC", "EROFS", "EIO", "EDQUOT"):
        raised: Any = on_failing_disk(begin, fault, at=1)
        assert type(raised).__name__ == "OutputError", fault
        assert "cannot write there" in str(raised)
