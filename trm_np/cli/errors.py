"""What ends a command: one line on stderr, and an exit code."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import click

from trm_np.config import ConfigError

BUG, USAGE, DIVERGED, DATA_REFUSED, CANNOT_CREATE, IO_FAILED, IN_USE = 1, 2, 3, 65, 73, 74, 75


class Refusal(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OneLine(click.Command):
    """A command whose errors are one line each, on stderr."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and exit, always: `standalone_mode` is click's, and makes no difference."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a console without "≥" must not end a run
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except (Refusal, click.ClickException, click.Abort) as error:
            code, line = ending(error)
            click.echo(line, err=True)
        sys.exit(code if isinstance(code, int) else 0)


class OneLineGroup(OneLine, click.Group):
    command_class = OneLine


def ending(error: BaseException) -> tuple[int, str]:
    """The exit code of what ended a command, and the line to say so; no line for a bug, which has a traceback."""
    if isinstance(error, Refusal):
        return error.exit_code, f"Error: {error}"
    if isinstance(error, click.ClickException):
        return error.exit_code, f"Error: {' '.join(error.format_message().split())}"
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return 128 + signal.SIGINT, "Error: interrupted"
    return BUG, ""


@contextmanager
def refusals() -> Iterator[None]:
    """What the program refuses or cannot do, as one line and an exit code."""
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        raise Refusal(str(error), code) from error


def exit_code(error: Exception) -> int | None:
    """The code of an error that is not a bug; None for any other.

    The imports are here because a recommendation, unless it fails, does without the code of training.
    """
    from trm_np.checkpoint import CheckpointError
    from trm_np.data.problems import DataError
    from trm_np.files import FolderInUse
    from trm_np.lab.results import ResultsError
    from trm_np.run import OutputError
    from trm_np.train import Diverged

    if isinstance(error, BrokenPipeError):
        return None
    codes: tuple[tuple[type[Exception], int], ...] = (
        (ConfigError, USAGE),
        (Diverged, DIVERGED),
        (DataError, DATA_REFUSED),
        (CheckpointError, DATA_REFUSED),
        (ResultsError, DATA_REFUSED),
        (OutputError, CANNOT_CREATE),
        (FolderInUse, IN_USE),
        (OSError, IO_FAILED),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)
