"""Data-parallel training without MPI: the ranks are threads of one process, and their sums are made here."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trm_np.cli.ranks as ranks_module
from tests.training.small_run import SET, precise_trainer, small, trained, trainer
from tests.waiting import HANG
from trm_np.autograd.ops import Array
from trm_np.cli.errors import Refusal
from trm_np.cli.ranks import reported_once, wait_for_all
from trm_np.config import ConfigError
from trm_np.extras import needs_extra
from trm_np.training.ranks import ALONE, Ranks, join, launched
from trm_np.training.trainer import Interrupted, Trainer, is_masked

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER_SETTINGS = ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")


@dataclass
class Job:
    """Threads that wait for each other, and what each has brought."""

    size: int
    brought: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = Barrier(self.size, timeout=HANG)

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self.barrier.wait()
        self.brought[rank] = value
        self.barrier.wait()
        return [self.brought[each] for each in range(self.size)]


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    job: Any = None

    def all_reduce_sum(self, numbers: Array) -> None:
        numbers[...] = sum(self.job.exchange(self.rank, numbers.copy()))

    def all_reduce_max(self, number: int) -> int:
        return int(max(self.job.exchange(self.rank, number)))


def on_ranks(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """Call `work` on each of so many ranks and return the results; a rank that raises ends all."""
    job = Job(size)

    def run(rank: int) -> Any:
        try:
            return work(ThreadRanks(rank, size, job=job))
        except BaseException:
            job.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))


# -------------------------------------------------------------------------------------- the same training


@pytest.mark.parametrize(
    ("size", "batch_size", "steps"), [pytest.param(2, 16, 100, marks=pytest.mark.slow), (3, 11, 18)]
)
def test_ranks_learn_together_what_one_process_learns(size: int, batch_size: int, steps: int) -> None:
    """With everything on, and batches of 9 (5 + 4) among those of 16, or of 3 (1 + 1 + 1) among those of 11."""
    config = small(training__epochs=99, training__batch_size=batch_size)
    batches = steps // config.model.supervision_steps
    alone, expected_losses = trained(config, batches)
    (first, losses), *others = on_ranks(size, lambda ranks: trained(config, batches, ranks))
    assert max(alone.optimizer.steps) == steps
    np.testing.assert_allclose(first.optimizer.weights, alone.optimizer.weights, rtol=0, atol=1e-12)
    assert len(losses) == alone.progress.epochs >= 3
    for epoch, expected in zip(losses, expected_losses, strict=True):
        assert epoch == pytest.approx(expected, rel=1e-11, abs=1e-12)
    for other, other_losses in others:
        assert other.optimizer.weights.tobytes() == first.optimizer.weights.tobytes()
        assert other_losses == losses
    dice = [t.state()[0]["generators"] for t in (alone, first, *(other for other, _ in others))]
    assert all(each == dice[0] for each in dice)


def test_a_batch_with_masked_tokens_on_one_rank_only_teaches_the_same_to_all() -> None:
    """The LM head has a gradient where the batch has masked tokens, wherever they are, and none where it has none."""
    config = small(training__scenario_limit=24, training__mask_probability=0.02, training__batch_size=4)
    masked: set[tuple[bool, ...]] = set()

    def learn(ranks: Ranks) -> Trainer:
        t = precise_trainer(config, ranks)
        for rows in np.arange(24).reshape(6, 4):
            batch = t.draw_batch(rows)
            masked.add(tuple(is_masked(batch.take(Ranks(rank, 2).rows(4)).inputs) for rank in range(2)))
            t.learn(batch)
        return t

    alone = learn(ALONE)
    assert (False, False) in masked and masked & {(True, False), (False, True)}
    for t in on_ranks(2, learn):
        assert t.optimizer.steps == alone.optimizer.steps
        np.testing.assert_allclose(t.optimizer.weights, alone.optimizer.weights, rtol=0, atol=1e-12)


def test_an_interruption_of_one_rank_stops_all_before_the_same_batch() -> None:
    def interrupted(ranks: Ranks) -> tuple[int, int]:
        t = trainer(small(training__batch_size=10), ranks=ranks)
        answers = iter([False, ranks.rank == 1])
        with pytest.raises(Interrupted):
            list(t.epochs(lambda: next(answers)))
        return t.progress.epochs, t.progress.batches

    assert on_ranks(3, interrupted) == [(0, 1)] * 3


# -------------------------------------------------------------------------------------------- the rows


@given(st.integers(0, 200), st.integers(1, 30))
def test_rows_are_dealt_out_once_each_and_evenly(count: int, size: int) -> None:
    rows = [np.arange(count)[Ranks(rank, size).rows(count)] for rank in range(size)]
    assert np.concatenate(rows).tolist() == list(range(count))
    lengths = [len(each) for each in rows]
    assert max(lengths) - min(lengths) <= 1


def test_nine_rows_are_five_and_four() -> None:
    assert [Ranks(rank, 2).rows(9) for rank in range(2)] == [slice(0, 5), slice(5, 9)]


@pytest.mark.parametrize(
    ("settings", "fewest"),
    [
        ({"training__scenario_limit": 2}, 2),
        ({}, 9),  # 25 scenarios in batches of 16
        ({"training__batch_size": 5}, 5),
        ({"training__batch_size": 4}, 1),
    ],
)
def test_more_ranks_than_the_smallest_batch_has_rows_are_refused(
    settings: dict[str, Any], fewest: int
) -> None:
    trainer(small(**settings), ranks=Ranks(0, fewest))
    with pytest.raises(ConfigError, match=f"a batch of {fewest}, which {fewest + 1} ranks cannot share"):
        trainer(small(**settings), ranks=Ranks(0, fewest + 1))


# ------------------------------------------------------------------------------------------ the launcher


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in LAUNCHER_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    join.cache_clear()
    yield monkeypatch
    join.cache_clear()


def test_without_a_launcher_or_with_one_process_there_is_one_rank(launcher: pytest.MonkeyPatch) -> None:
    assert launched() == (0, 1)
    launcher.setenv("PMI_SIZE", "1")
    launcher.setenv("PMI_RANK", "0")
    assert launched() == (0, 1)
    assert join() is ALONE


@pytest.mark.parametrize("kind", ["PMI", "OMPI_COMM_WORLD"])
def test_launchers_say_rank_and_size(launcher: pytest.MonkeyPatch, kind: str) -> None:
    launcher.setenv(f"{kind}_RANK", "2")
    launcher.setenv(f"{kind}_SIZE", "3")
    assert launched() == (2, 3)


@pytest.mark.parametrize(
    ("size", "code"),
    [pytest.param("1", 0, marks=pytest.mark.slow), ("2", 2)],  # which trains; two are refused
)
def test_mpi4py_is_needed_by_several_ranks_only(tmp_path: Path, size: str, code: int) -> None:
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ImportError('none here')")
    command = [sys.executable, str(ROOT / "bin" / "trm-train"), *SET, "--epochs", "1", "--quiet"]
    for rank in range(int(size)):
        found = subprocess.run(
            [*command, "--out", str(tmp_path / "out")],
            env=os.environ | {"PYTHONPATH": str(tmp_path), "PMI_SIZE": size, "PMI_RANK": str(rank)},
            capture_output=True,
            text=True,
        )
        line = f"Error: {needs_extra('2 ranks need', 'mpi')} (none here)\n"
        assert (found.returncode, found.stderr) == (code, line if code and rank == 0 else "")
    assert (tmp_path / "out").exists() == (code == 0)


# ----------------------------------------------------------------------------------------- what is said


@dataclass(frozen=True)
class Scripted(Ranks):
    """A rank that gathers the given exit codes."""

    codes: tuple[int, ...] = ()
    aborted: list[int] = field(default_factory=list)

    def gather_exit_codes(self, exit_code: int, patience: float = 0) -> list[int]:
        return list(self.codes)

    def abort(self, exit_code: int) -> None:
        self.aborted.append(exit_code)


@pytest.mark.parametrize(
    ("rank", "codes", "speaks"),
    [(0, (65, 65), True), (1, (65, 65), False), (1, (0, 65), True), (0, (65, 0), True)],
)
def test_the_first_of_those_that_fail_says_why(
    monkeypatch: pytest.MonkeyPatch, rank: int, codes: tuple[int, ...], speaks: bool
) -> None:
    monkeypatch.setattr(ranks_module, "launched", lambda: (rank, 2))
    monkeypatch.setattr(ranks_module, "join", lambda: Scripted(rank, 2, codes=codes))
    with pytest.raises(Refusal if speaks else SystemExit) as ended, reported_once():
        raise Refusal("no such file", 65)
    assert getattr(ended.value, "exit_code" if speaks else "code") == 65


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Refusal("disk full", 74), 74, "Error: disk full"),
        (ZeroDivisionError("a bug"), 1, "ZeroDivisionError: a bug"),
        (KeyboardInterrupt(), 130, "Error: interrupted"),
    ],
)
def test_one_that_fails_alone_says_why_and_ends_the_others(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    here = Scripted(1, 2)
    monkeypatch.setattr(ranks_module, "launched", lambda: (1, 2))
    monkeypatch.setattr(ranks_module, "join", lambda: here)
    with pytest.raises(SystemExit) as ended, reported_once():
        raise error
    assert (ended.value.code, here.aborted) == (code, [code])
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_those_that_are_well_end_with_the_others_and_say_nothing() -> None:
    wait_for_all(Scripted(1, 2, codes=(0, 0)))
    with pytest.raises(SystemExit) as ended:
        wait_for_all(Scripted(1, 2, codes=(73, 0)))
    assert ended.value.code == 73


def test_help_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks_module, "launched", lambda: (1, 2))
    with pytest.raises(click.exceptions.Exit), reported_once():
        raise click.exceptions.Exit(0)


def test_one_process_trains_as_without_ranks() -> None:
    t = trainer(small())
    assert (t.ranks, t.ranks.rows(9)) == (ALONE, slice(0, 9))
    rngs = {id(m.rng) for m in t.model.modules() if hasattr(m, "rng")}
    assert rngs == {id(t.generators.dropout)}
