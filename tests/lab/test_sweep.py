"""A sweep runs trials on any executor: order of rows, stored rows, failures and interruptions."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.lab.small_trials import run_trial, small, small_trials
from tests.waiting import HANG, wait_until
from trm_np.config import Config
from trm_np.data.load import Dataset, load_dataset
from trm_np.executors.processes import ProcessLost, local_processes
from trm_np.lab.results import ResultsError, complete, read_rows
from trm_np.lab.sweep import sweep
from trm_np.lab.trial import Row, Trial
from trm_np.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
DATASET = load_dataset()


class Backwards(Executor):
    """An executor that runs tasks when their results are requested, the last first."""

    def __init__(self) -> None:
        self.submitted: list[tuple[Any, Any, Future[Row]]] = []

    def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Row]:
        future: Future[Row] = Future()
        self.submitted.append((function, arguments, future))
        if len(self.submitted) == len(small_trials()):
            for work, given, done in reversed(self.submitted):
                done.set_result(work(*given))
        return future


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Rows of the small trials, run one by one."""
    return [run_trial(trial, DATASET) for trial in small_trials()]


@pytest.fixture
def known(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The same rows, which later tests look up instead of training again."""
    by_trial = {(row["name"], row["seed"]): row for row in rows}
    monkeypatch.setattr(
        "trm_np.lab.sweep.GIFTS.run",
        lambda trials, _: [by_trial[trial.name, trial.seed].copy() for trial in trials],
    )
    return rows


def test_a_trial_equals_a_training_run_and_its_evaluation(rows: list[Row]) -> None:
    trial, row = small_trials()[0], rows[0]
    assert (row["name"], row["seed"], row["epochs_run"]) == ("one cycle", 0, 2)
    assert row["settings"]["model.cycles"] == 1
    assert [record["epoch"] for record in row["curve"]] == [1, 2]
    from trm_np.data.task import task_from

    trainer = Trainer(trial.config, task_from(DATASET.first(3), trial.config.model.gift_features), trial.seed)
    assert row["curve"] == list(trainer.epochs())
    best = next(record for record in row["curve"] if record["epoch"] == row["best_epoch"])
    assert row["validation"] == {name: v for name, v in best["validation"].items() if name != "losses"}
    assert row["test"] != row["validation"]


def test_processes_give_the_same_bits(rows: list[Row]) -> None:
    with local_processes(2) as executor:
        assert sweep(small_trials(), DATASET, executor) == rows


def test_rows_are_returned_in_order_and_reported_as_they_arrive(known: list[Row]) -> None:
    arrived: list[Row] = []
    assert sweep(small_trials(), DATASET, Backwards(), arrived.append) == known
    assert sorted(arrived, key=json.dumps) == sorted(known, key=json.dumps)


@pytest.mark.parametrize("executors", [ThreadPoolExecutor, local_processes])
def test_a_trial_that_fails_is_a_row_with_its_error(executors: Any, rows: list[Row]) -> None:
    diverging = Trial("too fast", small(learning_rate__core=1e38), 0)
    with executors(1) as executor:
        found = sweep([small_trials()[0], diverging], DATASET, executor)
    assert found[0] == rows[0]
    assert found[1]["error"].startswith("Diverged: training diverged")
    assert "test" not in found[1] and found[1]["settings"]["learning_rate.core"] == 1e38


def test_finished_runs_are_not_repeated(tmp_path: Path, known: list[Row]) -> None:
    path = tmp_path / "rows.jsonl"
    with ThreadPoolExecutor(1) as executor:
        assert complete(path, small_trials(1), DATASET, executor) == known[:2]
        arrived: list[Row] = []
        assert complete(path, small_trials(2), DATASET, executor, arrived.append) == known
    assert arrived == known[2:]
    assert read_rows(path) == known


def test_an_incomplete_row_is_run_again(tmp_path: Path, known: list[Row]) -> None:
    path = tmp_path / "rows.jsonl"
    text = "".join(json.dumps(row) + "\n" for row in known)
    path.write_text(text[:-40])
    arrived: list[Row] = []
    with ThreadPoolExecutor(1) as executor:
        assert complete(path, small_trials(), DATASET, executor, arrived.append) == known
    assert arrived == known[-1:]
    assert path.read_text() == text


def test_a_failed_row_is_run_again(tmp_path: Path, known: list[Row]) -> None:
    path = tmp_path / "rows.jsonl"
    failed = {key: known[0][key] for key in ("name", "seed", "version", "data", "settings")}
    path.write_text(json.dumps({**failed, "error": "a worker was lost"}) + "\n")
    with ThreadPoolExecutor(1) as executor:
        assert complete(path, small_trials(1), DATASET, executor) == known[:2]
    assert read_rows(path) == known[:2]


@pytest.mark.parametrize(
    "change", [{"seed": 7}, {"version": "0.0.1"}, {"data": "another"}, {"settings": {"loss.tool": 1}}]
)
def test_rows_of_another_trial_version_or_data_do_not_count(
    change: dict[str, Any], tmp_path: Path, known: list[Row]
) -> None:
    path = tmp_path / "rows.jsonl"
    other = {**known[0], **change, "test": {}}
    path.write_text(json.dumps(other) + "\n")
    with ThreadPoolExecutor(1) as executor:
        assert complete(path, small_trials(1)[:1], DATASET, executor) == known[:1]
    assert read_rows(path) == [known[0], other]


@pytest.mark.parametrize(
    "line",
    ["{", "3", "null", '{"name": "x"}', "[]", '{"seed": 1}', '"name seed version data settings"'],
)
def test_an_invalid_file_of_results_is_refused_with_its_line(
    line: str, tmp_path: Path, rows: list[Row]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(rows[0])}\n{line}\n")
    with pytest.raises(ResultsError, match=r"rows\.jsonl: line 2 is not a row of results"):
        read_rows(path)


def test_the_order_of_the_file_does_not_depend_on_the_executor(tmp_path: Path, known: list[Row]) -> None:
    with ThreadPoolExecutor(1) as executor:
        complete(tmp_path / "forwards.jsonl", small_trials(), DATASET, executor)
    complete(tmp_path / "backwards.jsonl", small_trials(), DATASET, Backwards())
    assert (tmp_path / "forwards.jsonl").read_bytes() == (tmp_path / "backwards.jsonl").read_bytes()


def lose_the_process(trial: Trial[Config], dataset: Dataset) -> Row:
    """Kill the process of the first trial, as the system might."""
    if trial.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_trial(trial, dataset)


@pytest.mark.posix
def test_a_lost_process_costs_only_its_own_run(rows: list[Row]) -> None:
    with local_processes(1) as executor:
        lost, kept = (executor.submit(lose_the_process, trial, DATASET) for trial in small_trials()[::2])
        with pytest.raises(ProcessLost, match=r"its process was lost \(exit code -9\)"):
            lost.result()
        assert kept.result() == rows[2]


def test_ending_kills_a_process_that_is_just_starting() -> None:
    with pytest.raises(KeyboardInterrupt), local_processes(2) as executor:
        futures = [executor.submit(time.sleep, HANG) for _ in range(3)]
        raise KeyboardInterrupt
    assert all(future.cancelled() or isinstance(future.exception(), ProcessLost) for future in futures)


def blocked() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))


def test_worker_processes_ignore_ctrl_c_from_their_start() -> None:
    with local_processes(1) as executor:
        assert signal.SIGINT in executor.submit(blocked).result()
    assert signal.SIGINT not in blocked()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_keeps_finished_runs(number: int, tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "bin" / "trm"), "lab", "sweep", "--epochs", "1"]
    settings = ["--set", "training.batch_size=8,16", "--set", "training.scenario_limit=3"]
    command = [*program, *settings, "--processes", "1", "--out", str(tmp_path)]
    path = tmp_path / "sweep.jsonl"
    long = [*command, "--seeds", "100"]  # more than it can do before the signal comes
    with subprocess.Popen(long, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= 2)
        process.send_signal(number)
        _, said = process.communicate(timeout=HANG)
    assert process.returncode == 128 + number
    assert said == f"Error: interrupted; finished runs are kept in {path}, and the same command goes on\n"
    kept = len(read_rows(path))
    assert kept >= 1  # the newest line is taken back where the signal comes before it is safe on disk
    again = subprocess.run([*command, "--seeds", "1"], capture_output=True, text=True, check=True)
    assert f"{max(2 - kept, 0)} of 2 runs made" in again.stderr
    assert len(read_rows(path)) == max(kept, 2)
