"""Data-parallel training as it is started: by mpiexec, in processes of their own. Skipped where there is no MPI."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.mpi.rank import BATCHES, EPOCHS
from tests.puzzles.small_puzzles import precisely_trained
from tests.training.small_run import SET, records, small, trained
from tests.waiting import HANG, wait_until
from trm_np.storage.checkpoint import load_model

pytest.importorskip("mpi4py")
ROOT = Path(__file__).resolve().parents[2]
# The launcher of the environment that the tests run in comes before any other.
MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec")


def start(ranks: int, *command: object) -> "subprocess.Popen[str]":
    """Python with these arguments, on so many ranks."""
    words = [str(MPIEXEC), "-n", str(ranks), sys.executable, *map(str, command)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finish(job: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, and what all ranks have printed."""
    try:
        out, err = job.communicate(timeout=HANG)
    finally:
        job.kill()
    return job.returncode, out, err


def train(ranks: int, *options: object) -> "subprocess.Popen[str]":
    return start(ranks, ROOT / "bin" / "trm-train", *SET, *options)


SMALL_PUZZLES = {
    "model.core_width": 8,
    "model.core_hidden": 8,
    "model.supervision_steps": 2,
    "model.answer_steps": 2,
    "training.epochs": 12,
    "training.updates": 2,
    "training.evaluate_every": 1,
}
SHORT = ("--epochs", 25, "--set", "training.evaluate_every=25")  # 100 optimizer steps


@pytest.fixture(scope="module")
def totals(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The loss of each epoch where one process trains without interruption."""
    folder = tmp_path_factory.mktemp("alone")
    assert finish(train(1, *SHORT, "--quiet", "--out", folder)) == (0, "", "")
    return [record["total"] for record in records(folder)]


@pytest.mark.parametrize("ranks", [2, 3])
def test_after_100_steps_the_weights_are_those_of_one_process_and_identical_across_ranks(
    tmp_path: Path, ranks: int
) -> None:
    """With everything on; the batches are of 16 and of 9, which two ranks share 5 + 4.

    In float64. In float32 sums in another order differ so much that a ReLU here and there opens in one run and not in
    the other, to which Adam answers with a step: in any order, on one rank too.
    """
    assert finish(start(ranks, "-m", "tests.mpi.rank", "save_weights", tmp_path)) == (0, "", "")
    alone, losses = trained(small(training__epochs=99), BATCHES)
    assert max(alone.optimizer.steps) == 100
    first, *others = (np.load(tmp_path / f"{ranks}_{rank}.npz") for rank in range(ranks))
    np.testing.assert_allclose(first["weights"], alone.optimizer.weights, rtol=0, atol=1e-12)
    assert first["totals"].tolist() == pytest.approx([epoch["total"] for epoch in losses], rel=1e-11)
    for other in others:
        assert other["weights"].tobytes() == first["weights"].tobytes()
        assert other["totals"].tolist() == first["totals"].tolist()


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_that_learn_puzzles_share_the_places_of_the_batch_and_know_them_all(
    tmp_path: Path, ranks: int
) -> None:
    """The batch of five is shared 3 + 2, or 2 + 2 + 1; every rank could go on alone."""
    assert finish(start(ranks, "-m", "tests.mpi.rank", "save_puzzle_state", tmp_path)) == (0, "", "")
    alone, records = precisely_trained(EPOCHS)
    first, *others = (np.load(tmp_path / f"{ranks}_{rank}.npz") for rank in range(ranks))
    expected = {"weights": alone.optimizer.weights, **alone.batch.arrays()}
    for name, values in expected.items():
        np.testing.assert_allclose(first[name], values, rtol=0, atol=1e-10, err_msg=name)
        assert {other[name].tobytes() for other in others} == {first[name].tobytes()}, name
    assert first["totals"].tolist() == pytest.approx([record["total"] for record in records], rel=1e-10)


@pytest.mark.parametrize(
    ("number", "before", "after"), [(signal.SIGTERM, 2, 1), (signal.SIGINT, 1, 2)], ids=["TERM", "INT"]
)
def test_a_run_interrupted_on_some_ranks_goes_on_on_others(
    tmp_path: Path, totals: list[float], number: signal.Signals, before: int, after: int
) -> None:
    options = (*SHORT, "--out", tmp_path / "out")
    held = ROOT / "tests" / "reliability" / "held.py"
    job = start(before, held, ROOT / "bin" / "trm-train", *SET, *options)
    log = tmp_path / "out" / "metrics.jsonl"
    wait_until(lambda: job.poll() is not None or (log.exists() and log.stat().st_size))
    job.send_signal(number)
    code, out, err = finish(job)
    assert code == 128 + number
    assert not [
        line for line in out.splitlines() if not line.startswith("[mpiexec")
    ]  # what the launcher says
    assert len(re.findall(r"^Error: interrupted; go on with: .* --resume$", err, re.MULTILINE)) == 1
    assert 0 < len(records(tmp_path / "out")) < 25
    load_model(tmp_path / "out" / "last.npz", kind="training")

    code, out, err = finish(train(after, *options, "--resume", "--json", "--quiet"))
    assert (code, err) == (0, "")
    assert json.loads(out)["epochs_run"] == 25
    assert [record["total"] for record in records(tmp_path / "out")] == pytest.approx(totals, rel=1e-4)
    drawn = "curves.svg"  # where matplotlib is: tests/lab/test_plots.py
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != drawn)
    assert names == [".lock", "best.npz", "last.npz", "metrics.jsonl", "summary.json", "times.jsonl"]


def test_the_first_rank_alone_prints_and_says_how_many_there_are(tmp_path: Path) -> None:
    code, out, err = finish(train(2, "--epochs", 1, "--out", tmp_path / "out"))
    first, second = err.splitlines()
    assert code == 0
    assert re.match(r"tiny, recipe report, seed 0, 2 ranks with .* at most 1 epoch, into ", first)
    assert second.startswith("epoch   1 ")
    assert out.count("category match rate") == 1


@pytest.mark.parametrize(
    ("ranks", "options", "code", "line"),
    [
        (
            3,
            ("--without", "data_diversity"),
            2,
            "2 scenarios in batches of 16 leave a batch of 2, which 3 ranks",
        ),
        (2, ("--epochs", "0"), 2, "Invalid value for '--epochs'"),
        (2, ("--scenarios", "none.json"), 65, "none.json: found no such file"),
        (2, ("--out", "setup.cfg/out"), 73, "setup.cfg/out: cannot write there"),
    ],
)
def test_what_is_refused_is_said_once_and_nothing_is_written(
    tmp_path: Path, ranks: int, options: tuple[str, ...], code: int, line: str
) -> None:
    work = ("-m", "tests.mpi.rank", "train_patiently", tmp_path / "out")
    found, out, err = finish(start(ranks, *work, *options))
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert err.startswith(f"Error: {line}")
    assert not (tmp_path / "out").exists()


def test_puzzles_interrupted_on_two_ranks_go_on_on_one(tmp_path: Path) -> None:
    small = [word for key, value in SMALL_PUZZLES.items() for word in ("--set", f"{key}={value}")]
    trm, words = ROOT / "bin" / "trm", ("puzzle", "train", "--count", 20, "--quiet", *small)
    assert finish(start(1, trm, *words, "--out", tmp_path / "whole")) == (0, "", "")

    words = (*words, "--out", tmp_path / "out")
    job = start(2, ROOT / "tests" / "reliability" / "held.py", trm, *words)
    log = tmp_path / "out" / "metrics.jsonl"
    wait_until(lambda: job.poll() is not None or (log.exists() and log.stat().st_size))
    job.send_signal(signal.SIGTERM)
    code, _, err = finish(job)
    assert code == 128 + signal.SIGTERM
    assert len(re.findall(r"^Error: interrupted; go on with: .* --resume$", err, re.MULTILINE)) == 1
    assert 0 < len(records(tmp_path / "out")) < SMALL_PUZZLES["training.epochs"]

    code, out, err = finish(start(1, trm, *words, "--resume", "--json"))
    assert (code, err) == (0, "")
    assert json.loads(out)["epochs_run"] == SMALL_PUZZLES["training.epochs"]
    whole, resumed = ([record["total"] for record in records(tmp_path / name)] for name in ("whole", "out"))
    assert resumed == pytest.approx(whole, rel=1e-4)


def test_a_rank_that_fails_alone_ends_the_others(tmp_path: Path) -> None:
    code, _, err = finish(start(2, "-m", "tests.mpi.rank", "fail_alone", tmp_path))
    assert code == 74
    assert err.count("Error: the device is gone") == 1
