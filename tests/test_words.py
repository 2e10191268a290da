"""Docstrings say plainly what a thing is or does: none begins with "What"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("trm_np", "autograd", "benchmarks", "bin", "tests")
SCRIPTS = ("bin/trm", "bin/trm-train")
BEGINS = re.compile(
    r"""["']\s*What"""
)  # so a source with such a docstring has it; most have none, and are not parsed
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def sources() -> list[Path]:
    modules = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return modules + [ROOT / script for script in SCRIPTS]


def riddles(source: str) -> Iterator[str]:
    """Docstrings of a module that begin with "What", "Whatever" included, each from its first line."""
    for node in ast.walk(ast.parse(source)) if BEGINS.search(source) else ():
        if isinstance(node, DOCUMENTED):
            text = ast.get_docstring(node) or ""
            if text.startswith("What"):
                yield text.partition("\n")[0]


def test_no_docstring_begins_with_what() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in sources()
        for line in riddles(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""What a module holds."""', 1),
        ('class C:\n    """\n    What it is.\n    """\n', 1),
        ('class C:\n    async def f(self):\n        r"""Whatever it does."""\n', 1),
        ('def f():\n    """Say what it is."""\n', 0),
        ('def f():\n    text = """What is no docstring"""\n', 0),
    ],
)
def test_a_docstring_that_begins_with_what_is_found(source: str, count: int) -> None:
    assert len(list(riddles(source))) == count
