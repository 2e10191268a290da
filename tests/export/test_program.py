"""A model as a program of one file: any Python with NumPy runs it, nothing is unpacked, nothing else is needed."""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.forging import smallest
from tests.recommend.stored_models import write_trained
from tests.waiting import HANG
from trm_np import Recommender
from trm_np.export.program import FIRST_LINE, export_program
from trm_np.storage.checkpoint import CheckpointError, load_model

# Runs the program with nothing to import but the standard library, one more folder, and what is in the program; says
# last on stdout where click and trm_np came from, what was opened for writing, made or removed, and how many of the
# program's modules were compiled.
ALONE = """
import runpy, sys
program, folder, *arguments = sys.argv[1:]
changes = []
compiled = 0
def hook(event, arguments):
    global compiled
    if event == "open" and (set(arguments[1] or "r") & set("wxa+") or arguments[2] & 0o1103):
        changes.append(str(arguments[0]))
    elif event in ("os.mkdir", "os.remove", "os.rename", "tempfile.mkstemp", "tempfile.mkdtemp"):
        changes.append(event)
    elif event == "compile" and str(arguments[1]).startswith(program):
        compiled += 1
sys.path.append(folder)
sys.argv = [program, *arguments]
sys.addaudithook(hook)
try:
    runpy.run_path(program, run_name="__main__")
finally:
    origins = [sys.modules[name].__file__ for name in ("click", "trm_np", "trm_np.autograd") if name in sys.modules]
    import json
    print(json.dumps({"origins": origins, "changes": changes, "compiled": compiled}))
"""
ASKED = ("recommend", "--age", "34", "--hobby", "cooking", "--budget", "120", "--json")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trained(tmp_path_factory.mktemp("model") / "best.npz")


@pytest.fixture(scope="module")
def program(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "gifts.pyz"
    export_program(model, path)
    return path


@pytest.fixture(scope="module")
def numpy_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NumPy, and what its wheel brings along, in it."""
    folder = tmp_path_factory.mktemp("numpy_alone")
    installed = Path(np.__file__).parent
    for part in (installed, installed.with_name("numpy.libs")):
        if part.exists():
            (folder / part.name).symlink_to(part)
    return folder


def run_alone(program: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """-I: no environment, no current folder; -S: no site-packages; -B: no caches of what NumPy imports."""
    command = [sys.executable, "-I", "-S", "-B", "-c", ALONE, str(program), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=HANG)


def test_with_numpy_alone_it_answers_as_the_model_does(model: Path, program: Path, numpy_alone: Path) -> None:
    done = run_alone(program, numpy_alone, *ASKED)
    assert (done.returncode, done.stderr) == (0, "")
    *answer, last = done.stdout.splitlines()
    person = {"age": 34, "hobbies": ["cooking"], "budget": 120}
    expected = Recommender.load(model).recommend(person).to_dict()
    assert json.loads("\n".join(answer)) == json.loads(json.dumps(expected))
    seen = json.loads(last)
    assert len(seen["origins"]) == 3
    assert all(origin.startswith(f"{program}{os.sep}") for origin in seen["origins"])
    assert seen["changes"] == [] and seen["compiled"] == 0


def test_a_python_for_which_it_is_not_compiled_runs_its_source(
    model: Path, numpy_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.export.program.MAGIC_NUMBER", b"\0\0\r\n")
    export_program(model, tmp_path / "gifts.pyz")
    done = run_alone(tmp_path / "gifts.pyz", numpy_alone, *ASKED)
    *answer, last = done.stdout.splitlines()
    assert len(json.loads("\n".join(answer))["gifts"]) == 3
    assert json.loads(last)["compiled"] > 100


def test_a_refusal_needs_no_more_than_an_answer(program: Path, numpy_alone: Path) -> None:
    done = run_alone(program, numpy_alone, "recommend", "--profile", "nothing.json")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 65 and line.startswith("Error: nothing.json: found a file that cannot be read")


@pytest.mark.slow
def test_help_gives_examples_that_work(program: Path) -> None:
    for command in ([], ["recommend"]):
        shown = run(program, *command, "--help")
        assert "MODEL" not in shown.split("\n")[0] and "trm " not in shown
        (example,) = re.findall(r"^  Example: gifts.pyz (.*)$", shown, re.MULTILINE)
        assert "gift" in run(program, *shlex.split(example))
    assert "gifts.pyz, version " in run(program, "--version")


def run(program: Path, *arguments: str) -> str:
    command = [sys.executable, "-I", str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANG).stdout


@pytest.mark.parametrize("numpy", [None, "1.26.4"])
def test_without_numpy_2_it_says_so_in_one_line(numpy: str | None, program: Path, tmp_path: Path) -> None:
    if numpy:
        (tmp_path / "numpy.py").write_text(f"__version__ = {numpy!r}\n")
    done = run_alone(program, tmp_path, *ASKED)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("Error: gifts.pyz needs NumPy 2 or later") and line.endswith("'numpy>=2'")
    assert (numpy or "does not have") in line


@pytest.mark.skipif(os.name != "posix", reason="a file is executable by its name elsewhere")
def test_a_shell_can_start_it(program: Path) -> None:
    assert program.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(program.stat().st_mode) == 0o777 & ~umask


def test_equal_models_make_equal_programs(model: Path, program: Path, tmp_path: Path) -> None:
    export_program(model, tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == program.read_bytes()


def test_a_program_is_a_model_file_too(model: Path, program: Path, tmp_path: Path) -> None:
    expected, found = load_model(model), load_model(program)
    assert found.header == expected.header and found.gifts == expected.gifts
    state = found.model.state_dict()
    assert all(np.array_equal(state[name], value) for name, value in expected.model.state_dict().items())
    export_program(program, tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == program.read_bytes()


def test_a_program_is_read_as_strictly_as_its_model(program: Path, tmp_path: Path) -> None:
    """A bit that is another anywhere in the model, and a byte more or less, is refused; the code is not read."""
    data = program.read_bytes()
    end = data.index(b"PK\5\6") + 22
    path = tmp_path / "spoilt.pyz"
    for place in np.linspace(len(FIRST_LINE), end - 1, 60).astype(int):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError):
            load_model(path)
    for spoilt in (
        data[:30] + data[31:],
        data[:30] + b"x" + data[30:],
        data[: end - 1] + data[end:],
        data[:-1],
    ):
        path.write_bytes(spoilt)
        with pytest.raises(CheckpointError):
            load_model(path)
    path.write_bytes(data[: end + 100] + b"x" + data[end + 101 :])
    load_model(path)


def test_the_smallest_model_is_taken_out_whole(tmp_path: Path) -> None:
    (tmp_path / "best.npz").write_bytes(smallest())
    export_program(tmp_path / "best.npz", tmp_path / "gifts.pyz")
    data = (tmp_path / "gifts.pyz").read_bytes()
    assert data.startswith(FIRST_LINE + smallest() + b"PK\3\4")
    load_model(tmp_path / "gifts.pyz")
