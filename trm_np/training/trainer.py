"""Training: read `Trainer` from `epochs` down; run.py writes its files."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from trm_np.autograd import Tensor
from trm_np.autograd.ops import Array
from trm_np.autograd.optim import AdamW, clip_factor, global_norm
from trm_np.autograd.schedule import PlateauState, ReduceLROnPlateau
from trm_np.config import Config, ConfigError
from trm_np.data import sizes
from trm_np.data.augment import augment
from trm_np.data.choices import Choices, choices_among, padded
from trm_np.data.encode import ProfileInputs, draw_mask, encode_profiles, hide
from trm_np.data.tables import Ints
from trm_np.data.task import Split, Task
from trm_np.evaluation.predict import Evaluation, evaluate_model, fit_shares, infer_split
from trm_np.model.core import Carry
from trm_np.model.groups import parameter_groups
from trm_np.model.losses import (
    TERMS,
    logits_of_choices,
    loss_terms,
    masked_token_logits,
    shares_of,
    targets_of,
    weighted_total,
)
from trm_np.model.new import Generators, new_model, with_experience
from trm_np.model.trm import Outputs
from trm_np.training.batches import Batch, RowGenerator, draw_candidates, draw_picked
from trm_np.training.divergence import Diverged
from trm_np.training.practice import Practice, is_practice_needed
from trm_np.training.ranks import ALONE, Ranks
from trm_np.training.state import (
    copy_into,
    generator_states,
    in_json,
    load_stopping,
    out_of_json,
    record_of,
    require_kind,
)
from trm_np.training.stopping import EarlyStopping

# Of an update, in learning rates: |m| / √v is at most (1 - β₁) / √((1 - β₂)(1 - β₁²/β₂)) < 7.3 (Cauchy and Schwarz).
LARGEST_UPDATE = 10
HIDDEN_HISTORIES = 0.3  # share of the profiles whose histories are hidden
ADDED_GENERATORS = ("choices", "votes", "imagination")  # files of earlier versions lack these

Record = dict[str, Any]


class Interrupted(Exception):
    """Signal that training was asked to stop, between two batches."""


@dataclass
class Progress:
    """Progress of training: finished epochs, and the order, batches and sums of the current one."""

    epochs: int = 0
    order: list[int] = field(default_factory=list)
    batches: int = 0
    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    stopped_by: str = ""


class Trainer:
    """A model in training on a task. `seed` seeds all random numbers; each of several `ranks` learns from its rows.

    Raises ConfigError if no model can be built from the configuration, or if a batch has fewer rows than ranks.
    """

    def __init__(self, config: Config, task: Task, seed: int, ranks: Ranks = ALONE) -> None:
        require_rows(len(task.train), config.training.batch_size, ranks.size)
        self.config = with_experience(config, task)
        self.task = task
        self.seed = seed
        self.uses_imagined = config.training.imagined > 0 and is_practice_needed(task)
        given = config.loss.smoothing
        self.smoothing = sizes.smoothing(len(task.train), self.uses_imagined) if given is None else given
        self.loss = replace(config.loss, smoothing=self.smoothing)
        self.ranks = ranks
        self.generators = Generators.from_seed(seed)
        self.model = new_model(config, task, self.generators)
        self.row_rng = RowGenerator(self.generators.dropout)
        if ranks.size > 1:
            self.row_rng.attach_to(self.model)
        self.parameters = self.model.parameters()
        self.optimizer = AdamW(parameter_groups(self.model, config))
        self.scheduler = ReduceLROnPlateau(
            self.optimizer,
            factor=config.training.plateau_factor,
            patience=config.training.plateau_patience,
            min_lr=config.training.plateau_min_lr,
        )
        self.stopping = EarlyStopping(config.training.patience, config.training.improvement)
        self.progress = Progress()
        self.step_context: Callable[[], AbstractContextManager[None]] = nullcontext  # or a StepProfile

    @cached_property
    def practice(self) -> Practice | None:
        """Imagined profiles, where they help; a resumed run infers them again from the seed."""
        return Practice(self.task, Generators.from_seed(self.seed).votes) if self.uses_imagined else None

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Train to the end; yields the record of each epoch.

        Raises Diverged, and Interrupted as soon as `interrupted()`, called before every batch, is true on any rank.
        """
        self.evaluate_initial_model()
        while not self.progress.stopped_by:
            self.begin_epoch()
            for rows in self.remaining_batches():
                if self.ranks.all_reduce_max(interrupted()):
                    raise Interrupted
                batch = self.draw_batch(rows)
                with self.step_context():
                    self.learn(batch)
                self.progress.batches += 1
            yield self.end_epoch()

    def evaluate_initial_model(self) -> None:
        """With choices, evaluate the initial model as epoch 0: its weights are a solution and may stay the best."""
        if self.model.experience is not None and not self.stopping.has_kept:
            self.stopping.step(self.validate().quality, 0, self.model)

    def epoch_rows(self) -> Ints:
        """Rows of the training scenarios of one epoch, in order; each repeats if imagined profiles are used."""
        return np.tile(
            np.arange(len(self.task.train)), self.config.training.repeats if self.uses_imagined else 1
        )

    def begin_epoch(self) -> None:
        """Shuffle, unless training resumes within this epoch."""
        if not self.progress.order:
            self.progress.order = self.generators.batches.permutation(self.epoch_rows()).tolist()

    def remaining_batches(self) -> Iterator[Ints]:
        size = self.config.training.batch_size
        for first in range(self.progress.batches * size, len(self.progress.order), size):
            yield np.array(self.progress.order[first : first + size])

    def draw_batch(self, rows: Ints) -> Batch:
        """Draw a batch from the scenarios of these rows, augmented, masked, and some replaced by imagined ones.

        All profiles have the same candidates. The targets are those of the fields that are not masked.
        """
        task, training, generators = self.task, self.config.training, self.generators
        scenarios = (self.practice or task).train.take(rows)
        if training.augment:
            scenarios = replace(scenarios, profiles=augment(scenarios.profiles, generators.augmentation))
        if self.practice:
            scenarios = self.practice.mix(scenarios, training.imagined, generators.imagination)
        profiles, labels = scenarios.profiles, scenarios.labels
        masked = draw_mask(profiles, training.mask_probability, generators.masking)
        candidates = draw_candidates(len(task.gifts), self.config.loss.candidates, generators.candidates)
        gifts = task.gifts.take(candidates)
        picked = draw_picked(len(scenarios), len(gifts), generators.picking)
        choices, history = self.draw_choices(scenarios)
        return Batch(
            encode_profiles(profiles, task.vocabulary, masked, history),
            task.gift_inputs.take(candidates),
            picked,
            targets_of(hide(profiles, masked), labels, gifts, task.implied, picked),
            choices,
        )

    def draw_choices(self, scenarios: Split) -> tuple[Choices | None, Ints | None]:
        """Draw candidates of a choice, and the histories (B, H) that are not hidden; None without choices."""
        if self.model.experience is None:
            return None, None
        rng, size = self.generators.choices, self.config.loss.choice_candidates
        hidden = rng.random(len(scenarios)) < HIDDEN_HISTORIES
        gifts = scenarios.chosen.shape[1]
        sample = None if gifts <= size else np.sort(rng.choice(gifts, size, replace=False))
        choices = choices_among(scenarios.chosen, scenarios.rejected, scenarios.history, hidden, sample)
        return choices, padded(scenarios.history, hidden)

    def learn(self, batch: Batch) -> None:
        """Deep supervision: each step starts from the carry of the step before and ends with an update of the weights.

        Each rank takes its own rows. Losses and gradients are summed over the ranks to those of the whole batch.
        """
        part, shares = self.own_part(batch)
        masked = is_masked(batch.inputs)  # on any rank: then all ranks need the gradient of the token head
        carry = None
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow ends up in a number checked below
            for _ in range(self.config.model.supervision_steps):
                carry, outputs = self.model(part.inputs, part.gifts, part.picked, carry)
                loss = self.total_loss(carry, outputs, part, shares, masked)
                loss.backward()
                self.update_weights()
                carry = carry.detach()

    def own_part(self, batch: Batch) -> tuple[Batch, dict[str, float]]:
        """This rank's rows of a batch, and their share of each loss term."""
        rows = self.ranks.rows(len(batch))
        self.row_rng.rows, self.row_rng.count = rows, len(batch)
        return batch.take(rows), shares_of(rows, batch.inputs.masked_targets, batch.targets, batch.choices)

    def total_loss(
        self, carry: Carry, outputs: Outputs, part: Batch, shares: Mapping[str, float], masked: bool
    ) -> Tensor:
        """This rank's part of the total loss of a step; adds the losses to the sums of the epoch, raises Diverged."""
        tokens = masked_token_logits(self.model, carry, part.inputs) if masked else None
        chosen = logits_of_choices(self.model, outputs, self.task.gift_inputs, part.choices)
        terms = loss_terms(self.model, outputs, part.targets, self.loss, self.smoothing, tokens, chosen)
        total = weighted_total(terms, self.loss, shares)
        self.add_losses([terms[name].item() * shares[name] for name in TERMS], total.item())
        return total

    def update_weights(self) -> None:
        """Sum the gradients over the ranks, clip their norm, and take an optimizer step; raises Diverged."""
        # Stale parts are summed too, but nothing reads them.
        self.ranks.all_reduce_sum(self.optimizer.gradient)
        norm = global_norm(self.optimizer.gradients())
        self.require_finite_gradients(norm)
        self.require_room()
        self.optimizer.step(clip_factor(norm, self.config.training.clip_norm))
        self.optimizer.zero_grad()

    def add_losses(self, terms: Sequence[float], total: float) -> None:
        """Add a step's losses, summed over the ranks, to the sums of the epoch; raises Diverged."""
        progress = self.progress
        progress.steps += 1
        losses = np.array([*terms, total])
        self.ranks.all_reduce_sum(losses)
        named = dict(zip((*TERMS, "total"), losses.tolist(), strict=True))
        self.require_finite("loss", named)
        for name, value in named.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value

    def require_finite(self, kind: str, named: Mapping[str, float]) -> None:
        for name, value in named.items():
            if not math.isfinite(value):
                raise self.diverged(f"{kind} {name}", value)

    def require_finite_gradients(self, norm: float) -> None:
        """Raise Diverged, naming a parameter, if the norm of all gradients is not finite.

        Non-finite values spread backward from the loss. Of the gradients that they have reached, the last in the
        model's order is nearest to their origin.
        """
        if math.isfinite(norm):
            return
        parameters = self.model.named_parameters()
        largest = {name: float(np.abs(p.grad).max()) for name, p in parameters if p.grad is not None}
        reached = {name: value for name, value in largest.items() if not math.isfinite(value)}
        if not reached:
            raise self.diverged("gradient norm", norm)
        *before, (name, value) = reached.items()
        raise self.diverged(f"gradient of {name}{f' (and {len(before)} before it)' if before else ''}", value)

    def require_room(self) -> None:
        """Raise Diverged if a learning rate is so high that the next update may overflow.

        With a rate of at most 1, a weight moves by less than LARGEST_UPDATE in a step, and there is nothing to check.
        """
        for group in self.optimizer.param_groups:
            rate, decay = group["lr"], group["lr"] * group["weight_decay"]
            if max(rate, decay) > 1:
                largest = max(float(np.abs(p.data).max()) for p in group["params"])
                after = largest * max(decay, 1) + rate * LARGEST_UPDATE
                if not after < np.finfo(self.optimizer.weights.dtype).max:
                    what = f"a weight of {group['component']} after an update at learning rate {rate:g}"
                    raise self.diverged(what, math.inf)

    def diverged(self, what: str, value: float) -> Diverged:
        return Diverged(what, value, self.progress.epochs + 1, self.progress.steps)

    def end_epoch(self) -> Record:
        """Record of the epoch, with an evaluation if one is due; resets the sums for the next epoch."""
        done, training = self.progress, self.config.training
        losses = {name: done.sums[name] / done.steps for name in TERMS}
        record: Record = {
            "epoch": done.epochs + 1,
            "learning_rate": {group["component"]: group["lr"] for group in self.optimizer.param_groups},
            "losses": losses,
            "weighted": {name: getattr(self.config.loss, name) * mean for name, mean in losses.items()},
            "total": done.sums["total"] / done.steps,
        }
        stop = False
        if record["epoch"] % training.evaluate_every == 0 or record["epoch"] == training.epochs:
            record["validation"], stop = self.evaluate(record["epoch"])
        stopped_by = "epochs" if record["epoch"] == training.epochs else "early_stopping" if stop else ""
        self.progress = Progress(epochs=record["epoch"], stopped_by=stopped_by)
        return record

    def evaluate(self, epoch: int) -> tuple[Record, bool]:
        """Evaluate on the validation scenarios, and step scheduler and early stopping; returns whether to stop.

        Every rank evaluates all scenarios, which takes no longer, and so makes the same decisions.
        """
        metrics, losses, quality = self.validate()
        self.require_finite("validation loss", losses)
        self.require_finite("validation metric", metrics)
        if self.config.training.plateau:
            self.scheduler.step(losses["total"])
        stop = self.stopping.step(quality, epoch, self.model)
        return {**metrics, "losses": losses}, stop

    def validate(self) -> Evaluation:
        """Evaluate on the validation scenarios, after fitting the shares of an experience to them."""
        model, task = self.model, self.task
        with np.errstate(over="ignore", invalid="ignore"):
            inferred = infer_split(model, task.validation, task)
            if model.experience is not None:
                fit_shares(model, task.validation, task, inferred)
            return evaluate_model(model, task.validation, task, self.config.loss, inferred)

    # ------------------------------------------------------------------------- state of a training file

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that resuming needs beside the weights: values for JSON, and arrays."""
        values = {
            "progress": asdict(self.progress),
            "generators": generator_states(self.generators),
            "learning_rates": [group["lr"] for group in self.optimizer.param_groups],
            "optimizer_steps": self.optimizer.steps,
            "plateau": in_json(self.scheduler.state),
            "stopping": in_json(self.stopping.state),
        }
        arrays = {f"best.{name}": weight for name, weight in self.stopping.best_weights.items()}
        for name, (first, second) in zip(self.optimized_names(), self.optimizer.moments, strict=True):
            arrays |= {f"first_moment.{name}": first, f"second_moment.{name}": second}
        return values, arrays

    def load_state(self, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """The inverse of `state`; raises KeyError, TypeError or ValueError if something does not fit."""
        progress = record_of(Progress, values["progress"])
        require_kind("learning_rates", values["learning_rates"], list[float])
        require_kind("optimizer_steps", values["optimizer_steps"], list[int])
        if min(values["learning_rates"], default=0) < 0:
            raise ValueError("a learning rate is negative")
        if sorted(progress.order) not in ([], sorted(self.epoch_rows().tolist())):
            raise ValueError("the order of the epoch under way is none of these scenarios")
        for name, (first, second) in zip(self.optimized_names(), self.optimizer.moments, strict=True):
            copy_into(first, arrays[f"first_moment.{name}"])
            copy_into(second, arrays[f"second_moment.{name}"])
        for group, rate in zip(self.optimizer.param_groups, values["learning_rates"], strict=True):
            group["lr"] = float(rate)
        for name, rng in vars(self.generators).items():
            if name in values["generators"] or name not in ADDED_GENERATORS:
                rng.bit_generator.state = values["generators"][name]
        steps = [int(count) for _, count in zip(self.parameters, values["optimizer_steps"], strict=True)]
        self.optimizer.steps = steps
        self.scheduler.state = out_of_json(PlateauState, values["plateau"])
        load_stopping(self.stopping, values["stopping"], arrays, self.model)
        self.stopping.require_values(len(self.task.validation))
        self.progress = progress

    def optimized_names(self) -> list[str]:
        """The parameters' names in the optimizer's order."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return [
            names[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]
        ]


def require_rows(scenarios: int, batch_size: int, ranks: int) -> None:
    """Raise ConfigError unless the smallest batch of an epoch, the last one, has a row for every rank."""
    fewest = scenarios % batch_size or batch_size
    if fewest < ranks:
        raise ConfigError(
            f"{scenarios} scenarios in batches of {batch_size} leave a batch of {fewest}, which {ranks} ranks cannot "
            f"share: start at most {fewest}, or set another training.batch_size"
        )


def is_masked(inputs: ProfileInputs) -> bool:
    """Whether any token is masked."""
    return bool((inputs.masked_targets >= 0).any())
