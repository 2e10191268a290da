"""The commands: they parse, call and print.

NumPy is imported late, so that `--help` is quick and the number of threads can be set before.
"""

from keyword import iskeyword
from pkgutil import resolve_name

import click

from trm_np.cli.errors import OneLineGroup
from trm_np.cli.version import version_options

COMMANDS = (
    "evaluate",
    "export",
    "gradcheck",
    "import",
    "init",
    "inspect",
    "lab",
    "lesson",
    "puzzle",
    "recommend",
    "serve",
    "simulate",
    "train",
)


class Commands(OneLineGroup):
    """The commands, each in the module of its name, which is imported only to run or describe that command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = resolve_name(f"trm_np.cli.{name}:{name}")
        return command


@click.group(
    cls=Commands,
    help="""Train a Tiny Recursive Model, and recommend gifts with it.

    Each command describes itself: trm recommend -h

    \b
    Example: trm train --epochs 50 --out checkpoints/short
    """,
)
@version_options
def trm() -> None:
    pass
