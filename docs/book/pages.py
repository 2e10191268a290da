"""Pages of the book, from the Markdown files that are read on a forge too.

They keep the places that they have in the repository, so that links between them hold. The index gets the table of
contents that its lists describe. A link to a module leads to its page in the reference, which is made of docstrings.
"""

import os
import re
import shutil
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("scenarios", "benchmarks")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PROGRAMS = sorted((ROOT / "docs").glob("*.html"))  # pages that run in a browser
WITHOUT_REFERENCE = {"trm_np.cli", "trm_np.scenarios"}  # commands have a page of their own; data have no code
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")  # any of them prints the PDF
STRICT = {"halt_level": 2, "report_level": 2, "myst_all_links_external": True}  # a warning is an error
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")

# "`a` and `b` in [`file.py`](file.py)"
NAMES_IN_FILE = re.compile(r"((?:`\w+`(?:,|,? and)?\s+)+in\s+)(?=\[`[^`]+`\]\(([^)]+\.py)\))")


def prepare(folder: Path, with_reference: bool = True) -> None:
    """Make `folder` the sources of the book; a file that would not change is left alone."""
    modules = documented_modules() if with_reference else {}
    wanted = set()
    for page in PAGES:
        text = page_of_the_book(page, modules)
        wanted.add(_write(folder / page.relative_to(ROOT), text))
        for link in LINK.finditer(text):
            path = target_of(page, link[2])
            if path.is_file() and path not in PAGES:  # a picture, or a file to download
                wanted.add(_copy(path, folder))
    for package, names in modules.items():
        wanted.add(_write(folder / f"docs/reference/{package}.rst", reference_of_package(package, names)))
        for name in names:
            wanted.add(_write(folder / f"docs/reference/{name}.rst", reference_of(name)))
    for path in folder.rglob("*"):
        if path.is_file() and path not in wanted:  # of an earlier build
            path.unlink()


def documented_modules() -> dict[str, list[str]]:
    """Modules of each package of the reference, in the order of `setup.cfg`."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = setup["options"]["packages"].split()
    return {
        package: sorted(
            f"{package}.{path.stem}"
            for path in folder_of(package).glob("*.py")
            if not path.stem.startswith("__")
        )
        for package in packages
        if package not in WITHOUT_REFERENCE
    }


def folder_of(package: str) -> Path:
    inside = package.removeprefix("trm_np.") if package == "trm_np.autograd" else package
    return ROOT / inside.replace(".", "/")


def page_of_the_book(page: Path, modules: dict[str, list[str]]) -> str:
    """Text of a page; its links, and names in a file that is linked, lead to places in the book."""
    known = {name for names in modules.values() for name in names}

    def named(names: re.Match[str]) -> str:
        module = module_of(target_of(page, names[2]))
        return re.sub(r"`(\w+)`", rf"{{py:obj}}`\1 <{module}.\1>`", names[1]) if module in known else names[1]

    def led(link: re.Match[str]) -> str:
        path = target_of(page, link[2])
        if path.suffix == ".html":
            return f'<a href="{link[2]}">{link[1]}</a>'
        if (module := module_of(path)) in known:
            target = os.path.relpath(ROOT / "docs/reference" / f"{module}.rst", page.parent)
            return f"[{link[1]}]({Path(target).as_posix()})"
        return link[0]

    text = LINK.sub(led, NAMES_IN_FILE.sub(named, page.read_text(encoding="utf-8")))
    if page == ROOT / "docs" / "index.md":
        text += contents(text)
    if page == ROOT / "docs" / "reference.md":
        text += toctree([f"reference/{package}" for package in modules])
    return text


def target_of(page: Path, link: str) -> Path:
    return Path(os.path.normpath(page.parent / link))


def module_of(path: Path) -> str:
    """`trm_np.autograd.ops` for autograd/ops.py."""
    if not path.is_relative_to(ROOT):
        return ""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name if name.startswith("trm_np.") else f"trm_np.{name}"


def contents(index: str) -> str:
    """Tables of contents, one for each section of the index: its pages as they are listed there.

    Pages in rows of a table have their own titles, those in a list the names that they have there.
    """
    found = ""
    for section in index.split("\n## ")[1:]:
        rows = re.findall(r"^\| \w+ \| \[[^\]]+\]\(([^)]+)\)", section, re.MULTILINE)
        listed = re.findall(r"^- \[([^\]]+)\]\(([^)]+\.md)\)", section, re.MULTILINE)
        if rows or listed:
            found += toctree([*rows, *(f"{name} <{page}>" for name, page in listed)], section.splitlines()[0])
    return found


def toctree(entries: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["\n```{toctree}", *options, "", *entries, "```\n"])


def reference_of_package(package: str, modules: list[str]) -> str:
    title = f"``{package}``"
    entries = "\n".join(f"   {name.removeprefix(package + '.')} <{name}>" for name in modules)
    return f"{title}\n{'=' * len(title)}\n\n.. automodule:: {package}\n\n.. toctree::\n\n{entries}\n"


def reference_of(module: str) -> str:
    title = f"``{module}``"
    return f"{title}\n{'=' * len(title)}\n\n.. automodule:: {module}\n"


def copy_programs(html: Path) -> None:
    """Copy the pages that run in a browser into the book, with links to its pages."""
    for page in PROGRAMS:
        text = page.read_text(encoding="utf-8")
        _write(html / page.relative_to(ROOT), re.sub(r'href="(?!https?:)([^"]+)\.md', r'href="\1.html', text))
    _write(html / "index.html", '<meta http-equiv="refresh" content="0; url=docs/index.html">\n')


def write_slides(html: Path) -> None:
    """Write the workshop as slides, one for each heading, into one file that needs no other."""
    from docutils.core import publish_parts
    from docutils.writers.html5_polyglot import Writer
    from myst_parser.docutils_ import Parser

    text = (ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?!https?:)([^)#]+)\.md", r"](\1.html", text)
    body = publish_parts(text, parser=Parser(), writer=Writer(), settings_overrides=STRICT)["html_body"]
    style = (ROOT / "docs" / "book" / "slides.css").read_text(encoding="utf-8")
    title = text.splitlines()[0].removeprefix("# ")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    _write(html / "docs" / "slides.html", f"<!DOCTYPE html>{head}<style>{style}</style>{body}\n")


def _copy(path: Path, folder: Path) -> Path:
    where = folder / path.relative_to(ROOT)
    where.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, where)
    return where


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
