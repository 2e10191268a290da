"""Errors that end a command: one line on stderr, and an exit code."""

import errno
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any

import click

from trm_np.cli.signals import interruptible
from trm_np.config import ConfigError, one_of
from trm_np.process import INTERRUPTED
from trm_np.systems import is_closed_pipe
from trm_np.text import printable, printable_lines

BUG, USAGE, DIVERGED, DATA_REFUSED, CANNOT_CREATE, IO_FAILED, IN_USE = 1, 2, 3, 65, 73, 74, 75
DEFAULT_ERRORS = ("strict", "surrogateescape")  # how Python writes unless PYTHONIOENCODING says otherwise
NEW_SPELLINGS = {"--catalog": "--catalogue", "--days": "--days-left", "--profile": "--timings", "--top": "-k"}
OF_WRITING = (errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Refusal(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code


class OneLine(click.Command):
    """A command whose errors are one line each, on stderr.

    Its help text is given as `help`, because Python removes docstrings under -OO.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.context_settings = {
            "help_option_names": ["-h", "--help"],
            "show_default": True,
            **self.context_settings,
        }

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {spelling for parameter in self.params for spelling in parameter.opts}
        end = args.index("--") if "--" in args else len(args)  # no options follow
        return super().parse_args(
            ctx, [new for arg in args[:end] for new in new_spelling(arg, known)] + args[end:]
        )

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
            if isinstance(stream, TextIOWrapper) and stream.errors in DEFAULT_ERRORS:
                stream.reconfigure(errors="backslashreplace")  # a console without "≥" must not end a run
        code, line = 0, ""
        try:
            with interruptible():
                found = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
                code = found if isinstance(found, int) else 0
        except (Refusal, click.ClickException, click.Abort, KeyboardInterrupt, OSError) as error:
            code, line = ending(error)
        if line:
            with suppress(OSError):
                say(line, err=True)
        give_up_unwritten()
        sys.exit(code)


def new_spelling(argument: str, known: Collection[str]) -> list[str]:
    """The argument; in place of the old spelling of a known option the new one, with a warning. Until version 0.2."""
    old, equals, value = argument.partition("=")
    new = NEW_SPELLINGS.get(old)
    if old in known or new not in known:
        return [argument]
    say(f"Warning: {old} is now {new}; the old spelling works until version 0.2", err=True)
    return [str(new), value] if equals else [str(new)]


def give_up_unwritten() -> None:
    """Drop output that a standard stream did not take. Python would try it again at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class OneLineGroup(OneLine, click.Group):
    """A group of such commands: alone it shows its help, and for a name that it does not know the nearest ones."""

    command_class = OneLine

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)  # wrong usage still, as for click from 8.2 on
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            one_of(args[0], self.list_commands(ctx), "command")
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        return super().resolve_command(ctx, args)


def ending(error: BaseException) -> tuple[int, str]:
    """Exit code and line for the error that ended a command.

    There is no line for a bug, which has a traceback, and for output that nobody reads any more.
    """
    if isinstance(error, Refusal):
        return error.exit_code, f"Error: {error}"
    if isinstance(error, click.MissingParameter) and error.ctx:
        line = error.format_message().removesuffix(".")
        return error.exit_code, f"Error: {line}; an example: {error.ctx.command_path} -h"
    if isinstance(error, click.ClickException):
        return error.exit_code, f"Error: {' '.join(error.format_message().split())}"
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED, "Error: interrupted"
    if isinstance(error, OSError) and not is_closed_pipe(error):
        return IO_FAILED, f"Error: {line_of(error)}"
    return BUG, ""


def say(text: str, err: bool = False) -> None:
    """Write lines that may come from a file, without any control characters for the terminal."""
    click.echo(printable_lines(text), err=err)


def report(found: Any, text: str, as_json: bool) -> None:
    """Print what a command found: as one JSON document, or as text."""
    click.echo(json.dumps(found, indent=2) if as_json else printable_lines(text))


@contextmanager
def refusals() -> Iterator[None]:
    """End the program with one line and an exit code if the block raises an expected error."""
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        raise Refusal(line_of(error), code) from error


def line_of(error: Exception) -> str:
    """The error as one line. A write error without a file name is about stdout."""
    if isinstance(error, ImportError):
        return f"a package cannot be loaded: {first_cause(error)}"
    if not isinstance(error, OSError) or type(error).__str__ is not OSError.__str__ or error.errno is None:
        return str(error)
    where = error.filename or ("stdout" if error.errno in OF_WRITING else None)
    return printable(f"{where}: {error.strerror}" if where else str(error.strerror))


def first_cause(error: BaseException) -> BaseException:
    return first_cause(error.__cause__) if error.__cause__ else error


def is_ours(error: ImportError) -> bool:
    """Whether the failed import was of this project, which is a bug, and not of a package that it needs."""
    return (error.name or "").startswith("trm_np")


def exit_code(error: Exception) -> int | None:
    """The code of an error that is not a bug; None for any other.

    The imports are here because a recommendation, unless it fails, does without the code of training.
    """
    from trm_np.data.problems import DataError
    from trm_np.lab.results import ResultsError
    from trm_np.recommend.outputs import ModelError
    from trm_np.storage.checkpoint import CheckpointError
    from trm_np.storage.files import FolderInUse
    from trm_np.training.divergence import Diverged
    from trm_np.training.run import OutputError

    if isinstance(error, OSError) and is_closed_pipe(error):
        return None
    if isinstance(error, ImportError) and is_ours(error):
        return None
    codes: tuple[tuple[type[Exception], int], ...] = (
        (ConfigError, USAGE),
        (Diverged, DIVERGED),
        (DataError, DATA_REFUSED),
        (CheckpointError, DATA_REFUSED),
        (ModelError, DATA_REFUSED),
        (ResultsError, DATA_REFUSED),
        (OutputError, CANNOT_CREATE),
        (FolderInUse, IN_USE),
        (OSError, IO_FAILED),
        (ImportError, IO_FAILED),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)
