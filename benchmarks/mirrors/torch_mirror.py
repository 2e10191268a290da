"""The model and its training once more, in PyTorch for the CPU: an oracle for ours, and its rival in speed.

Idiomatic PyTorch with our algebra: gifts are projected once for all profiles, and layers are split where they would
read a concatenation for each profile and gift. What differs is the engine. Parameters have our names and shapes; what
each part is for stands at its namesake in trm_np/model.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from trm_np.autograd.optim import BETAS
from trm_np.config import Config, LossConfig, ModelConfig
from trm_np.data.encode import (
    IGNORE_INDEX,
    GiftInputs,
    ProfileInputs,
    content_width,
    gift_token_width,
    state_width,
    token_count,
)
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.losses import Targets as NumpyTargets
from trm_np.model.reward_prediction import COMPONENT_GAIN
from trm_np.model.tool_selection import TOOL_GAIN, even_share
from trm_np.model.trm import HALT
from trm_np.storage.checkpoint import MOMENTS
from trm_np.training.batches import Batch
from trm_np.training.trainer import Trainer, is_masked

Arrays = dict[str, NDArray[np.floating]]


# ------------------------------------------------------------------------------------------------ what is read


class Profiles(NamedTuple):
    """`ProfileInputs` as tensors: `present` (B, 1, 1, S) is True where a token is, cos and sin (S, d/2) turn the heads,
    `masked_targets` is None where no token was masked."""

    tokens: Tensor
    present: Tensor
    cos: Tensor
    sin: Tensor
    state: Tensor
    hobbies: Tensor
    preferences: Tensor
    occasion: Tensor
    age: Tensor
    budget: Tensor
    masked_targets: Tensor | None


class Gifts(NamedTuple):
    """`GiftInputs` as tensors."""

    features: Tensor
    token_features: Tensor
    price: Tensor
    rating: Tensor
    age_range: Tensor


class Targets(NamedTuple):
    """`trm_np.model.losses.Targets` as tensors."""

    categories: Tensor
    tools: Tensor
    named: Tensor
    components: Tensor
    reward: Tensor
    alone: Tensor


class TorchBatch(NamedTuple):
    """A `Batch` as tensors, with `picked` (B, G) as zeros and ones."""

    profiles: Profiles
    gifts: Gifts
    picked: Tensor
    targets: Targets


def single_profiles(batch: Batch) -> list[Batch]:
    """The batch cut into batches of one profile, padding and gifts kept."""

    def of(row: NDArray[np.integer]) -> Batch:
        targets = NumpyTargets(*(getattr(batch.targets, name)[row] for name in Targets._fields))
        return Batch(batch.inputs.take(row), batch.gifts, batch.picked[row], targets)

    return [of(row) for row in np.arange(len(batch.picked))[:, None]]


# ------------------------------------------------------------------------------------------------------ layers


class Attention(nn.Module):
    """Multi-head attention with packed projections, as `nn.MultiheadAttention` names them."""

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width)) if bias else None
        self.out_proj = nn.Linear(width, width, bias)

    def project(self, x: Tensor, first: int, end: int) -> Tensor:
        """Of query (0), key (1) and value (2) of x (..., T, D) those from `first` to before `end`, by one product:
        (end - first, ..., heads, T, d)."""
        width = x.shape[-1]
        rows = slice(first * width, end * width)
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        packed = F.linear(x, self.in_proj_weight[rows], bias)
        return packed.unflatten(-1, (end - first, self.heads, -1)).movedim(-3, 0).transpose(-3, -2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, present: Tensor | None = None) -> Tensor:
        return self.merge(F.scaled_dot_product_attention(q, k, v, attn_mask=present))

    def merge(self, heads: Tensor) -> Tensor:
        return self.out_proj(heads.transpose(-3, -2).flatten(-2))

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x, 0, 3)
        return self.attend(q, k, v, present)

    def attend_to_shared(self, query: Tensor, seen: Tensor) -> Tensor:
        """Attention of query (B, D) to seen (G + B, D): the first G rows for all, then one for each alone.

        A product for each head serves all queries, where a fused attention would read the G keys once for each.
        """
        (q,), (k, v) = self.project(query, 0, 1), self.project(seen, 1, 3)
        shared = len(seen) - len(query)
        scores = torch.cat([q @ k[:, :shared].mT, (q * k[:, shared:]).sum(dim=-1, keepdim=True)], dim=-1)
        p = F.softmax(scores * q.shape[-1] ** -0.5, dim=-1)
        return self.merge(p[..., :-1] @ v[:, :shared] + p[..., -1:] * v[:, shared:])


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


def two_layers(i: int, hidden: int, o: int, activation: type[nn.Module]) -> nn.Sequential:
    return nn.Sequential(nn.Linear(i, hidden), activation(), nn.Linear(hidden, o))


def normed_encoder(features: int, width: int, drop: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, width), nn.ReLU(), nn.Dropout(drop), nn.Linear(width, width), nn.LayerNorm(width)
    )


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=1e-6)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on x (..., T, d), whose neighbours are pairs."""
    real, imaginary = x.unflatten(-1, (-1, 2)).unbind(dim=-1)
    turned = [real * cos - imaginary * sin, real * sin + imaginary * cos]
    return torch.stack(turned, dim=-1).flatten(start_dim=-2)


def of_first(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer to the first columns of its input, x (..., w), and add its bias: W [a, b] = W_a a + W_b b."""
    return F.linear(x, layer.weight[:, : x.shape[-1]], layer.bias)


def of_last(layer: nn.Linear, x: Tensor) -> Tensor:
    """The same of the last columns, without the bias."""
    return F.linear(x, layer.weight[:, -x.shape[-1] :])


def fold(h: Tensor, width: int) -> Tensor:
    """(..., D) to (..., width): the D / width pieces of h added."""
    return h if h.shape[-1] == width else h.unflatten(-1, (-1, width)).sum(dim=-2)


# -------------------------------------------------------------------------------------------------------- core


class Carry(NamedTuple):
    """Answer and latent, (B, S, D) each, between supervision steps."""

    y: Tensor
    z: Tensor


class Block(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Attention(config.core_width, config.core_heads, bias=False)
        self.swiglu = SwiGLU(config.core_width, config.core_hidden)

    def forward(self, x: Tensor, profiles: Profiles) -> Tensor:
        projected = self.attention.project(x, 0, 3)
        q, k = rotate(projected[:2], profiles.cos, profiles.sin)
        x = rms_norm(x + self.attention.attend(q, k, projected[2], profiles.present))
        return rms_norm(x + self.swiglu(x))


class Core(nn.Module):
    def __init__(self, config: ModelConfig, tokens: int) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(tokens, config.core_width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.core_blocks))
        self.lm_head = nn.Linear(config.core_width, tokens, bias=False)
        self.halt_head = nn.Linear(config.core_width, 2)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.token_embedding(tokens) * self.config.core_width**0.5

    def forward(self, x: Tensor, carry: Carry, profiles: Profiles) -> Carry:
        """Deep recursion on the question x (B, S, D)."""

        def f(u: Tensor) -> Tensor:
            for block in self.blocks:
                u = block(u, profiles)
            return u

        def latent_recursion(y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
            for _ in range(self.config.latent_steps):
                z = f(x + y + z)
            return f(y + z), z

        y, z = carry
        with torch.no_grad():
            for _ in range(self.config.cycles - 1):
                y, z = latent_recursion(y, z)
        return Carry(*latent_recursion(y, z))


class DecisionHeads(nn.Module):
    def __init__(self, config: ModelConfig, state_width: int, gift_token_width: int) -> None:
        super().__init__()
        d = config.core_width
        self.state_encoder = two_layers(state_width, d, d, nn.SiLU)
        self.gift_token_encoder = two_layers(gift_token_width, d, d, nn.SiLU)
        self.policy = two_layers(d, config.policy_hidden, config.gift_slots, nn.SiLU)
        self.value = two_layers(d, config.value_hidden, 1, nn.SiLU)
        self.outcome = two_layers(d, config.outcome_hidden, 1, nn.SiLU)
        self.gift_scorer_hidden = nn.Linear(2 * d, d)
        self.gift_scorer = nn.Linear(d, 1)

    def score_gifts(self, h: Tensor, gift_tokens: Tensor) -> Tensor:
        """Scores (B, G) from h (B, D) and the encoded gift tokens (G, D)."""
        layer = self.gift_scorer_hidden
        hidden = F.relu(of_first(layer, h)[:, None] + of_last(layer, gift_tokens))
        return self.gift_scorer(hidden).squeeze(-1)


# ---------------------------------------------------------------------------------------------- five components


class UserEmbedding(NamedTuple):
    """u (B, U), and the parts of it that the reward components read: all (B, ·)."""

    u: Tensor
    hobby: Tensor
    occasion: Tensor
    age: Tensor
    budget: Tensor


class UserProfiling(nn.Module):
    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, drop: float) -> None:
        super().__init__()
        scalar = config.scalar_width
        self.hobby_embedding = nn.Embedding(len(vocabulary.hobbies), config.hobby_width)
        self.preference_embedding = nn.Embedding(len(vocabulary.preferences), config.preference_width)
        self.occasion_embedding = nn.Embedding(len(vocabulary.occasions) + 1, config.occasion_width)
        self.age_encoder = two_layers(1, scalar, scalar, nn.SiLU)
        self.budget_encoder = two_layers(1, scalar, scalar, nn.SiLU)
        parts = config.hobby_width + config.preference_width + config.occasion_width + 2 * scalar
        self.encoder = normed_encoder(parts, config.user_width, drop)

    def forward(self, profiles: Profiles) -> UserEmbedding:
        hobby = profiles.hobbies @ self.hobby_embedding.weight
        preference = profiles.preferences @ self.preference_embedding.weight
        occasion = self.occasion_embedding(profiles.occasion)
        age, budget = self.age_encoder(profiles.age), self.budget_encoder(profiles.budget)
        u = self.encoder(torch.cat([hobby, preference, occasion, age, budget], dim=-1))
        return UserEmbedding(u, hobby, occasion, age, budget)


class CategoryMatching(nn.Module):
    def __init__(self, config: ModelConfig, categories: int, drop: float) -> None:
        super().__init__()
        width = config.category_width
        self.category_embedding = nn.Embedding(categories, width)
        self.meeting = nn.Linear(config.user_width + width, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(drop)) for _ in range(2)
        )
        self.attention = Attention(width, config.category_heads)
        self.score = two_layers(width, config.category_hidden, 1, nn.ReLU)

    def forward(self, user: Tensor) -> Tensor:
        """user (B, U), what is known of the person, to category logits (B, C)."""
        category = self.category_embedding.weight
        x = (of_first(self.meeting, user)[:, None] + of_last(self.meeting, category)) * category
        for layer in self.layers:
            x = x + layer(x)
        x = x + self.attention(x)
        return self.score(x).squeeze(-1)


class ToolSelection(nn.Module):
    def __init__(self, config: ModelConfig, tools: int) -> None:
        super().__init__()
        width = config.tool_width
        self.vote = config.tool_vote
        self.encoder = two_layers(config.user_width, width, width, nn.ReLU)
        self.attention = Attention(width, config.tool_heads)
        self.score = nn.Linear(width, tools)
        self.parameters_encoder = two_layers(config.user_width + width, width, width, nn.ReLU)

    def forward(self, u: Tensor, h: Tensor, words: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """u (B, U), h (B, D) and the words (B, S - 1, D) to tool logits (B, K) and tool parameters (B, W).

        The person stands in the place of [STATE], so that `present` (B, 1, 1, S) holds for person and words.
        """
        width = u.shape[1]
        person = u + fold(h, width)
        spoken = fold(words, width) * (width / words.shape[2])
        tokens = self.encoder(torch.cat([person[:, None], spoken], dim=1))
        hidden = tokens + self.attention(tokens, present)
        parameters = self.parameters_encoder(torch.cat([person, hidden[:, 0]], dim=-1))
        return self.count(hidden[:, 1:], present[:, 0, 0, 1:]), parameters

    def count(self, words: Tensor, voting: Tensor) -> Tensor:
        """Tool logits (B, K): the votes of the words (B, S, W), one of which may abstain."""
        scores = self.score(words) * TOOL_GAIN
        ballots = F.softmax(F.pad(scores, (0, 1)), dim=-1)[..., :-1]
        return ((ballots - even_share(scores.shape[2])) * voting[..., None]).sum(dim=1) * self.vote


class RewardPrediction(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        gift, hidden = config.user_width, config.reward_hidden
        inputs = (
            gift,
            config.scalar_width + 1,
            config.hobby_width + gift,
            config.occasion_width + gift,
            config.scalar_width + 2,
            1,
            2 * gift,
        )
        self.hidden = nn.ModuleList(nn.Linear(width, hidden) for width in inputs)
        self.component = nn.ModuleList(nn.Linear(hidden, 1) for _ in inputs)
        self.fusion = nn.Sequential(
            nn.Linear(len(inputs), config.reward_fusion_hidden),
            nn.ReLU(),
            nn.Linear(config.reward_fusion_hidden, 1),
            nn.ReLU(),
            nn.Linear(1, 1),
        )

    def gift_side(self, gifts: Gifts, gift: Tensor) -> tuple[Tensor, ...]:
        """Hidden layers' part from the gifts alone: (G, hidden) each, the first the embeddings (G, U)."""
        _, budget, hobby, occasion, age, quality, diversity = self.hidden
        return (
            gift,
            of_last(budget, gifts.price),
            of_last(hobby, gift),
            of_last(occasion, gift),
            of_last(age, gifts.age_range),
            quality(gifts.rating),
            of_first(diversity, gift),
        )

    def component_logits(
        self, user: UserEmbedding, h: Tensor, gift_side: tuple[Tensor, ...], picked: Tensor
    ) -> Tensor:
        """Component logits (B, G, 7) of profiles and of gifts whose side is known."""
        u = user.u + fold(h, user.u.shape[1])
        gift, price, hobby, occasion, age_range, quality, diversity = gift_side
        layers = self.hidden
        hidden = (
            layers[0](u[:, None] * gift),
            of_first(layers[1], user.budget)[:, None] + price,
            of_first(layers[2], user.hobby)[:, None] + hobby,
            of_first(layers[3], user.occasion)[:, None] + occasion,
            of_first(layers[4], user.age)[:, None] + age_range,
            quality,
            diversity + of_last(layers[6], picked)[:, None],
        )
        logits = [
            component(F.relu(x)).expand(len(u), len(gift), 1)
            for x, component in zip(hidden, self.component, strict=True)
        ]
        return torch.cat(logits, dim=-1) * COMPONENT_GAIN

    def fuse(self, component_logits: Tensor) -> Tensor:
        return self.fusion(component_logits.sigmoid()).squeeze(-1)


class GiftCatalogue(nn.Module):
    def __init__(self, config: ModelConfig, features: int, drop: float) -> None:
        super().__init__()
        self.encoder = normed_encoder(features, config.user_width, drop)
        self.memory = nn.Parameter(torch.empty(config.gift_slots, config.user_width))

    def forward(self, gifts: Gifts) -> Tensor:
        return self.encoder(gifts.features)

    def gift_logits(self, slot_scores: Tensor, gift: Tensor) -> Tensor:
        """Slot scores (B, slots) and gift embeddings (G, U) to gift logits (B, G)."""
        return (slot_scores @ self.memory) @ gift.T


class CrossModalFusion(nn.Module):
    def __init__(self, config: ModelConfig, drop: float) -> None:
        super().__init__()
        width = config.core_width
        self.user_projection = nn.Linear(config.user_width, width)
        self.gift_projection = nn.Linear(config.user_width, width)
        self.tool_projection = nn.Linear(config.tool_width, width)
        self.layers = nn.ModuleList(
            Attention(width, config.fusion_heads) for _ in range(config.fusion_layers)
        )
        self.recommendation_head = nn.Sequential(
            nn.Linear(width, config.fusion_hidden),
            nn.ReLU(),
            nn.Dropout(drop),
            nn.Linear(config.fusion_hidden, config.gift_slots),
        )

    def forward(self, u: Tensor, h: Tensor, gift: Tensor, tool_parameters: Tensor) -> Tensor:
        """u (B, U), h (B, D), gift embeddings (G, U), tool parameters (B, W) to slot scores (B, slots)."""
        query = self.user_projection(u) + h
        seen = torch.cat([self.gift_projection(gift), self.tool_projection(tool_parameters)])
        for layer in self.layers:
            query = rms_norm(query + layer.attend_to_shared(query, seen))
        return self.recommendation_head(query)


# -------------------------------------------------------------------------------------------------- whole model


class Outputs(NamedTuple):
    """Outputs as in `trm_np.model.trm.Outputs`."""

    category_logits: Tensor
    tool_logits: Tensor
    components: Tensor
    reward: Tensor
    gift_logits: Tensor
    policy_logits: Tensor
    gift_scores: Tensor
    value: Tensor
    outcome: Tensor


class EncodedGifts(NamedTuple):
    """Gift embeddings (G, U), and `RewardPrediction.gift_side`."""

    embedding: Tensor
    reward_side: tuple[Tensor, ...]


class TRM(nn.Module):
    def __init__(self, config: Config, vocabulary: Vocabulary) -> None:
        super().__init__()
        model, dropout = config.model, config.dropout
        self.core = Core(model, max(model.core_tokens, token_count(vocabulary)))
        self.decision_heads = DecisionHeads(model, state_width(vocabulary), gift_token_width(vocabulary))
        self.user_profiling = UserProfiling(model, vocabulary, dropout.profile_encoder)
        self.category_matching = CategoryMatching(model, len(vocabulary.categories), dropout.semantic_matcher)
        self.tool_selection = ToolSelection(model, len(vocabulary.tools))
        self.reward_prediction = RewardPrediction(model)
        gift_features = max(model.gift_features, content_width(vocabulary))
        self.gift_catalogue = GiftCatalogue(model, gift_features, dropout.gift_encoder)
        self.cross_modal_fusion = CrossModalFusion(model, dropout.recommendation_head)

    def initial_carry(self, profiles: Profiles) -> Carry:
        """The carry before the first step: nothing thought yet."""
        shape = (*profiles.tokens.shape, self.core.config.core_width)
        return Carry(profiles.state.new_zeros(shape), profiles.state.new_zeros(shape))

    def step(self, profiles: Profiles, carry: Carry) -> Carry:
        x = self.core.embed(profiles.tokens)
        state = self.decision_heads.state_encoder(profiles.state)
        x = torch.cat([x[:, :1] + state[:, None], x[:, 1:]], dim=1)
        return self.core(x, carry, profiles)

    def decode(self, h: Tensor, profiles: Profiles, gifts: Gifts, picked: Tensor) -> Outputs:
        """All that is said on the core's answer h (B, D)."""
        user = self.user_profiling(profiles)
        gift = self.gift_catalogue(gifts)
        tool_logits, tool_parameters = self.select_tools(user.u, h, profiles)
        mean_picked = (picked / picked.sum(dim=1, keepdim=True).clamp(min=1)) @ gift
        gift_side = self.reward_prediction.gift_side(gifts, gift)
        components = self.reward_prediction.component_logits(user, h, gift_side, mean_picked)
        slots = self.cross_modal_fusion(user.u, h, gift, tool_parameters)
        heads = self.decision_heads
        return Outputs(
            category_logits=self.category_matching(user.u + fold(h, user.u.shape[1])),
            tool_logits=tool_logits,
            components=components,
            reward=self.reward_prediction.fuse(components),
            gift_logits=self.gift_catalogue.gift_logits(slots, gift),
            policy_logits=self.gift_catalogue.gift_logits(heads.policy(h), gift),
            gift_scores=heads.score_gifts(h, heads.gift_token_encoder(gifts.token_features)),
            value=heads.value(h).squeeze(-1),
            outcome=heads.outcome(h).squeeze(-1),
        )

    def select_tools(self, u: Tensor, h: Tensor, profiles: Profiles) -> tuple[Tensor, Tensor]:
        words = self.core.embed(profiles.tokens[:, 1:])
        return self.tool_selection(u, h, words, profiles.present)

    def encode_gifts(self, gifts: Gifts) -> EncodedGifts:
        embedding = self.gift_catalogue(gifts)
        return EncodedGifts(embedding, self.reward_prediction.gift_side(gifts, embedding))

    def recommend(self, h: Tensor, profiles: Profiles, gifts: EncodedGifts) -> dict[str, Tensor]:
        """Outputs that a recommendation reads, with no gift picked."""
        user = self.user_profiling(profiles)
        tool_logits, _ = self.select_tools(user.u, h, profiles)
        nothing = torch.zeros_like(user.u)
        components = self.reward_prediction.component_logits(user, h, gifts.reward_side, nothing)
        return {
            "category_logits": self.category_matching(user.u + fold(h, user.u.shape[1])),
            "tool_logits": tool_logits,
            "components": components,
            "reward": self.reward_prediction.fuse(components),
        }


# ------------------------------------------------------------------------------------------------------- losses


def loss_terms(
    model: TRM, carry: Carry, outputs: Outputs, batch: TorchBatch, loss: LossConfig
) -> dict[str, Tensor]:
    """Every term of TERMS, unweighted."""
    h, targets, masked_targets = carry.y[:, 0], batch.targets, batch.profiles.masked_targets
    liked = F.softmax(targets.alone / loss.temperature, dim=1)
    first = outputs.gift_logits.argmax(dim=1, keepdim=True)
    right = leads(outputs.category_logits, targets.categories, at_least=3) & leads(
        outputs.tool_logits, targets.tools
    )
    tables = (
        model.user_profiling.hobby_embedding,
        model.category_matching.category_embedding,
        model.user_profiling.preference_embedding,
    )
    misses = (1 - outputs.category_logits.sigmoid()) ** 2 * targets.named
    return {
        "category": F.binary_cross_entropy_with_logits(
            outputs.category_logits, smoothed(targets.categories, loss.smoothing)
        ),
        "tool": tool_loss(
            outputs.tool_logits, smoothed(targets.tools, loss.smoothing), model.core.config.tool_head
        ),
        "reward": F.mse_loss(outputs.reward, targets.reward)
        + F.mse_loss(outputs.components.sigmoid(), targets.components)
        + kl_divergence(outputs.gift_logits, liked),
        "semantic": misses.sum() / targets.named.sum().clamp(min=1),
        "embedding": sum(torch.linalg.vector_norm(table.weight) for table in tables),
        "masked_tokens": h.new_zeros(())
        if masked_targets is None
        else F.cross_entropy(
            model.core.lm_head(carry.y).flatten(0, 1), masked_targets.flatten(), ignore_index=IGNORE_INDEX
        ),
        "halting": F.cross_entropy(model.core.halt_head(h), right.long()),
        "policy": kl_divergence(outputs.policy_logits, liked),
        "value": F.mse_loss(outputs.value, targets.alone.topk(3, dim=1).values.mean(dim=1)),
        "outcome": F.mse_loss(outputs.outcome, targets.alone.gather(1, first).squeeze(1)),
        "gift_scorer": F.mse_loss(outputs.gift_scores, targets.alone),
    }


def smoothed(labels: Tensor, smoothing: float) -> Tensor:
    return (1 - smoothing) * labels + smoothing * labels.mean(dim=1, keepdim=True)


def tool_loss(logits: Tensor, target: Tensor, head: str) -> Tensor:
    if head == "sigmoid":
        return F.binary_cross_entropy_with_logits(logits, target)
    return F.binary_cross_entropy(F.softmax(logits, dim=1) * (1 - 2e-7) + 1e-7, target)


def kl_divergence(logits: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(F.log_softmax(logits, dim=1), target, reduction="batchmean")


def leads(scores: Tensor, expected: Tensor, at_least: int = 1) -> Tensor:
    """Whether (N,) all expected names (N, K) are among the best: as many as are expected, or `at_least`."""
    rank = scores.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    places = expected.sum(dim=1, keepdim=True).clamp(min=at_least)
    return ((rank < places) | (expected == 0)).all(dim=1)


# ----------------------------------------------------------------------------------------------------- training


class Step(NamedTuple):
    """A supervision step before its gradients: all but the total is detached."""

    total: Tensor
    carry: Carry
    outputs: Outputs
    terms: dict[str, Tensor]


def supervise(model: TRM, batch: TorchBatch, carry: Carry, loss: LossConfig) -> Step:
    """One supervision step and its losses."""
    carry = model.step(batch.profiles, carry)
    outputs = model.decode(carry.y[:, 0], batch.profiles, batch.gifts, batch.picked)
    terms = loss_terms(model, carry, outputs, batch, loss)
    weights = carry.y.new_tensor([getattr(loss, name) for name in terms])
    total = torch.stack(list(terms.values())).dot(weights)
    return Step(
        total,
        Carry(*(part.detach() for part in carry)),
        Outputs(*(output.detach() for output in outputs)),
        {name: term.detach() for name, term in terms.items()},
    )


class TorchRecommender:
    """The model with these weights, as named in ours, to answer with; in the precision of the weights."""

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        weights: dict[str, Tensor],
        mode: Literal["eager", "compiled"] = "eager",
    ) -> None:
        self.config = config
        with torch.device("meta"):
            self.model = TRM(config, vocabulary)
        self.model.load_state_dict(weights, assign=True)
        self.parameters = list(self.model.parameters())
        self.mode = mode
        self.step, self.recommend = self.as_run(self.model.step), self.as_run(self.model.recommend)

    def as_run(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is, or compiled: whole graphs or an error, and one for each shape."""
        return function if self.mode == "eager" else torch.compile(function, fullgraph=True, dynamic=False)

    def prepare_profiles(self, inputs: ProfileInputs) -> Profiles:
        width = self.config.model.core_width // self.config.model.core_heads
        angles = inputs.positions[:, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
        same = ("tokens", "state", "hobbies", "preferences", "occasion", "age", "budget")
        return Profiles(
            present=torch.tensor(~inputs.padding[:, None, None, :]),
            cos=self._tensor(np.cos(angles).astype(np.float32)),
            sin=self._tensor(np.sin(angles).astype(np.float32)),
            masked_targets=self._tensor(inputs.masked_targets) if is_masked(inputs) else None,
            **{name: self._tensor(getattr(inputs, name)) for name in same},
        )

    def prepare_gifts(self, gifts: GiftInputs) -> Gifts:
        return Gifts(*(self._tensor(getattr(gifts, name)) for name in Gifts._fields))

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        """Integers as they are, all else in the precision of the weights."""
        whole = np.issubdtype(array.dtype, np.integer)
        return torch.tensor(array, dtype=torch.int64 if whole else self.parameters[0].dtype)

    @torch.inference_mode()
    def encode(self, gifts: GiftInputs) -> None:
        """Encode the gifts that `answer` judges, by the weights as they are now."""
        with evaluating(self.model):
            self.encoded = self.model.encode_gifts(self.prepare_gifts(gifts))

    @torch.inference_mode()
    def answer(self, profiles: Profiles) -> Arrays:
        """The outputs of `TRM.recommend` at the step where each profile halts, and the number of "steps" (B,)."""
        with evaluating(self.model):
            carry = self.model.initial_carry(profiles)
            h = carry.y[:, 0]
            steps = torch.zeros(len(h), dtype=torch.int64)
            going = torch.ones(len(h), dtype=torch.bool)
            for _ in range(self.config.model.supervision_steps):
                carry = self.step(profiles, carry)
                h = torch.where(going[:, None], carry.y[:, 0], h)
                steps += going
                going &= self.model.core.halt_head(carry.y[:, 0]).argmax(dim=1) != HALT
                if not going.any():
                    break
            answer = {**self.recommend(h, profiles, self.encoded), "steps": steps}
        return {name: value.numpy() for name, value in answer.items()}


class TorchTrainer(TorchRecommender):
    """A copy of our trainer as it stands, in the precision of its weights, in PyTorch: it goes on as ours would, but
    for dropout, whose dice are PyTorch's own."""

    def __init__(self, trainer: Trainer, mode: Literal["eager", "compiled"], dropout: bool = True) -> None:
        weights = {name: torch.tensor(weight) for name, weight in trainer.model.state_dict().items()}
        config = replace(trainer.config, loss=trainer.loss)
        super().__init__(config, trainer.task.vocabulary, weights, mode)
        self.supervise = self.as_run(supervise)
        self.model.train(dropout)
        self.optimizer = self._optimizer_like(trainer)

    def _optimizer_like(self, trainer: Trainer) -> torch.optim.AdamW:
        """AdamW with our groups, moments and step counts."""
        parameters = dict(self.model.named_parameters())
        names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
        groups = [
            {
                "params": [parameters[names[id(parameter)]] for parameter in group["params"]],
                **{key: group[key] for key in ("lr", "betas", "eps", "weight_decay")},
            }
            for group in trainer.optimizer.param_groups
        ]
        optimizer = torch.optim.AdamW(groups, fused=True)
        values, arrays = trainer.state()
        for name, steps in zip(trainer.optimized_names(), values["optimizer_steps"], strict=True):
            first, second = (
                arrays[moment + name] * (1 - beta) for moment, beta in zip(MOMENTS, BETAS, strict=True)
            )
            optimizer.state[parameters[name]] = {
                "step": torch.tensor(float(steps)),
                "exp_avg": self._tensor(first),
                "exp_avg_sq": self._tensor(second),
            }
        return optimizer

    def prepare(self, batch: Batch) -> TorchBatch:
        return TorchBatch(
            self.prepare_profiles(batch.inputs),
            self.prepare_gifts(batch.gifts),
            self._tensor(batch.picked),
            Targets(*(self._tensor(getattr(batch.targets, name)) for name in Targets._fields)),
        )

    def learn(self, batch: TorchBatch) -> float:
        """Deep supervision, a step after each answer; gives the last total. Raises where it or a norm is not finite."""
        carry = self.model.initial_carry(batch.profiles)
        for _ in range(self.config.model.supervision_steps):
            step = self.supervise(self.model, batch, carry, self.config.loss)
            total, carry = self._descend(step.total), step.carry
        return total

    def one_profile_at_a_time(self, profiles: Sequence[TorchBatch]) -> float:
        """`learn` as a loop over batches of one profile, whose totals are averaged."""
        carries = [self.model.initial_carry(profile.profiles) for profile in profiles]
        for _ in range(self.config.model.supervision_steps):
            steps = [
                self.supervise(self.model, profile, carry, self.config.loss)
                for profile, carry in zip(profiles, carries, strict=True)
            ]
            total = self._descend(torch.stack([step.total for step in steps]).mean())
            carries = [step.carry for step in steps]
        return total

    def _descend(self, total: Tensor) -> float:
        value = total.item()
        if not math.isfinite(value):
            raise ArithmeticError(f"training diverged: total is {value}")
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.config.training.clip_norm, error_if_nonfinite=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return value

    def outputs_and_gradients(self, batch: TorchBatch) -> list[tuple[Arrays, dict[str, float], Arrays]]:
        """Outputs, loss terms and gradients of each supervision step, without dropout and without taking a step."""
        found = []
        with evaluating(self.model):
            carry = self.model.initial_carry(batch.profiles)
            for _ in range(self.config.model.supervision_steps):
                step = self.supervise(self.model, batch, carry, self.config.loss)
                step.total.backward()
                found.append(
                    (
                        {name: output.numpy() for name, output in step.outputs._asdict().items()},
                        {name: term.item() for name, term in {**step.terms, "total": step.total}.items()},
                        {
                            name: (torch.zeros_like(p) if p.grad is None else p.grad).detach().numpy()
                            for name, p in self.model.named_parameters()
                        },
                    )
                )
                self.optimizer.zero_grad()
                carry = step.carry
        return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; the mode before is restored."""
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
