"""Work of each rank in the jobs of test_mpi.py: `python -m tests.mpi.rank WORK FOLDER [OPTIONS]`."""

import sys
from pathlib import Path

import numpy as np

from tests.puzzles.small_puzzles import precisely_trained
from tests.training.small_run import SET, small, trained
from tests.waiting import HANG
from trm_np.training.ranks import join

BATCHES = 50  # 100 optimizer steps
EPOCHS = 20  # 80 updates by puzzles


def save_weights(folder: Path) -> None:
    """Train, and save this rank's own weights."""
    ranks = join()
    t, losses = trained(small(training__epochs=99), BATCHES, ranks)
    totals = [epoch["total"] for epoch in losses]
    np.savez(folder / f"{ranks.size}_{ranks.rank}.npz", weights=t.optimizer.weights, totals=totals)


def save_puzzle_state(folder: Path) -> None:
    """Train on puzzles, and save what this rank would need to go on."""
    ranks = join()
    t, records = precisely_trained(EPOCHS, ranks)
    totals = [record["total"] for record in records]
    np.savez(
        folder / f"{ranks.size}_{ranks.rank}.npz",
        weights=t.optimizer.weights,
        totals=totals,
        **t.batch.arrays(),
    )


def train_patiently(folder: Path, *options: str) -> None:
    """Run the command, whose ranks come to the same end however far they are apart."""
    import trm_np.cli.ranks
    from trm_np.cli.train import train

    trm_np.cli.ranks.PATIENCE = HANG
    train.main([*SET, "--out", str(folder), *options])


def fail_alone(folder: Path) -> None:
    """Run the command, in which the last rank fails while the others wait for its gradient."""
    import trm_np.cli.ranks
    from trm_np.cli.train import train
    from trm_np.training.batches import Batch
    from trm_np.training.trainer import Trainer

    def fail(trainer: Trainer, batch: Batch) -> None:
        raise OSError("the device is gone")

    if join().rank == join().size - 1:
        Trainer.learn = fail  # type: ignore[method-assign]
    trm_np.cli.ranks.PATIENCE = 0.1
    train.main([*SET, "--out", str(folder / "out")])


if __name__ == "__main__":
    work = {each.__name__: each for each in (save_weights, save_puzzle_state, train_patiently, fail_alone)}
    work[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
