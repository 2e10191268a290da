"""Windows, as tests/windows.py has it: the commands run there, and it catches what would not. And names of files."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.training.small_run import SET
from tests.waiting import HANG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Windows is simulated on Linux"),
]
ROOT = Path(__file__).resolve().parents[1]
# Names that mean a device on Windows, whatever follows a point, and characters that no name may have there.
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[ .]$')


def on_windows(code: str, folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """Python with this code, in a process that sees Windows."""
    command = [sys.executable, "-X", "warn_default_encoding", "-c", f"import tests.windows\n{code}"]
    command += map(str, words)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HANG, check=False
    )


def run(folder: Path, program: str, *words: object) -> str:
    """Run the program there; returns its output."""
    done = on_windows(f"from trm_np.start import {program}; {program}()", folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was trained there."""
    folder = tmp_path_factory.mktemp("windows")
    run(folder, "train", *SET, "--epochs", 2, "--quiet", "--out", "run")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("recommend", "run/best.npz", "--hobby", "gardening", "--budget", "50"),
        ("inspect", "run/best.npz"),
        ("export", "run/best.npz", "--zipapp", "--out", "gift.pyz"),
        ("puzzle", "make", "sudoku6", "--count", "3", "--out", "three.csv"),
        ("lab", "sweep", *SET, "--seeds", "1", "--processes", "1", "--out", "lab"),
    ],
    ids=lambda words: words[0],
)
def test_commands_run(folder: Path, words: tuple[str, ...]) -> None:
    assert run(folder, "trm", *words) or words[0] in ("export", "puzzle")


def test_a_run_goes_on_and_writes_the_bytes_that_it_writes_elsewhere(folder: Path, tmp_path: Path) -> None:
    run(folder, "train", *SET, "--epochs", 2, "--quiet", "--out", "run", "--resume")
    command = [sys.executable, ROOT / "bin" / "trm-train", *SET, "--epochs", "2", "--quiet"]
    subprocess.run([*command, "--out", tmp_path], check=True, timeout=HANG)
    for name in ("best.npz", "last.npz", "metrics.jsonl", "summary.json"):
        assert (folder / "run" / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from trm_np.storage.files import FolderInUse, lock_folder, unlock_folder
first = lock_folder(Path())
try:
    lock_folder(Path())
except FolderInUse as error:
    print(error)
unlock_folder(first)
unlock_folder(lock_folder(Path()))
"""
    done = on_windows(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "in use by process" in done.stdout


@pytest.mark.parametrize("number", ["EINVAL", "EPIPE"])
def test_a_reader_that_has_gone_ends_a_command_in_silence(tmp_path: Path, number: str) -> None:
    code = f"""
import errno, io, os, sys
from trm_np.start import trm
class Gone(io.FileIO):
    def write(self, data):
        if os.path.samestat(os.fstat(self.fileno()), pipe):
            raise OSError(errno.{number}, "the reader has gone")
        return super().write(data)
pipe = os.fstat(1)
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Gone(1, "w")), "utf-8")
sys.argv = ["trm", "--help"]
trm()
"""
    done = on_windows(code, tmp_path)
    assert (done.stderr, done.stdout, done.returncode) == ("", "", 1)


PLANTED = {
    "a module that is missing": ("import fcntl", "ModuleNotFoundError"),
    "limits of a process": ("import resource", "ModuleNotFoundError"),
    "a flag that is missing": ("import os; os.O_CLOEXEC", "AttributeError"),
    "a flag that is unknown": (
        "import os; os.open('file', os.O_WRONLY | os.O_CREAT | 0o400000)",
        "flags that Windows does not have",
    ),
    "a signal that is missing": ("import signal; signal.SIGHUP", "AttributeError"),
    "a number that is no signal": ("import signal; signal.signal(1, signal.SIG_IGN)", "ValueError"),
    "a mask of signals": ("import signal; signal.pthread_sigmask(0, [])", "AttributeError"),
    "a folder that is opened": ("import os; os.open('.', os.O_RDONLY)", "PermissionError"),
    "permissions of an open file": ("import os; os.fchmod(1, 0o600)", "AttributeError"),
    "processes that are forked": (
        "from multiprocessing import get_context; get_context('forkserver')",
        "ValueError",
    ),
    "ends of lines that are translated": (
        """
import os
file = os.open("file", os.O_WRONLY | os.O_CREAT)
os.write(file, b"a\\nb")
os.close(file)
assert open("file", "rb").read() == b"a\\nb"
""",
        "AssertionError",
    ),
    "bytes that are read as text": (
        "import io, os; io.FileIO(os.open('one', os.O_RDONLY))",
        "read as text",
    ),
    "a name that is taken": ("import os; os.rename('one', 'two')", "FileExistsError"),
    "a file that is open": (
        "import os; file = open('two', 'rb'); os.replace('one', 'two')",
        "PermissionError",
    ),
    "an encoding that is not stated": ("open('one').read()", "EncodingWarning"),
}


@pytest.mark.parametrize(("planted", "found"), PLANTED.values(), ids=PLANTED)
def test_what_fails_on_windows_fails_there(tmp_path: Path, planted: str, found: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"")
    done = on_windows(f"exec({planted!r}, {{'__name__': 'trm_np.planted'}})", tmp_path)
    assert done.returncode == 1
    assert found in done.stderr.splitlines()[-1]


def test_names_of_files_are_names_on_every_system() -> None:
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    modes, names = zip(*(line.split(None, 3)[::3] for line in listed.stdout.splitlines()), strict=True)
    assert "120000" not in modes, "a symbolic link"
    parts = {part for name in names for part in name.split("/")}
    assert not [part for part in parts if FORBIDDEN.search(part) or part.partition(".")[0].lower() in DEVICES]
    assert {name: count for name, count in Counter(map(str.lower, names)).items() if count > 1} == {}
