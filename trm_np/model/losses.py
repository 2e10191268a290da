"""Loss terms by name; training minimizes their weighted sum.

All terms are means over the batch. The auxiliary terms (masked tokens, halting, the four decision heads) have small
weights, and reports show them separately.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from trm_np.autograd import Tensor
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.config import LossConfig
from trm_np.data.choices import Choices
from trm_np.data.encode import GiftInputs, ProfileInputs
from trm_np.data.tables import GiftTable, Index, LabelTable, ProfileTable, Rows
from trm_np.model.core import Carry
from trm_np.model.trm import TRM, Outputs
from trm_np.world.reward import WEIGHTS, reward_components

TERMS = (
    *("category", "tool", "reward", "semantic", "embedding"),
    *("masked_tokens", "halting", "policy", "value", "outcome", "gift_scorer", "choice"),
)
WHOLE = dict.fromkeys(TERMS, 1.0)


@dataclass(frozen=True)
class Targets(Rows):
    """True values for B profiles and G gifts.

    categories (B, C) and tools (B, K) are labels. named (B, C) marks the categories that a hobby names or implies.
    components (B, G, 7) and reward (B, G) depend on the gifts picked so far; alone (B, G) is the reward with none.
    """

    categories: Array
    tools: Array
    named: Array
    components: Array
    reward: Array
    alone: Array


def targets_of(
    profiles: ProfileTable, labels: LabelTable, gifts: GiftTable, implied: Array, picked: Array | None = None
) -> Targets:
    """Targets of these profiles in float32; `picked` (B, G) marks the gifts already in each list."""
    components = reward_components(profiles, gifts, implied, picked)
    alone = components if picked is None else reward_components(profiles, gifts, implied)
    hobbies = (profiles.hobbies[:, :, None] == np.arange(len(implied))).any(axis=1)
    true = (
        labels.categories,
        labels.tools,
        hobbies @ implied,
        components,
        components @ WEIGHTS,
        alone @ WEIGHTS,
    )
    return Targets(*(np.asarray(values, np.float32) for values in true))


def loss_terms(
    model: TRM,
    outputs: Outputs,
    targets: Targets,
    loss: LossConfig,
    smoothing: float = 0.0,
    tokens: tuple[Tensor, Array] | None = None,
    chosen: tuple[Tensor, Choices] | None = None,
) -> dict[str, Tensor]:
    """Every term of TERMS, unweighted, each over the profiles for which its labels are given.

    `smoothing` is that of the labels (`smoothed`). `tokens` are the `masked_token_logits`, None if no token is masked.
    `chosen` are the `logits_of_choices`; with them, the recommendation head learns from choices and not from the
    reward.
    """
    first = outputs.gift_logits.data.argmax(axis=1)
    best_three = np.sort(targets.alone, axis=1)[:, -3:].sum(axis=1) / 3
    outcome = np.take_along_axis(targets.alone, first[:, None], axis=1)[:, 0]
    liked = F.softmax(Tensor(targets.alone / loss.temperature, dtype=outputs.h.dtype)).data
    categories, tools = smoothed(targets.categories, smoothing), smoothed(targets.tools, smoothing)
    known = given(targets)
    return {
        "category": mean_over(
            known["category"], F.binary_cross_entropy_with_logits, outputs.category_logits, categories
        ),
        "tool": mean_over(
            known["tool"],
            partial(tool_loss, head=model.config.tool_head),
            *(outputs.tool_logits, tools),
        ),
        "reward": F.mse_loss(outputs.reward, targets.reward)
        + F.mse_loss(outputs.components.sigmoid(), targets.components)
        + (F.kl_divergence_with_logits(outputs.gift_logits, liked) if chosen is None else 0.0),
        "semantic": semantic_loss(outputs.category_logits, targets.named),
        "embedding": embedding_norms(model),
        "masked_tokens": Tensor(0.0) if tokens is None else F.cross_entropy(*tokens),
        "halting": mean_over(
            known["halting"],
            F.cross_entropy,
            model.core.halt_head(outputs.h),
            is_right(outputs, targets).astype(int),
        ),
        "policy": F.kl_divergence_with_logits(outputs.policy_logits, liked),
        "value": F.mse_loss(outputs.value, best_three),
        "outcome": F.mse_loss(outputs.outcome, outcome),
        "gift_scorer": F.mse_loss(outputs.gift_scores, targets.alone),
        "choice": Tensor(0.0) if chosen is None else choice_loss(*chosen),
    }


def given(targets: Targets) -> dict[str, Array]:
    """Marks (B,) of the profiles with labels, for each term that needs labels."""
    categories: Array = np.any(targets.categories, axis=1)
    tools: Array = np.any(targets.tools, axis=1)
    return {"category": categories, "tool": tools, "halting": categories | tools}


def mean_over(rows: Array, loss: Callable[[Tensor, Array], Tensor], logits: Tensor, target: Array) -> Tensor:
    """Loss of the marked rows (B,) alone; 0 with a zero gradient if none is marked, as other ranks may have some."""
    if rows.all():
        return loss(logits, target)
    return (
        loss(F.embedding(np.flatnonzero(rows), logits), target[rows]) if rows.any() else (logits * 0.0).sum()
    )


def masked_token_logits(model: TRM, carry: Carry, profiles: ProfileInputs) -> tuple[Tensor, Array]:
    """Logits (B, S, V) of every token, and the masked targets (B, S); gifts of a history are never masked."""
    targets = profiles.masked_targets
    return model.core.lm_head(carry.y[:, : targets.shape[1]]), targets


def logits_of_choices(
    model: TRM, outputs: Outputs, gifts: GiftInputs, choices: Choices | None
) -> tuple[Tensor, Choices] | None:
    """Logits (B, C) by content of choosing each candidate, and the choices; None without choices."""
    if choices is None:
        return None
    gift = model.gift_catalogue(gifts.take(choices.gifts))
    return model.content_logits(outputs.slots, gift, choices.gifts), choices


def choice_loss(logits: Tensor, choices: Choices) -> Tensor:
    """Listwise loss: divergence of the softmax over the candidates from the choices, a mean over profiles with choices.

    Cao et al. 2007, "Learning to rank: from pairwise approach to listwise approach".
    """
    return mean_over(
        with_choices(choices), F.kl_divergence_with_logits, logits + Tensor(choices.offset), choices.share
    )


def with_choices(choices: Choices) -> Array:
    """Marks (B,) of the profiles with choices."""
    return np.asarray(choices.share.any(axis=1))


def smoothed(labels: Array, smoothing: float) -> Array:
    """Labels (B, K) with the part `smoothing` spread evenly over each row.

    Label smoothing (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7), for several labels.
    """
    smooth: Array = (1 - smoothing) * labels + smoothing * labels.mean(axis=1, keepdims=True)
    return smooth


def weighted_total(terms: dict[str, Tensor], loss: LossConfig, shares: Mapping[str, float] = WHOLE) -> Tensor:
    """Sum of the terms, each times its weight, and times its share if they belong to a part of a batch."""
    weights = [getattr(loss, name) * shares[name] for name in TERMS]
    return F.weighted_sum([terms[name] for name in TERMS], weights)


def shares_of(
    rows: Index, masked_targets: Array, targets: Targets, choices: Choices | None = None
) -> dict[str, float]:
    """Share of these rows in each term of a batch, whose value is the sum of share times term over its parts.

    A share counts what the term averages: masked tokens, named categories, profiles with labels, or profiles. The
    embedding norms are the same in every part and are shared by profiles too.
    """

    def share(count: Array) -> float:
        return float(count[rows].sum()) / max(float(count.sum()), 1)

    return {
        **dict.fromkeys(TERMS, share(np.ones(len(masked_targets)))),
        **{term: share(rows) for term, rows in given(targets).items()},
        "semantic": share(targets.named.sum(axis=1)),
        "masked_tokens": share((masked_targets >= 0).sum(axis=1)),
        **({} if choices is None else {"choice": share(with_choices(choices))}),
    }


def tool_loss(logits: Tensor, target: Array, head: str) -> Tensor:
    """Binary cross-entropy of each tool, from a sigmoid for each, or from one softmax over all of them.

    The softmax is the report's head. Its probabilities sum to one, so with two right tools of K the mean cannot fall
    below 2·ln 2 / K, which is 0.2773 for K = 5.
    """
    if head == "sigmoid":
        return F.binary_cross_entropy_with_logits(logits, target)
    p = F.softmax(logits) * (1 - 2e-7) + 1e-7  # both logarithms stay finite
    loss: Tensor = -(p.log() * target + (1 - p).log() * (1 - target)).mean()
    return loss


def semantic_loss(category_logits: Tensor, named: Array) -> Tensor:
    """Mean of (1 - p)² over the categories that a hobby names or implies."""
    misses = (1 - category_logits.sigmoid()) ** 2 * named
    loss: Tensor = misses.sum() / max(int(named.sum()), 1)
    return loss


def embedding_norms(model: TRM) -> Tensor:
    """The sum of the L2 norms of the hobby, category and preference tables."""
    profiling = model.user_profiling
    tables = (
        profiling.hobby_embedding,
        model.category_matching.category_embedding,
        profiling.preference_embedding,
    )
    hobby, category, preference = (F.l2_norm(table.weight) for table in tables)
    return hobby + category + preference


def is_right(outputs: Outputs, targets: Targets) -> Array:
    """Marks (B,) of the profiles whose expected categories and tools lead, as far as labels are given.

    Expected categories lead if they are among the first three. A label that is a probability counts from one half up.
    """
    return leads(outputs.category_logits.data, targets.categories >= 0.5, at_least=3) & leads(
        outputs.tool_logits.data, targets.tools >= 0.5
    )


def leads(scores: Array, expected: Array, at_least: int = 1) -> Array:
    """Marks (N,) of rows whose expected names (N, K) are all among the best, as many as expected or `at_least`."""
    rank = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    places = np.maximum(expected.sum(axis=1, keepdims=True), at_least)
    lead: Array = np.all((rank < places) | (expected == 0), axis=1)
    return lead
