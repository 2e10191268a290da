#!/usr/bin/env python3
"""Time an optimizer step in which several ranks share each batch, and the all-reduce of their gradients.

mpiexec -n 2 python benchmarks/mpi_step.py --preset report
python benchmarks/mpi_step.py --preset report                   the same in one process, to compare

Batches of the shipped scenarios are drawn as in training, all of the full size. Every rank uses one thread, unless
OPENBLAS_NUM_THREADS is set. Rank 0 prints one JSON object with medians in milliseconds: of an optimizer step as in
training, and of an all-reduce of the gradient alone that all ranks begin at once.
"""

import json
import sys
from pathlib import Path
from statistics import median

import click
from measuring import timed

sys.path.append(str(Path(__file__).resolve().parent.parent))

from trm_np.cli.threads import use_threads
from trm_np.config import PRESETS

SEED = 0
WARM_UP = 2  # batches
ALL_REDUCES = 30


@click.command()
@click.option("--preset", type=click.Choice(list(PRESETS)), default="tiny", show_default=True)
@click.option("--batches", type=click.IntRange(min=1), default=20, show_default=True)
def main(preset: str, batches: int) -> None:
    """Measure and print the result."""
    use_threads(all_cores=False)
    from trm_np.training.allocator import keep_memory

    keep_memory()
    measure(preset, batches)


def measure(preset: str, batches: int) -> None:
    """Time training steps, then repeated all-reduces of the last gradient."""
    import numpy as np

    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.data.task import task_from
    from trm_np.training.ranks import join
    from trm_np.training.trainer import Trainer

    ranks, config = join(), resolve(preset)
    trainer = Trainer(config, task_from(load_dataset(), config.model.gift_features), SEED, ranks)
    size, steps = config.training.batch_size, config.model.supervision_steps
    rng = np.random.default_rng(SEED)

    def learn() -> None:
        trainer.learn(trainer.draw_batch(rng.permutation(trainer.epoch_rows())[:size]))

    def all_reduce() -> float:
        ranks.all_reduce_max(0)  # a barrier, so that no rank waits for another while time is measured
        return timed(ranks.all_reduce_sum, trainer.optimizer.gradient)[1]

    learning = [timed(learn)[1] for _ in range(WARM_UP + batches)][WARM_UP:]
    reducing = [all_reduce() for _ in range(ALL_REDUCES)]
    figures = {
        "preset": preset,
        "ranks": ranks.size,
        "step_ms": round(median(learning) / steps * 1e3, 3),
        "allreduce_ms": round(median(reducing) * 1e3, 3),
    }
    if ranks.is_first:
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
