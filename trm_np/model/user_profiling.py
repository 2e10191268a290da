"""Component 1, user profiling: the user embedding u of a profile."""

from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.config import ModelConfig
from trm_np.data.encode import ProfileInputs
from trm_np.data.vocabulary import Vocabulary


class UserEmbedding(NamedTuple):
    """The user embedding u (B, U), and its inputs (B, ·) that the reward components use."""

    u: Tensor
    hobby: Tensor
    occasion: Tensor
    age: Tensor
    budget: Tensor


class UserProfiling(nn.Module):
    """Mean embeddings of hobbies and preferences, the occasion's, and encoded age and budget; two layers, LayerNorm."""

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: Vocabulary,
        drop: float,
        rng: "np.random.Generator",
        dropout_rng: "np.random.Generator",
    ) -> None:
        scalar, width = config.scalar_width, config.user_width
        self.hobby_embedding = nn.Embedding(len(vocabulary.hobbies), config.hobby_width, rng=rng)
        self.preference_embedding = nn.Embedding(
            len(vocabulary.preferences), config.preference_width, rng=rng
        )
        self.occasion_embedding = nn.Embedding(len(vocabulary.occasions) + 1, config.occasion_width, rng=rng)
        self.age_encoder = nn.Sequential(
            nn.Linear(1, scalar, rng=rng), nn.SiLU(), nn.Linear(scalar, scalar, rng=rng)
        )
        self.budget_encoder = nn.Sequential(
            nn.Linear(1, scalar, rng=rng), nn.SiLU(), nn.Linear(scalar, scalar, rng=rng)
        )
        parts = config.hobby_width + config.preference_width + config.occasion_width + 2 * scalar
        self.encoder = nn.Sequential(
            nn.Linear(parts, width, rng=rng),
            nn.ReLU(),
            nn.Dropout(drop, dropout_rng),
            nn.Linear(width, width, rng=rng),
            nn.LayerNorm(width),
        )

    def forward(self, profiles: ProfileInputs) -> UserEmbedding:
        hobby = Tensor(profiles.hobbies) @ self.hobby_embedding.weight
        preference = Tensor(profiles.preferences) @ self.preference_embedding.weight
        occasion = self.occasion_embedding(profiles.occasion)
        age = self.age_encoder(Tensor(profiles.age))
        budget = self.budget_encoder(Tensor(profiles.budget))
        u = self.encoder(F.concatenate([hobby, preference, occasion, age, budget]))
        return UserEmbedding(u, hobby, occasion, age, budget)
