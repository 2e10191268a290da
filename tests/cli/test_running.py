"""Many runs are ended by a signal, and by nothing else that looks like one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.small_trials import small_trials
from tests.training.small_run import SET
from trm_np.cli.errors import Refusal
from trm_np.cli.running import ended_by_signals
from trm_np.cli.signals import ENDING, first_signal
from trm_np.data.load import load_dataset
from trm_np.lab.sweep import sweep

ROOT = Path(__file__).resolve().parents[2]
DATASET = load_dataset()
SECOND = [
    (signal.SIGTERM, signal.SIGINT, 130),
    (signal.SIGINT, signal.SIGINT, 130),
    (signal.SIGINT, signal.SIGTERM, -signal.SIGTERM),
    *([(signal.SIGINT, signal.SIGHUP, 0)] if hasattr(signal, "SIGHUP") else []),
]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[list[Any]]:
    before = [signal.getsignal(number) for number in ENDING]
    yield before
    for number, handler in zip(ENDING, before, strict=True):
        signal.signal(number, handler)


class SignalledWhileRead(Future[Any]):
    """Done, but while its result is read a signal comes."""

    def result(self, timeout: float | None = None) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return super().result(timeout)


class Signalled(Executor):
    def submit(self, function: Callable[..., Any], /, *_: Any, **named: Any) -> Future[Any]:
        future = SignalledWhileRead()
        future.set_result({})
        return future


def test_a_signal_while_a_row_is_taken_is_an_end_and_no_failed_run(handlers: list[Any]) -> None:
    rows: list[Any] = []
    told = "interrupted; finished runs are kept in rows"
    with pytest.raises(Refusal, match=told) as error, ended_by_signals(Path("rows")):
        sweep(small_trials(), DATASET, Signalled(), rows.append)
    assert (error.value.exit_code, rows) == (143, [])
    assert [signal.getsignal(number) for number in ENDING] == handlers


@pytest.mark.parametrize(
    "handling",
    [lambda: ended_by_signals(Path("rows")), first_signal, lambda: first_signal(unexpected)],
    ids=["trm lab", "trm train", "trm serve"],
)
@pytest.mark.parametrize("number", ENDING, ids=str)
def test_a_signal_that_was_ignored_stays_ignored(
    handling: Callable[[], AbstractContextManager[Any]], number: int
) -> None:
    signal.signal(number, signal.SIG_IGN)
    with handling() as received:
        for _ in range(2):
            os.kill(os.getpid(), number)
        assert not received
        assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(number) is signal.SIG_IGN


def unexpected() -> None:
    raise AssertionError("the signal was to be ignored")


@pytest.mark.posix
@pytest.mark.parametrize(("first", "second", "code"), SECOND, ids=str)
def test_a_second_signal_ends_training_at_once(first: int, second: int, code: int) -> None:
    """One that is ignored stays so though another was received."""
    program = """
import signal, sys
from trm_np.process import prepare
prepare()
from trm_np.cli.signals import first_signal, interruptible
first, second = map(int, sys.argv[1:])
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with interruptible(), first_signal() as received:
    signal.raise_signal(first)
    assert received == [first]
    signal.raise_signal(second)
"""
    command = [sys.executable, "-c", program, str(int(first)), str(int(second))]
    assert subprocess.run(command, capture_output=True, cwd=ROOT).returncode == code


@pytest.mark.slow
@pytest.mark.posix
def test_nohup_and_a_hang_up(tmp_path: Path) -> None:
    """The first of the two signals ends training, unless it is ignored."""
    options = [*SET, "--epochs", "100000", "--set", "training.patience=none", "--out", str(tmp_path)]
    shell = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, str(ROOT / "bin" / "trm-train")]
    with subprocess.Popen([*shell, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("epoch"):
            pass
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
