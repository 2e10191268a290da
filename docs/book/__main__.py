"""Build the book: `.venv/bin/python docs/book` in the root of the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "book"


@click.command(
    help="""Build the book from the Markdown files, in build/book/html.

    Open index.html there. The slides of the workshop are docs/slides.html.

    Any warning is an error. With --pdf, it is also printed to build/book/trm_np.pdf, without the reference. This needs
    Chromium or Chrome.
    """
)
@click.option("--pdf", is_flag=True, help="Print a PDF as well.")
def book(pdf: bool) -> None:
    try:
        from sphinx.cmd.build import build_main
    except ImportError as error:
        raise click.ClickException("the book needs: pip install -e '.[docs]'") from error
    from docs.book.pages import copy_programs, prepare, write_slides

    def build(kind: str, sources: Path) -> Path:
        where = BUILD / kind
        settings = ["-c", str(ROOT / "docs" / "book"), "-d", str(BUILD / "doctrees" / kind)]
        if build_main(["-q", "-W", "--keep-going", "-b", kind, *settings, str(sources), str(where)]):
            raise click.ClickException("the book has warnings, which are errors")
        return where

    prepare(BUILD / "pages")
    html = build("html", BUILD / "pages")
    copy_programs(html)
    write_slides(html)
    click.echo(html / "index.html")
    if pdf:
        prepare(BUILD / "printed", with_reference=False)
        whole = build("singlehtml", BUILD / "printed")
        text = (whole / "docs" / "index.html").read_text(encoding="utf-8")
        page = whole / "index.html"  # where its links to styles and pictures start
        page.write_text(text.replace("<details>", "<details open>"), encoding="utf-8")
        click.echo(printed(page, BUILD / "trm_np.pdf"))


def printed(page: Path, pdf: Path) -> Path:
    """Print a page with a browser."""
    from docs.book.pages import BROWSERS

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise click.ClickException(f"a PDF needs one of {', '.join(BROWSERS)}")
    # No sandbox: a container has none to give, and the page is our own.
    options = ["--headless", "--no-sandbox", "--no-pdf-header-footer", f"--print-to-pdf={pdf}"]
    pdf.unlink(missing_ok=True)
    done = subprocess.run([browser, *options, page.as_uri()], capture_output=True, check=False)
    if done.returncode or not pdf.exists():
        raise click.ClickException(f"{browser} printed no PDF: {done.stderr.decode(errors='replace')[-300:]}")
    return pdf


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # where `docs.book` is found
    book()
