"""The effect of the recursion, and of each ingredient of the paper, on Sudoku of 6 × 6.

Each variant changes one ingredient of the puzzle model, and is trained with as much arithmetic as the shipped model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.evaluation.summary import table
from trm_np.lab.effects import mean_and_interval
from trm_np.lab.sweep import Kind
from trm_np.lab.trial import Row, Trial, failed, identity
from trm_np.model.core import Carry
from trm_np.puzzles.compare import DEEP, work
from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig, resolve
from trm_np.puzzles.evaluating import trajectory_metrics
from trm_np.puzzles.model import PuzzleModel, unroll
from trm_np.puzzles.sets import TEST, VALIDATION, make_held_out, make_puzzles
from trm_np.puzzles.task import Board, Task
from trm_np.puzzles.training import PuzzleTrainer
from trm_np.storage.checkpoint import digest
from trm_np.training.allocator import keep_memory

SHIPPED, ONCE, DEEPEST = "as shipped", "N_sup = 1", f"{DEEP} blocks once, no recursion"
STEPS = 16  # thinking steps in the test, whatever the number in training
SHOWN = (1, 2, 4, 8, 16)
# Groups of puzzles and their least rounds of singles: about a third, a third, a fifth and a tenth of the puzzles.
GROUPS = {"to 4": 0, "5": 5, "6": 6, "7 and more": 7}
COUNT = 4000  # training puzzles, as many as `trm puzzle train` makes


class RandomStart(PuzzleModel):
    """Starts from random y and z, the same in each cell of each puzzle, as in the paper's code."""

    def initial_carry(self, count: int) -> Carry:
        drawn = np.random.default_rng(0).normal(size=(2, 1, 1, self.config.core_width)).astype(np.float32)
        zeros = super().initial_carry(count)
        return Carry(zeros.y + Tensor(drawn[0]), zeros.z + Tensor(drawn[1]))


class LastStep(PuzzleModel):
    """Adds a step of z without gradient before those of the core."""

    def forward(self, questions: Board, carry: Carry) -> Carry:
        with no_grad():
            z = self.core.embed(questions) + carry.y + carry.z
            for block in self.core.blocks:
                z = block(z, None, self.blocked)
        return super().forward(questions, Carry(carry.y, z))


class Unmasked(PuzzleModel):
    """Lets every head see every cell. A learnt vector for the position is added to the embedding of each symbol."""

    def __init__(self, config: PuzzleModelConfig, task: Task, rng: np.random.Generator) -> None:
        super().__init__(config, task, rng)
        self.places = nn.Embedding(task.cells, config.core_width, rng=rng)

    def forward(self, questions: Board, carry: Carry) -> Carry:
        after: Carry = self.core(self.core.embed(questions) + self.places.weight, carry, None, None)
        return after


MODELS = {each.__name__: each for each in (PuzzleModel, RandomStart, LastStep, Unmasked)}


@dataclass(frozen=True)
class Variant(PuzzleConfig):
    """A variant to train: its settings, and the name of its class in MODELS."""

    variant: str = PuzzleModel.__name__


def variants(settings: Mapping[str, Any]) -> dict[str, Variant]:
    """The variants by name. A variant with more arithmetic per update makes fewer updates, and the reverse."""
    shipped = resolve(PuzzleConfig(), settings)

    def varied(model: str = PuzzleModel.__name__, **changes: Any) -> Variant:
        config = resolve(shipped, {name.replace("__", "."): value for name, value in changes.items()})
        updates = shipped.training.epochs * work(shipped.model) / work(config.model)
        training = replace(config.training, epochs=max(round(updates), 1))
        return Variant(config.model, training, model)

    once: dict[str, Any] = {"model__supervision_steps": 1, "model__answer_steps": 1}
    twice = varied(model__latent_steps=2)
    return {
        SHIPPED: varied(),
        ONCE: varied(**once),
        "N_sup = 4": varied(model__supervision_steps=4),
        "T = 2, n = 2": varied(model__cycles=2, model__latent_steps=2),
        "n = 2": twice,
        "n = 2, gradient through the last z": Variant(shipped.model, twice.training, LastStep.__name__),
        "no average of the weights": varied(training__average=0.0),
        "no halting: always N_sup steps": varied(training__halting=0.0),
        "no exploration of longer thinking": varied(training__explore=0.0),
        "random start of y and z": varied(RandomStart.__name__),
        "no augmentation": varied(training__augment=False),
        "no masks: cells learnt as vectors": varied(Unmasked.__name__),
        "2 blocks once, no recursion": varied(**once, model__latent_steps=0),
        DEEPEST: varied(**once, model__latent_steps=0, model__core_blocks=DEEP),
    }


# --------------------------------------------------------------------------------------------------- runs


def data_digest(task: Task) -> str:
    """A digest of the task and the numbers of puzzles. The puzzles themselves depend on the seed."""
    return digest([task.name, COUNT, VALIDATION, TEST])


def run_alone(trials: Sequence[Trial[Variant]], task: Task) -> list[Row]:
    """Run trials one after the other. A failed trial gives a row with an "error"."""
    rows = []
    for trial in trials:
        try:
            rows.append(run(trial, task))
        except Exception as error:
            rows.append(failed(trial, data_digest(task), error))
    return rows


def run(trial: Trial[Variant], task: Task) -> Row:
    """Train on puzzles made from the seed, as `trm puzzle train` does, and test the best model. Raises Diverged."""
    keep_memory()
    config, seed = trial.config, trial.seed
    held_out = make_held_out(task, seed, config.training.extra)
    test, known = held_out.test, set(held_out.known)
    puzzles = make_puzzles(task, COUNT, np.random.default_rng(seed), config.training.extra, known)
    trainer = PuzzleTrainer(config, task, puzzles, held_out.validation, seed, MODELS[config.variant])
    curve = [record for record in trainer.epochs() if "validation" in record]
    trainer.stopping.restore(trainer.model)
    trajectory = unroll(trainer.model, test.questions, STEPS)
    right = (trajectory.boards == test.answers).all(axis=2)
    return {
        "name": trial.name,
        **identity(trial, data_digest(task)),
        "parameters": sum(parameter.size for parameter in trainer.model.parameters()),
        "updates": trainer.updates_done(),
        "best_epoch": trainer.stopping.state.best_epoch,
        "test": trajectory_metrics(trajectory, task, test, config.model.answer_steps, STEPS),
        "by_rounds": [
            {
                "rounds": int(rounds),
                "puzzles": int(alike.sum()),
                "solved": right[:, alike].sum(axis=1).tolist(),
            }
            for rounds in np.unique(test.rounds)
            for alike in (test.rounds == rounds,)
        ],
        "curve": curve,
    }


def single_groups(trials: Sequence[Trial[Variant]]) -> list[list[int]]:
    """The indices of the trials, each in a group of its own."""
    return [[index] for index in range(len(trials))]


PUZZLES = Kind(data_digest, single_groups, run_alone)


# ----------------------------------------------------------------------------------------------- results


def completed_last(rows: Sequence[Row]) -> list[Row]:
    """The rows with the version, data and settings of the first row of their name, which is the newest."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["name"], row)
    return [
        row
        for row in rows
        if all(row[key] == first[row["name"]][key] for key in ("version", "data", "settings"))
    ]


def summarize(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The results of each variant with finished runs: the share solved after each step, with its 95 % interval."""
    found = []
    for name in dict.fromkeys(row["name"] for row in rows):
        done = [row for row in rows if row["name"] == name and "test" in row]
        if done:
            halted = [row["test"]["halting"] for row in done]
            found.append({
                "name": name,
                "seeds": len(done),
                "parameters": done[0]["parameters"],
                "updates": done[0]["updates"],
                "solved_by_steps": {
                    str(step): interval([row["test"]["solved_by_steps"][str(step)] for row in done])
                    for step in range(1, STEPS + 1)
                },
                "hard": interval([by_rounds([row])[-1]["solved"][-1] for row in done]),
                "halting": {key: interval([each[key] for each in halted]) for key in halted[0]},
                "by_rounds": by_rounds(done),
            })  # fmt: skip
    return found


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """The mean and its 95 % interval, whose ends are `None` for a single value."""
    mean, *ends = mean_and_interval(values)
    low, high = ends if len(values) > 1 else (None, None)
    return {"mean": mean, "low": low, "high": high}


def by_rounds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The number of puzzles and the share solved after each step, for each of GROUPS, over all seeds."""
    groups = list(GROUPS)
    puzzles, solved = np.zeros(len(groups), int), np.zeros((len(groups), STEPS), int)
    for each in (each for row in rows for each in row["by_rounds"]):
        group = np.searchsorted(list(GROUPS.values()), each["rounds"], side="right") - 1
        puzzles[group] += each["puzzles"]
        solved[group] += each["solved"]
    return [
        {"rounds": name, "puzzles": int(count), "solved": (right / count).tolist()}
        for name, count, right in zip(groups, puzzles, solved, strict=True)
        if count
    ]


def recursion_text(found: Sequence[dict[str, Any]]) -> str:
    """A table of all variants, and a table of the first variant by the difficulty of the puzzles."""
    lines = [
        ("solved after so many steps", "seeds", "parameters", "updates", *map(str, SHOWN), "hard", "halting")
    ]
    for each in found:
        halting = each["halting"]
        lines.append((
            each["name"],
            str(each["seeds"]),
            f"{each['parameters']:,}",
            str(each["updates"]),
            *(with_interval(each["solved_by_steps"][str(step)]) for step in SHOWN),
            with_interval(each["hard"]),
            f"{halting['solved']['mean']:.3f} in {halting['mean_steps']['mean']:.1f}",
        ))  # fmt: skip
    staircase = [(f"rounds of singles: {found[0]['name']}", "puzzles", *map(str, SHOWN))]
    for group in found[0]["by_rounds"]:
        shares = (f"{group['solved'][step - 1]:.3f}" for step in SHOWN)
        staircase.append((group["rounds"], str(group["puzzles"]), *shares))
    notes = (
        f"hard: after {STEPS} steps, of the puzzles with {found[0]['by_rounds'][-1]['rounds']} rounds of singles; "
        f"halting: if the model halts by itself\n± gives the 95 % interval for the mean over seeds"
    )
    return f"{table(lines)}\n{notes}\n\n{table(staircase)}"


def with_interval(found: Mapping[str, Any]) -> str:
    return f"{found['mean']:.3f}" + (
        "" if found["high"] is None else f" ± {found['high'] - found['mean']:.3f}"
    )
