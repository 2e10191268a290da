"""The whole model: the core refines a state vector h of each profile, and the five components decode it.

    carry, outputs = model(profiles, gifts, picked, carry)   # one supervision step, as training takes it
    h, steps = model.infer(profiles)                         # steps until each profile halts, as inference takes them

`decode` computes every output from h, for the losses. A recommendation needs fewer outputs, and picks gifts one by one.
So it runs the same components in parts: `encode_gifts` once for the catalogue, `encode_user` once for the profiles,
`pair_logits` once for their pairs, and `score_gifts` again after each pick.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.config import Config
from trm_np.data.encode import (
    REMEMBERED,
    GiftInputs,
    ProfileInputs,
    content_width,
    gift_token_width,
    state_width,
    token_count,
)
from trm_np.data.tables import MISSING, Ints
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.broadcasting import as_rows, fold
from trm_np.model.category_matching import CategoryMatching
from trm_np.model.core import Carry, Core
from trm_np.model.cross_modal_fusion import CrossModalFusion
from trm_np.model.decision_heads import DecisionHeads
from trm_np.model.experience import Experience
from trm_np.model.gift_catalogue import GiftCatalogue
from trm_np.model.reward_prediction import RewardPrediction
from trm_np.model.tool_selection import ToolSelection
from trm_np.model.user_profiling import UserEmbedding, UserProfiling

HALT = 1  # of the halt head's two classes (go on, halt)
GROUP = 64  # profiles that infer together: few enough for their vectors to stay in the cache


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of the model for B profiles and G gifts; probabilities are logits.

    `components` (B, G, 7) and `reward` (B, G) depend on the gifts picked so far. The recommendation head computes
    `slots` (B, slots) and `gift_logits` (B, G), the policy head `policy_logits` (B, G) from h alone, and the gift
    scorer the rewards `gift_scores` (B, G). `value` and `outcome` are (B,), and `h` (B, D) is the state vector.
    """

    category_logits: Tensor
    tool_logits: Tensor
    components: Tensor
    reward: Tensor
    gift_logits: Tensor
    policy_logits: Tensor
    gift_scores: Tensor
    value: Tensor
    outcome: Tensor
    slots: Tensor
    h: Tensor


class EncodedGifts(NamedTuple):
    """G gifts, encoded once for any number of profiles: their embeddings (G, U), and `RewardPrediction.gift_side`.

    Or G gifts of each of B profiles: then every shape is (B, G, ...).
    """

    embedding: Tensor
    reward_side: dict[str, Tensor]

    def for_each_of(self, profiles: int) -> "EncodedGifts":
        """Reshape B × G gifts to G gifts of each of B profiles."""

        def split(x: Tensor) -> Tensor:
            return x.reshape(profiles, -1, x.shape[-1])

        side = {name: split(part) for name, part in self.reward_side.items()}
        return EncodedGifts(split(self.embedding), side)


class EncodedUser(NamedTuple):
    """B profiles, encoded, and their outputs that depend on no gift: category logits (B, C), tool logits (B, K)."""

    embedding: UserEmbedding
    h: Tensor
    category_logits: Tensor
    tool_logits: Tensor
    tool_parameters: Tensor

    def category_probability(self, category: Array) -> Array:
        """Probability (B, G) of each gift's category, where `category` (G,) holds its index."""
        probability: Array = self.category_logits.sigmoid().data[:, category].astype(np.float64)
        return probability


class TRM(nn.Module):
    """Core, decision heads and the five components, for one vocabulary."""

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        rng: "np.random.Generator",
        dropout_rng: "np.random.Generator",
    ) -> None:
        model, dropout = config.model, config.dropout
        self.config = model
        self.gift_features = max(model.gift_features, content_width(vocabulary))
        memories = model.user_width if model.experienced_gifts else 0
        self.core = Core(model, max(model.core_tokens, token_count(vocabulary)), rng, memories)
        self.decision_heads = DecisionHeads(model, state_width(vocabulary), gift_token_width(vocabulary), rng)
        self.user_profiling = UserProfiling(model, vocabulary, dropout.profile_encoder, rng, dropout_rng)
        self.category_matching = CategoryMatching(
            model, len(vocabulary.categories), dropout.semantic_matcher, rng, dropout_rng
        )
        self.tool_selection = ToolSelection(model, len(vocabulary.tools), rng)
        self.reward_prediction = RewardPrediction(model, rng)
        self.gift_catalogue = GiftCatalogue(model, self.gift_features, dropout.gift_encoder, rng, dropout_rng)
        self.cross_modal_fusion = CrossModalFusion(model, dropout.recommendation_head, rng, dropout_rng)
        self.experience = Experience(model, vocabulary, rng) if model.experienced_gifts else None

    def forward(
        self,
        profiles: ProfileInputs,
        gifts: GiftInputs,
        picked: Array | None = None,
        carry: Carry | None = None,
    ) -> tuple[Carry, Outputs]:
        """One supervision step from the carry (None: the start), and its outputs; `picked` as in `decode`."""
        carry = self.step(profiles, carry)
        return carry, self.decode(state_vector(carry), profiles, gifts, picked)

    def embed(self, profiles: ProfileInputs) -> Tensor:
        """Embed the question x (B, S, D): one vector per token, with the state added at the first, [STATE]."""
        x = self.core.embed(profiles.tokens)
        state = self.decision_heads.state_encoder(Tensor(profiles.state))
        tokens = [x[:, :1] + state.reshape(state.shape[0], 1, -1), x[:, 1:]]
        if self.experience is not None and profiles.history.shape[1]:
            tokens.append(self.core.remember(self.experience.embed(profiles.history[:, -REMEMBERED:])))
        return F.concatenate(tokens, axis=1)

    def positions_and_mask(self, profiles: ProfileInputs) -> tuple[Array, Array | None]:
        """Positions (S,) of the question's tokens, and a mask (B, 1, 1, S) of padding; a history is one more field."""
        positions, padding = profiles.positions, profiles.padding
        if self.experience is not None and profiles.history.shape[1]:
            absent = profiles.history[:, -REMEMBERED:] == MISSING
            field = np.full(absent.shape[1], positions[-1] + 1)
            positions, padding = np.concatenate([positions, field]), np.concatenate([padding, absent], axis=1)
        return positions, padding[:, None, None, :] if padding.any() else None

    def step(self, profiles: ProfileInputs, carry: Carry | None = None) -> Carry:
        """One supervision step of the core: from the carry (None: the start) to the next."""
        x = self.embed(profiles)
        carry = self.core.initial_carry(x) if carry is None else carry
        after: Carry = self.core(x, carry, *self.positions_and_mask(profiles))
        return after

    def decode(
        self, h: Tensor, profiles: ProfileInputs, gifts: GiftInputs, picked: Array | None = None
    ) -> Outputs:
        """Compute all outputs from the state vector h (B, D); `picked` (B, G), boolean, marks gifts already picked."""
        user = self.user_profiling(profiles)
        gift = self.gift_catalogue(gifts)
        tool_logits, tool_parameters = self.select_tools(user.u, h, profiles)
        components = self.reward_prediction(user, h, gifts, gift, mean_of_picked(picked, gift, h.shape[0]))
        slots = self.cross_modal_fusion(user.u, h, gift, tool_parameters)
        heads = self.decision_heads
        return Outputs(
            category_logits=self.match_categories(user.u, h, profiles),
            tool_logits=tool_logits,
            components=components,
            reward=self.reward_prediction.fuse(components),
            gift_logits=self.gift_catalogue.gift_logits(slots, gift),
            policy_logits=self.gift_catalogue.gift_logits(heads.policy(h), gift),
            gift_scores=heads.score_gifts(h, heads.gift_token_encoder(Tensor(gifts.token_features))),
            value=heads.value(h).reshape(-1),
            outcome=heads.outcome(h).reshape(-1),
            slots=slots,
            h=h,
        )

    def choice_logits(
        self, user: EncodedUser, profiles: ProfileInputs, gifts: EncodedGifts, places: Array
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, G) of choosing each gift, by experience and by content; only of a model that learned from choices.

        `places` (G,) are the gifts' rows in the experience, -1 for a new gift.
        """
        assert self.experience is not None
        slots = self.cross_modal_fusion(user.embedding.u, user.h, gifts.embedding, user.tool_parameters)
        experience = self.experience.logits(self.experience.taste(profiles), places)
        return experience, self.content_logits(slots, gifts.embedding, places)

    def content_logits(self, slots: Tensor, gift: Tensor, places: Array) -> Tensor:
        """Logits (B, C) by content alone, from `slots` of `Outputs` and gift embeddings (C, U); `places` as above."""
        assert self.experience is not None
        content: Tensor = self.gift_catalogue.gift_logits(slots, gift)
        return content + self.experience.popularity(places)

    def match_categories(self, u: Tensor, h: Tensor, profiles: ProfileInputs) -> Tensor:
        """Category logits (B, C) from the user embedding, h, and the taste learned from choices, if any."""
        taste = None if self.experience is None else self.experience.taste(profiles)
        logits: Tensor = self.category_matching(u + fold(h, u.shape[1]), taste)
        return logits

    def select_tools(self, u: Tensor, h: Tensor, profiles: ProfileInputs) -> tuple[Tensor, Tensor]:
        """Tool logits (B, K), by votes of the question's words, and tool parameters (B, W)."""
        words = self.core.embed(profiles.tokens[:, 1:])
        logits, parameters = self.tool_selection(u, h, words, profiles.padding[:, 1:])
        return logits, parameters

    def encode_gifts(self, gifts: GiftInputs) -> EncodedGifts:
        """Encode a catalogue for `score_gifts`."""
        embedding = self.gift_catalogue(gifts)
        return EncodedGifts(embedding, self.reward_prediction.gift_side(gifts, embedding))

    def encode_user(self, h: Tensor, profiles: ProfileInputs) -> EncodedUser:
        """Encode profiles, and compute from h (B, D) the outputs that depend on no gift."""
        embedding = self.user_profiling(profiles)
        tool_logits, tool_parameters = self.select_tools(embedding.u, h, profiles)
        category_logits = self.match_categories(embedding.u, h, profiles)
        return EncodedUser(embedding, h, category_logits, tool_logits, tool_parameters)

    def pair_logits(self, user: EncodedUser, gifts: EncodedGifts) -> Tensor:
        """Logits of B profiles and their gifts that do not depend on picks: `RewardPrediction.pair_logits`."""
        pairs: Tensor = self.reward_prediction.pair_logits(user.embedding, user.h, gifts.reward_side)
        return pairs

    def score_gifts(
        self, pairs: Tensor, gifts: EncodedGifts, picked: Array | None = None
    ) -> tuple[Tensor, Tensor]:
        """Component logits (B, G, 7) and predicted reward (B, G), as in `decode`, from `pair_logits`."""
        mean_picked = mean_of_picked(picked, gifts.embedding, pairs.shape[0])
        components = self.reward_prediction.add_diversity(pairs, gifts.reward_side, mean_picked)
        return components, self.reward_prediction.fuse(components)

    @no_grad()
    def infer(self, profiles: ProfileInputs) -> tuple[Tensor, Array]:
        """State vector h (B, D) of each profile at the step where it halted, and the number of that step (B,)."""
        count = len(profiles.tokens)
        h = np.zeros((count, self.config.core_width), self.core.token_embedding.weight.dtype)
        steps = np.zeros(count, int)
        alike = np.lexsort(profiles.padding.T)
        for start in range(0, count, GROUP):
            rows = alike[start : start + GROUP]
            for step, going, now in self._infer(profiles.take(rows).without_padding()):
                h[rows[going]], steps[rows[going]] = now, step
        return Tensor(h), steps

    def _infer(self, profiles: ProfileInputs) -> Iterator[tuple[int, Ints, Array]]:
        """Yield the number of each supervision step, the profiles (K,) that take it, and their state vectors (K, D)."""
        x, (positions, blocked) = self.embed(profiles), self.positions_and_mask(profiles)
        carry = self.core.initial_carry(x)
        going = np.arange(len(x))
        for step in range(1, self.config.supervision_steps + 1):
            carry = self.core(x, carry, positions, blocked)
            now = state_vector(carry)
            yield step, going, now.data
            unsure = self.core.halt_head(now).data.argmax(axis=1) != HALT
            if not unsure.any():
                break
            if not unsure.all():
                going, x, carry = going[unsure], Tensor(x.data[unsure]), carry.take(unsure)
                blocked = None if blocked is None else blocked[unsure]


def state_vector(carry: Carry) -> Tensor:
    """h (B, D): y at the [STATE] token."""
    return carry.y[:, 0]


def mean_of_picked(picked: Array | None, gift: Tensor, profiles: int) -> Tensor:
    """Mean embedding (B, U) of the gifts picked so far for each profile, zeros if none is picked.

    `gift` (G, U) are embeddings for all profiles, or (B, G, U) those of each profile.
    """
    if picked is None:
        return Tensor(np.zeros((profiles, gift.shape[-1]), gift.dtype))
    share = Tensor((picked / np.maximum(picked.sum(axis=1, keepdims=True), 1)).astype(gift.dtype))
    return share @ gift if gift.ndim == 2 else (as_rows(share) @ gift).reshape(profiles, -1)
