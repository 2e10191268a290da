"""Initial weights of training: a recommender that matches words, as near to linear as the network's form allows.

From 25 scenarios a network learns what its first features make easy, and random features mixed by many random layers
make it easy to know each scenario by heart. So nothing is mixed at the start:

- a word is one vector everywhere: as a hobby of a person, as a token of the core, as a tag of a gift, as a slot of the
  gift memory. Words are at right angles, and a category starts at the sum of the hobbies that name or imply it;
- two layers with a ReLU between start as one linear map: the ReLU is lifted open, the lift taken off behind it;
- a number is one vector too, as long as the number is great, and is compared with a gift's numbers by difference;
- what stands beside a residual connection starts quiet, and the core's attention as an even mean of the tokens;
- a head starts at the base rate of what it predicts, or as the product of two vectors: how many words they share.

What this is worth, and what training then adds, is measured in docs/decisions.md. All of it is only a start: every
parameter learns.
"""

from dataclasses import dataclass

import numpy as np

from trm_np.autograd import nn
from trm_np.autograd.init import orthogonal
from trm_np.autograd.ops import Array
from trm_np.data.encode import FIRST_NAME, SINGLE_FIELDS
from trm_np.data.tables import AGE_GROUPS, BUDGET_TIERS, MISSING, labelled
from trm_np.data.task import Split, Task
from trm_np.model.category_matching import CategoryMatching
from trm_np.model.core import Core
from trm_np.model.cross_modal_fusion import CrossModalFusion
from trm_np.model.gift_catalogue import GiftCatalogue
from trm_np.model.reward_prediction import AGE, BUDGET, CATEGORY, COMPONENT_GAIN, RewardPrediction
from trm_np.model.tool_selection import TOOL_GAIN, ToolSelection, even_share
from trm_np.model.trm import TRM
from trm_np.model.user_profiling import UserProfiling

LIFT = 1.5  # about three standard deviations of the input to a ReLU
SILU_LIFT, SILU_STEP = 3.0, 0.2  # where SiLU is nearly linear, and how far a number strays from there
COMPARISON_STEP, FARTHEST = 0.4, 4.0  # per unit of a difference, and the largest difference asked for
QUIET = 0.1  # of a layer's usual size
# Weight of each field in the user vector; hobbies matter most for the choice of a gift.
HOBBY, PREFERENCE, OCCASION, NUMBER = 1.0, 0.7, 0.5, 0.4
GIFT = 0.3  # of the same words in a gift, which has more of them
CATEGORY_OWN = 0.2  # the part of a category that is no hobby's
# The logits at which the matching heads start where all words agree.
CATEGORY_MATCH, GIFT_MATCH, REWARD_MATCH = 10.0, 0.5, 4.8


@dataclass(frozen=True)
class Words:
    """The vocabulary's words as rows (·, U), in the space of the user vector; `said` are ages, tiers, relationships.

    `age` and `budget` (1, ·) are what one unit of the number adds to what its encoder says.
    """

    hobbies: Array
    preferences: Array
    occasions: Array
    said: Array
    categories: Array
    age: Array
    budget: Array


def start(model: TRM, task: Task, rng: np.random.Generator) -> None:
    """Set every parameter of a new model that is not to start at its layer's default.

    It uses this much of the task: the vocabulary, which categories a hobby implies, and how often each label is given.
    """
    words = place_words(model.user_profiling, task, rng)
    spell_tokens(model.core, words)
    start_pooling(model.core, rng)
    describe_gifts(model.gift_catalogue, words, rng)
    match_categories(model.category_matching, words, labelled(task.train.labels.categories).mean(), rng)
    choose_tools(model.tool_selection, words, task.train, rng)
    match_gifts(model.cross_modal_fusion, model.gift_catalogue.memory.data, rng)
    expect_rewards(model.reward_prediction, words, rng)
    heads = model.decision_heads
    for head in (heads.policy, heads.value, heads.outcome, heads.gift_scorer, model.core.halt_head):
        silence(linears(head)[-1])


def place_words(profiling: UserProfiling, task: Task, rng: np.random.Generator) -> Words:
    """Spread the words out in their tables, and have the encoder hand them on at right angles."""
    tables = (profiling.hobby_embedding, profiling.preference_embedding, profiling.occasion_embedding)
    for table, size in zip(tables, (HOBBY, PREFERENCE, OCCASION), strict=True):
        table.weight.data[...] = size * spread(table.weight.shape, rng)
    age, budget = (point(encoder, rng) for encoder in (profiling.age_encoder, profiling.budget_encoder))
    first, second = linears(profiling.encoder)
    view = orthogonal(rng, (second.weight.shape[0], first.weight.shape[1]))
    open_pair(first, second, view, rng)

    parts = np.split(view, np.cumsum([table.weight.shape[1] for table in tables]), axis=1)
    hobbies, preferences, occasions = (
        table.weight.data @ part.T for table, part in zip(tables, parts[:3], strict=True)
    )
    said = len(AGE_GROUPS) + len(BUDGET_TIERS) + len(task.vocabulary.relationships)
    own = spread((len(task.vocabulary.categories), view.shape[0]), rng)
    return Words(
        hobbies,
        preferences,
        occasions[:-1],  # the last is the unknown occasion
        spread((said, parts[3].shape[1]), rng) @ parts[3].T,
        (1 - CATEGORY_OWN) * unit(task.implied.T @ hobbies) + CATEGORY_OWN * unit(own),
        age,
        budget,
    )


def spell_tokens(core: Core, words: Words) -> None:
    """The words as tokens, in the order of `encode_profiles`; what says nothing of the person is zero."""
    spoken = unit(np.concatenate([words.said, words.occasions, words.hobbies, words.preferences]))
    table = core.token_embedding.weight.data
    table[...] = 0
    table[FIRST_NAME : FIRST_NAME + len(spoken)] = spoken @ unfold(table.shape[1], spoken.shape[1]).T


def start_pooling(core: Core, rng: np.random.Generator) -> None:
    """Initialize attention to pass on the even mean of all tokens, and little else."""
    width = core.config.core_width
    for block in core.blocks:
        query, key, value = np.split(block.attention.in_proj_weight.data, 3)
        for part in (query, key):
            part[...] = QUIET * orthogonal(rng, (width, width))
        value[...] = orthogonal(rng, (width, width))
        block.attention.out_proj.weight.data[...] = value.T
        block.swiglu.down.weight.data *= QUIET


def describe_gifts(catalogue: GiftCatalogue, words: Words, rng: np.random.Generator) -> None:
    """A gift's tags, occasions and category in the words that describe a person; its numbers quietly beside them."""
    first, second = linears(catalogue.encoder)
    view = QUIET * orthogonal(rng, (second.weight.shape[0], first.weight.shape[1]))
    categories, hobbies = len(words.categories), len(words.hobbies)
    tags = np.concatenate([words.hobbies, words.preferences, words.occasions])
    after = 4 + categories  # the order of `encode_gifts`: four numbers, category, price tier, then the tags
    view[:, 4:after] = np.linalg.norm(words.hobbies) / hobbies**0.5 * unit(words.categories).T
    after += len(BUDGET_TIERS)
    view[:, after : after + len(tags)] = tags.T
    open_pair(first, second, GIFT * view, rng)
    known = unit(np.concatenate([words.hobbies, words.preferences]))
    catalogue.memory.data[...] = basis_with(known, catalogue.memory.shape, rng)


def match_categories(
    matching: CategoryMatching, words: Words, base_rate: float, rng: np.random.Generator
) -> None:
    """A category's logit: the base rate's, and more where the person shares its hobbies."""
    width, user = matching.category_embedding.weight.shape[1], words.categories.shape[1]
    view = basis_with(unit(words.categories), (width, user), rng)
    matching.category_embedding.weight.data[...] = width**0.5 * unit(words.categories) @ view.T
    matching.meeting.weight.data[...] = 0
    matching.meeting.weight.data[:, :user] = view
    bias(matching.meeting)[...] = 0
    first, second = linears(matching.score)
    open_sum(first, second, CATEGORY_MATCH / (width * user) ** 0.5, rng)
    bias(second)[...] += log_odds(base_rate)
    for layer in matching.layers:
        linears(layer)[0].weight.data *= QUIET
    matching.attention.out_proj.weight.data *= QUIET


def choose_tools(tools: ToolSelection, words: Words, train: Split, rng: np.random.Generator) -> None:
    """Ballots that hardly look at the word: together they give each tool its base rate.

    Hobbies say what to give, not how to shop: at first the tools do not hear them, as far as there is room to tell
    them apart. The other words stand on axes of their own, since Adam moves each weight by itself: training on one
    word then changes no other.
    """
    first, second = linears(tools.encoder)
    width, user = second.weight.shape[0], words.hobbies.shape[1]
    others = unit(np.concatenate([words.preferences, words.occasions, words.said]))
    unheard = max(0, min(len(words.hobbies), user - len(others)))
    hobbies = basis_with(unit(words.hobbies), (unheard, user), rng)
    heard = basis_with(others, (width, user), rng)
    first.weight.data[...] = heard - heard @ hobbies.T @ hobbies
    second.weight.data[...] = np.eye(width)
    lift(first, second)
    first, second = linears(tools.parameters_encoder)
    open_pair(first, second, orthogonal(rng, (width, first.weight.shape[1])), rng)
    tools.attention.out_proj.weight.data *= QUIET
    silence(tools.score)
    bias(tools.score)[...] = even_ballot(train, tools.vote) / TOOL_GAIN


def even_ballot(train: Split, vote: float) -> Array:
    """The scores (K,) that every word gives the tools: their logits start as the log-odds of the base rates, as far as
    votes can say them; a tool that is never or always given starts nearer to the others."""
    lists = (train.profiles.hobbies, train.profiles.preferences)
    # A missing list is a word too: [MASK].
    words = SINGLE_FIELDS + sum(np.maximum((names != MISSING).sum(axis=1), 1).mean() for names in lists)
    base_rates = labelled(train.labels.tools).mean(axis=0)
    share = np.maximum(even_share(len(base_rates)) + log_odds(base_rates) / (vote * words), 0.01)
    share *= min(1, 0.99 / share.sum())  # what is left is abstention
    return np.asarray(np.log(share / (1 - share.sum())))


def match_gifts(fusion: CrossModalFusion, memory: Array, rng: np.random.Generator) -> None:
    """The recommendation head weighs each slot of the memory by how much the person is of that word."""
    width, user = fusion.user_projection.weight.shape
    for projection in (fusion.user_projection, fusion.gift_projection):
        projection.weight.data[...] = unfold(width, user)
        bias(projection)[...] = 0
    for attention in fusion.layers:
        attention.out_proj.weight.data *= QUIET
    first, second = linears(fusion.recommendation_head)
    view = basis_with(memory, (first.weight.shape[0], user), rng)
    first.weight.data[...] = view @ unfold(width, user).T
    second.weight.data[...] = GIFT_MATCH / user * memory @ view.T
    lift(first, second)


def expect_rewards(reward: RewardPrediction, words: Words, rng: np.random.Generator) -> None:
    """The category component starts as the words that person and gift share; the others as no opinion, but those of
    budget and age with an eye for what they will have to compare."""
    for layer in reward.component:
        silence(layer)
    first, second = reward.hidden[CATEGORY], reward.component[CATEGORY]
    open_sum(first, second, REWARD_MATCH / first.weight.shape[1] / COMPONENT_GAIN, rng)
    compare_numbers(reward.hidden[BUDGET], words.budget, rng)
    compare_numbers(reward.hidden[AGE], words.age, rng)
    for layer in linears(reward.fusion):
        start_as_mean(layer)


# ------------------------------------------------------------------------------------------------ the pieces


def point(encoder: nn.Sequential, rng: np.random.Generator) -> Array:
    """Make an encoder start as a number times one direction; returns that vector (1, width)."""
    first, second = linears(encoder)
    width = second.weight.shape[0]
    direction = NUMBER * unit(rng.normal(size=(1, width)))
    gate = 1 / (1 + np.exp(-SILU_LIFT))
    slope = gate * (1 + SILU_LIFT * (1 - gate))
    first.weight.data[...] = SILU_STEP
    bias(first)[...] = SILU_LIFT
    second.weight.data[...] = direction.T / (first.weight.shape[0] * SILU_STEP * slope)
    bias(second)[...] = -SILU_LIFT * gate * second.weight.data.sum(axis=1)
    return np.asarray(direction)


def compare_numbers(hidden: nn.Linear, said: Array, rng: np.random.Generator) -> None:
    """Each unit starts with a question: by how much does a number of the gift exceed the person's by more than
    some threshold, or fall short of it? `said` (1, width) is what a unit of the person's number looks like."""
    units, width = hidden.weight.shape[0], said.shape[1]
    numbers = hidden.weight.shape[1] - width
    unit_index = np.arange(units)
    sign = np.where(unit_index % 2, -COMPARISON_STEP, COMPARISON_STEP)
    threshold = rng.permutation(np.linspace(-FARTHEST, FARTHEST, units))
    hidden.weight.data[...] = 0
    hidden.weight.data[:, :width] = -sign[:, None] * said / (said @ said.T)
    hidden.weight.data[unit_index, width + unit_index // 2 % numbers] = sign
    bias(hidden)[...] = -sign * threshold


def linears(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def unit(rows: Array) -> Array:
    """Each row over its length; a row of zeros stays."""
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows / length)


def spread(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Rows at right angles, as far as there is room for them, with elements of size one."""
    return np.asarray(orthogonal(rng, shape) * max(shape) ** 0.5)


def basis_with(rows: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Orthonormal rows, as many as `shape` has room for, the first of which span `rows` and are `rows` if those are
    orthonormal; what is left over is zero."""
    count, width = shape
    q, r = np.linalg.qr(
        np.concatenate([rows, rng.normal(size=(max(count, width), width))])[: max(count, width)].T
    )
    q *= np.where(np.diag(r) < 0, -1, 1)
    basis = np.zeros(shape, np.float32)
    basis[: min(shape)] = q.T[: min(shape)]
    return basis


def unfold(width: int, narrow: int) -> Array:
    """(width, narrow): the map that `pairs.fold` undoes, up to a factor, copying a narrow vector side by side."""
    copies = width // narrow
    return np.tile(np.eye(narrow, dtype=np.float32), (copies, 1)) / np.float32(copies**0.5)


def open_pair(first: nn.Linear, second: nn.Linear, view: Array, rng: np.random.Generator) -> None:
    """Make second(relu(first(x))) start as `view` x."""
    second.weight.data[...] = orthogonal(rng, second.weight.shape)
    first.weight.data[...] = second.weight.data.T @ view
    lift(first, second)


def open_sum(first: nn.Linear, second: nn.Linear, scale: float, rng: np.random.Generator) -> None:
    """Make second(relu(first(x))) start as `scale` times the sum of x."""
    width = first.weight.shape[1]
    first.weight.data[...] = basis_with(np.full((1, width), width**-0.5), first.weight.shape, rng)
    second.weight.data[...] = scale * first.weight.data.sum(axis=1)
    lift(first, second)


def lift(first: nn.Linear, second: nn.Linear) -> None:
    """Open the ReLU between the two, and take off behind it what that adds."""
    bias(first)[...] = LIFT
    bias(second)[...] = -LIFT * second.weight.data.sum(axis=1)


def silence(layer: nn.Linear) -> None:
    layer.weight.data[...] = 0
    bias(layer)[...] = 0


def bias(layer: nn.Linear) -> Array:
    assert layer.bias is not None
    return layer.bias.data


def log_odds(rate: Array | float) -> Array:
    rate = np.clip(rate, 0.01, 0.99)
    return np.asarray(np.log(rate / (1 - rate)))


def start_as_mean(layer: nn.Linear) -> None:
    """Weights that make each output the mean of the inputs: it rises with every one of them.

    From weights of either sign, layers as narrow as the reward's fusion (7, 3, 1) often start dead or upside down.
    """
    layer.weight.data[...] = 1 / layer.weight.shape[1]
    bias(layer)[...] = 0
