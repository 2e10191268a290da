"""The inference of a TRM as an ONNX graph: `TRM.infer`, `encode_user`, `encode_gifts` and `score_gifts`.

Every function here has its namesake in trm_np/model, which says what it is for. The recursion is unrolled; the
supervision steps are all taken, and each profile keeps the state vector of the step at which it halted.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from trm_np.autograd import nn
from trm_np.data.encode import GIFT_NUMBERS, GiftInputs, ProfileInputs
from trm_np.export.graph import Graph, Value
from trm_np.export.graph_layers import linear, of_first, of_last, rms_norm, self_attention, sequential, silu
from trm_np.model.category_matching import CategoryMatching
from trm_np.model.core import Core
from trm_np.model.reward_prediction import COMPONENT_GAIN, RewardPrediction
from trm_np.model.tool_selection import TOOL_GAIN, ToolSelection, even_share
from trm_np.model.trm import HALT, TRM
from trm_np.model.user_profiling import UserProfiling
from trm_np.world.reward import COMPONENTS

ROTARY_BASE = 10000.0
END = 2**31  # of an axis, wherever it ends
Outputs = Mapping[str, tuple[Value, Any, tuple[int | str, ...]]]


class Profiles(NamedTuple):
    """The inputs that `data.encode.ProfileInputs` describes, except the masked targets, which only training reads."""

    tokens: Value
    padding: Value
    positions: Value
    state: Value
    hobbies: Value
    preferences: Value
    occasion: Value
    age: Value
    budget: Value


class Gifts(NamedTuple):
    """Those of `GiftInputs` that a recommendation reads."""

    features: Value
    price: Value
    rating: Value
    age_range: Value


class User(NamedTuple):
    u: Value
    hobby: Value
    occasion: Value
    age: Value
    budget: Value


def inference_graph(
    model: TRM, profiles: ProfileInputs, gifts: GiftInputs, category_share: float
) -> tuple[Graph, Outputs]:
    """The graph and its outputs by name, each with dtype and shape; of `profiles` only the widths are read.

    The numbers of profiles, tokens and gifts are free. `gifts` are scored if the caller gives none. "value"
    ranks them, with this share of their categories.
    """
    g = Graph(model)
    profile_values = profile_inputs(g, profiles)
    gift_values = gift_inputs(g, gifts)
    picked = g.input("picked", np.bool_, ("profiles", "gifts"))
    h, steps = infer(g, model, profile_values)
    with g.part("user_profiling"):
        user = user_profiling(g, model.user_profiling, profile_values)
    known = user.u + fold(h, model, 1)
    with g.part("category_matching"):
        category_logits = category_matching(g, model.category_matching, known)
    with g.part("tool_selection"):
        tool_logits = tool_selection(g, model, known, profile_values)
    with g.part("gift_catalogue"):
        gift = sequential(g, model.gift_catalogue.encoder, gift_values.features)
    with g.part("reward_prediction"):
        mean = mean_of_picked(g, picked, gift)
        components = reward_prediction(g, model, user, known, gift_values, gift, mean)
        reward = fuse(g, model.reward_prediction, components)
    categories = model.category_matching.category_embedding.weight.shape[0]
    with g.part("ranking"):
        category_of = gift_values.features.cut(1, GIFT_NUMBERS, GIFT_NUMBERS + categories).transpose(1, 0)
        value = reward + g.node("Sigmoid", category_logits) @ category_of * category_share
    tools = model.tool_selection.score.weight.shape[0]
    return g, {
        "category_logits": (category_logits, np.float32, ("profiles", categories)),
        "tool_logits": (tool_logits, np.float32, ("profiles", tools)),
        "components": (components, np.float32, ("profiles", "gifts", len(COMPONENTS))),
        "reward": (reward, np.float32, ("profiles", "gifts")),
        "value": (value, np.float32, ("profiles", "gifts")),
        "steps": (steps, np.int64, ("profiles",)),
    }


def profile_inputs(g: Graph, like: ProfileInputs) -> Profiles:
    free = {"positions": ("tokens",), **dict.fromkeys(("tokens", "padding"), ("profiles", "tokens"))}
    arrays = {name: getattr(like, name) for name in Profiles._fields}
    return Profiles(**{
        name: g.input(name, array.dtype, free.get(name, ("profiles", *array.shape[1:])))
        for name, array in arrays.items()
    })  # fmt: skip


def gift_inputs(g: Graph, gifts: GiftInputs) -> Gifts:
    arrays = {name: getattr(gifts, name) for name in Gifts._fields}
    return Gifts(**{
        name: g.input(f"gift_{name}", array.dtype, ("gifts", *array.shape[1:]), array)
        for name, array in arrays.items()
    })  # fmt: skip


# ---------------------------------------------------------------------------------------------------- core


def infer(g: Graph, model: TRM, profiles: Profiles) -> tuple[Value, Value]:
    """h (B, D) at the step where each profile halted, and the number of that step (B,)."""
    core = model.core
    with g.part("core"):
        x = embed_question(g, model, profiles)
        y = z = g.filled_like(x, np.zeros(1, np.float32))
        rotation = rotary_positions(g, core, profiles.positions)
        going = g.filled_like(profiles.occasion, np.ones(1, np.bool_))
        h, steps = first_token(y), going.cast(np.int64) * np.array(0)
        for step in range(model.config.supervision_steps):
            with g.part(f"step_{step + 1}"):
                y, z = deep_recursion(g, core, x, y, z, rotation, profiles.padding)
                now = first_token(y)
                h = g.node("Where", going.expand_dims(1), now, h)
                steps = steps + going.cast(np.int64)
                choice = g.node("ArgMax", linear(g, core.halt_head, now), axis=1, keepdims=0)
                going = g.node("And", going, g.node("Not", g.node("Equal", choice, np.array(HALT))))
    return h, steps


def embed_question(g: Graph, model: TRM, profiles: Profiles) -> Value:
    x = embed(g, model.core, profiles.tokens)
    with g.part("state_encoder"):
        state = sequential(g, model.decision_heads.state_encoder, profiles.state)
    first = x.cut(1, 0, 1) + state.expand_dims(1)
    return g.node("Concat", first, x.cut(1, 1, END), axis=1)


def embed(g: Graph, core: Core, tokens: Value) -> Value:
    return g.node("Gather", g.weight(core.token_embedding.weight), tokens) * float(core.scale)


def first_token(y: Value) -> Value:
    return y.cut(1, 0, 1).squeeze(1)


def rotary_positions(g: Graph, core: Core, positions: Value) -> tuple[Value, Value]:
    """cos and sin (S, d/2, 1) of the angle of each pair of a head of width d."""
    width = core.config.core_width // core.config.core_heads
    speeds = ROTARY_BASE ** (-np.arange(0, width, 2) / width)
    angles = positions.cast(np.float32).expand_dims(1, 2) * speeds.astype(np.float32)[:, None]
    return g.node("Cos", angles), g.node("Sin", angles)


def deep_recursion(
    g: Graph, core: Core, x: Value, y: Value, z: Value, rotation: tuple[Value, Value], padding: Value
) -> tuple[Value, Value]:
    """Deep recursion: the next y and z, (B, S, D) each."""

    def f(u: Value) -> Value:
        for place, block in enumerate(core.blocks):
            with g.part(f"blocks.{place}"):
                u = rms_norm(g, u + self_attention(g, block.attention, u, rotation, padding))
                gate, up = linear(g, block.swiglu.gate_up, u).halves()
                u = rms_norm(g, u + linear(g, block.swiglu.down, silu(g, gate) * up))
        return u

    for _ in range(core.config.cycles):
        for _ in range(core.config.latent_steps):
            z = f(x + y + z)
        y = f(y + z)
    return y, z


# ---------------------------------------------------------------------------------------------- components


def fold(x: Value, model: TRM, lead: int) -> Value:
    """(..., D) of so many leading axes to (..., U): the pieces added."""
    width, pieces = model.config.user_width, model.config.core_width // model.config.user_width
    return x if pieces == 1 else x.reshape(*[0] * lead, pieces, width).sum(-2)


def user_profiling(g: Graph, part: UserProfiling, profiles: Profiles) -> User:
    hobby = profiles.hobbies @ g.weight(part.hobby_embedding.weight)
    preference = profiles.preferences @ g.weight(part.preference_embedding.weight)
    occasion = g.node("Gather", g.weight(part.occasion_embedding.weight), profiles.occasion)
    age = sequential(g, part.age_encoder, profiles.age)
    budget = sequential(g, part.budget_encoder, profiles.budget)
    u = sequential(g, part.encoder, g.node("Concat", hobby, preference, occasion, age, budget, axis=-1))
    return User(u, hobby, occasion, age, budget)


def category_matching(g: Graph, part: CategoryMatching, known: Value) -> Value:
    """known (B, U), what is known of the person, to category logits (B, C)."""
    category = g.weight(part.category_embedding.weight)
    width = part.category_embedding.weight.shape[1]
    user = of_first(g, part.meeting, known, part.meeting.weight.shape[1] - width)
    x = (user.expand_dims(1) + of_last(g, part.meeting, category, width)) * category
    for layer in part.layers:
        x = x + sequential(g, layer, x)
    x = x + self_attention(g, part.attention, x)
    return sequential(g, part.score, x).squeeze(-1)


def tool_selection(g: Graph, model: TRM, known: Value, profiles: Profiles) -> Value:
    """known (B, U) and the words of the question to tool logits (B, K); the person stands in the place of [STATE]."""
    part, config = model.tool_selection, model.config
    words = embed(g, model.core, profiles.tokens.cut(1, 1, END))
    spoken = fold(words, model, 2) * (config.user_width / config.core_width)
    tokens = sequential(g, part.encoder, g.node("Concat", known.expand_dims(1), spoken, axis=1))
    hidden = tokens + self_attention(g, part.attention, tokens, padding=profiles.padding)
    voting = g.node("Not", profiles.padding.cut(1, 1, END))
    return count_votes(g, part, hidden.cut(1, 1, END), voting)


def count_votes(g: Graph, part: ToolSelection, words: Value, voting: Value) -> Value:
    tools = part.score.weight.shape[0]
    scores = linear(g, part.score, words) * TOOL_GAIN
    with_abstention = g.node("Pad", scores, np.array([0, 0, 0, 0, 0, 1]), 0.0)
    ballots = g.node("Softmax", with_abstention, axis=-1).cut(2, 0, tools)
    return ((ballots - even_share(tools)) * voting.cast(np.float32).expand_dims(2)).sum(1) * part.vote


def mean_of_picked(g: Graph, picked: Value, gift: Value) -> Value:
    marks = picked.cast(np.float32)
    return marks / g.node("Max", marks.sum(1, keepdims=True), 1.0) @ gift


def reward_prediction(
    g: Graph, model: TRM, user: User, known: Value, gifts: Gifts, gift: Value, mean_picked: Value
) -> Value:
    """Component logits (B, G, 7): profiles are rows (B, 1, ·), gifts columns (G, ·), and the two broadcast."""
    part, config = model.reward_prediction, model.config
    category, budget, hobby, occasion, age, quality, diversity = part.hidden
    width = config.user_width

    def both(layer: nn.Linear, of_user: Value, user_width: int, of_gift: Value, gift_width: int) -> Value:
        row = of_first(g, layer, of_user, user_width).expand_dims(1)
        return row + of_last(g, layer, of_gift, gift_width)

    of_picked = of_last(g, diversity, mean_picked, width).expand_dims(1)
    hidden = (
        linear(g, category, known.expand_dims(1) * gift),
        both(budget, user.budget, config.scalar_width, gifts.price, 1),
        both(hobby, user.hobby, config.hobby_width, gift, width),
        both(occasion, user.occasion, config.occasion_width, gift, width),
        both(age, user.age, config.scalar_width, gifts.age_range, 2),
        linear(g, quality, gifts.rating).expand_dims(0),
        of_first(g, diversity, gift, width) + of_picked,
    )
    logits = [linear(g, layer, g.node("Relu", x)) for x, layer in zip(hidden, part.component, strict=True)]
    shape = g.node("Shape", logits[0])  # quality is the same for every profile
    everywhere = [g.node("Expand", each, shape) for each in logits]
    return g.node("Concat", *everywhere, axis=-1) * COMPONENT_GAIN


def fuse(g: Graph, part: RewardPrediction, components: Value) -> Value:
    return sequential(g, part.fusion, g.node("Sigmoid", components)).squeeze(-1)
