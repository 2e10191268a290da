"""The book has every page once, its links lead on, and it needs no network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.book.pages import (
    BROWSERS,
    PAGES,
    PROGRAMS,
    contents,
    documented_modules,
    folder_of,
    module_of,
    page_of_the_book,
    prepare,
)

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "index.md"
LOADED = re.compile(r"""<(?:link|script|img|iframe|source)[^>]*?(?:href|src)=["']?(https?:)?//""")


def test_each_page_is_in_the_table_of_contents() -> None:
    index = INDEX.read_text(encoding="utf-8")
    listed = [line for line in contents(index).splitlines() if line.endswith((".md", ".md>"))]
    pages = [(INDEX.parent / line.split("<")[-1].rstrip(">")).resolve() for line in listed]
    assert set(pages) == set(PAGES) - {INDEX}


def test_contents_are_the_lists_and_tables_of_the_index() -> None:
    index = (
        "# I\n\n## A\n\n- [One](one.md): first, see [two](two.md)\n\n| 0b | [Title](three.md) | 9 |\n\n## B\n"
    )
    assert contents(index) == "\n```{toctree}\n:hidden:\n:caption: A\n\nthree.md\nOne <one.md>\n```\n"


def test_a_link_to_a_module_leads_to_its_reference() -> None:
    modules = documented_modules()
    assert module_of(ROOT / "autograd" / "ops.py") == "trm_np.autograd.ops"
    assert module_of(ROOT / "trm_np" / "model" / "core.py") == "trm_np.model.core"
    text = page_of_the_book(ROOT / "docs" / "reference.md", modules)
    assert "[`trm_np/model/core.py`](reference/trm_np.model.core.rst)" in text
    assert "(reference/trm_np.autograd.tensor.rst)" in text
    lesson = page_of_the_book(ROOT / "docs" / "lessons" / "02-learning-rates.md", modules)
    for name in ("parameter_groups", "check_cover"):
        assert f"{{py:obj}}`{name} <trm_np.model.groups.{name}>`" in lesson


def test_the_sources_have_what_the_pages_link_and_nothing_older(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "older.md").write_text("# A page that is gone")
    prepare(tmp_path)
    assert not (tmp_path / "docs" / "older.md").exists()
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.md")} == {
        p.relative_to(ROOT) for p in PAGES
    }
    for name in ("setup.cfg", "docs/figures/f.svg", "docs/reference/trm_np.autograd.nn.rst"):
        assert (tmp_path / name).exists()


def test_the_reference_has_each_module_of_its_packages() -> None:
    for package, modules in documented_modules().items():
        files = {path.stem for path in folder_of(package).glob("*.py")} - {"__init__", "__main__"}
        assert {name.removeprefix(f"{package}.") for name in modules} == files


@pytest.mark.parametrize(
    ("line", "loads"),
    [
        ('<script src="https://a.example/b.js">', True),
        ('<link rel="stylesheet" href="//a.example/b.css">', True),
        ('<a href="https://a.example">', False),
        ('<script src="../_static/b.js">', False),
    ],
)
def test_what_needs_a_network_is_noticed(line: str, loads: bool) -> None:
    assert bool(LOADED.search(line)) == loads


@pytest.mark.slow
def test_the_book_is_built_without_a_warning() -> None:
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="needs pip install -e '.[docs]'")
    printing = any(map(shutil.which, BROWSERS))
    command = [sys.executable, "-X", "utf8", str(ROOT / "docs" / "book"), *(["--pdf"] if printing else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not printing or (ROOT / "build" / "book" / "trm_np.pdf").read_bytes().startswith(b"%PDF")
    html = ROOT / "build" / "book" / "html"
    assert all((html / page.relative_to(ROOT)).with_suffix(".html").exists() for page in PAGES)
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not LOADED.search(text), page
        assert '.md"' not in text, page
    for program in (*(path.name for path in PROGRAMS), "slides.html"):
        linked = re.findall(
            r'href="(?!https?:|data:)([^"#]+)', (html / "docs" / program).read_text(encoding="utf-8")
        )
        assert all((html / "docs" / target).exists() for target in linked), (program, linked)
