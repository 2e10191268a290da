"""Every setting of a puzzle model and of its training; the defaults are those for Sudoku of 6 × 6."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trm_np.config import LARGEST_SIZE, ConfigError, flatten, with_settings, with_stored

# A weight moves by less than ten learning rates at an update, which so cannot overflow.
AT_MOST_ONE = ("learning_rate", "weight_decay", "final", "average", "explore")
LARGEST_WEIGHT = 1000  # of a loss, or norm of a gradient
MOST_STEPS = 255  # supervision steps, which are stored as bytes


@dataclass(frozen=True)
class PuzzleModelConfig:
    """Widths and depths, in the terms of the core."""

    core_width: int = 64
    core_blocks: int = 2
    core_heads: int = 4
    core_hidden: int = 128
    latent_steps: int = 1  # n: z ← f(x + y + z) this many times, then y ← f(y + z); 0: no recursion, y = f(x)
    cycles: int = 1  # T: this many times in all, only the last with gradient
    supervision_steps: int = 16  # N_sup: at most this many with the carry handed on
    answer_steps: int = 16  # the same of an answer: it may go on getting better after the steps of training


@dataclass(frozen=True)
class PuzzleTrainingConfig:
    """Length, batch size and rates of training."""

    epochs: int = 20
    updates: int = 100  # of the weights, in an epoch: each is one supervision step of a batch
    batch_size: int = 32
    extra: int = 0  # givens more than are needed, at most, of puzzles that are made
    augment: bool = True  # a symmetry drawn anew whenever a puzzle is
    learning_rate: float = 2e-3  # risen to in `warmup` updates, then falling by a cosine to its share `final`
    warmup: int = 100
    final: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    average: float = 0.995  # of the averaged weights, what an update leaves of those before it
    halting: float = 0.5  # weight of the loss of halting beside that of the cells
    explore: float = 0.1  # probability that a puzzle gets a random least number of steps
    evaluate_every: int = 10  # epochs


@dataclass(frozen=True)
class PuzzleConfig:
    """Configuration of a run, stored with the weights."""

    model: PuzzleModelConfig = field(default_factory=PuzzleModelConfig)
    training: PuzzleTrainingConfig = field(default_factory=PuzzleTrainingConfig)


PRESETS: dict[str, PuzzleConfig] = {
    "sudoku6": PuzzleConfig(),
    "sudoku9": PuzzleConfig(
        PuzzleModelConfig(supervision_steps=8, answer_steps=32),
        PuzzleTrainingConfig(epochs=100, evaluate_every=20, extra=12),
    ),
    "maze5": PuzzleConfig(training=PuzzleTrainingConfig(epochs=30, learning_rate=1e-3)),
}


def resolve(base: PuzzleConfig, settings: Mapping[str, Any]) -> PuzzleConfig:
    """The configuration with these settings, "training.epochs": 3 or "3"; raises ConfigError."""
    config = with_settings(base, settings)
    check(config)
    return config


def from_flat(settings: Mapping[str, Any]) -> PuzzleConfig:
    """The inverse of `flatten`; raises ConfigError on an unknown key or a value that no run could use."""
    config = with_stored(PuzzleConfig(), settings)
    check(config)
    return config


def check(config: PuzzleConfig) -> None:
    """Raise ConfigError on the first value that no run could use."""
    for key, value in flatten(config).items():
        name = key.partition(".")[2]
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            most = MOST_STEPS if name in ("supervision_steps", "answer_steps") else LARGEST_SIZE
            least = 0 if name in ("extra", "warmup", "latent_steps") else 1
            if not least <= value <= most:
                raise ConfigError(f"{key}={value}: must be from {least} to {most}")
        elif not 0 <= value <= (1 if name in AT_MOST_ONE else LARGEST_WEIGHT):
            raise ConfigError(
                f"{key}={value}: must be from 0 to {1 if name in AT_MOST_ONE else LARGEST_WEIGHT}"
            )
        elif name in ("beta1", "beta2") and value >= 1:
            raise ConfigError(f"{key}={value}: must be below 1")
    if config.training.clip_norm == 0:
        raise ConfigError("training.clip_norm=0: must be positive, or nothing would be learnt")
    if config.model.core_width % config.model.core_heads:
        raise ConfigError(
            f"model.core_width={config.model.core_width}: must be a multiple of model.core_heads"
        )
