"""A standard stream is missing, or takes nothing: the command works without it, or ends with one line and code 74."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.recommend.stored_models import write_trained
from tests.some_quick import some_quick
from tests.training.small_run import SET
from trm_np.export.program import export_program
from trm_np.storage.checkpoint import load_model

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "train": ("bin/trm-train", *SET, "--epochs", "1", "--out", "run"),
    "recommend": ("bin/trm", "recommend", "best.npz", "--age", "34"),
    "recommend in processes": (
        *("bin/trm", "recommend", "best.npz", "--profile", "people.jsonl", "--processes", "1"),
    ),
    "evaluate": ("bin/trm", "evaluate", "best.npz"),
    "inspect": ("bin/trm", "inspect", "--json"),  # longer than a buffer
    "export": ("bin/trm", "export", "best.npz", "--zipapp", "--out", "made.pyz"),
    "init": ("bin/trm", "init", "mine"),
    "lab sweep": ("bin/trm", "lab", "sweep", "--seeds", "1", *SET, "--out", "lab"),
    "help": ("bin/trm", "--help"),
    "program": ("gifts.pyz", "recommend", "--age", "34"),
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    export_program(write_trained(folder / "best.npz"), folder / "gifts.pyz")
    (folder / "people.jsonl").write_text('{"age": 34}\n{"age": 43}\n')
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    """Copies of the files, for one test."""
    return shutil.copytree(files, tmp_path, dirs_exist_ok=True)


def run(folder: Path, command: Sequence[str], redirection: str) -> "subprocess.CompletedProcess[str]":
    program, *arguments = command
    path = ROOT / program if program.startswith("bin") else folder / program
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, str(path), *arguments]
    return subprocess.run(shell, capture_output=True, encoding="utf-8", cwd=folder)


def marked(*names: str) -> list[Any]:
    """The names, of which the quick tests try a short output and one with a model."""
    return some_quick(names, ("help", "recommend").__contains__)


@pytest.mark.parametrize("name", marked(*COMMANDS))
def test_a_command_works_without_stdin_and_stderr(name: str, folder: Path) -> None:
    done = run(folder, COMMANDS[name], "<&- 2>&-")
    assert (done.returncode, bool(done.stdout), done.stderr) == (0, True, "")
    if name == "train":
        load_model(folder / "run" / "best.npz")


@pytest.mark.parametrize("name", marked(*sorted(COMMANDS.keys() - {"evaluate", "lab sweep", "export"})))
def test_output_that_is_lost_is_said(name: str, folder: Path) -> None:
    done = run(folder, COMMANDS[name], ">&-")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (74, "Error: stdout: Bad file descriptor")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", marked("train", "help", "inspect"))
def test_without_any_stream_the_exit_code_says_so(name: str, folder: Path) -> None:
    assert run(folder, COMMANDS[name], "<&- >&- 2>&-").returncode == 74
    if name == "train":
        load_model(folder / "run" / "best.npz")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("name", marked("help", "inspect", "recommend", "program"))
def test_a_full_disk_behind_stdout_is_one_line(name: str, folder: Path) -> None:
    done = run(folder, COMMANDS[name], ">/dev/full")
    assert (done.returncode, done.stderr) == (74, "Error: stdout: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_refusal_that_cannot_be_said_has_its_code(folder: Path) -> None:
    assert run(folder, ("bin/trm", "recommend", "nothing.npz", "--age", "34"), "2>/dev/full").returncode == 65


def test_profiles_from_a_closed_stdin_are_an_error(folder: Path) -> None:
    done = run(folder, ("bin/trm", "recommend", "best.npz", "--profile", "-"), "<&-")
    assert (done.returncode, done.stdout, done.stderr) == (74, "", "Error: stdin: Bad file descriptor\n")


def test_no_file_gets_the_place_of_a_stream(tmp_path: Path) -> None:
    code = (
        "import os; from trm_np.process import prepare; prepare(); file = open('file', 'w'); "
        "file.write(str(file.fileno())); file.flush(); os.write(2, b'what a library says'); "
        "os.execlp('sh', 'sh', '-c', 'echo what a process says >&2')"
    )
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(shell, cwd=tmp_path, env=environment).returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.parametrize(
    ("setting", "expected"),
    some_quick(
        [("cp1252", b"\\u2192"), ("cp1252:replace", b"?"), ("utf-8", "→".encode())],
        lambda row: row[0] == "cp1252:replace",
    ),
)
def test_what_the_user_says_of_encoding_holds(setting: str, expected: bytes) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": setting}
    command = [sys.executable, str(ROOT / "bin" / "trm"), "inspect"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"64" + expected + b"192" in done.stdout


@pytest.mark.slow
def test_the_answers_are_those_of_a_whole_process(folder: Path) -> None:
    command = (*COMMANDS["recommend"], "--json")
    assert json.loads(run(folder, command, "<&- 2>&-").stdout) == json.loads(run(folder, command, "").stdout)
