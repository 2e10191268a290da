"""A test that a first run skipped or failed is run by the second; one that passed is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import os, pytest

@pytest.mark.parametrize("text", ["", "two words", "[é]\\n"])
def test_always(text):
    pass

def test_extra():
    if "EXTRA" not in os.environ:
        pytest.skip()

def test_mended():
    assert "EXTRA" in os.environ

@pytest.fixture
def spoilt():
    yield
    assert "EXTRA" in os.environ

def test_spoilt(spoilt):
    pass
"""


@pytest.mark.slow
def test_what_passed_is_not_run_again(tmp_path: Path) -> None:
    folder, file = tmp_path / "tests", tmp_path / "passed.txt"
    folder.mkdir()
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    (folder / "pytest.ini").touch()

    def run(*words: str, **further: str) -> set[str]:
        """The names of the tests that passed."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        command = [sys.executable, "-m", "pytest", "-rA", "-p", "tests.left_over", f"--passed={file}"]
        done = subprocess.run(
            [*command, *words],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT)} | further,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        lines = done.stdout.splitlines()
        return {line.split("::", 1)[1] for line in lines if line.startswith("PASSED")}

    always = {"test_always[]", "test_always[two words]", "test_always[[\\xe9]\\n]"}
    assert run("-n", "2") == {*always, "test_spoilt"}
    assert run(EXTRA="1") == {"test_extra", "test_mended", "test_spoilt"}
    listed = file.read_text(encoding="utf-8").splitlines()
    assert {name.split("::", 1)[1] for name in listed} == {
        *always,
        "test_extra",
        "test_mended",
        "test_spoilt",
    }
