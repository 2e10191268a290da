"""Many puzzles: made, or taken from files, each different from all others in more than dress."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from trm_np.data.tables import Index, Ints
from trm_np.puzzles.task import Board, Task

MOST_TRIES = 50  # for each puzzle: a small kind has few that are different


class TooFewPuzzles(ValueError):
    """There are not as many puzzles as asked for."""


@dataclass(frozen=True, eq=False)
class Puzzles:
    """N questions and their answers (N, S), and how hard each is for a person (N,)."""

    questions: Board
    answers: Board
    rounds: Ints
    guesses: Ints

    def __len__(self) -> int:
        return len(self.questions)

    def take(self, index: Index) -> "Puzzles":
        """Those that `index` picks."""
        return Puzzles(self.questions[index], self.answers[index], self.rounds[index], self.guesses[index])

    @classmethod
    def of(cls, task: Task, questions: Board, answers: Board) -> "Puzzles":
        """Puzzles of a task, whose difficulty is found out."""
        efforts = [task.effort(*pair) for pair in zip(questions, answers, strict=True)]
        rounds, guesses = np.array(efforts, np.int64).reshape(-1, 2).T
        return cls(questions, answers, rounds, guesses)


def make_puzzles(
    task: Task,
    count: int,
    rng: np.random.Generator,
    extra: int = 0,
    known: set[bytes] | None = None,
    made: Callable[[], None] = lambda: None,
) -> Puzzles:
    """So many puzzles, no two of them the same up to symmetry, and none one of those `known`, which it adds them to.

    `extra` is the task's; `made` is called after each. Raises TooFewPuzzles.
    """
    known = set() if known is None else known
    pairs: list[tuple[Board, Board]] = []
    for question, answer in drawn(task, rng, extra, MOST_TRIES * count):
        form = task.canonical(question)
        if form not in known:
            known.add(form)
            pairs.append((question, answer))
            made()
        if len(pairs) == count:
            return Puzzles.of(task, *map(np.stack, zip(*pairs, strict=True)))
    raise TooFewPuzzles(f"{task.name}: found {len(pairs)} different puzzles; needed: {count}")


def drawn(task: Task, rng: np.random.Generator, extra: int, tries: int) -> Iterator[tuple[Board, Board]]:
    return (task.generate(rng, extra) for _ in range(tries))
