"""Component 3, tool selection: which tools would help this giver, and what to tell them."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.model.pairs import as_rows, fold

# At a learning rate of 1e-4 a weight moves by 0.003 in 30 steps. The gain is what such a move is worth in logits.
TOOL_GAIN = 8.0


class ToolSelection(nn.Module):
    """A query from the user and the core's answer together attends to each of them alone, and to itself."""

    def __init__(self, config: ModelConfig, tools: int, rng: np.random.Generator) -> None:
        width = config.tool_width
        self.encoder = nn.Sequential(
            nn.Linear(config.user_width, width, rng=rng), nn.ReLU(), nn.Linear(width, width, rng=rng)
        )
        self.attention = nn.MultiheadAttention(width, config.tool_heads, rng=rng)
        self.score = nn.Linear(width, tools, rng=rng)
        self.parameters_encoder = nn.Sequential(
            nn.Linear(config.user_width + width, width, rng=rng), nn.ReLU(), nn.Linear(width, width, rng=rng)
        )

    def forward(self, u: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """u (B, U) and h (B, D) to tool logits (B, K) and tool parameters (B, W)."""
        h = fold(h, u.shape[1])
        tokens = self.encoder(F.concatenate([as_rows(x) for x in (u + h, u, h)], axis=1))
        query = tokens[:, :1]
        hidden = (query + self.attention(query, tokens, tokens)).reshape(u.shape[0], -1)
        return self.score(hidden) * TOOL_GAIN, self.parameters_encoder(F.concatenate([u + h, hidden]))
