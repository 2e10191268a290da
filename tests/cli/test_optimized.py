"""Under python -OO, which takes docstrings and asserts away, every command says and does the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.small_run import SET
from trm_np.cli import COMMANDS, trm

ROOT = Path(__file__).resolve().parents[2]


def run(program: Path | str, *arguments: str) -> str:
    command = [sys.executable, str(program), *arguments]
    environment = {**os.environ, "PYTHONOPTIMIZE": "2"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_help_is_whole() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from trm_np.cli import trm; "
        "[print(CliRunner().invoke(trm, [*name.split(), '--help'], prog_name='trm').output) for name in sys.argv[1:]]"
    )
    names = ["", *COMMANDS, "lab sweep", "lab page"]
    command = [sys.executable, "-OO", "-c", code, *names]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    expected = [CliRunner().invoke(trm, [*name.split(), "--help"], prog_name="trm").output for name in names]
    assert shown == "".join(f"{each}\n" for each in expected)
    assert shown.count("Example: ") == len(names)


@pytest.mark.slow
def test_training_a_program_and_its_answer(tmp_path: Path) -> None:
    bin_trm, model, program = ROOT / "bin" / "trm", tmp_path / "run" / "best.npz", tmp_path / "gifts.pyz"
    run(bin_trm, "train", *SET, "--epochs", "1", "--out", str(model.parent), "--quiet")
    run(bin_trm, "export", str(model), "--zipapp", "--out", str(program))
    answer = json.loads(run(program, "recommend", "--age", "34", "--json"))
    expected = CliRunner().invoke(trm, ["recommend", str(model), "--age", "34", "--json"])
    assert answer == json.loads(expected.stdout)
    assert "Example: gifts.pyz recommend --age 34" in run(program, "recommend", "--help")


@pytest.mark.parametrize(
    "arguments",
    [
        "train --set training.batch_size=0",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("inspect nothing.npz", "trane")),
    ],
)
def test_refusals(arguments: str) -> None:
    command = [sys.executable, "-OO", str(ROOT / "bin" / "trm"), *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    expected = CliRunner().invoke(trm, arguments.split())
    assert (done.returncode, done.stderr) == (expected.exit_code, expected.stderr)
    assert re.fullmatch("Error: .*\n", done.stderr)
