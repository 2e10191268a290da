"""Worth of the recursion, and of each ingredient of the paper, on Sudoku of 6 × 6: the puzzle model with one thing
changed at a time, each trained for as much arithmetic as the shipped one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.config import flatten
from trm_np.evaluation.summary import table
from trm_np.lab.effects import mean_and_interval
from trm_np.lab.sweep import Kind
from trm_np.lab.trial import Row, failed, identity
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
STEPS = 16  # of thinking after which each is judged, whatever it was trained for
SHOWN = (1, 2, 4, 8, 16)
# Groups of puzzles by their rounds of singles, and the least of each: about a third, a third, a fifth and a tenth.
GROUPS = {"to 4": 0, "5": 5, "6": 6, "7 and more": 7}
COUNT = 4000  # puzzles to learn from, as `trm puzzle train` makes them


class RandomStart(PuzzleModel):
    """Thinking starts from a drawn y and z, the same in each cell of each puzzle, as in the paper's code."""

    def initial_carry(self, count: int) -> Carry:
        drawn = np.random.default_rng(0).normal(size=(2, 1, 1, self.config.core_width)).astype(np.float32)
        zeros = super().initial_carry(count)
        return Carry(zeros.y + Tensor(drawn[0]), zeros.z + Tensor(drawn[1]))


class LastStep(PuzzleModel):
    """A step of z without gradient comes before those of the core."""

    def forward(self, questions: Board, carry: Carry) -> Carry:
        with no_grad():
            z = self.core.embed(questions) + carry.y + carry.z
            for block in self.core.blocks:
                z = block(z, None, self.blocked)
        return super().forward(questions, Carry(carry.y, z))


class Unmasked(PuzzleModel):
    """Every head sees every cell. Where a cell stands is a vector, learnt and added to its symbol's."""

    def __init__(self, config: PuzzleModelConfig, task: Task, rng: np.random.Generator) -> None:
        super().__init__(config, task, rng)
        self.places = nn.Embedding(task.cells, config.core_width, rng=rng)

    def forward(self, questions: Board, carry: Carry) -> Carry:
        after: Carry = self.core(self.core.embed(questions) + self.places.weight, carry, None, None)
        return after


MODELS = {each.__name__: each for each in (PuzzleModel, RandomStart, LastStep, Unmasked)}


@dataclass(frozen=True)
class Variant:
    """Variant to train: its settings, and which of MODELS they are for."""

    config: PuzzleConfig = field(default_factory=PuzzleConfig)
    model: str = PuzzleModel.__name__


@dataclass(frozen=True)
class PuzzleTrial:
    """A run to be made, as lab/trial.py has it of the recommender."""

    name: str
    variant: Variant
    seed: int

    def settings(self) -> dict[str, Any]:
        return {**flatten(self.variant.config), "variant": self.variant.model}


def variants(settings: Mapping[str, Any]) -> dict[str, Variant]:
    """Each by its name. What takes more arithmetic at an update than the shipped model makes fewer, and the reverse."""
    shipped = resolve(PuzzleConfig(), settings)

    def varied(model: str = PuzzleModel.__name__, **changes: Any) -> Variant:
        config = resolve(shipped, {name.replace("__", "."): value for name, value in changes.items()})
        updates = shipped.training.epochs * work(shipped.model) / work(config.model)
        training = replace(config.training, epochs=max(round(updates), 1))
        return Variant(replace(config, training=training), model)

    once: dict[str, Any] = {"model__supervision_steps": 1, "model__answer_steps": 1}
    twice = varied(model__latent_steps=2)
    return {
        SHIPPED: varied(),
        ONCE: varied(**once),
        "N_sup = 4": varied(model__supervision_steps=4),
        "T = 2, n = 2": varied(model__cycles=2, model__latent_steps=2),
        "n = 2": twice,
        "n = 2, gradient through the last z": Variant(
            replace(twice.config, model=shipped.model), LastStep.__name__
        ),
        "no average of the weights": varied(training__average=0.0),
        "no halting: always N_sup steps": varied(training__halting=0.0),
        "no exploration of longer thinking": varied(training__explore=0.0),
        "random start of y and z": varied(RandomStart.__name__),
        "no augmentation": varied(training__augment=False),
        "no masks: cells learnt as vectors": varied(Unmasked.__name__),
        "2 blocks once, no recursion": varied(**once, model__latent_steps=0),
        DEEPEST: varied(**once, model__latent_steps=0, model__core_blocks=DEEP),
    }


def with_seeds(variants: Mapping[str, Variant], seeds: int) -> list[PuzzleTrial]:
    """Each variant with the seeds from 0 on, seed by seed."""
    return [PuzzleTrial(name, variant, seed) for seed in range(seeds) for name, variant in variants.items()]


# --------------------------------------------------------------------------------------------------- to run them


def data_digest(task: Task) -> str:
    """Each seed makes puzzles of its own: so many, of this task."""
    return digest([task.name, COUNT, VALIDATION, TEST])


def run_alone(trials: Sequence[PuzzleTrial], task: Task) -> list[Row]:
    """The rows of trials; one that fails is a row with its "error"."""
    rows = []
    for trial in trials:
        try:
            rows.append(run(trial, task))
        except Exception as error:
            rows.append(failed(trial, data_digest(task), error))
    return rows


def run(trial: PuzzleTrial, task: Task) -> Row:
    """Train on puzzles made of the seed, as `trm puzzle train` does, and judge the model kept; raises Diverged."""
    keep_memory()
    config, seed = trial.variant.config, trial.seed
    apart = make_held_out(task, seed, config.training.extra)
    puzzles = make_puzzles(task, COUNT, np.random.default_rng(seed), config.training.extra, set(apart.known))
    trainer = PuzzleTrainer(config, task, puzzles, apart.validation, seed, MODELS[trial.variant.model])
    curve = [record for record in trainer.epochs() if "validation" in record]
    trainer.stopping.restore(trainer.model)
    trajectory = unroll(trainer.model, apart.test.questions, STEPS)
    right = (trajectory.boards == apart.test.answers).all(axis=2)
    return {
        "name": trial.name,
        **identity(trial, data_digest(task)),
        "parameters": sum(parameter.size for parameter in trainer.model.parameters()),
        "updates": trainer.updates_done(),
        "best_epoch": trainer.stopping.state.best_epoch,
        "test": trajectory_metrics(trajectory, task, apart.test, config.model.answer_steps, STEPS),
        "by_rounds": [
            {
                "rounds": int(rounds),
                "puzzles": int(alike.sum()),
                "solved": right[:, alike].sum(axis=1).tolist(),
            }
            for rounds in np.unique(apart.test.rounds)
            for alike in (apart.test.rounds == rounds,)
        ],
        "curve": curve,
    }


def apart(trials: Sequence[PuzzleTrial]) -> list[list[int]]:
    """The places of the trials, each in a group of its own."""
    return [[place] for place in range(len(trials))]


PUZZLES = Kind(data_digest, apart, run_alone)


# ----------------------------------------------------------------------------------------------- what they show


def completed_last(rows: Sequence[Row]) -> list[Row]:
    """Of a file of results the rows that were made under the conditions of the first of their name, which is new."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["name"], row)
    return [
        row
        for row in rows
        if all(row[key] == first[row["name"]][key] for key in ("version", "data", "settings"))
    ]


def summarize(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of each variant that has finished with some seed, what it solves after each step, with its 95 % interval."""
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
    """Mean and ends; of one seed there are no ends."""
    mean, *ends = mean_and_interval(values)
    low, high = ends if len(values) > 1 else (None, None)
    return {"mean": mean, "low": low, "high": high}


def by_rounds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of all seeds together, for each of GROUPS: how many puzzles, and the share solved after each step."""
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
    """The table of all variants, and of the first how many steps puzzles take, by how hard they are."""
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
            *(with_reach(each["solved_by_steps"][str(step)]) for step in SHOWN),
            with_reach(each["hard"]),
            f"{halting['solved']['mean']:.3f} in {halting['mean_steps']['mean']:.1f}",
        ))  # fmt: skip
    staircase = [(f"rounds of singles: {found[0]['name']}", "puzzles", *map(str, SHOWN))]
    for group in found[0]["by_rounds"]:
        shares = (f"{group['solved'][step - 1]:.3f}" for step in SHOWN)
        staircase.append((group["rounds"], str(group["puzzles"]), *shares))
    notes = (
        f"hard: after {STEPS} steps, of the puzzles of most rounds of singles, {found[0]['by_rounds'][-1]['rounds']}; "
        f"halting: where the model halts by itself\n± reaches the ends of the 95 % interval for the mean over seeds"
    )
    return f"{table(lines)}\n{notes}\n\n{table(staircase)}"


def with_reach(found: Mapping[str, Any]) -> str:
    return f"{found['mean']:.3f}" + (
        "" if found["high"] is None else f" ± {found['high'] - found['mean']:.3f}"
    )
