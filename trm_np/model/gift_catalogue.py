"""The gift catalogue: each gift's embedding from its features, and a memory that turns slot scores into gift scores."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd.init import normal
from trm_np.config import ModelConfig
from trm_np.data.encode import GiftInputs


class GiftCatalogue(nn.Module):
    """Gift features to embeddings as wide as the user, and a memory of prototypes to score them by.

    A head does not score the gifts of one catalogue: it scores the memory's slots, and a gift's logit is how well
    it matches the prototypes so weighted. A gift added after training is therefore scored by its features.
    """

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        drop: float,
        rng: np.random.Generator,
        dropout_rng: np.random.Generator,
    ) -> None:
        width = config.user_width
        self.encoder = nn.Sequential(
            nn.Linear(features, width, rng=rng),
            nn.ReLU(),
            nn.Dropout(drop, dropout_rng),
            nn.Linear(width, width, rng=rng),
            nn.LayerNorm(width),
        )
        self.memory = nn.Parameter(normal(rng, (config.gift_slots, width), width**-0.5))

    def forward(self, gifts: GiftInputs) -> Tensor:
        """G gifts to embeddings (G, U)."""
        embeddings: Tensor = self.encoder(Tensor(gifts.features))
        return embeddings

    def gift_logits(self, slot_scores: Tensor, gift: Tensor) -> Tensor:
        """Slot scores (B, slots) and gift embeddings (G, U) to gift logits (B, G)."""
        return (slot_scores @ self.memory) @ gift.transpose(0, 1)
