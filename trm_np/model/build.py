"""Construction of a model from a configuration and a vocabulary."""

from typing import Any

import numpy as np

from trm_np.autograd.init import Blank
from trm_np.config import Config, ConfigError
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.trm import TRM


def build_model(
    config: Config,
    vocabulary: Vocabulary,
    rng: "np.random.Generator | None" = None,
    dropout_rng: "np.random.Generator | None" = None,
) -> TRM:
    """Build a model with random weights, or without a generator one to be filled; raises ConfigError."""
    blank: Any = Blank()
    try:
        return TRM(config, vocabulary, rng or blank, dropout_rng or blank)
    except (ValueError, MemoryError) as error:
        raise ConfigError(f"no model can be built with these settings: {error}") from error
