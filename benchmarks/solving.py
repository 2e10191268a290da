#!/usr/bin/env python3
"""How fast puzzles are solved and learnt, beside PyTorch on the same weights, in one run and on one thread.

python benchmarks/solving.py                           ours and PyTorch eager: one to two minutes
python benchmarks/solving.py --compiled                compiled PyTorch too
python benchmarks/solving.py --model checkpoints/sudoku9/best.npz    of 9 × 9, instead of weights just drawn

First the copy is checked to say what ours does. Then all take turns, and the median of the rounds counts, in
processor time, which others at work on the machine lengthen least. An answer is eight steps of thinking, without
halting, so that all do the same work.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

sys.path.extend(
    str(folder) for folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parent.parent)
)

if __name__ == "__main__":
    from trm_np.cli.threads import use_threads

    use_threads(all_cores=False)

import click
import numpy as np

from trm_np.puzzles.config import PRESETS
from trm_np.puzzles.model import GROUP, PuzzleModel, predictions
from trm_np.puzzles.sets import make_puzzles
from trm_np.puzzles.stored import TASKS, load_puzzle_model
from trm_np.puzzles.training import PuzzleTrainer
from trm_np.training.allocator import keep_memory

STEPS = 8
BOARDS = 128  # in a batch that is measured
TOLERANCE = 1e-4  # of probabilities after all steps
Work = Callable[[], Any]


@click.command(help=__doc__)
@click.option("--model", "file", metavar="FILE", help="A model of 9 × 9.")
@click.option("--compiled", is_flag=True, help="Compiled PyTorch too.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
def main(file: str | None, compiled: bool, rounds: int) -> None:
    keep_memory()
    modes = ("eager", "compiled") if compiled else ("eager",)
    answering(file, modes, rounds)
    for kind in ("sudoku6", "sudoku9"):
        learning(kind, modes, rounds)


def answering(file: str | None, modes: tuple[str, ...], rounds: int) -> None:
    """One board of 9 × 9, and many in groups of the size that suits each."""
    from mirrors.torch_puzzles import TorchPuzzles

    task = TASKS["sudoku9"]
    model = (
        load_puzzle_model(file, tasks={task.name: task}).model
        if file
        else PuzzleModel(PRESETS[task.name].model, task, np.random.default_rng(0))
    )
    questions = make_puzzles(task, BOARDS, np.random.default_rng(0), extra=12).questions
    copies = {f"torch {mode}": TorchPuzzles(model, mode) for mode in modes}
    last = list(predictions(model, questions[:4], STEPS))[-1].probabilities
    for name, copy in copies.items():
        off = float(np.abs(copy.unroll(questions[:4], STEPS)[0][-1] - last).max())
        if not off <= TOLERANCE:
            raise SystemExit(f"{name}: probabilities differ by {off:.1e}; {TOLERANCE:.0e} is allowed")
        click.echo(f"{name}: probabilities differ by {off:.1e} at most")

    def ours(boards: Any, group: int) -> None:
        for first in range(0, len(boards), group):
            list(predictions(model, boards[first : first + group], STEPS))

    def theirs(copy: TorchPuzzles, boards: Any, group: int) -> None:
        for first in range(0, len(boards), group):
            copy.unroll(boards[first : first + group], STEPS)

    single = {"ours": lambda: ours(questions[:1], 1)} | {
        name: lambda copy=copy: theirs(copy, questions[:1], 1) for name, copy in copies.items()
    }
    for name, seconds in in_turns(single, rounds * 5).items():
        click.echo(f"one 9 × 9 board, {STEPS} steps: {name:<14} {1000 * seconds:8.2f} ms")
    for group in (GROUP, BOARDS):
        many = {"ours": lambda: ours(questions, group)} | {  # noqa: B023
            name: lambda copy=copy: theirs(copy, questions, group)  # noqa: B023
            for name, copy in copies.items()
        }
        for name, seconds in in_turns(many, rounds).items():
            click.echo(f"9 × 9 boards, groups of {group:>3}: {name:<14} {BOARDS / seconds:8.0f} a second")


def learning(kind: str, modes: tuple[str, ...], rounds: int) -> None:
    """An update of the weights: one supervision step of a batch."""
    from mirrors.torch_puzzles import TorchPuzzleTrainer

    task, config = TASKS[kind], PRESETS[kind]
    puzzles = make_puzzles(task, config.training.batch_size, np.random.default_rng(0), config.training.extra)
    trainer = PuzzleTrainer(config, task, puzzles, puzzles, 0)
    trainer.refill()
    copies = {f"torch {mode}": TorchPuzzleTrainer(trainer, mode) for mode in modes}
    work: dict[str, Work] = {"ours": trainer.update, **{name: copy.update for name, copy in copies.items()}}
    for name, seconds in in_turns(work, rounds * 5).items():
        size = config.training.batch_size
        click.echo(f"an update, {kind}, {size} boards: {name:<14} {1000 * seconds:8.2f} ms")


def in_turns(work: dict[str, Work], rounds: int) -> dict[str, float]:
    """The median of the processor seconds of each, one after the other in every round; the first does not count."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, do in work.items():
            started = process_time()
            do()
            spent[name].append(process_time() - started)
    return {name: median(each[1:]) for name, each in spent.items()}


if __name__ == "__main__":
    main()
