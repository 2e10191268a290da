"""Sets of puzzles, generated or from files, no two of them equal up to symmetry."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trm_np.config import ConfigError
from trm_np.data.tables import Ints, Rows
from trm_np.puzzles.task import Board, Task

TEST, VALIDATION = 1000, 125  # puzzles that are made to be held out
APART = 1  # second seed of held-out puzzles, which makes them differ from the others
MOST_TRIES = 50  # for each puzzle: a small kind has few different ones


class TooFewPuzzles(ConfigError):
    """Refusal of a kind that has fewer puzzles than requested."""


@dataclass(frozen=True, eq=False)
class Puzzles(Rows):
    """N questions and their answers (N, S), and the effort (N,) that each takes a person."""

    questions: Board
    answers: Board
    rounds: Ints
    guesses: Ints

    def __len__(self) -> int:
        return len(self.questions)

    @classmethod
    def of(cls, task: Task, questions: Board, answers: Board) -> "Puzzles":
        """Puzzles of a task, with their effort computed."""
        efforts = [task.effort(*pair) for pair in zip(questions, answers, strict=True)]
        rounds, guesses = np.array(efforts, np.int64).reshape(-1, 2).T
        return cls(questions, answers, rounds, guesses)


def make_puzzles(
    task: Task,
    count: int,
    rng: np.random.Generator,
    extra: int = 0,
    known: set[bytes] | None = None,
) -> Puzzles:
    """So many puzzles, no two of them the same up to symmetry, and none one of those `known`, which it adds them to.

    `extra` is the task's. Raises TooFewPuzzles.
    """
    known = set() if known is None else known
    pairs: list[tuple[Board, Board]] = []
    for _ in range(MOST_TRIES * count):
        question, answer = task.generate(rng, extra)
        form = task.canonical(question)
        if form not in known:
            known.add(form)
            pairs.append((question, answer))
        if len(pairs) == count:
            return Puzzles.of(task, *map(np.stack, zip(*pairs, strict=True)))
    raise TooFewPuzzles(f"{task.name}: found {len(pairs)} different puzzles; needed: {count}")


class HeldOut(NamedTuple):
    """Puzzles that training never learns from: `test` judges in the end, `validation` decides which model is kept."""

    test: Puzzles
    validation: Puzzles
    known: set[bytes]  # the canonical forms of all of them


def make_held_out(task: Task, seed: int, extra: int) -> HeldOut:
    """TEST and VALIDATION puzzles. Raises TooFewPuzzles."""
    rng, known = np.random.default_rng([seed, APART]), set[bytes]()
    test, validation = (make_puzzles(task, count, rng, extra, known) for count in (TEST, VALIDATION))
    return HeldOut(test, validation, known)


def make_test(task: Task, seed: int, extra: int, count: int | None = None) -> Puzzles:
    """The first puzzles, or all, of the `test` that `make_held_out` makes of the seed. Raises TooFewPuzzles."""
    return make_puzzles(task, count or TEST, np.random.default_rng([seed, APART]), extra)


def part_of(task: Task, puzzles: Puzzles) -> HeldOut:
    """One in five of these puzzles to validate on, the others to test; raises TooFewPuzzles for fewer than two."""
    if len(puzzles) < 2:
        raise TooFewPuzzles(f"{task.name}: found {len(puzzles)} puzzle to hold out; needed: at least 2")
    places = np.arange(len(puzzles))
    validating = places % 5 == 4 if len(puzzles) > 4 else places < 1
    known = {task.canonical(each) for each in puzzles.questions}
    return HeldOut(puzzles.take(~validating), puzzles.take(validating), known)


def without_twins(task: Task, puzzles: Puzzles, known: set[bytes]) -> Puzzles:
    """The puzzles that equal no known one up to symmetry."""
    new = [task.canonical(each) not in known for each in puzzles.questions]
    return puzzles.take(np.array(new, bool))
