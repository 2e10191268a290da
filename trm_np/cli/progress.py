"""How far a long command is: a bar on a terminal, lines or nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import click

from trm_np.cli.errors import say


@contextmanager
def progress(
    label: str,
    length: int | None = None,
    brief: Callable[[Any], str | None] | None = None,
    line: Callable[[Any], str | None] = lambda item: None,
    quiet: bool = False,
) -> Iterator[Callable[..., None]]:
    """Yield `advance(item=None, steps=1)`, to be called with each item that is done.

    On a terminal it moves a bar of this length, or counts if there is none, and shows `brief` of the item. Elsewhere
    it prints its `line`, if the item has one.
    """

    def print_line(item: Any = None, steps: int = 1) -> None:
        if not quiet and (text := line(item)):
            say(text, err=True)

    if quiet or length == 0 or not sys.stderr.isatty():
        yield print_line
        return
    counted: dict[str, Any] = {"bar_template": "%(label)s: %(info)s", "show_pos": True, "show_eta": False}
    with click.progressbar(
        repeat(None) if length is None else None,
        length=length,
        label=label,
        file=sys.stderr,
        item_show_func=brief,
        **(counted if length is None else {}),
    ) as bar:
        yield lambda item=None, steps=1: bar.update(steps, item)
