"""Ctrl-C at any moment: exit code 130 and one line, whatever Python or a package is doing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recommend.stored_models import write_trained
from trm_np.cli.signals import interruptible
from trm_np.export.program import export_program
from trm_np.process import leave

ROOT = Path(__file__).resolve().parents[2]
HARNESS = Path(__file__).with_name("interrupted.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is copied at each moment")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a model, and a program made of it."""
    folder = tmp_path_factory.mktemp("interrupted")
    export_program(write_trained(folder / "best.npz"), folder / "gifts.pyz")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "program", "arguments"),
    [
        (503, "bin/trm", ["--help"]),
        (7001, "bin/trm", ["recommend", "best.npz", "--age", "34"]),
        (7001, "bin/trm-train", ["--check"]),
        (9001, "gifts.pyz", ["recommend", "--age", "34"]),
    ],
)
def test_at_any_moment_it_ends_with_130_and_one_line(
    every: int, program: str, arguments: list[str], folder: Path
) -> None:
    path = ROOT / program if program.startswith("bin") else folder / program
    command = [sys.executable, str(HARNESS), str(every), str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    said = list(filter(None, done.stderr.splitlines()))
    copies = [line for line in said if line.split()[0].isdecimal()]
    assert len(copies) > 5
    assert [copy for copy in copies if copy.split()[0] != copy.split()[1]] == []
    assert {*said} - {*copies} == {"Error: interrupted"}


@pytest.fixture
def prepared() -> Iterator[None]:
    """Ctrl-C goes where a program sends it."""
    before = signal.signal(signal.SIGINT, leave)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("prepared")
def test_an_import_that_makes_another_error_of_it_is_interrupted_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("as compiled modules do") from None
    assert signal.getsignal(signal.SIGINT) is leave


@pytest.mark.usefixtures("prepared")
def test_errors_without_it_stay_what_they_are() -> None:
    with pytest.raises(ImportError), interruptible():
        raise ImportError
    assert signal.getsignal(signal.SIGINT) is leave


def test_where_python_drops_exceptions_it_ends_the_process() -> None:
    code = """
import signal
from trm_np.process import prepare
prepare()
from trm_np.cli.signals import interruptible
class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
with interruptible():
    Dropped()
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: interrupted\n")


@pytest.mark.parametrize("when", ["ignored before", "after all is done"])
def test_one_that_is_ignored_stays_so(when: str) -> None:
    code = """
import signal, sys
from trm_np.process import prepare
if "before" in sys.argv[1]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
else:
    import atexit
    atexit.register(signal.raise_signal, signal.SIGINT)
prepare()
from trm_np.cli.signals import interruptible
if "before" in sys.argv[1]:
    with interruptible():
        signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code, when], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
