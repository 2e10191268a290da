"""Every command and every code block of README and docs does what it says: they are run here, in order."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


COMMANDS = [(page, line) for page, text in blocks("sh") for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README's reader has it after the first command, with data of their own."""
    folder = tmp_path_factory.mktemp("reader")
    scenarios = ROOT / "scenarios"
    shutil.copy(scenarios / "realistic_user_scenarios.json", folder / "mine.json")
    shutil.copy(scenarios / "held_out_scenarios.json", folder / "my_test.json")
    shutil.copy(scenarios / "gift_catalog.json", folder / "my_gifts.json")
    run([str(ROOT / "bin" / "trm-train"), "--epochs", "5", "--quiet"], folder)
    return folder


def run(words: list[str], folder: Path) -> None:
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "line"), [pair for pair in COMMANDS if "-m venv" not in pair[1]])
def test_a_command_works(page: str, line: str, folder: Path) -> None:
    """As it stands, but trained for one epoch where it would train for more."""
    program, *words = shlex.split(line, comments=True)
    if program == ".venv/bin/python":
        run([str(ROOT / words[0]), *words[1:], "--seeds", "1", "--epochs", "1"], folder)
        return
    name = program.removeprefix(".venv/bin/")
    training = name == "trm-train" and "--epochs" not in words
    run([str(ROOT / "bin" / name), *words, *(["--epochs", "1"] if training else [])], folder)


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_a_code_block_runs(page: str, text: str, folder: Path) -> None:
    code = f"import sys; sys.path.append({str(ROOT)!r})\n{text}"
    run(["-W", "error", "-c", code], folder)


def test_ci_runs_the_second_command_of_the_readme() -> None:
    setting_up = [line for page, line in COMMANDS if page == "README.md" and "-m venv" in line]
    assert len(setting_up) == 2
    assert setting_up[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_text_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:autograd|trm_np|scenarios|docs|tests|benchmarks|bin)/[\w/.]+)`", page.read_text("utf-8")
    )
    for path in named:
        assert (ROOT / path).exists(), path
