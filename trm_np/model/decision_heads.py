"""Encoders of state and gift tokens, and the decision heads on the state vector h."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.config import ModelConfig
from trm_np.model.broadcasting import as_columns, as_rows, of_first, of_last, score


class DecisionHeads(nn.Module):
    """Encoders of the state (B, F) and of gift token features (G, W) to width D, and heads on h (B, D)."""

    def __init__(
        self, config: ModelConfig, state_width: int, gift_token_width: int, rng: "np.random.Generator"
    ) -> None:
        def two_layers(i: int, hidden: int, o: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(i, hidden, rng=rng), nn.SiLU(), nn.Linear(hidden, o, rng=rng))

        d = config.core_width
        self.state_encoder = two_layers(state_width, d, d)
        self.gift_token_encoder = two_layers(gift_token_width, d, d)
        self.policy = two_layers(d, config.policy_hidden, config.gift_slots)
        self.value = two_layers(d, config.value_hidden, 1)
        self.outcome = two_layers(d, config.outcome_hidden, 1)
        self.gift_scorer_hidden = nn.Linear(2 * d, d, rng=rng)
        self.gift_scorer = nn.Linear(d, 1, rng=rng)

    def score_gifts(self, h: Tensor, gift_tokens: Tensor) -> Tensor:
        """Reward (B, G) of each gift from h (B, D) and the encoded gift tokens (G, D)."""
        layer = self.gift_scorer_hidden
        of_profiles, of_gifts = of_first(layer, as_rows(h)), of_last(layer, as_columns(gift_tokens))
        return score(self.gift_scorer, of_profiles, of_gifts).reshape(h.shape[0], gift_tokens.shape[0])
