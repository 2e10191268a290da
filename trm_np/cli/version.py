"""`--version`, and with `--verbose` what a run's figures depend on besides."""

import click

from trm_np import __version__
from trm_np.cli.errors import say
from trm_np.cli.options import Command
from trm_np.cli.threads import use_threads


def version_options(command: Command) -> Command:
    """--version and --verbose, which is read first wherever it stands."""
    verbose = click.option(
        "--verbose",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=note,
        help="With --version, also show Python, NumPy, BLAS, threads and platform.",
    )
    version = click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        callback=show_version,
        help="Show the version and exit.",
    )
    return version(verbose(command))


def note(context: click.Context, _: click.Parameter, verbose: bool) -> None:
    context.meta["verbose"] = verbose


def show_version(context: click.Context, _: click.Parameter, given: bool) -> None:
    verbose = context.meta["verbose"]
    if not given or context.resilient_parsing:
        if verbose:
            raise click.UsageError("--verbose: only with --version")
        return
    say(f"{context.info_name}, version {__version__}")
    if verbose:
        use_threads(all_cores=False)
        from trm_np.training.conditions import conditions

        for name, value in conditions(ranks=1).items():
            say(f"{name}: {value}")
    context.exit()
