"""A lesson as a Jupyter notebook, in format 4.5: JSON of cells, each with its source."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
OUTPUTS = (
    "text",
    "console",
)  # of a block that shows what the Python above it prints, always or on one machine
RUNS = "checkpoints/"
# The lessons read runs of the folder in which the first command of the README was run.
TO_ROOT = (
    'import os\n\nif not os.path.exists("checkpoints"):\n    os.chdir({root!r})  # where checkpoints/ is\n'
)


def notebook(page: Path, folder: Path, root: Path) -> dict[str, Any]:
    """The notebook of a lesson as it is written into `folder`; links lead from there to the files of the checkout."""
    found = cells(page.read_text(encoding="utf-8"))
    for cell in found:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked(cell["source"], page, folder)
    if any(RUNS in cell["source"] for cell in found if cell["cell_type"] == "code"):
        found.insert(1, code(TO_ROOT.format(root=relative(root, folder))))
    for number, cell in enumerate(found):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def cells(text: str) -> list[dict[str, Any]]:
    """Cells of prose, one for each heading, and of code, with the output that the page shows below it."""
    found: list[dict[str, Any]] = []
    prose, end, last = "", 0, None
    for block in BLOCK.finditer(text):
        kind, content = block.groups()
        between = text[end : block.start()]
        end = block.end()
        if last and kind in OUTPUTS and not between.strip():
            last["outputs"] = [{"name": "stdout", "output_type": "stream", "text": content}]
            if kind == "console":
                last["metadata"]["tags"] = ["nbval-ignore-output"]
            last = None
        elif kind == "python":
            last = code(content)
            found += [*headed(prose + between), last]
            prose = ""
        else:
            prose += between + block.group()
            last = None
    return [*found, *headed(prose + text[end:])]


def headed(prose: str) -> Iterator[dict[str, Any]]:
    for part in re.split(r"^(?=#+ )", prose, flags=re.MULTILINE):
        if part.strip():
            yield {"cell_type": "markdown", "metadata": {}, "source": part.strip()}


def code(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source.rstrip("\n"),
    }


def linked(prose: str, page: Path, folder: Path) -> str:
    """Prose of the page, with links to other lessons as notebooks, and all other links from the folder."""

    def link(found: re.Match[str]) -> str:
        target, anchor = page.parent / found[1], found[2] or ""
        if target.parent == page.parent and target.suffix == ".md":
            return f"]({target.stem}.ipynb{anchor})"
        return f"]({relative(target, folder)}{anchor})"

    return LINK.sub(link, prose)


def relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
