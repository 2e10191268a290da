"""A new model with its initial weights, and the random generators of training."""

from dataclasses import dataclass, fields, replace

import numpy as np

from trm_np.config import Config
from trm_np.data.task import Task
from trm_np.model.build import build_model
from trm_np.model.choice_start import initialize_from_choices
from trm_np.model.core import halves_to_neighbours
from trm_np.model.trm import TRM
from trm_np.model.word_start import initialize_from_words


@dataclass(frozen=True)
class Generators:
    """One generator for each purpose, so that turning one off does not change the numbers of another."""

    init: np.random.Generator
    dropout: np.random.Generator
    batches: np.random.Generator
    augmentation: np.random.Generator
    masking: np.random.Generator
    picking: np.random.Generator
    candidates: np.random.Generator
    choices: np.random.Generator
    votes: np.random.Generator
    imagination: np.random.Generator  # the newest last: a seed's generators before it stay the same

    @classmethod
    def from_seed(cls, seed: int) -> "Generators":
        seeds = np.random.SeedSequence(seed).spawn(len(fields(cls)))
        return cls(*map(np.random.default_rng, seeds))


def with_experience(config: Config, task: Task) -> Config:
    """Configuration with an experience of every gift, if the task has choices."""
    gifts = len(task.gifts) if task.train.chosen.nnz else 0
    return replace(config, model=replace(config.model, experienced_gifts=gifts))


def new_model(config: Config, task: Task, generators: Generators) -> TRM:
    """Build a model with the initial weights of training; raises ConfigError."""
    config = with_experience(config, task)
    model = build_model(config, task.vocabulary, generators.init, generators.dropout)
    if config.training.word_start:
        initialize_from_words(model, task, generators.init)
    if model.experience is not None:
        initialize_from_choices(model, task)
    # Earlier versions had rotary pairs half a head apart; with this order a seed keeps its model.
    for block in model.core.blocks:
        halves_to_neighbours(block.attention.in_proj_weight.data, config.model.core_heads)
    return model
