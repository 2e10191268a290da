#!/usr/bin/env python3
"""Check that each mirror of the model has the same outputs and gradients as ours, without dropout.

python benchmarks/mirrors/equality.py                  both presets
python benchmarks/mirrors/equality.py --preset tiny    one of them
python benchmarks/mirrors/equality.py --compiled       compiled PyTorch too: minutes for each preset the first time

Each line has the largest relative differences, before and after some training, with and without masked targets. In
float32, rounding may change outputs and loss terms by 1e-5 and gradients by 1e-4. In float64 none may differ by more
than 1e-10, which shows that the mathematics is the same.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

sys.path.extend(str(folder) for folder in Path(__file__).resolve().parents[1:3])

if (
    __name__ == "__main__"
):  # before NumPy is imported: its threads and the mirrors' would stand in each other's way
    from trm_np.cli.threads import use_threads

    use_threads(all_cores=False)

import click
import numpy as np
from numpy.typing import NDArray

from mirrors.jax_mirror import JaxTrainer
from mirrors.torch_mirror import TorchTrainer
from trm_np.autograd.optim import AdamW
from trm_np.config import PRESETS, resolve
from trm_np.data.encode import IGNORE_INDEX, GiftInputs, ProfileInputs
from trm_np.data.load import load_dataset
from trm_np.data.task import task_from
from trm_np.evaluation.predict import evaluating
from trm_np.export.onnx_file import our_outputs
from trm_np.model.groups import parameter_groups
from trm_np.model.losses import Targets, loss_terms, masked_token_logits, weighted_total
from trm_np.model.trm import EncodedGifts
from trm_np.training.batches import Batch
from trm_np.training.trainer import Trainer, is_masked

Arrays = dict[str, NDArray[Any]]
Step = tuple[Arrays, dict[str, float], Arrays]  # outputs, loss terms with their "total", gradients

SEED = 0
TRAINED_BATCHES = 3

# Numbers below these count as these. Outputs and loss terms are of order one. In float32 a term made of (1 - p)², p
# near one, is known to about 1e-7 √term: to 1e-5 of itself only where it is larger than 1e-4.
SMALLEST_OUTPUT = 1e-3
# Of the largest element of any gradient of the step. Where the contributions of profiles and gifts to a bias cancel,
# float32 leaves up to 1e-8 of that element uncertain, in ours and in PyTorch alike, as float64 shows: 1e-4 of 1e-4.
SMALLEST_GRADIENT = 1e-4

NOT_COMPARED = ("slots", "choice", "h")  # no copy learns from choices, and h shows in every output
TOLERANCES = {"float32": (1e-5, 1e-4), "float64": (1e-10, 1e-10)}  # of outputs and terms, and of gradients


class Mirror(NamedTuple):
    """A copy of a trainer: a function that makes it, its precisions, and whether it can compute outputs alone.

    The copy has `prepare(batch)` and `outputs_and_gradients(prepared)`, as `ours`; to answer, it has `encode(gifts)`,
    `prepare_profiles(inputs)` and `answer(prepared)`, as `answer_of`.
    """

    copy: Callable[[Trainer], Any]
    precisions: tuple[str, ...]
    answers: bool


MIRRORS = {
    "torch": Mirror(partial(TorchTrainer, mode="eager"), ("float32", "float64"), answers=True),
    "jax": Mirror(JaxTrainer, ("float32",), answers=False),
}
COMPILED = {"torch compiled": Mirror(partial(TorchTrainer, mode="compiled"), ("float32",), answers=True)}


class MirrorMismatch(AssertionError):
    """Raised if a mirror differs from ours. The message has the tensor, the step and the difference."""


class Difference(NamedTuple):
    """The largest difference in a tensor, relative to its largest element."""

    relative: float
    name: str
    step: int

    def __str__(self) -> str:
        return f"{self.relative:.1e} ({self.name}, step {self.step})"


def check_equal(
    ours: list[Step], theirs: list[Step], outputs_tolerance: float = 1e-5, gradients_tolerance: float = 1e-4
) -> dict[str, Difference]:
    """The largest differences of "outputs", "terms" and "gradients". Raises MirrorMismatch if one is too large."""
    tolerances = {"outputs": outputs_tolerance, "terms": outputs_tolerance, "gradients": gradients_tolerance}
    if len(ours) != len(theirs):
        raise MirrorMismatch(f"{len(theirs)} supervision steps, not {len(ours)}")
    largest: dict[str, Difference] = {}
    for step, kinds in enumerate(zip(ours, theirs, strict=True), start=1):
        for (kind, tolerance), mine, other in zip(tolerances.items(), *kinds, strict=True):
            for found in differences(kind, step, mine, other):
                if not found.relative <= tolerance:  # so that NaN is too large
                    raise MirrorMismatch(f"{kind} differ by {found}; {tolerance:.0e} is allowed")
                largest[kind] = max(found, largest.get(kind, found))
    return largest


def differences(kind: str, step: int, ours: Arrays, theirs: Arrays) -> Iterator[Difference]:
    """The largest difference of each tensor. Raises MirrorMismatch if names or shapes differ."""
    if ours.keys() != theirs.keys():
        raise MirrorMismatch(f"{kind} of step {step}: only one has {sorted(ours.keys() ^ theirs.keys())}")
    floor = SMALLEST_OUTPUT
    if kind == "gradients":
        floor = SMALLEST_GRADIENT * max((np.abs(gradient).max() for gradient in ours.values()), default=1.0)
    for name, mine in ours.items():
        shapes = np.shape(mine), np.shape(theirs[name])
        if shapes[0] != shapes[1]:
            raise MirrorMismatch(f"{kind} of step {step}: {name} has shape {shapes[1]}, not {shapes[0]}")
        largest = np.abs(mine - theirs[name]).max()
        yield Difference(float(largest / max(np.abs(mine).max(), floor)), name, step)


# -------------------------------------------------------------------------------------------------------- ours


def ours(trainer: Trainer, batch: Batch) -> list[Step]:
    """Outputs, loss terms and gradients of each supervision step, without dropout and without updates."""
    model, loss, training = trainer.model, trainer.loss, trainer.model.training
    carry, found = None, []
    model.eval()
    try:
        for _ in range(trainer.config.model.supervision_steps):
            carry, outputs = model(batch.inputs, batch.gifts, batch.picked, carry)
            tokens = masked_token_logits(model, carry, batch.inputs) if is_masked(batch.inputs) else None
            terms = loss_terms(model, outputs, batch.targets, loss, trainer.smoothing, tokens)
            total = weighted_total(terms, loss)
            total.backward()
            found.append(
                (
                    {name: output.data for name, output in vars(outputs).items() if name not in NOT_COMPARED},
                    {
                        name: term.item()
                        for name, term in {**terms, "total": total}.items()
                        if name not in NOT_COMPARED
                    },
                    {
                        name: np.zeros_like(p.data) if p.grad is None else p.grad.copy()
                        for name, p in model.named_parameters()
                    },
                )
            )
            model.zero_grad()
            carry = carry.detach()
    finally:
        model.zero_grad()
        model.train(training)
    return found


def our_gifts(trainer: Trainer, gifts: GiftInputs) -> EncodedGifts:
    """The gifts that `answer_of` judges, encoded once."""
    with evaluating(trainer.model):
        return trainer.model.encode_gifts(gifts)


def answer_of(trainer: Trainer, profiles: ProfileInputs, gifts: EncodedGifts) -> Arrays:
    """`our_outputs` of a model in training."""
    with evaluating(trainer.model):
        return our_outputs(trainer.model, profiles, gifts)


def in_precision(trainer: Trainer, batch: Batch, precision: str) -> tuple[Trainer, Batch]:
    """Convert a trainer and a batch to another precision. The optimizer is reset."""
    twin = Trainer(trainer.config, trainer.task, SEED)
    twin.model.load_state_dict(trainer.model.state_dict())
    twin.model.astype(precision)
    twin.optimizer = AdamW(parameter_groups(twin.model, trainer.config))  # which says where gradients are put
    targets = Targets(*(values.astype(precision) for values in vars(batch.targets).values()))
    return twin, replace(batch, targets=targets)


# ------------------------------------------------------------------------------------------------- every preset


@click.command()
@click.option("--preset", "presets", type=click.Choice(list(PRESETS)), multiple=True, default=list(PRESETS))
@click.option("--compiled", is_flag=True, help="Check compiled PyTorch too.")
def main(presets: tuple[str, ...], compiled: bool) -> None:
    """Compare every mirror with ours and print the differences. Raises MirrorMismatch if one is too large."""
    for preset in presets:
        for line in check_preset(preset, compiled=compiled):
            click.echo(line)


def check_preset(
    preset: str,
    precisions: tuple[str, ...] = tuple(TOLERANCES),
    compiled: bool = False,
    at_start: bool = False,
) -> Iterator[str]:
    """Print a line for each mirror with its largest differences. Raises MirrorMismatch if one is too large.

    With `at_start`, compare only before training and with masked targets.
    """
    mirrors = MIRRORS | COMPILED if compiled else MIRRORS
    largest: dict[str, dict[str, Difference]] = {name: {} for name in mirrors}
    for trainer, batch in islice(situations(preset), 1 if at_start else None):
        for precision in precisions:
            twin, its_batch = in_precision(trainer, batch, precision)
            expected = ours(twin, its_batch)
            for name, mirror in mirrors.items():
                if precision in mirror.precisions:
                    for kind, found in compare(mirror, twin, its_batch, expected, precision).items():
                        largest[name][kind] = max(found, largest[name].get(kind, found))
    for name, kinds in largest.items():
        yield f"{preset}, {name}: {', '.join(f'{kind} {found}' for kind, found in kinds.items())}"


def compare(
    mirror: Mirror, trainer: Trainer, batch: Batch, expected: list[Step], precision: str
) -> dict[str, Difference]:
    """The largest difference of each kind between a copy of the trainer and ours on a batch."""
    copy, tolerances = mirror.copy(trainer), TOLERANCES[precision]
    found = check_equal(expected, copy.outputs_and_gradients(copy.prepare(batch)), *tolerances)
    if mirror.answers:
        copy.encode(trainer.task.gift_inputs)
        theirs = copy.answer(copy.prepare_profiles(batch.inputs))
        mine = answer_of(trainer, batch.inputs, our_gifts(trainer, trainer.task.gift_inputs))
        found["answers"] = check_equal([(mine, {}, {})], [(theirs, {}, {})], *tolerances)["outputs"]
    return {f"{precision} {kind}": difference for kind, difference in found.items()}


def situations(preset: str) -> Iterator[tuple[Trainer, Batch]]:
    """Yield a trainer and a batch: before and after some training, with and without masked targets."""
    config = resolve(preset, settings={"training.batch_size": 16, "training.imagined": 0.0})
    trainer = Trainer(config, task_from(load_dataset(), config.model.gift_features), SEED)
    rng = np.random.default_rng(SEED)

    def draw() -> Batch:
        return trainer.draw_batch(
            rng.choice(len(trainer.task.train), config.training.batch_size, replace=False)
        )

    for batches in (0, TRAINED_BATCHES):
        for _ in range(batches):
            trainer.learn(draw())
        batch = draw()
        yield trainer, batch
        nothing = np.full_like(batch.inputs.masked_targets, IGNORE_INDEX)
        yield trainer, replace(batch, inputs=replace(batch.inputs, masked_targets=nothing))


if __name__ == "__main__":
    main()
