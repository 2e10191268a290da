"""Comparison with models without recursion, trained for the same amount of arithmetic."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig
from trm_np.puzzles.evaluating import evaluate
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.training import PuzzleTrainer

BACKWARD = 2  # a backward pass takes as much arithmetic as so many forward ones
DEEP = 12  # blocks of its own for a model without recursion


def rivals(config: PuzzleConfig) -> Iterator[tuple[str, PuzzleConfig]]:
    """Models without a carry, and without recursion, trained for as much arithmetic as `config`."""
    once = replace(config.model, supervision_steps=1, answer_steps=1)
    deep = replace(once, core_blocks=DEEP, latent_steps=0, cycles=1)
    for name, model in (("the same, N_sup = 1", once), (f"{DEEP} blocks of their own, no recursion", deep)):
        epochs = max(round(config.training.epochs * work(config.model) / work(model)), 1)
        yield name, replace(config, model=model, training=replace(config.training, epochs=epochs))


def work(model: PuzzleModelConfig) -> int:
    """The arithmetic of an update, in forward passes of a block: only the last of T cycles has a backward pass."""
    return model.core_blocks * (model.latent_steps + 1) * (model.cycles + BACKWARD)


def compare(
    trainer: PuzzleTrainer, test: Puzzles, seed: int, interrupted: Callable[[], bool]
) -> list[dict[str, Any]]:
    """Evaluate each rival on the same puzzles with the same number of steps; raises Interrupted."""
    results = []
    for name, config in rivals(trainer.config):
        rival = PuzzleTrainer(config, trainer.task, trainer.puzzles, trainer.validation, seed)
        for _ in rival.epochs(interrupted):
            pass
        rival.stopping.restore(rival.model)
        result = evaluate(rival.model, test, trainer.config.model.answer_steps)
        parameters = sum(parameter.size for parameter in rival.model.parameters())
        updates = config.training.epochs * config.training.updates
        results.append({"name": name, "parameters": parameters, "updates": updates, **result})
    return results
