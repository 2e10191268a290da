"""Extras of setup.cfg agree with what the program asks for, and with its advice on how to install them."""

import shlex
import sys
from configparser import ConfigParser
from pathlib import Path

from trm_np.cli.program import NEEDED_NUMPY, NEEDED_PYTHON
from trm_np.extras import BRINGS, needs_extra, pip_install

SETUP = ConfigParser()
SETUP.read(Path(__file__).resolve().parents[1] / "setup.cfg", encoding="utf-8")


def required(text: str) -> tuple[str, ...]:
    """The requirements of a list in setup.cfg, without the systems that they are for."""
    return tuple(line.partition(";")[0] for line in text.split("\n") if line and not line.startswith("#"))


def test_an_extra_brings_what_setup_says() -> None:
    extras = {name: required(text) for name, text in SETUP["options.extras_require"].items()}
    assert {name: extras.get(name) for name in BRINGS} == BRINGS


def test_a_program_in_one_file_needs_what_setup_says() -> None:
    options = SETUP["options"]
    assert options["python_requires"] == ">=" + ".".join(map(str, NEEDED_PYTHON))
    assert f"numpy>={NEEDED_NUMPY}.0" in required(options["install_requires"])


def test_the_hint_is_a_command_for_this_python() -> None:
    line = needs_extra("plots need", "plots")
    start, _, command = line.partition(": ")
    assert start == "plots need the extra [plots]"
    assert shlex.split(command) == [sys.executable, "-m", "pip", "install", *BRINGS["plots"]]
    assert shlex.split(pip_install("a>=1"))[-1] == "a>=1"
