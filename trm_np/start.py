"""Where the programs `trm` and `trm-train` start."""

from trm_np.process import prepare


def trm() -> None:
    """Run `trm`, and exit."""
    prepare()
    from trm_np.cli import trm as command

    command()


def train() -> None:
    """Run `trm-train`, and exit."""
    prepare()
    from trm_np.cli.train import train as command

    command()
