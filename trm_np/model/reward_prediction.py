"""Component 4, reward prediction: the seven components of each gift's reward, and their fusion."""

from collections.abc import Mapping

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.encode import GiftInputs
from trm_np.model.broadcasting import as_columns, as_rows, fold, of_first, of_last, score
from trm_np.model.user_profiling import UserEmbedding
from trm_np.world.reward import COMPONENTS

COMPONENT_GAIN = 64.0  # as TOOL_GAIN, for seven small networks that share a low learning rate


class RewardPrediction(nn.Module):
    """One small network for each of `world.reward.COMPONENTS`, in their order, and one that fuses their outputs."""

    def __init__(self, config: ModelConfig, rng: "np.random.Generator") -> None:
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
        self.hidden = nn.ModuleList(nn.Linear(inputs[name], hidden, rng=rng) for name in COMPONENTS)
        self.component = nn.ModuleList(nn.Linear(hidden, 1, rng=rng) for _ in COMPONENTS)
        self.fusion = nn.Sequential(
            nn.Linear(len(COMPONENTS), config.reward_fusion_hidden, rng=rng),
            nn.ReLU(),
            nn.Linear(config.reward_fusion_hidden, 1, rng=rng),
            nn.ReLU(),
            nn.Linear(1, 1, rng=rng),
        )

    def layers(self, component: str) -> tuple[nn.Linear, nn.Linear]:
        """Hidden and output layer of a component."""
        place = COMPONENTS.index(component)
        return self.hidden[place], self.component[place]

    def forward(
        self, user: UserEmbedding, h: Tensor, gifts: GiftInputs, gift: Tensor, picked: Tensor
    ) -> Tensor:
        """Component logits (B, G, 7) from the gift embeddings `gift` (G, U) and those picked so far.

        `picked` (B, U) is the mean embedding of the gifts picked, zeros if there are none.
        """
        side = self.gift_side(gifts, gift)
        return self.add_diversity(self.pair_logits(user, h, side), side, picked)

    def gift_side(self, gifts: GiftInputs, gift: Tensor) -> dict[str, Tensor]:
        """Part of each hidden layer that depends on the gifts alone, (1, G, hidden) by component.

        The category layer reads a product with the user embedding: its part is the gift embeddings (1, G, U). Quality
        depends on nothing else: its part is the output (1, G, 1).
        """
        gift = as_columns(gift)
        price, rating, age_range = (
            as_columns(Tensor(x)) for x in (gifts.price, gifts.rating, gifts.age_range)
        )
        hidden = dict(zip(COMPONENTS, self.hidden, strict=True))
        of_rating, quality = self.layers("quality")
        return {
            "category": gift,
            "budget": of_last(hidden["budget"], price),
            "hobby": of_last(hidden["hobby"], gift),
            "occasion": of_last(hidden["occasion"], gift),
            "age": of_last(hidden["age"], age_range),
            "quality": quality(of_rating(rating).relu()),
            "diversity": of_first(hidden["diversity"], gift),
        }

    def pair_logits(self, user: UserEmbedding, h: Tensor, gift_side: Mapping[str, Tensor]) -> Tensor:
        """Outputs (B, G, 6) of all components but diversity, which depends on the gifts picked."""
        u = as_rows(user.u + fold(h, user.u.shape[1]))

        def of_pairs(name: str) -> Tensor:
            hidden, output = self.layers(name)
            return score(output, of_first(hidden, as_rows(getattr(user, name))), gift_side[name])

        of_product, category = self.layers("category")
        shape = (u.shape[0], gift_side["category"].shape[1], 1)
        return F.concatenate(
            [
                category(of_product(u * gift_side["category"]).relu()),
                *map(of_pairs, ("budget", "hobby", "occasion", "age")),
                gift_side["quality"].expand(*shape),
            ]
        )

    def add_diversity(self, pairs: Tensor, gift_side: Mapping[str, Tensor], picked: Tensor) -> Tensor:
        """Component logits (B, G, 7): `pairs` are the `pair_logits`, `picked` as in `forward`."""
        hidden, output = self.layers("diversity")
        diversity = score(output, of_last(hidden, as_rows(picked)), gift_side["diversity"])
        return F.concatenate([pairs, diversity]) * COMPONENT_GAIN

    def fuse(self, component_logits: Tensor) -> Tensor:
        """Component logits (..., 7) to the predicted reward (...)."""
        fused: Tensor = self.fusion(component_logits.sigmoid())
        return fused.reshape(*component_logits.shape[:-1])
