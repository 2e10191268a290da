"""HTML for notebooks: escaped text in tables, without scripts or colours, so that it is read on light and on dark."""

from collections.abc import Iterable, Sequence
from html import escape


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of a row of headings and these rows of cells."""
    cells = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def lines(texts: Iterable[str]) -> str:
    """A paragraph for each text."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def preformatted(text: str) -> str:
    """Text that keeps its columns, and scrolls where it is too wide."""
    return f'<pre style="overflow-x: auto; white-space: pre">{escape(text)}</pre>'
