"""Component 4, reward prediction: the world's seven components of each gift's reward, and their fusion."""

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.encode import GiftInputs
from trm_np.model.broadcasting import as_columns, as_rows, fold, of_first, of_last, score
from trm_np.model.user_profiling import UserEmbedding

# As TOOL_GAIN: seven small networks that have to learn fast at the learning rate of all.
COMPONENT_GAIN = 64.0
CATEGORY, BUDGET, HOBBY, OCCASION, AGE, QUALITY, DIVERSITY = range(7)  # as in `world.reward.COMPONENTS`


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
        self.hidden = nn.ModuleList(nn.Linear(width, hidden, rng=rng) for width in inputs.values())
        self.component = nn.ModuleList(nn.Linear(hidden, 1, rng=rng) for _ in inputs)
        self.fusion = nn.Sequential(
            nn.Linear(len(inputs), config.reward_fusion_hidden, rng=rng),
            nn.ReLU(),
            nn.Linear(config.reward_fusion_hidden, 1, rng=rng),
            nn.ReLU(),
            nn.Linear(1, 1, rng=rng),
        )

    def forward(
        self, user: UserEmbedding, h: Tensor, gifts: GiftInputs, gift: Tensor, picked: Tensor
    ) -> Tensor:
        """Component logits (B, G, 7): `gift` (G, U) are the gift embeddings, `picked` (B, U) the mean of those of the
        gifts already picked, zeros if none is."""
        side = self.gift_side(gifts, gift)
        return self.add_diversity(self.pair_logits(user, h, side), side, picked)

    def gift_side(self, gifts: GiftInputs, gift: Tensor) -> tuple[Tensor, ...]:
        """Part of the hidden layers that depends on the gifts alone, the same for every profile: (1, G, hidden) each.

        The first entry is for the category, whose layer reads a product with the user: the embeddings (1, G, U)."""
        gift = as_columns(gift)
        price, rating, age_range = (
            as_columns(Tensor(x)) for x in (gifts.price, gifts.rating, gifts.age_range)
        )
        _, budget, hobby, occasion, age, quality, diversity = self.hidden
        return (
            gift,
            of_last(budget, price),
            of_last(hobby, gift),
            of_last(occasion, gift),
            of_last(age, age_range),
            quality(rating),
            of_first(diversity, gift),
        )

    def pair_logits(self, user: UserEmbedding, h: Tensor, gift_side: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, G, 6) of all components but diversity, before the gain; `gift_side` is that of the gifts."""
        u = as_rows(user.u + fold(h, user.u.shape[1]))
        gift, price, hobby, occasion, age_range, quality, _ = gift_side
        layers, heads = self.hidden, self.component
        shape = (u.shape[0], gift.shape[1], 1)
        return F.concatenate(
            [
                heads[CATEGORY](layers[CATEGORY](u * gift).relu()),
                score(heads[BUDGET], of_first(layers[BUDGET], as_rows(user.budget)), price),
                score(heads[HOBBY], of_first(layers[HOBBY], as_rows(user.hobby)), hobby),
                score(heads[OCCASION], of_first(layers[OCCASION], as_rows(user.occasion)), occasion),
                score(heads[AGE], of_first(layers[AGE], as_rows(user.age)), age_range),
                heads[QUALITY](quality.relu()).expand(*shape),
            ]
        )

    def add_diversity(self, pairs: Tensor, gift_side: tuple[Tensor, ...], picked: Tensor) -> Tensor:
        """Component logits (B, G, 7): `pair_logits`, and diversity given the gifts picked, as in `forward`."""
        seen = of_last(self.hidden[DIVERSITY], as_rows(picked))
        diversity = score(self.component[DIVERSITY], seen, gift_side[DIVERSITY])
        return F.concatenate([pairs, diversity]) * COMPONENT_GAIN

    def fuse(self, component_logits: Tensor) -> Tensor:
        """Component logits (..., 7) to the predicted reward (...)."""
        fused: Tensor = self.fusion(component_logits.sigmoid())
        return fused.reshape(*component_logits.shape[:-1])
