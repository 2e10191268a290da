"""Component 4, reward prediction: the world's seven components of each gift's reward, and their fusion."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.encode import GiftInputs
from trm_np.model.pairs import as_columns, as_rows, fold
from trm_np.model.user_profiling import User

# As TOOL_GAIN: seven small networks that have to learn fast at the learning rate of all.
COMPONENT_GAIN = 64.0


class RewardPrediction(nn.Module):
    """One small network for each component, in the order of `world.reward.COMPONENTS`, and one that fuses them."""

    def __init__(self, config: ModelConfig, rng: np.random.Generator) -> None:
        gift, hidden = config.user_width, config.reward_hidden
        inputs = {
            "category": gift,
            "budget": config.scalar_width + 1,
            "hobby": config.hobby_width + gift,
            "occasion": config.occasion_width + gift,
            "age": config.scalar_width + 2,
            "quality": 1,
            "diversity": 2 * gift,
        }
        self.hidden = nn.ModuleList(*(nn.Linear(width, hidden, rng=rng) for width in inputs.values()))
        self.component = nn.ModuleList(*(nn.Linear(hidden, 1, rng=rng) for _ in inputs))
        self.fusion = nn.Sequential(
            nn.Linear(len(inputs), config.reward_fusion_hidden, rng=rng),
            nn.ReLU(),
            nn.Linear(config.reward_fusion_hidden, 1, rng=rng),
            nn.ReLU(),
            nn.Linear(1, 1, rng=rng),
        )

    def forward(self, user: User, h: Tensor, gifts: GiftInputs, gift: Tensor, picked: Tensor) -> Tensor:
        """Component logits (B, G, 7): `gift` (G, U) are the gift embeddings, `picked` (B, U) the mean of those of the
        gifts already picked, zeros if none is."""
        u, gift = as_rows(user.u + fold(h, user.u.shape[1])), as_columns(gift)
        price, rating, age_range = (
            as_columns(Tensor(x)) for x in (gifts.price, gifts.rating, gifts.age_range)
        )
        parts = (
            (u * gift,),
            (as_rows(user.budget), price),
            (as_rows(user.hobby), gift),
            (as_rows(user.occasion), gift),
            (as_rows(user.age), age_range),
            (rating,),
            (gift, as_rows(picked)),
        )
        shape = (u.shape[0], gift.shape[1], 1)
        logits = [
            (component(hidden(*inputs).relu()) * COMPONENT_GAIN).expand(*shape)
            for inputs, hidden, component in zip(parts, self.hidden, self.component, strict=True)
        ]
        return F.concatenate(logits)

    def fuse(self, component_logits: Tensor) -> Tensor:
        """Component logits (..., 7) to the predicted reward (...)."""
        fused: Tensor = self.fusion(component_logits.sigmoid())
        return fused.reshape(*component_logits.shape[:-1])
