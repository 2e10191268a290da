"""A model from a configuration and a vocabulary, blank or drawn from a generator."""

import numpy as np

from trm_np.autograd.init import Blank
from trm_np.config import Config, ConfigError
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.trm import TRM


def build_model(
    config: Config,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None = None,
    dropout_rng: np.random.Generator | None = None,
) -> TRM:
    """A model before training, by default a blank one to fill; raises ConfigError if none can be."""
    blank = Blank()
    try:
        return TRM(config, vocabulary, rng or blank, dropout_rng or blank)
    except (ValueError, MemoryError) as error:
        raise ConfigError(f"no model can be built with these settings: {error}") from error
