"""Component 3, tool selection: logits of the tools for a profile, and parameters for them."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.tables import Bools
from trm_np.model.broadcasting import as_rows, fold

# With a learning rate of 1e-4 a weight changes by only 0.003 in 30 steps; the gain makes such a change matter.
TOOL_GAIN = 64.0


class ToolSelection(nn.Module):
    """Each word of a profile votes for a tool or abstains, in view of the other words."""

    def __init__(self, config: ModelConfig, tools: int, rng: "np.random.Generator") -> None:
        width = config.tool_width
        self.encoder = nn.Sequential(
            nn.Linear(config.user_width, width, rng=rng), nn.ReLU(), nn.Linear(width, width, rng=rng)
        )
        self.attention = nn.MultiheadAttention(width, config.tool_heads, rng=rng)
        self.score = nn.Linear(width, tools, rng=rng)
        self.vote = config.tool_vote
        self.parameters_encoder = nn.Sequential(
            nn.Linear(config.user_width + width, width, rng=rng), nn.ReLU(), nn.Linear(width, width, rng=rng)
        )

    def forward(self, u: Tensor, h: Tensor, words: Tensor, padding: Bools) -> tuple[Tensor, Tensor]:
        """Tool logits (B, K) and tool parameters (B, W) from u (B, U), h (B, D) and the words (B, S, D).

        `padding` (B, S) marks places without a word.
        """
        user = u + fold(h, u.shape[1])
        vectors = fold(words, u.shape[1]) * (u.shape[1] / words.shape[2])  # of the size of u at any widths
        tokens = self.encoder(F.concatenate([as_rows(user), vectors], axis=1))
        blocked = np.insert(padding, 0, False, axis=1)
        hidden = tokens + self.attention(tokens, tokens, tokens, blocked)
        parameters = self.parameters_encoder(F.concatenate([user, hidden[:, 0]]))
        return self.count_votes(hidden[:, 1:], ~padding), parameters

    def count_votes(self, words: Tensor, voting: Bools) -> Tensor:
        """Tool logits (B, K): the votes of the words (B, S, W) minus those of an even vote."""
        scores = self.score(words) * TOOL_GAIN
        abstention = Tensor(np.zeros((*scores.shape[:2], 1), scores.dtype))
        ballots = F.softmax(F.concatenate([scores, abstention], axis=2))[..., :-1]
        votes: Tensor = ((ballots - even_share(scores.shape[2])) * voting[..., None]).sum(axis=1) * self.vote
        return votes


def even_share(tools: int) -> float:
    """Share of each tool in a vote without preference; abstention counts as one more tool."""
    return 1 / (tools + 1)
