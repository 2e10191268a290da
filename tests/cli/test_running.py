"""What ends many runs: a signal, and nothing else that looks like one."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from tests.lab.small_trials import small_trials
from trm_np.cli.errors import Refusal
from trm_np.cli.running import SIGNALS, ended_by_signals
from trm_np.data.load import load_dataset
from trm_np.lab.sweep import sweep

DATASET = load_dataset()


@pytest.fixture(autouse=True)
def handlers() -> Iterator[list[Any]]:
    before = [signal.getsignal(number) for number in SIGNALS]
    yield before
    for number, handler in zip(SIGNALS, before, strict=True):
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
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


def test_a_signal_that_was_ignored_ends_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_by_signals(Path("rows")):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
