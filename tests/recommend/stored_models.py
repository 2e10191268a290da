"""Two models to ask: one trained for a moment on the shipped data, one untrained for the small world."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from tests.training.small_run import small
from tests.world.small_world import VOCABULARY, gift
from trm_np import Recommender
from trm_np.config import resolve
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile
from trm_np.data.task import task_from
from trm_np.model.build import build_model
from trm_np.recommend.outputs import Outputs, outputs_for
from trm_np.storage.checkpoint import StoredModel, save_checkpoint
from trm_np.training.trainer import Trainer
from trm_np.world.tools import TOOLS


@cache
def trained() -> StoredModel:
    """The `tiny` preset after the first evaluation, that of epoch 5."""
    config, data = resolve("tiny", settings={"training.epochs": "5"}), load_dataset()
    trainer = Trainer(config, task_from(data, config.model.gift_features), seed=0)
    for _ in trainer.epochs():
        pass
    trainer.model.eval()
    return StoredModel(trainer.model, config, data.vocabulary, data.gifts, data.train, {}, {})


@cache
def untrained() -> StoredModel:
    """Random weights: for what holds whatever the model says."""
    config, vocabulary = small(), replace(VOCABULARY, tools=tuple(TOOLS))
    rng = np.random.default_rng(0)
    model = build_model(config, vocabulary, rng, rng)
    model.eval()
    return StoredModel(model, config, vocabulary, (gift(id="only"),), (), {}, {})


def write_trained(path: Path) -> Path:
    """The trained model as a file."""
    stored = trained()
    save_checkpoint(path, "model", stored, extra={"seed": 0, "metrics": {}})
    return path


def outputs_of(recommender: Recommender, profiles: Sequence[Profile]) -> Outputs:
    return outputs_for(recommender.stored, recommender.catalogue, profiles)
