"""One command on several ranks: an error on one ends all, and is printed once."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from trm_np.cli.errors import OneLine, ending, say
from trm_np.config import ConfigError
from trm_np.training.ranks import Ranks, join, launched

PATIENCE = 5.0  # seconds that ranks with the same error may come one after the other


class OnRanks(OneLine):
    """A command that may be started on several ranks at once."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        with reported_once():
            return super().make_context(*arguments, **settings)

    def invoke(self, context: click.Context) -> Any:
        with reported_once():
            return super().invoke(context)


@contextmanager
def reported_once() -> Iterator[None]:
    """Report an error of all ranks once, by the first. A rank that fails alone reports its own and ends the others."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        rank, size = launched()
        if size == 1 or isinstance(error, click.exceptions.Exit):
            raise
        code, line = ending(error)
        try:
            ranks = join()
        except ConfigError:  # without MPI, for which reason all of them have failed
            speaker = 0
        else:
            codes = ranks.gather_exit_codes(code, PATIENCE)
            if not codes:
                say(line or "".join(traceback.format_exception(error)).rstrip(), err=True)
                ranks.abort(code)
                sys.exit(code)  # where the launcher has not ended this process yet
            speaker = next(place for place, each in enumerate(codes) if each)
        if rank == speaker:
            raise
        sys.exit(code)


def wait_for_all(ranks: Ranks) -> None:
    """Go on together, or end with those that have failed, which say why."""
    code = max(ranks.gather_exit_codes(0))
    if code:
        sys.exit(code)
