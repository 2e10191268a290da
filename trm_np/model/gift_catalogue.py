"""The gift catalogue: an encoder of gift features, and a memory that maps slot scores to gift logits."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd.init import normal
from trm_np.config import ModelConfig
from trm_np.data.encode import GiftInputs


class GiftCatalogue(nn.Module):
    """An encoder of gift features to embeddings of the width of the user embedding, and a memory of prototypes.

    A head scores the slots of the memory, not the gifts of one catalogue. The logit of a gift is its similarity to the
    weighted prototypes, so gifts that are added after training are scored by their features.
    """

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        drop: float,
        rng: "np.random.Generator",
        dropout_rng: "np.random.Generator",
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
        """Embeddings (G, U) of G gifts."""
        embeddings: Tensor = self.encoder(Tensor(gifts.features))
        return embeddings

    def gift_logits(self, slot_scores: Tensor, gift: Tensor) -> Tensor:
        """Gift logits (B, G) from slot scores (B, slots) and gift embeddings (G, U)."""
        return (slot_scores @ self.memory) @ gift.transpose(0, 1)
