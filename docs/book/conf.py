"""Settings of Sphinx for the pages that `docs/book/pages.py` prepares."""

import re
import sys
import textwrap
from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # where `trm_np` is found in a checkout that is not installed

project = "trm_np"
author = "the trm_np project"
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "docs/index"
smartquotes = False  # quotation marks of the pages are meant as they stand

myst_heading_anchors = 4  # links lead to headings by the names that a forge gives them
myst_links_external_new_tab = False

toc_object_entries = False  # functions in the contents of each page would take most of the time
add_module_names = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures without types fit a line; [source] shows them
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autodoc_mock_imports = ["onnx", "waitress"]  # of other extras

html_theme = "furo"
html_title = "trm_np"
html_static_path = [str(ROOT / "docs" / "book" / "style.css")]
html_css_files = ["style.css"]
html_show_search_summary = False  # summaries are fetched, which browsers refuse for files on disk
html_copy_source = False
html_show_sphinx = False


def docstring_as_rst(
    app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]
) -> None:
    """Docstrings are plain text: indented paragraphs become literal blocks, and backticks mark code."""
    found = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        if re.search("^  ", paragraph, re.MULTILINE) and not paragraph.startswith("- "):
            found.append("::\n\n" + textwrap.indent(paragraph, "    "))
        else:
            escaped = re.sub(
                r"(?<!\S)\*\w+\*(?!\w)|([*|\\]|_\b)",  # a word between stars stays
                lambda sign: f"\\{sign[1]}" if sign[1] else sign[0],
                paragraph,
            )
            found.append(re.sub(r"`([^`]+)`", lambda code: "``" + code[1].replace("\\", "") + "``", escaped))
    lines[:] = "\n\n".join(found).splitlines()


def mark_for_style(app: Sphinx, tree: nodes.document) -> None:
    """Pictures without colours of their own for a dark page get the class `light`, long lines of code `wide`."""
    for picture in tree.findall(nodes.image):
        path = Path(app.srcdir, picture["uri"])
        if "prefers-color-scheme" not in path.read_text(encoding="utf-8"):
            picture["classes"].append("light")
    for block in tree.findall(nodes.literal_block):
        if max(map(len, block.astext().splitlines()), default=0) > 110:
            block["classes"].append("wide")


def setup(app: Sphinx) -> None:
    for language in ("console", "csv"):  # what a command prints, and tables: plain text
        app.add_lexer(language, TextLexer)
    app.connect("autodoc-process-docstring", docstring_as_rst)
    app.connect("doctree-read", mark_for_style)
