"""Component 2, category matching: a logit of each category for a profile."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.config import ModelConfig
from trm_np.model.broadcasting import as_columns, as_rows


class CategoryMatching(nn.Module):
    """Product of the user embedding with each category's embedding; then the categories attend to each other."""

    def __init__(
        self,
        config: ModelConfig,
        categories: int,
        drop: float,
        rng: "np.random.Generator",
        dropout_rng: "np.random.Generator",
    ) -> None:
        width = config.category_width
        self.category_embedding = nn.Embedding(categories, width, rng=rng)
        self.meeting = nn.Linear(config.user_width + width, width, rng=rng)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width, rng=rng), nn.ReLU(), nn.Dropout(drop, dropout_rng))
            for _ in range(2)
        )
        self.attention = nn.MultiheadAttention(width, config.category_heads, rng=rng)
        self.score = nn.Sequential(
            nn.Linear(width, config.category_hidden, rng=rng),
            nn.ReLU(),
            nn.Linear(config.category_hidden, 1, rng=rng),
        )
        if config.experienced_gifts:
            self.from_taste = nn.Linear(config.user_width, categories, rng=rng)

    def forward(self, user: Tensor, taste: Tensor | None = None) -> Tensor:
        """Category logits (B, C) from the user embedding and state (B, U), and the taste (B, U) of experience."""
        category = as_columns(self.category_embedding.weight)
        x = self.meeting(as_rows(user), category) * category
        for layer in self.layers:
            x = x + layer(x)
        x = x + self.attention(x, x, x)
        logits: Tensor = self.score(x)
        logits = logits.reshape(*x.shape[:2])
        return logits if taste is None else logits + self.from_taste(taste)
