"""A Python that was built without some of its parts, or beside which a package is missing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.recommend.stored_models import write_trained
from tests.training.small_run import SET

ROOT = Path(__file__).resolve().parents[2]
# What needs a library of the system, or is not there on every system.
OPTIONAL = (
    *(
        "_bz2",
        "_lzma",
        "_ssl",
        "_hashlib",
        "_sqlite3",
        "_curses",
        "_tkinter",
        "_uuid",
        "_dbm",
        "_gdbm",
        "_zoneinfo",
    ),
    *("readline", "syslog", "_multiprocessing", "_posixshmem", "_decimal"),
)
WITHOUT = """
import sys
missing, *commands = sys.argv[1:]
for name in missing.split():
    sys.modules[name] = None
from click.testing import CliRunner
from trm_np.cli import trm
for command in commands:
    done = CliRunner().invoke(trm, command.split())
    if done.exit_code:
        print(done.stderr, end="", file=sys.stderr)
        sys.exit(done.exit_code)
"""
TRAIN = f"train {' '.join(SET)} --epochs 1 --out run --quiet"
WITHOUT_SCIPY = (  # which itself needs ctypes
    "recommend best.npz --age 34",
    "inspect best.npz",
    "export best.npz --zipapp --out gifts.pyz",
    "init mine",
    "train --check",
)


def run(missing: Sequence[str], folder: Path, *commands: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT, " ".join(missing), *commands]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.slow
def test_no_command_needs_the_optional_parts(tmp_path: Path) -> None:
    write_trained(tmp_path / "best.npz")
    more = (TRAIN, "evaluate run/best.npz", "export best.npz --half --out half.npz")
    done = run(OPTIONAL, tmp_path, *WITHOUT_SCIPY, *more)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("missing", [pytest.param("_ctypes", marks=pytest.mark.slow), "scipy"])
def test_without_scipy_training_is_refused_before_it_begins(missing: str, tmp_path: Path) -> None:
    write_trained(tmp_path / "best.npz")
    done = run([missing], tmp_path, *WITHOUT_SCIPY)
    assert (done.returncode, done.stderr) == (0, "")
    done = run([missing], tmp_path, TRAIN)
    (line,) = done.stderr.splitlines()
    assert (
        done.returncode == 74 and line.startswith("Error: a package cannot be loaded: ") and missing in line
    )
    assert not (tmp_path / "run").exists()
