"""The commands: they parse, call and print.

NumPy is imported late, so that `--help` is quick and the number of threads can be set before.
"""

import click

from trm_np import __version__
from trm_np.cli.errors import OneLineGroup
from trm_np.cli.evaluate import evaluate
from trm_np.cli.gradcheck import gradcheck
from trm_np.cli.init import init
from trm_np.cli.inspect import inspect
from trm_np.cli.lab import lab
from trm_np.cli.recommend import recommend
from trm_np.cli.simulate import simulate
from trm_np.cli.train import train


@click.group(cls=OneLineGroup, no_args_is_help=False)
@click.version_option(__version__)
def trm() -> None:
    """A Tiny Recursive Model that recommends gifts, from scratch in NumPy.

    \b
    Example: trm train --epochs 50 --out checkpoints/short
    """


for command in (train, evaluate, recommend, inspect, init, simulate, gradcheck, lab):
    trm.add_command(command)
