"""Entry point of a program that `trm export --zipapp` made: the `__main__.py` of an archive that holds a model.

It offers those commands of `trm` that use a model; the MODEL of each is the one in the program.
"""

import os
import sys

TYPE_CHECKING = False  # little is imported here: Ctrl-C is not handled yet
if TYPE_CHECKING:
    import click

    from trm_np.cli.errors import OneLineGroup

COMMANDS = ("recommend", "serve")
NEEDED_PYTHON, NEEDED_NUMPY = (3, 10), 2
UNUSABLE = 2  # the exit code, as for wrong usage
EXAMPLE = (
    "trm {} checkpoints/integrated_enhanced/best.npz"  # how the help of each command of `trm` begins its own
)


def main(program: str) -> None:
    """Run the command line with the model in the file of this name."""
    if sys.version_info < NEEDED_PYTHON:
        stop(f"needs Python 3.10 or later; this is {sys.version_info[0]}.{sys.version_info[1]}")
    try:
        from trm_np.process import prepare
    except KeyboardInterrupt:  # which is handled from here on
        os._exit(130)
    prepare()
    from trm_np.cli.threads import use_threads

    use_threads(all_cores=False)  # before NumPy is imported
    from trm_np.extras import pip_install

    install = pip_install("numpy>=2")
    try:
        import numpy
    except ImportError:
        stop(f"needs NumPy 2 or later, which this Python does not have: {install}")
    if int(numpy.__version__.partition(".")[0]) < NEEDED_NUMPY:
        stop(f"needs NumPy 2 or later; this is {numpy.__version__}: {install}")
    commands(program).main()


def stop(reason: str) -> None:
    print(f"Error: {os.path.basename(sys.argv[0])} {reason}", file=sys.stderr)
    sys.exit(UNUSABLE)


def commands(program: str) -> "OneLineGroup":
    """The commands as a group, in which no MODEL is to be given."""
    import click

    from trm_np.cli import trm
    from trm_np.cli.errors import OneLineGroup
    from trm_np.cli.version import version_options

    name = os.path.basename(program)
    text = f"Recommend gifts with a Tiny Recursive Model that is part of this file.\n\n\b\nExample: {name} "
    group = OneLineGroup(help=f"{text}recommend --age 34")
    for command in COMMANDS:
        found = trm.get_command(click.Context(trm), command)
        assert found is not None
        group.add_command(with_model(found, program))
    return version_options(group)


def with_model(command: "click.Command", program: str) -> "click.Command":
    """The same command whose MODEL is the program."""
    import copy
    from functools import partial

    filled = copy.copy(command)
    assert command.callback and command.help
    filled.params = [parameter for parameter in command.params if parameter.name != "model"]
    filled.callback = partial(command.callback, model=program)
    example = EXAMPLE.format(command.name)
    filled.help = command.help.replace(example, f"{os.path.basename(program)} {command.name}")
    return filled


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
