#!/usr/bin/env python3
"""Time solving and training on puzzles, and compare with PyTorch on the same weights and one thread.

python benchmarks/solving.py                           ours and PyTorch eager: one to two minutes
python benchmarks/solving.py --compiled                compiled PyTorch too
python benchmarks/solving.py --model checkpoints/sudoku9/best.npz    a model of 9 × 9 instead of random weights

First the copy is checked to give the same numbers as ours. Then all take turns, and the result is the median of the
rounds in processor time, which depends least on other work on the machine. An answer takes eight thinking steps without
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
BOARDS = 128  # in a batch
TOLERANCE = 1e-4  # for probabilities after all steps
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
    """Time one board of 9 × 9, and many boards in groups of the best size for each contender."""
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
    """Time an update of the weights: one supervision step of a batch."""
    for name, seconds in in_turns(updates(kind, modes), rounds * 5).items():
        size = PRESETS[kind].training.batch_size
        click.echo(f"an update, {kind}, {size} boards: {name:<14} {1000 * seconds:8.2f} ms")


def updates(kind: str, modes: tuple[str, ...]) -> dict[str, Work]:
    """The update of ours, and of PyTorch in these modes, of the same weights on the same batch."""
    task, config = TASKS[kind], PRESETS[kind]
    puzzles = make_puzzles(task, config.training.batch_size, np.random.default_rng(0), config.training.extra)
    trainer = PuzzleTrainer(config, task, puzzles, puzzles, 0)
    trainer.refill()
    work: dict[str, Work] = {"ours": trainer.update}
    if modes:
        from mirrors.torch_puzzles import TorchPuzzleTrainer

        work |= {f"torch {mode}": TorchPuzzleTrainer(trainer, mode).update for mode in modes}
    return work


def in_turns(work: dict[str, Work], rounds: int) -> dict[str, float]:
    """The median processor seconds of each contender, which take turns in every round; the first does not count."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, do in work.items():
            started = process_time()
            do()
            spent[name].append(process_time() - started)
    return {name: median(each[1:]) for name, each in spent.items()}


if __name__ == "__main__":
    main()
