"""Component 3, tool selection: which tools would help this giver, and what to tell them."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.tables import Bools
from trm_np.model.broadcasting import as_rows, fold

# At a learning rate of 1e-4 a weight moves by only 0.003 in 30 steps. The gain makes such a move count in the vote.
TOOL_GAIN = 64.0


class ToolSelection(nn.Module):
    """Each word of a profile votes for one tool or for none; its vote depends on the other words."""

    def __init__(self, config: ModelConfig, tools: int, rng: np.random.Generator) -> None:
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
        """u (B, U), h (B, D) and the words (B, S, D), where `padding` (B, S) is False, to tool logits (B, K) and tool
        parameters (B, W)."""
        person = u + fold(h, u.shape[1])
        spoken = fold(words, u.shape[1]) * (u.shape[1] / words.shape[2])  # as large as u at any widths
        tokens = self.encoder(F.concatenate([as_rows(person), spoken], axis=1))
        blocked = np.insert(padding, 0, False, axis=1)
        hidden = tokens + self.attention(tokens, tokens, tokens, blocked)
        parameters = self.parameters_encoder(F.concatenate([person, hidden[:, 0]]))
        return self.count(hidden[:, 1:], ~padding), parameters

    def count(self, words: Tensor, voting: Bools) -> Tensor:
        """Tool logits (B, K): the votes of the words (B, S, W), less those of an even vote."""
        scores = self.score(words) * TOOL_GAIN
        abstention = Tensor(np.zeros((*scores.shape[:2], 1), scores.dtype))
        ballots = F.softmax(F.concatenate([scores, abstention], axis=2))[..., :-1]
        votes: Tensor = ((ballots - even_share(scores.shape[2])) * voting[..., None]).sum(axis=1) * self.vote
        return votes


def even_share(tools: int) -> float:
    """Share of each tool in a vote without a preference; abstention counts as one more choice."""
    return 1 / (tools + 1)
