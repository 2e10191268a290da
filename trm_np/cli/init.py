"""`trm init`: an example of one's own data to start from."""

import click

from trm_np.cli.errors import OneLine, refusals
from trm_np.cli.options import FILE
from trm_np.cli.output import write_new
from trm_np.text import printable

FILES = ("README.md", "scenarios.json", "held_out_scenarios.json", "gift_catalog.json")


@click.command(
    cls=OneLine,
    help="""Write a small example of your own data into FOLDER.

    It has scenarios, a catalogue, and a description of every field. Existing files are never replaced.

    \b
    Example: trm init my_data
    """,
)
@click.argument("folder", type=FILE)
def init(folder: str) -> None:
    with refusals():
        from importlib import resources

        example = resources.files("trm_np.scenarios").joinpath("example")
        write_new(folder, {name: example.joinpath(name).read_bytes() for name in FILES})
        click.echo(printable(f"{folder}: wrote {', '.join(FILES)}; README.md says what to run next"))
