#!/usr/bin/env python3
"""Print the largest resident memory, in MB, of a process that only trains on a few batches.

python benchmarks/training_peak.py tiny ours
python benchmarks/training_peak.py report 'torch eager'
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.extend(
    str(folder) for folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parent.parent)
)

SEED = 0
BATCHES = 5


def shipped_trainer(preset: str) -> Any:
    """Our trainer, as `trm-train` makes it."""
    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.data.task import task_from
    from trm_np.training.allocator import keep_memory
    from trm_np.training.trainer import Trainer

    keep_memory()
    config = resolve(preset)
    return Trainer(config, task_from(load_dataset(), config.model.gift_features), SEED)


def recommender_of(trainer: Any) -> Any:
    """A recommender with the model of a trainer on the shipped data, which is no longer to be trained."""
    from trm_np.data.load import load_dataset
    from trm_np.recommend.recommender import Recommender
    from trm_np.storage.checkpoint import StoredModel

    data = load_dataset()
    trainer.model.eval()
    stored = StoredModel(trainer.model, trainer.config, data.vocabulary, data.gifts, data.train, {}, {})
    return Recommender(stored)


def main(preset: str, name: str) -> None:
    trainer = shipped_trainer(preset)
    batch = trainer.draw_batch(trainer.epoch_rows()[: trainer.config.training.batch_size])
    learn = partial(trainer.learn, batch)
    if name != "ours":
        from mirrors.torch_mirror import TorchTrainer

        torch = TorchTrainer(trainer, "eager")
        learn = partial(torch.learn, torch.prepare(batch))
        del trainer
    for _ in range(BATCHES):
        learn()
    from measuring import peak

    print(f"{peak():.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
