"""Experience: embeddings of gifts that are learned from choices, beside the content of the catalogue."""

from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd.ops import Array
from trm_np.config import ModelConfig
from trm_np.data.encode import ProfileInputs, plain_features, plain_width
from trm_np.data.tables import MISSING
from trm_np.data.vocabulary import Vocabulary

REWARD_SCALE = 10.0  # logit of a reward of 1, and of a gift that every profile takes
BESIDE_HISTORY = 0.5  # weight of the profile beside a history, which holds mostly the same information


class Shares(NamedTuple):
    """Weights of a gift's content and of its predicted reward, beside experience.

    The defaults rank by reward alone, as without choices.
    """

    content: float = 0.0
    reward: float = 1.0

    def liking(self, experience: Array, content: Array) -> Array:
        """Liking (B, G) from logits by experience and by content, in units of reward."""
        liking: Array = (experience + self.content * content) / REWARD_SCALE
        return liking

    def value(self, liking: Array, reward: Array) -> Array:
        """Value (B, G) that ranks the gifts: their liking, and a share of their predicted reward."""
        value: Array = liking + self.reward * reward
        return value


class Experience(nn.Module):
    """An embedding and a bias of each gift of the training catalogue, and a taste of each profile.

    Linear algebra solves them (choice_start.py); gradients do not train them. A gift that is new to the model has
    neither and is ranked by its content alone. The parameter `shares` holds the `Shares`.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, rng: "np.random.Generator") -> None:
        gifts, width = config.experienced_gifts, config.user_width
        self.embedding = nn.Embedding(gifts, width, rng=rng)
        self.bias = nn.Embedding(gifts, 1, rng=rng)
        self.from_profile = nn.Linear(plain_width(vocabulary), width, rng=rng)
        self.from_history = nn.Linear(width, width, bias=False, rng=rng)
        self.shares = nn.Parameter(np.zeros(2, np.float32))

    def fitted_shares(self) -> Shares:
        return Shares(*self.shares.data.tolist())

    def embed(self, history: Array) -> Tensor:
        """Embeddings (B, H, U) of the gifts of histories (B, H)."""
        embeddings: Tensor = self.embedding(np.maximum(history, 0))
        return embeddings

    def taste(self, profiles: ProfileInputs) -> Tensor:
        """Taste (B, U) of each profile and its history, the vector that is compared with gift embeddings.

        The n gifts of a history contribute the sum of their embeddings over √n.
        """
        present = profiles.history != MISSING
        count = present.sum(axis=1, keepdims=True)
        share = (present / np.sqrt(np.maximum(count, 1))).astype(np.float32)
        mean = Tensor(share[:, None, :]) @ self.embed(profiles.history)
        beside = Tensor(np.where(count > 0, BESIDE_HISTORY, 1.0).astype(np.float32))
        by_profile: Tensor = self.from_profile(Tensor(plain_features(profiles)))
        taste: Tensor = by_profile * beside + self.from_history(mean.reshape(len(present), -1))
        return taste

    def logits(self, taste: Tensor, places: Array) -> Tensor:
        """Logits (B, G) of gifts for tastes (B, U); `places` (G,) are the gifts' rows, MISSING for a new gift.

        A new gift has the lowest bias, because it has not been chosen yet.
        """
        known = Tensor((places != MISSING).astype(np.float32))
        liked: Tensor = taste @ self.embedding(np.maximum(places, 0)).transpose(0, 1)
        return liked * known + self.popularity(places)

    def popularity(self, places: Array) -> Tensor:
        """Biases (G,) of gifts by their rows."""
        known = places != MISSING
        bias = self.bias.weight.data[np.maximum(places, 0), 0]
        return Tensor(np.where(known, bias, self.bias.weight.data.min()))
