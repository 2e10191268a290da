"""A model file answers until another, whole one has taken its place."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.serve.asking import model_file, other_model_file
from tests.waiting import HANG, wait_until
from trm_np.data.problems import DataError
from trm_np.serve import log
from trm_np.serve.metrics import Metrics
from trm_np.serve.served import ONE_HEAP, ServedModel, load
from trm_np.serve.trial import TrialError, tried
from trm_np.storage.checkpoint import CheckpointError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(model_file(), tmp_path / "best.npz"))


@pytest.fixture
def served(path: Path) -> ServedModel:
    return ServedModel(str(path), None, Metrics())


@pytest.fixture
def tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are tried in this process, where the test is not about the other one."""

    def tried(path: str, catalogue: str | None, trust: bool) -> str:
        try:
            return str(load(path, catalogue, trust).health["sha256"])
        except (CheckpointError, DataError) as error:
            raise TrialError(str(error)) from error

    monkeypatch.setattr("trm_np.serve.served.tried", tried)


def seed(served: ServedModel) -> int:
    found: int = served.now.recommender.stored.header["seed"]
    return found


def test_a_file_that_has_changed_is_loaded_once_it_has_come_to_rest(path: Path, served: ServedModel) -> None:
    before = served.now
    served.look()
    assert served.now is before
    content = other_model_file().read_bytes()
    path.write_bytes(content[:1000])
    served.look()
    path.write_bytes(content)
    served.look()
    assert served.now is before and served.refused == ""
    served.look()
    assert seed(served) == 1
    after = served.now
    served.look()
    assert served.now is after


@pytest.mark.usefixtures("tried_here")
@pytest.mark.parametrize("broken", [b"", b"PK", None], ids=["empty", "cut short", "gone"])
def test_a_broken_file_is_refused_once_and_the_model_stays(
    path: Path, served: ServedModel, broken: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = served.now
    path.unlink()
    if broken is not None:
        path.write_bytes(broken)
    for _ in range(4):
        served.look()
    assert served.now is before
    said = capsys.readouterr().err
    assert said == f"Refused, and the model before it stays: {served.refused}\n"
    assert served.refused.startswith(f"{path}: ")
    assert "trm_model_refusals_total 1\n" in served.metrics.text()
    shutil.copy(model_file(), path)
    served.look()
    served.look()
    assert served.refused == "" and served.now is not before
    assert "trm_model_reloads_total 1\n" in served.metrics.text()


@pytest.mark.usefixtures("tried_here")
def test_what_is_asked_for_is_loaded_at_once_though_nothing_has_changed(served: ServedModel) -> None:
    before = served.now
    served.look(requested=True)
    assert served.now is not before and served.now.recommender.gifts == before.recommender.gifts


@pytest.mark.usefixtures("tried_here")
def test_a_catalogue_that_changes_is_loaded_and_a_broken_one_refused(path: Path, tmp_path: Path) -> None:
    shipped = Path(__file__).resolve().parents[2] / "scenarios" / "gift_catalog.json"
    catalogue = Path(shutil.copy(shipped, tmp_path / "gifts.json"))
    served = ServedModel(str(path), str(catalogue), Metrics())
    before = served.now
    served.look()
    served.look()
    assert served.now is before
    catalogue.write_text("{}")
    served.look()
    served.look()
    assert served.now is before and served.refused.startswith(f"{catalogue}: ")


def test_a_model_that_cannot_be_read_is_no_beginning(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(CheckpointError):
        ServedModel(str(path), None, Metrics())


@pytest.mark.usefixtures("tried_here")
def test_a_process_forked_while_another_model_was_loaded_loads_it_itself(
    path: Path, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServedModel, "_watch", lambda _: None)  # the test looks
    shutil.copy(other_model_file(), path)
    served.look()
    served._tried = served._seen  # as it is while a look loads the file
    served._begin()  # as in a forked process
    served.look()
    assert seed(served) == 1


def test_what_nobody_foresaw_is_a_refusal_too(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no\nsense")

    monkeypatch.setattr("trm_np.serve.served.load", broken)
    served.look(requested=True)
    assert served.refused == f"{served.path}: ZeroDivisionError('no\\nsense')"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_is_tried_in_a_process_of_its_own_that_may_take_so_much_memory(
    path: Path, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.now
    monkeypatch.setattr("trm_np.serve.trial.PROGRAM", 0)
    monkeypatch.setattr("trm_np.serve.trial.MOST_MEMORY", 0)
    shutil.copy(other_model_file(), path)
    served.look(requested=True)
    assert served.now is before
    assert served.refused.startswith(f"{path}: ")
    monkeypatch.undo()
    served.look(requested=True)
    assert served.refused == "" and seed(served) == 1


def test_a_file_that_has_changed_since_it_was_tried_is_not_taken(
    path: Path, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.now
    monkeypatch.setattr("trm_np.serve.served.tried", lambda *_: "another digest")
    served.look(requested=True)
    assert served.now is before and "has changed while it was read" in served.refused


def test_a_file_that_is_tried_has_so_many_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trm_np.serve.trial.SECONDS", 0.0)
    monkeypatch.setattr("trm_np.serve.trial.SECONDS_OF_A_MILLION", 0.0)
    with pytest.raises(TrialError):
        tried(str(path), None, False)


class Unwritable:
    """A stream whose reader has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError

    flush = write


@pytest.mark.usefixtures("tried_here")
@pytest.mark.parametrize("stream", [Unwritable(), None], ids=["a closed pipe", "none"])
def test_what_cannot_be_said_is_lost_and_nothing_else(
    path: Path, served: ServedModel, monkeypatch: pytest.MonkeyPatch, stream: object
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    path.write_bytes(b"PK")
    served.look(requested=True)
    assert "not a whole .npz file" in served.refused
    shutil.copy(other_model_file(), path)
    served.look(requested=True)
    assert served.refused == "" and seed(served) == 1


def test_a_pipe_that_nobody_reads_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, let_go = threading.Event(), threading.Event()

    class Full:
        def write(self, _: str) -> int:
            taken.set()
            return int(let_go.wait(HANG))

        def flush(self) -> None:
            pass

    monkeypatch.setattr("trm_np.serve.log.SECONDS", 0.0)
    for _ in range(3):
        log.say("a line", Full())
    assert taken.wait(HANG)
    let_go.set()


def test_the_watcher_survives_whatever_happens_to_it(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []

    def look(asked: bool) -> None:
        looks.append(asked)
        if len(looks) == 1:
            raise ZeroDivisionError("in the watcher")

    monkeypatch.setattr("trm_np.serve.served.LOOK_EVERY", 0.01)
    monkeypatch.setattr(served, "look", look)  # other watchers may be alive
    assert served.looked is None
    served.watch()
    wait_until(lambda: served.looked is not None)
    served.reload()
    wait_until(lambda: any(looks[1:]))
    assert served.refused == f"{served.path}: ZeroDivisionError('in the watcher')"


def test_a_request_that_comes_as_the_wait_for_it_ends_is_kept_for_the_next_look(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []

    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if looks:
                return super().wait(timeout)
            self.set()
            return False

    monkeypatch.setattr(served, "look", looks.append)
    served._requested = Late()
    threading.Thread(target=served._watch, daemon=True).start()
    wait_until(lambda: len(looks) > 1)
    assert looks[:2] == [False, True]


def test_one_heap_is_asked_for_before_a_model_is_loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr("trm_np.serve.served.set_allocator", calls.append)
    monkeypatch.setattr(
        "trm_np.serve.served.load", lambda *_: calls.append("loaded") or load(str(path), None)
    )
    ServedModel(str(path), None, Metrics())
    assert calls == [ONE_HEAP, "loaded"]


HEAPS = """
import resource, sys, threading
import numpy as np
from trm_np.serve.served import ONE_HEAP
from trm_np.systems import set_allocator

if sys.argv[1] == "one" and not set_allocator(ONE_HEAP):
    sys.exit("no glibc")

def use():
    for _ in range(2):
        np.ones(20_000_000, np.uint8)
    done.release()
    end.wait()

done, end = threading.Semaphore(0), threading.Event()
for _ in range(8):
    threading.Thread(target=use, daemon=True).start()
    done.acquire()
print(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
"""


def test_memory_goes_back_once_another_model_is_loaded(
    served: ServedModel, path: Path, tried_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, models = served.now, []
    monkeypatch.setattr("trm_np.serve.served.return_memory", lambda: models.append(served.now))
    shutil.copy(other_model_file(), path)
    served.look(requested=True)
    assert models == [served.now] and served.now is not first


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told to")
def test_threads_share_the_memory_that_large_models_took() -> None:
    """Eight threads that take twenty megabytes one after the other: together they keep fewer than two of them."""
    others = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")  # settings that change what is tested
    plain = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    kept = {}
    for heaps in ("one", "each"):
        command = [sys.executable, "-c", HEAPS, heaps]
        done = subprocess.run(command, capture_output=True, text=True, env=plain)
        if done.stderr == "no glibc\n":
            pytest.skip("another C library")
        kept[heaps] = int(done.stdout)
    assert kept["each"] - kept["one"] > 6 * 20_000_000
