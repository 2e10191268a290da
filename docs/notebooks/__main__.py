"""Make notebooks of the lessons: `.venv/bin/python docs/notebooks [FOLDER]`."""

import json
import sys
from pathlib import Path

import click

from trm_np.cli.errors import OneLine, refusals, say
from trm_np.cli.options import named

ROOT = Path(__file__).resolve().parents[2]


@click.command(
    cls=OneLine,
    help="""Write each lesson as a Jupyter notebook into FOLDER, in place of older ones; by default build/notebooks.

    The notebooks have the text, the code and the output of the lessons. Run them in order, from the first cell on.

    \b
    Example: python docs/notebooks build/notebooks
    """,
)
@click.argument("folder", callback=named, default="build/notebooks", metavar="[FOLDER]")
def notebooks(folder: str) -> None:
    with refusals():
        from docs.notebooks.notebook import notebook
        from trm_np.storage.files import atomic_write

        out = Path(folder).resolve()
        out.mkdir(parents=True, exist_ok=True)
        for page in sorted((ROOT / "docs" / "lessons").glob("*.md")):
            path = out / f"{page.stem}.ipynb"
            made = notebook(page, out, ROOT)
            atomic_write(path, (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
            say(str(Path(folder) / path.name))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # where `docs.notebooks` is found
    notebooks()
