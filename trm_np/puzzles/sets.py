"""Sets of puzzles, generated or from files. No two puzzles of a generated set are equal up to symmetry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trm_np.config import ConfigError
from trm_np.data.tables import Ints, Rows
from trm_np.puzzles.task import Board, Task

TEST, VALIDATION = 1000, 125  # held-out puzzles to generate
APART = 1  # seeds a separate generator for the held-out puzzles
MOST_TRIES = 50  # per puzzle, since a small task has few different ones


class TooFewPuzzles(ConfigError):
    """Raised if a task has too few different puzzles."""


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
        """Make a set from boards and compute the effort of each."""
        efforts = [task.effort(*pair) for pair in zip(questions, answers, strict=True)]
        rounds, guesses = np.array(efforts, np.int64).reshape(-1, 2).T
        return cls(questions, answers, rounds, guesses)


def make_puzzles(
    task: Task,
    count: int,
    rng: np.random.Generator,
    extra: int = 0,
    known: set[bytes] | None = None,
    made: Callable[[], object] = lambda: None,
) -> Puzzles:
    """Generate puzzles, no two of them equal up to symmetry.

    Puzzles whose canonical form is in `known` are skipped, and new forms are added to it. `extra` is as in
    `Task.generate`. `made` is called after each. Raises TooFewPuzzles.
    """
    known = set() if known is None else known
    pairs: list[tuple[Board, Board]] = []
    for _ in range(MOST_TRIES * count):
        question, answer = task.generate(rng, extra)
        form = task.canonical(question)
        if form not in known:
            known.add(form)
            pairs.append((question, answer))
            made()
        if len(pairs) == count:
            return Puzzles.of(task, *map(np.stack, zip(*pairs, strict=True)))
    raise TooFewPuzzles(f"{task.name}: found {len(pairs)} different puzzles; needed: {count}")


class HeldOut(NamedTuple):
    """Puzzles that training never sees. `validation` selects the best model, and `test` measures it at the end."""

    test: Puzzles
    validation: Puzzles
    known: set[bytes]  # the canonical forms of all of them


def make_held_out(task: Task, seed: int, extra: int) -> HeldOut:
    """Generate TEST and VALIDATION puzzles. Raises TooFewPuzzles."""
    rng, known = np.random.default_rng([seed, APART]), set[bytes]()
    test, validation = (make_puzzles(task, count, rng, extra, known) for count in (TEST, VALIDATION))
    return HeldOut(test, validation, known)


def make_test(
    task: Task, seed: int, extra: int, count: int | None = None, made: Callable[[], object] = lambda: None
) -> Puzzles:
    """Generate the first `count` puzzles, by default all, of the `test` of `make_held_out`.

    `made` is called after each. Raises TooFewPuzzles.
    """
    return make_puzzles(task, count or TEST, np.random.default_rng([seed, APART]), extra, made=made)


def part_of(task: Task, puzzles: Puzzles) -> HeldOut:
    """Use one in five of these puzzles for validation and the others for the test.

    Raises TooFewPuzzles for fewer than two.
    """
    if len(puzzles) < 2:
        raise TooFewPuzzles(f"{task.name}: found {len(puzzles)} puzzle to hold out; needed: at least 2")
    places = np.arange(len(puzzles))
    validating = places % 5 == 4 if len(puzzles) > 4 else places < 1
    known = {task.canonical(each) for each in puzzles.questions}
    return HeldOut(puzzles.take(~validating), puzzles.take(validating), known)


def without_twins(task: Task, puzzles: Puzzles, known: set[bytes]) -> Puzzles:
    """The puzzles whose canonical form is not in `known`."""
    new = [task.canonical(each) not in known for each in puzzles.questions]
    return puzzles.take(np.array(new, bool))
