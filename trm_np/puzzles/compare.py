"""Compare with models without recursion that are trained with as much arithmetic."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from trm_np.puzzles.config import PuzzleConfig, PuzzleModelConfig
from trm_np.puzzles.evaluating import evaluate
from trm_np.puzzles.sets import Puzzles
from trm_np.puzzles.training import PuzzleTrainer

BACKWARD = 2  # arithmetic of a backward pass, in forward passes
DEEP = 12  # blocks of the model without recursion


def rivals(config: PuzzleConfig) -> Iterator[tuple[str, PuzzleConfig]]:
    """Yield models without the carry and without recursion, each with the arithmetic of training with `config`."""
    once = replace(config.model, supervision_steps=1, answer_steps=1)
    deep = replace(once, core_blocks=DEEP, latent_steps=0, cycles=1)
    for name, model in (("the same, N_sup = 1", once), (f"{DEEP} blocks of their own, no recursion", deep)):
        epochs = max(round(config.training.epochs * work(config.model) / work(model)), 1)
        yield name, replace(config, model=model, training=replace(config.training, epochs=epochs))


def epochs_of_rivals(config: PuzzleConfig) -> int:
    """Number of epochs that `compare` trains in all."""
    return sum(rival.training.epochs for _, rival in rivals(config))


def work(model: PuzzleModelConfig) -> int:
    """The arithmetic of an update, in forward passes of a block: only the last of T cycles has a backward pass."""
    return model.core_blocks * (model.latent_steps + 1) * (model.cycles + BACKWARD)


def compare(
    trainer: PuzzleTrainer,
    test: Puzzles,
    seed: int,
    interrupted: Callable[[], bool],
    show: Callable[[dict[str, Any]], object] = lambda record: None,
) -> list[dict[str, Any]]:
    """Evaluate each rival on the same puzzles with the same number of steps; raises Interrupted.

    `show` is called with the record of each epoch, of which there are `epochs_of_rivals`.
    """
    results = []
    for name, config in rivals(trainer.config):
        rival = PuzzleTrainer(
            config, trainer.task, trainer.puzzles, trainer.validation, seed, ranks=trainer.ranks
        )
        for record in rival.epochs(interrupted):
            show(record)
        rival.stopping.restore(rival.model)
        result = evaluate(rival.model, test, trainer.config.model.answer_steps)
        parameters = sum(parameter.size for parameter in rival.model.parameters())
        updates = config.training.epochs * config.training.updates
        results.append({"name": name, "parameters": parameters, "updates": updates, **result})
    return results
