"""Component 5, cross-modal fusion: the user embedding attends to gifts and tools, and scores the gifts."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig


class CrossModalFusion(nn.Module):
    """Layers of cross-attention, in which the query is the user and the keys are the gifts and a tool token."""

    def __init__(
        self, config: ModelConfig, drop: float, rng: "np.random.Generator", dropout_rng: "np.random.Generator"
    ) -> None:
        width = config.core_width
        self.user_projection = nn.Linear(config.user_width, width, rng=rng)
        self.gift_projection = nn.Linear(config.user_width, width, rng=rng)
        self.tool_projection = nn.Linear(config.tool_width, width, rng=rng)
        self.layers = nn.ModuleList(
            nn.MultiheadAttention(width, config.fusion_heads, rng=rng) for _ in range(config.fusion_layers)
        )
        self.recommendation_head = nn.Sequential(
            nn.Linear(width, config.fusion_hidden, rng=rng),
            nn.ReLU(),
            nn.Dropout(drop, dropout_rng),
            nn.Linear(config.fusion_hidden, config.gift_slots, rng=rng),
        )

    def forward(self, u: Tensor, h: Tensor, gift: Tensor, tool_parameters: Tensor) -> Tensor:
        """Slot scores (B, slots) from u (B, U), h (B, D), gift embeddings (G, U) and tool parameters (B, W)."""
        query = self.user_projection(u) + h
        # All profiles share the gifts, which are projected once.
        keys = F.concatenate([self.gift_projection(gift), self.tool_projection(tool_parameters)], axis=0)
        for layer in self.layers:
            query = F.rms_norm_of_sum(query, layer.attend_to_shared(query, keys))
        scores: Tensor = self.recommendation_head(query)
        return scores
