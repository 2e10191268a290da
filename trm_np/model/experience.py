"""Experience: what people's choices teach of the gifts themselves, beside what the catalogue says of them."""

from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn
from trm_np.autograd.ops import Array
from trm_np.config import ModelConfig
from trm_np.data.encode import ProfileInputs, plain_features, plain_width
from trm_np.data.tables import MISSING
from trm_np.data.vocabulary import Vocabulary

REWARD_SCALE = 10.0  # logits for a reward of 1, and for a gift that everybody takes
BESIDE_HISTORY = 0.5  # weight of the profile beside a history, which mostly says the same


class Shares(NamedTuple):
    """Weights of a gift's content and of its predicted reward in the ranking, beside experience.

    Without choices only the reward counts.
    """

    content: float = 0.0
    reward: float = 1.0

    def liking(self, experience: Array, content: Array) -> Array:
        """Liking (B, G) learned from choices, in units of reward, from logits by experience and by content."""
        liking: Array = (experience + self.content * content) / REWARD_SCALE
        return liking

    def value(self, liking: Array, reward: Array) -> Array:
        """Value (B, G) by which gifts are ranked: the liking, and a share of their predicted reward."""
        value: Array = liking + self.reward * reward
        return value


class Experience(nn.Module):
    """An embedding and a bias for each gift that could be chosen in training, and what a person looks for among them.

    It is solved, not learned by gradients (choice_start.py). A gift that is new to the model has neither: it is known
    by its content alone. `shares` are the `Shares` as one parameter.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, rng: np.random.Generator) -> None:
        gifts, width = config.experienced_gifts, config.user_width
        self.embedding = nn.Embedding(gifts, width, rng=rng)
        self.bias = nn.Embedding(gifts, 1, rng=rng)
        self.from_profile = nn.Linear(plain_width(vocabulary), width, rng=rng)
        self.from_history = nn.Linear(width, width, bias=False, rng=rng)
        self.shares = nn.Parameter(np.zeros(2, np.float32))

    def fitted_shares(self) -> Shares:
        return Shares(*self.shares.data.tolist())

    def of(self, history: Array) -> Tensor:
        """The embeddings (B, H, U) of the gifts of histories (B, H)."""
        embeddings: Tensor = self.embedding(np.maximum(history, 0))
        return embeddings

    def taste(self, profiles: ProfileInputs) -> Tensor:
        """The taste (B, U) of each person: what they look for, from profile and history.

        The history is a mean over √n: a vector that is one for each gift, at unit length, times the embeddings.
        """
        had = profiles.history != MISSING
        count = had.sum(axis=1, keepdims=True)
        share = (had / np.sqrt(np.maximum(count, 1))).astype(np.float32)
        mean = Tensor(share[:, None, :]) @ self.of(profiles.history)
        beside = Tensor(np.where(count > 0, BESIDE_HISTORY, 1.0).astype(np.float32))
        said: Tensor = self.from_profile(Tensor(plain_features(profiles)))
        taste: Tensor = said * beside + self.from_history(mean.reshape(len(had), -1))
        return taste

    def logits(self, taste: Tensor, places: Array) -> Tensor:
        """Tastes (B, U) to the logits (B, G) of gifts by their row (G,), MISSING for one that is new.

        A new gift has the lowest bias of all, since nobody has chosen it yet.
        """
        known = Tensor((places != MISSING).astype(np.float32))
        liked: Tensor = taste @ self.embedding(np.maximum(places, 0)).transpose(0, 1)
        return liked * known + self.popularity(places)

    def popularity(self, places: Array) -> Tensor:
        """The biases (G,) of gifts by their row."""
        known = places != MISSING
        bias = self.bias.weight.data[np.maximum(places, 0), 0]
        return Tensor(np.where(known, bias, self.bias.weight.data.min()))
