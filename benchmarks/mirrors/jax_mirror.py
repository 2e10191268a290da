"""The model and its training once more, in JAX, compiled by XLA: an oracle for ours, and its rival in speed.

Pure functions on a dict of weights under our dotted names, with our algebra: gifts are projected once for all profiles,
and layers are split where they would read a concatenation for each profile and gift. What differs is the engine. What
each function is for stands at its namesake in trm_np/model.

One thread: set PJRT_NPROC=1 in the environment, or the process's affinity to one core (`taskset -c 0`,
`os.sched_setaffinity`), before JAX is first used; its pool then has no second thread, and all work is done by the one
that calls. The XLA_FLAGS often named for this, --xla_cpu_multi_thread_eigen=false and intra_op_parallelism_threads=1,
leave the pool as it is in JAX 0.10 (processor time by thread, on two cores).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from trm_np.autograd.optim import BETAS
from trm_np.config import Config
from trm_np.data.encode import IGNORE_INDEX, GiftInputs, ProfileInputs
from trm_np.model.losses import Targets
from trm_np.model.reward_prediction import COMPONENT_GAIN
from trm_np.model.tool_selection import TOOL_GAIN, even_share
from trm_np.storage.checkpoint import MOMENTS
from trm_np.training.batches import Batch
from trm_np.training.trainer import Trainer, is_masked

Named = dict[str, Array]  # arrays under our names: weights, gradients, a batch's parts, outputs, loss terms
Arrays = dict[str, NDArray[np.floating]]
Groups = Mapping[str, Mapping[str, Any]]  # the optimizer group of each weight

NORMED_TABLES = (
    "user_profiling.hobby_embedding",
    "category_matching.category_embedding",
    "user_profiling.preference_embedding",
)


class JaxBatch(NamedTuple):
    """A `Batch` on the device, in the precision of the weights.

    `profiles` has no "masked_targets" where no token is masked.
    """

    profiles: Named
    gifts: Named
    picked: Array
    targets: Named


# ---------------------------------------------------------------------------------------------------- layers


def affine(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x Wᵀ + b: x (..., in), weight (out, in), bias (out,)."""
    y = x @ weight.T
    return y if bias is None else y + bias


def linear(weights: Named, name: str, x: Array) -> Array:
    return affine(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def of_first(weights: Named, name: str, x: Array) -> Array:
    """Apply a layer to the first columns of its input, x (..., w), and add its bias: W [a, b] = W_a a + W_b b."""
    return affine(x, weights[f"{name}.weight"][:, : x.shape[-1]], weights[f"{name}.bias"])


def of_last(weights: Named, name: str, x: Array) -> Array:
    """The same of the last columns, without the bias."""
    return affine(x, weights[f"{name}.weight"][:, -x.shape[-1] :])


def pair_logits(weights: Named, name: str, rows: Array, columns: Array) -> Array:
    """A layer of [row, column], for all pairs: rows (B, v) and columns (G, w) to (B, G, out)."""
    return of_first(weights, name, rows)[:, None] + of_last(weights, name, columns)


def two_layers(weights: Named, name: str, activation: Callable[[Array], Array], x: Array) -> Array:
    return linear(weights, f"{name}.2", activation(linear(weights, f"{name}.0", x)))


def dropout(x: Array, probability: float, key: Array | None) -> Array:
    if key is None:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - probability, x.shape), x / (1 - probability), 0)


def rms_norm(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def layer_norm(weights: Named, name: str, x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    normal = centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def normed_encoder(weights: Named, name: str, x: Array, probability: float, key: Array | None) -> Array:
    hidden = dropout(jax.nn.relu(linear(weights, f"{name}.0", x)), probability, key)
    return layer_norm(weights, f"{name}.4", linear(weights, f"{name}.3", hidden))


def fold(h: Array, width: int) -> Array:
    """(..., D) to (..., width): the D / width pieces of h added."""
    return h.reshape(*h.shape[:-1], -1, width).sum(axis=-2)


# ------------------------------------------------------------------------------------------------- attention


def project(weights: Named, name: str, x: Array, heads: int, first: int = 0, last: int = 2) -> list[Array]:
    """Query (0), key (1) and value (2), from the first to the last of them, of x (..., D) by one product, in heads:
    (..., heads, D/heads) each."""
    width = x.shape[-1]
    rows = slice(first * width, (last + 1) * width)
    bias = weights.get(f"{name}.in_proj_bias")
    packed = affine(x, weights[f"{name}.in_proj_weight"][rows], None if bias is None else bias[rows])
    return [part.reshape(*x.shape[:-1], heads, -1) for part in jnp.split(packed, last + 1 - first, axis=-1)]


def attend(weights: Named, name: str, q: Array, k: Array, v: Array, padding: Array | None = None) -> Array:
    """Attention from heads (B, T, heads, d) to (B, T, D); `padding` (B, S) is True where a key may not be seen.

    Written out, since `jax.nn.dot_product_attention` takes its softmax in float32 whatever the precision.
    """
    scores = jnp.einsum("bthd,bshd->bhts", q, k) * q.shape[-1] ** -0.5
    if padding is not None:
        scores = jnp.where(padding[:, None, None, :], -jnp.inf, scores)
    attended = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v)
    return linear(weights, f"{name}.out_proj", attended.reshape(*attended.shape[:2], -1))


def attend_to_shared(weights: Named, name: str, query: Array, seen: Array, heads: int) -> Array:
    """Attention of query (B, D) to seen (G + B, D): the first G rows for all, then one for each alone."""
    (q,) = project(weights, name, query, heads, last=0)
    k, v = project(weights, name, seen, heads, first=1)
    shared = len(seen) - len(query)
    by_shared, by_own = (
        jnp.einsum("bhd,ghd->bhg", q, k[:shared]),
        jnp.sum(q * k[shared:], axis=-1, keepdims=True),
    )
    p = jax.nn.softmax(jnp.concatenate([by_shared, by_own], axis=-1) * q.shape[-1] ** -0.5)
    attended = jnp.einsum("bhg,ghd->bhd", p[..., :-1], v[:shared]) + p[..., -1:] * v[shared:]
    return linear(weights, f"{name}.out_proj", attended.reshape(query.shape))


def rotary(x: Array, positions: Array) -> Array:
    """Rotary positions on x (B, T, heads, d), whose neighbours are pairs (Su et al. 2021, section 3.2.2)."""
    width = x.shape[-1]
    angles = positions[:, None, None] * 10000.0 ** (-jnp.arange(0, width, 2) / width)
    # Whatever x is, as ours.
    cos, sin = (
        jnp.cos(angles).astype(jnp.float32),
        jnp.sin(angles).astype(jnp.float32),
    )
    real, imaginary = x[..., ::2], x[..., 1::2]
    turned = [real * cos - imaginary * sin, real * sin + imaginary * cos]
    return jnp.stack(turned, axis=-1).reshape(x.shape)


# -------------------------------------------------------------------------------------------- recursive core


class Carry(NamedTuple):
    """Answer and latent, (B, S, D) each, between supervision steps."""

    y: Array
    z: Array


def embed(weights: Named, tokens: Array) -> Array:
    table = weights["core.token_embedding.weight"]
    return table[tokens] * table.shape[1] ** 0.5


def block(weights: Named, name: str, x: Array, heads: int, positions: Array, padding: Array) -> Array:
    q, k, v = project(weights, f"{name}.attention", x, heads)
    q, k = rotary(q, positions), rotary(k, positions)
    x = rms_norm(x + attend(weights, f"{name}.attention", q, k, v, padding))
    gate, up = jnp.split(linear(weights, f"{name}.swiglu.gate_up", x), 2, axis=-1)
    return rms_norm(x + linear(weights, f"{name}.swiglu.down", jax.nn.silu(gate) * up))


def supervision_step(config: Config, weights: Named, profiles: Named, carry: Carry) -> Carry:
    """Deep recursion: T - 1 latent recursions without gradient, then one with."""
    model = config.model
    x = embed(weights, profiles["tokens"])
    x = x.at[:, 0].add(two_layers(weights, "decision_heads.state_encoder", jax.nn.silu, profiles["state"]))

    def f(u: Array) -> Array:
        for place in range(model.core_blocks):
            name = f"core.blocks.{place}"
            u = block(weights, name, u, model.core_heads, profiles["positions"], profiles["padding"])
        return u

    def latent_recursion(y: Array, z: Array) -> Carry:
        for _ in range(model.latent_steps):
            z = f(x + y + z)
        return Carry(f(y + z), z)

    for _ in range(model.cycles - 1):
        carry = jax.lax.stop_gradient(latent_recursion(*carry))
    return latent_recursion(*carry)


# ---------------------------------------------------------------------------------------- the five components


class UserEmbedding(NamedTuple):
    """u (B, U), and the parts of it that the reward components read: all (B, ·)."""

    u: Array
    hobby: Array
    occasion: Array
    age: Array
    budget: Array


def profile_user(config: Config, weights: Named, profiles: Named, key: Array | None) -> UserEmbedding:
    name = "user_profiling"
    hobby = profiles["hobbies"] @ weights[f"{name}.hobby_embedding.weight"]
    preference = profiles["preferences"] @ weights[f"{name}.preference_embedding.weight"]
    occasion = weights[f"{name}.occasion_embedding.weight"][profiles["occasion"]]
    age = two_layers(weights, f"{name}.age_encoder", jax.nn.silu, profiles["age"])
    budget = two_layers(weights, f"{name}.budget_encoder", jax.nn.silu, profiles["budget"])
    parts = jnp.concatenate([hobby, preference, occasion, age, budget], axis=-1)
    u = normed_encoder(weights, f"{name}.encoder", parts, config.dropout.profile_encoder, key)
    return UserEmbedding(u, hobby, occasion, age, budget)


def match_categories(config: Config, weights: Named, known: Array, keys: Sequence[Array | None]) -> Array:
    """Category logits (B, C) from what is known of the person (B, U)."""
    name = "category_matching"
    category = weights[f"{name}.category_embedding.weight"]
    x = pair_logits(weights, f"{name}.meeting", known, category) * category
    for place, key in enumerate(keys):
        hidden = jax.nn.relu(linear(weights, f"{name}.layers.{place}.0", x))
        x = x + dropout(hidden, config.dropout.semantic_matcher, key)
    q, k, v = project(weights, f"{name}.attention", x, config.model.category_heads)
    x = x + attend(weights, f"{name}.attention", q, k, v)
    return two_layers(weights, f"{name}.score", jax.nn.relu, x)[..., 0]


def select_tools(config: Config, weights: Named, u: Array, h: Array, profiles: Named) -> tuple[Array, Array]:
    """Tool logits (B, K), the votes of the words, and tool parameters (B, W)."""
    name, width = "tool_selection", u.shape[1]
    words, padding = embed(weights, profiles["tokens"][:, 1:]), profiles["padding"]
    person = u + fold(h, width)
    spoken = fold(words, width) * (width / words.shape[2])
    said = jnp.concatenate([person[:, None], spoken], axis=1)  # the person in the place of [STATE]
    tokens = two_layers(weights, f"{name}.encoder", jax.nn.relu, said)
    q, k, v = project(weights, f"{name}.attention", tokens, config.model.tool_heads)
    hidden = tokens + attend(weights, f"{name}.attention", q, k, v, padding)
    before_and_after = jnp.concatenate([person, hidden[:, 0]], axis=-1)
    parameters = two_layers(weights, f"{name}.parameters_encoder", jax.nn.relu, before_and_after)
    scores = linear(weights, f"{name}.score", hidden[:, 1:]) * TOOL_GAIN
    with_abstention = jnp.pad(scores, ((0, 0), (0, 0), (0, 1)))
    ballots = jax.nn.softmax(with_abstention)[..., :-1]
    votes = jnp.where(padding[:, 1:, None], 0, ballots - even_share(scores.shape[2]))
    return votes.sum(axis=1) * config.model.tool_vote, parameters


def predict_components(
    weights: Named, user: UserEmbedding, known: Array, gifts: Named, gift: Array, picked: Array
) -> Array:
    """Component logits (B, G, 7): `gift` (G, U) are the gift embeddings, `picked` (B, U) the mean of those picked."""
    layers = (f"reward_prediction.hidden.{place}" for place in range(7))
    category, budget, hobby, occasion, age, quality, diversity = layers
    hidden = (
        linear(weights, category, known[:, None] * gift),
        pair_logits(weights, budget, user.budget, gifts["price"]),
        pair_logits(weights, hobby, user.hobby, gift),
        pair_logits(weights, occasion, user.occasion, gift),
        pair_logits(weights, age, user.age, gifts["age_range"]),
        linear(weights, quality, gifts["rating"]),
        of_first(weights, diversity, gift) + of_last(weights, diversity, picked)[:, None],
    )
    shape = (len(known), len(gift))
    logits = (
        linear(weights, f"reward_prediction.component.{place}", jax.nn.relu(x))[..., 0]
        for place, x in enumerate(hidden)
    )
    return COMPONENT_GAIN * jnp.stack([jnp.broadcast_to(logit, shape) for logit in logits], axis=-1)


def fuse_components(weights: Named, components: Array) -> Array:
    """Component logits (B, G, 7) to the predicted reward (B, G)."""
    name = "reward_prediction.fusion"
    hidden = jax.nn.relu(two_layers(weights, name, jax.nn.relu, jax.nn.sigmoid(components)))
    return linear(weights, f"{name}.4", hidden)[..., 0]


def score_slots(
    config: Config, weights: Named, u: Array, h: Array, gift: Array, tool_parameters: Array, key: Array | None
) -> Array:
    """Slot scores (B, slots): the user looks over gifts (G, U) and tool, by layers of cross-attention."""
    name, heads = "cross_modal_fusion", config.model.fusion_heads
    query = linear(weights, f"{name}.user_projection", u) + h
    gifts = linear(weights, f"{name}.gift_projection", gift)
    tools = linear(weights, f"{name}.tool_projection", tool_parameters)
    seen = jnp.concatenate([gifts, tools])
    for place in range(config.model.fusion_layers):
        layer = f"{name}.layers.{place}"
        query = rms_norm(query + attend_to_shared(weights, layer, query, seen, heads))
    head = f"{name}.recommendation_head"
    hidden = jax.nn.relu(linear(weights, f"{head}.0", query))
    return linear(weights, f"{head}.3", dropout(hidden, config.dropout.recommendation_head, key))


# ------------------------------------------------------------------------------------------------ all outputs


def decode(config: Config, weights: Named, h: Array, batch: JaxBatch, key: Array | None) -> Named:
    """All that is said on the core's answer h (B, D)."""
    profiles, gifts = batch.profiles, batch.gifts
    of_profiles, of_gifts, *of_categories, of_slots = [None] * 5 if key is None else jax.random.split(key, 5)
    user = profile_user(config, weights, profiles, of_profiles)
    drop = config.dropout.gift_encoder
    gift = normed_encoder(weights, "gift_catalogue.encoder", gifts["features"], drop, of_gifts)
    known = user.u + fold(h, user.u.shape[1])
    tool_logits, tool_parameters = select_tools(config, weights, user.u, h, profiles)
    share = batch.picked / jnp.maximum(batch.picked.sum(axis=1, keepdims=True), 1)
    mean_of_picked = share.astype(gift.dtype) @ gift
    components = predict_components(weights, user, known, gifts, gift, mean_of_picked)
    slots = score_slots(config, weights, user.u, h, gift, tool_parameters, of_slots)

    def gift_logits(slot_scores: Array) -> Array:
        return (slot_scores @ weights["gift_catalogue.memory"]) @ gift.T

    def head(name: str, x: Array) -> Array:
        return two_layers(weights, f"decision_heads.{name}", jax.nn.silu, x)

    gift_tokens = head("gift_token_encoder", gifts["token_features"])
    scored = jax.nn.relu(pair_logits(weights, "decision_heads.gift_scorer_hidden", h, gift_tokens))
    return {
        "category_logits": match_categories(config, weights, known, of_categories),
        "tool_logits": tool_logits,
        "components": components,
        "reward": fuse_components(weights, components),
        "gift_logits": gift_logits(slots),
        "policy_logits": gift_logits(head("policy", h)),
        "gift_scores": linear(weights, "decision_heads.gift_scorer", scored)[..., 0],
        "value": head("value", h)[:, 0],
        "outcome": head("outcome", h)[:, 0],
    }


# ---------------------------------------------------------------------------------------------------- losses


def squared_error(x: Array, target: Array) -> Array:
    return jnp.mean((x - target) ** 2)


def binary_cross_entropy(logits: Array, target: Array) -> Array:
    """Mean of log(1 + exp(z)) - z·t."""
    return jnp.mean(jax.nn.softplus(logits) - logits * target)


def cross_entropy(logits: Array, target: Array) -> Array:
    """-log softmax(logits)[target]: logits (..., C), target integers (...)."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), target[..., None], axis=-1)[..., 0]


def masked_token_loss(weights: Named, y: Array, masked_targets: Array) -> Array:
    """The mean cross-entropy of the tokens that were masked."""
    masked = masked_targets != IGNORE_INDEX
    losses = cross_entropy(linear(weights, "core.lm_head", y), jnp.where(masked, masked_targets, 0))
    return jnp.mean(losses, where=masked)


def kl_divergence(logits: Array, target: Array) -> Array:
    """KL(target ‖ softmax(logits)) over the last axis, averaged over the others."""
    entropy = jax.scipy.special.entr(target)
    return -jnp.mean(jnp.sum(entropy + target * jax.nn.log_softmax(logits), axis=-1))


def tool_loss(logits: Array, target: Array, head: str) -> Array:
    """Binary cross-entropy from a sigmoid for each tool, or from one softmax over all of them."""
    if head == "sigmoid":
        return binary_cross_entropy(logits, target)
    p = jax.nn.softmax(logits) * (1 - 2e-7) + 1e-7
    return -jnp.mean(jnp.log(p) * target + jnp.log(1 - p) * (1 - target))


def smoothed(labels: Array, smoothing: float) -> Array:
    return (1 - smoothing) * labels + smoothing * labels.mean(axis=1, keepdims=True)


def leads(scores: Array, expected: Array, at_least: int = 1) -> Array:
    """Whether (N,) all expected names (N, K) are among the best: as many as are expected, or `at_least`."""
    rank = jnp.argsort(jnp.argsort(-scores, axis=1), axis=1)
    places = jnp.maximum(expected.sum(axis=1, keepdims=True), at_least)
    return jnp.all((rank < places) | (expected == 0), axis=1)


def loss_terms(config: Config, weights: Named, carry: Carry, batch: JaxBatch, outputs: Named) -> Named:
    """Every term of TERMS, unweighted, and "total", their weighted sum."""
    loss, targets = config.loss, batch.targets
    liked = jax.nn.softmax(targets["alone"] / loss.temperature)
    first = jnp.argmax(outputs["gift_logits"], axis=1)
    outcome = jnp.take_along_axis(targets["alone"], first[:, None], axis=1)[:, 0]
    best_three = jax.lax.top_k(targets["alone"], 3)[0].mean(axis=1)
    right = leads(outputs["category_logits"], targets["categories"], at_least=3)
    right &= leads(outputs["tool_logits"], targets["tools"])
    categories = smoothed(targets["categories"], loss.smoothing)
    tools = smoothed(targets["tools"], loss.smoothing)
    misses = (1 - jax.nn.sigmoid(outputs["category_logits"])) ** 2 * targets["named"]
    masked = "masked_targets" in batch.profiles
    terms = {
        "category": binary_cross_entropy(outputs["category_logits"], categories),
        "tool": tool_loss(outputs["tool_logits"], tools, config.model.tool_head),
        "reward": squared_error(outputs["reward"], targets["reward"])
        + squared_error(jax.nn.sigmoid(outputs["components"]), targets["components"])
        + kl_divergence(outputs["gift_logits"], liked),
        "semantic": misses.sum() / jnp.maximum(targets["named"].sum(), 1),
        "embedding": sum(jnp.linalg.norm(weights[f"{table}.weight"]) for table in NORMED_TABLES),
        "masked_tokens": masked_token_loss(weights, carry.y, batch.profiles["masked_targets"])
        if masked
        else jnp.zeros(()),
        "halting": cross_entropy(linear(weights, "core.halt_head", carry.y[:, 0]), right.astype(int)).mean(),
        "policy": kl_divergence(outputs["policy_logits"], liked),
        "value": squared_error(outputs["value"], best_three),
        "outcome": squared_error(outputs["outcome"], outcome),
        "gift_scorer": squared_error(outputs["gift_scores"], targets["alone"]),
    }
    return {**terms, "total": sum(terms[name] * getattr(loss, name) for name in terms)}


# -------------------------------------------------------------------------------------------------- training


class State(NamedTuple):
    """State of training: weights, AdamW's moments, how many steps each weight has made, and the dropout key."""

    weights: Named
    first: Named
    second: Named
    steps: Named
    key: Array


class Step(NamedTuple):
    """A supervision step before the optimizer's."""

    carry: Carry
    outputs: Named
    terms: Named
    gradients: Named


def start(config: Config, batch: JaxBatch) -> Carry:
    """The carry before the first step: nothing thought yet."""
    shape = *batch.profiles["tokens"].shape, config.model.core_width
    zeros = jnp.zeros(shape, batch.gifts["features"].dtype)
    return Carry(zeros, zeros)


def supervise(config: Config, weights: Named, carry: Carry, batch: JaxBatch, key: Array | None) -> Step:
    """One supervision step, its losses, and the gradients of their total."""

    def total(weights: Named) -> tuple[Array, tuple[Carry, Named, Named]]:
        after = supervision_step(config, weights, batch.profiles, carry)
        outputs = decode(config, weights, after.y[:, 0], batch, key)
        terms = loss_terms(config, weights, after, batch, outputs)
        return terms["total"], (after, outputs, terms)

    gradients, (after, outputs, terms) = jax.grad(total, has_aux=True)(weights)
    return Step(after, outputs, terms, gradients)


def clip_by_global_norm(gradients: Named, most: float) -> Named:
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in gradients.values()))
    scale = jnp.minimum(most / (norm + 1e-6), 1)
    return {name: g * scale for name, g in gradients.items()}


def adamw(state: State, gradients: Named, groups: Groups) -> State:
    """`autograd.optim.adamw_update` of every weight that has a gradient; the others are left as they are."""
    weights, first, second, steps = (dict(arrays) for arrays in state[:4])
    for name, g in gradients.items():
        group = groups[name]
        rate, (beta1, beta2) = group["lr"], group["betas"]
        steps[name] += 1
        first[name] = beta1 * first[name] + (1 - beta1) * g
        second[name] = beta2 * second[name] + (1 - beta2) * g * g
        # 1 - βᵗ by expm1: as a difference it would lose four digits of float32 in the first steps.
        bias1, bias2 = (-jnp.expm1(steps[name] * math.log(beta)) for beta in (beta1, beta2))
        change = first[name] / bias1 / (jnp.sqrt(second[name] / bias2) + group["eps"])
        weights[name] = weights[name] * (1 - rate * group["weight_decay"]) - rate * change
    return State(weights, first, second, steps, state.key)


def learn(
    config: Config, groups: Groups, dropout: bool, state: State, batch: JaxBatch
) -> tuple[State, Array]:
    """Deep supervision, an optimizer step after each answer; gives the last total too.

    One scan, since a call hands over some hundreds of arrays: faster than a call for each step.
    """

    def step(before: tuple[State, Carry], _: None) -> tuple[tuple[State, Carry], Array]:
        state, carry = before
        key, drawn = jax.random.split(state.key)
        carry, _, terms, gradients = supervise(
            config, state.weights, carry, batch, drawn if dropout else None
        )
        if "masked_targets" not in batch.profiles:
            del gradients["core.lm_head.weight"]  # not zero but none: it has no part in the total
        gradients = clip_by_global_norm(gradients, config.training.clip_norm)
        return (adamw(state._replace(key=key), gradients, groups), carry), terms["total"]

    steps = config.model.supervision_steps
    (state, _), totals = jax.lax.scan(step, (state, start(config, batch)), length=steps)
    return state, totals[-1]


class JaxTrainer:
    """`Trainer` in JAX, from ours as it stands: weights with their precision, moments, groups and learning rates.

    Float64 needs `jax_enable_x64`. Dropout draws from JAX's own generator. Each shape of a batch is compiled anew, and
    so is a batch without masked tokens.
    """

    def __init__(self, trainer: Trainer, dropout: bool = True) -> None:
        self.config = replace(trainer.config, loss=trainer.loss)
        names = trainer.optimized_names()
        listed = [group for group in trainer.optimizer.param_groups for _ in group["params"]]
        groups = {
            name: {key: group[key] for key in ("lr", "betas", "eps", "weight_decay")}
            for name, group in zip(names, listed, strict=True)
        }
        values, arrays = trainer.state()
        self.state = State(
            # Copies: what is donated to a call must not be our trainer's.
            {name: jnp.array(weight) for name, weight in trainer.model.state_dict().items()},
            *(
                {name: jnp.array(arrays[moment + name] * (1 - beta)) for name in names}
                for moment, beta in zip(MOMENTS, BETAS, strict=True)
            ),
            {name: jnp.int32(steps) for name, steps in zip(names, values["optimizer_steps"], strict=True)},
            jax.random.key(0),
        )
        self._learn = jax.jit(partial(learn, self.config, groups, dropout), donate_argnums=0)
        self._supervise = jax.jit(partial(supervise, self.config))

    def prepare(self, batch: Batch) -> JaxBatch:
        def arrays(part: ProfileInputs | GiftInputs | Targets) -> Named:
            return {name: self._array(array) for name, array in vars(part).items()}

        profiles = arrays(batch.inputs)
        if not is_masked(batch.inputs):
            del profiles["masked_targets"]
        return JaxBatch(profiles, arrays(batch.gifts), self._array(batch.picked), arrays(batch.targets))

    def _array(self, array: NDArray[Any]) -> Array:
        """Integers and truth values as they are, all else in the precision of the weights."""
        precision = self.state.weights["core.lm_head.weight"].dtype
        return jnp.array(array, precision if np.issubdtype(array.dtype, np.floating) else None)

    def learn(self, batch: JaxBatch) -> float:
        """Deep supervision, a step after each answer, all in one compiled call; gives the last total, finite or not."""
        self.state, total = self._learn(self.state, batch)
        return float(total)

    def outputs_and_gradients(self, batch: JaxBatch) -> list[tuple[Arrays, dict[str, float], Arrays]]:
        """Outputs, loss terms and gradients of each supervision step, without dropout and without taking a step."""
        found = []
        carry = start(self.config, batch)
        for _ in range(self.config.model.supervision_steps):
            step = self._supervise(self.state.weights, carry, batch, None)
            outputs, terms, gradients = jax.device_get((step.outputs, step.terms, step.gradients))
            found.append((outputs, {name: float(term) for name, term in terms.items()}, gradients))
            carry = step.carry
        return found
