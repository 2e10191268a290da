"""`trm gradcheck`: every gradient against finite differences."""

import click

from trm_np.cli.errors import OneLine, Refusal, say
from trm_np.cli.threads import use_threads


@click.command(
    cls=OneLine,
    help="""Check every gradient against finite differences.

    The rules, the losses, the components and the whole model are checked.

    \b
    Example: trm gradcheck --seed 1
    """,
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
def gradcheck(seed: int) -> None:
    use_threads(all_cores=False)
    from trm_np.autograd.gradcheck import ATOL, RTOL
    from trm_np.lab.gradient_checks import run_checks

    failed = 0
    say(f"{'what':<48}  largest relative error beyond {ATOL:g} (allowed: {RTOL:g})")
    for name, error, complaint in run_checks(seed):
        failed += bool(complaint)
        say(f"{name:<48}  {complaint or f'{error:.1e}  ok'}")
    if failed:
        raise Refusal(f"{failed} gradients are wrong", 1)
