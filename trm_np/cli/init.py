"""`trm init`: an example of one's own data to start from."""

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import named
from trm_np.cli.output import write_new


@click.command(
    cls=OneLine,
    help="""Write a small example of your own data into FOLDER.

    It has scenarios, a catalogue, and a description of every field. Existing files are never replaced.

    \b
    Example: trm init my_data
    """,
)
@click.argument("folder", callback=named)
def init(folder: str) -> None:
    with refusals():
        from trm_np.data.examples import FILES
        from trm_np.text import printable

        write_new(folder, {name: text.encode() for name, text in FILES.items()})
        click.echo(printable(f"{folder}: wrote {', '.join(FILES)}; README.md says what to run next"))
