"""`trm gradcheck`: every gradient against finite differences."""

import click

from trm_np.cli.errors import OneLine, Refusal, say
from trm_np.cli.options import seed_option
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Check every gradient against finite differences.

    The check covers the rules of the autograd engine, the losses, the components and the whole model.

    \b
    Example: trm gradcheck --seed 1
    """,
)
@seed_option
def gradcheck(seed: int) -> None:
    use_threads(all_cores=False)
    from trm_np.autograd.gradcheck import ATOL, RTOL
    from trm_np.lab.gradient_checks import run_checks

    failed = 0
    say(f"{'gradient':<48}  largest relative error beyond {ATOL:g} (allowed: {RTOL:g})")
    for name, error, complaint in run_checks(seed):
        failed += bool(complaint)
        say(f"{name:<48}  {complaint or f'{error:.1e}  ok'}")
    if failed:
        raise Refusal(f"{failed} gradients are wrong", 1)
