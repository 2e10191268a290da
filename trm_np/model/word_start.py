"""Initial weights that make a recommender match words, as near to linear as the network's form allows.

With 25 scenarios, random weights make it easy to memorize each scenario. These weights mix no words at first:

- A word has one vector everywhere: as a hobby, as a token of the core, as a tag of a gift, as a slot of the gift
  memory. The vectors are orthogonal. A category starts as the sum of the hobbies that name or imply it.
- Two layers with a ReLU between them start as one linear map: the first bias opens the ReLU, the second removes it.
- A number is a multiple of one vector, so that the difference from a gift's number is a linear map.
- A branch beside a residual connection starts with small weights, and the core's attention as a mean of all tokens.
- A head starts at the base rate of its labels, or as a dot product, which counts shared words.

docs/decisions.md measures the effect of this start, and of training after it. Every parameter learns.
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
from trm_np.model.reward_prediction import COMPONENT_GAIN, RewardPrediction
from trm_np.model.tool_selection import TOOL_GAIN, ToolSelection, even_share
from trm_np.model.trm import TRM
from trm_np.model.user_profiling import UserProfiling

RELU_SHIFT = 1.5  # about three standard deviations of the input to a ReLU
SILU_SHIFT, SILU_STEP = 3.0, 0.2  # where SiLU is nearly linear, and the input's change per unit of a number
COMPARISON_STEP, FARTHEST = 0.4, 4.0  # weight per unit of a difference, and the largest threshold
SMALL = 0.1  # factor of a layer's usual weights
# Weight of each field in the user vector; hobbies matter most for the choice of a gift.
HOBBY, PREFERENCE, OCCASION, NUMBER = 1.0, 0.7, 0.5, 0.4
GIFT = 0.3  # weight of the same words in a gift, which has more of them
CATEGORY_OWN = 0.2  # share of a category's vector that belongs to no hobby
# Initial logits of the matching heads where all words agree.
CATEGORY_MATCH, GIFT_MATCH, REWARD_MATCH = 10.0, 0.5, 4.8


@dataclass(frozen=True)
class WordVectors:
    """Vectors of the vocabulary's words, rows (·, U) in the space of the user embedding.

    `single_fields` are the age groups, budget tiers and relationships. `age` and `budget` (1, ·) are what one unit of
    the number adds to the output of its encoder.
    """

    hobbies: Array
    preferences: Array
    occasions: Array
    single_fields: Array
    categories: Array
    age: Array
    budget: Array


def initialize_from_words(model: TRM, task: Task, rng: np.random.Generator) -> None:
    """Set every parameter of a new model that does not start at its layer's default.

    Of the task it uses the vocabulary, the categories that each hobby implies, and the base rates of the labels.
    """
    words = initialize_user_profiling(model.user_profiling, task, rng)
    initialize_tokens(model.core, words)
    initialize_core(model.core, rng)
    initialize_gift_catalogue(model.gift_catalogue, words, rng)
    initialize_category_matching(
        model.category_matching, words, labelled(task.train.labels.categories).mean(), rng
    )
    initialize_tool_selection(model.tool_selection, words, task.train, rng)
    initialize_cross_modal_fusion(model.cross_modal_fusion, model.gift_catalogue.memory.data, rng)
    initialize_reward_prediction(model.reward_prediction, words, rng)
    heads = model.decision_heads
    for head in (heads.policy, heads.value, heads.outcome, heads.gift_scorer, model.core.halt_head):
        zero_(linear_layers(head)[-1])


def initialize_user_profiling(profiling: UserProfiling, task: Task, rng: np.random.Generator) -> WordVectors:
    """Set orthogonal embeddings of the words and an encoder that keeps them orthogonal; returns their vectors."""
    tables = (profiling.hobby_embedding, profiling.preference_embedding, profiling.occasion_embedding)
    for table, size in zip(tables, (HOBBY, PREFERENCE, OCCASION), strict=True):
        table.weight.data[...] = size * orthogonal_rows(table.weight.shape, rng)
    age, budget = (
        along_direction_(encoder, rng) for encoder in (profiling.age_encoder, profiling.budget_encoder)
    )
    first, second = linear_layers(profiling.encoder)
    view = orthogonal(rng, (second.weight.shape[0], first.weight.shape[1]))
    as_linear_map_(first, second, view, rng)

    parts = np.split(view, np.cumsum([table.weight.shape[1] for table in tables]), axis=1)
    hobbies, preferences, occasions = (
        table.weight.data @ part.T for table, part in zip(tables, parts[:3], strict=True)
    )
    singles = len(AGE_GROUPS) + len(BUDGET_TIERS) + len(task.vocabulary.relationships)
    own = orthogonal_rows((len(task.vocabulary.categories), view.shape[0]), rng)
    return WordVectors(
        hobbies,
        preferences,
        occasions[:-1],  # the last is the unknown occasion
        orthogonal_rows((singles, parts[3].shape[1]), rng) @ parts[3].T,
        (1 - CATEGORY_OWN) * unit_rows(task.implied.T @ hobbies) + CATEGORY_OWN * unit_rows(own),
        age,
        budget,
    )


def initialize_tokens(core: Core, words: WordVectors) -> None:
    """Set the token embeddings to the word vectors, in the order of `encode_profiles`; other tokens are zero."""
    vectors = unit_rows(
        np.concatenate([words.single_fields, words.occasions, words.hobbies, words.preferences])
    )
    table = core.token_embedding.weight.data
    table[...] = 0
    table[FIRST_NAME : FIRST_NAME + len(vectors)] = (
        vectors @ tiled_identity(table.shape[1], vectors.shape[1]).T
    )


def initialize_core(core: Core, rng: np.random.Generator) -> None:
    """Initialize each block to add about the mean of all tokens."""
    width = core.config.core_width
    for block in core.blocks:
        query, key, value = np.split(block.attention.in_proj_weight.data, 3)
        for part in (query, key):
            part[...] = SMALL * orthogonal(rng, (width, width))
        value[...] = orthogonal(rng, (width, width))
        block.attention.out_proj.weight.data[...] = value.T
        block.swiglu.down.weight.data *= SMALL


def initialize_gift_catalogue(catalogue: GiftCatalogue, words: WordVectors, rng: np.random.Generator) -> None:
    """Encode a gift's tags, occasions and category by their word vectors, and its numbers by small weights."""
    first, second = linear_layers(catalogue.encoder)
    view = SMALL * orthogonal(rng, (second.weight.shape[0], first.weight.shape[1]))
    categories, hobbies = len(words.categories), len(words.hobbies)
    tags = np.concatenate([words.hobbies, words.preferences, words.occasions])
    after = 4 + categories  # the order of `encode_gifts`: four numbers, category, price tier, then the tags
    view[:, 4:after] = np.linalg.norm(words.hobbies) / hobbies**0.5 * unit_rows(words.categories).T
    after += len(BUDGET_TIERS)
    view[:, after : after + len(tags)] = tags.T
    as_linear_map_(first, second, GIFT * view, rng)
    known = unit_rows(np.concatenate([words.hobbies, words.preferences]))
    catalogue.memory.data[...] = orthonormal_basis(known, catalogue.memory.shape, rng)


def initialize_category_matching(
    matching: CategoryMatching, words: WordVectors, base_rate: float, rng: np.random.Generator
) -> None:
    """Start a category's logit at its base rate, higher if the profile has its hobbies."""
    width, user = matching.category_embedding.weight.shape[1], words.categories.shape[1]
    view = orthonormal_basis(unit_rows(words.categories), (width, user), rng)
    matching.category_embedding.weight.data[...] = width**0.5 * unit_rows(words.categories) @ view.T
    matching.meeting.weight.data[...] = 0
    matching.meeting.weight.data[:, :user] = view
    bias(matching.meeting)[...] = 0
    first, second = linear_layers(matching.score)
    as_scaled_sum_(first, second, CATEGORY_MATCH / (width * user) ** 0.5, rng)
    bias(second)[...] += log_odds(base_rate)
    for layer in matching.layers:
        linear_layers(layer)[0].weight.data *= SMALL
    matching.attention.out_proj.weight.data *= SMALL


def initialize_tool_selection(
    tools: ToolSelection, words: WordVectors, train: Split, rng: np.random.Generator
) -> None:
    """Start with almost equal votes of all words, which together give each tool its base rate.

    Hobbies tell what to give, not how to shop, so the encoder projects them out as far as its width allows. Every other
    word gets an axis of its own: Adam moves each weight by itself, so training on one word changes no other.
    """
    first, second = linear_layers(tools.encoder)
    width, user = second.weight.shape[0], words.hobbies.shape[1]
    others = unit_rows(np.concatenate([words.preferences, words.occasions, words.single_fields]))
    removed = max(0, min(len(words.hobbies), user - len(others)))
    hobbies = orthonormal_basis(unit_rows(words.hobbies), (removed, user), rng)
    basis = orthonormal_basis(others, (width, user), rng)
    first.weight.data[...] = basis - basis @ hobbies.T @ hobbies
    second.weight.data[...] = np.eye(width)
    open_relu_(first, second)
    first, second = linear_layers(tools.parameters_encoder)
    as_linear_map_(first, second, orthogonal(rng, (width, first.weight.shape[1])), rng)
    tools.attention.out_proj.weight.data *= SMALL
    zero_(tools.score)
    bias(tools.score)[...] = base_rate_scores(train, tools.vote) / TOOL_GAIN


def base_rate_scores(train: Split, vote: float) -> Array:
    """Scores (K,) of the tools for every word, with which the tool logits start as the log-odds of the base rates.

    Votes are limited: a tool that is never or always expected starts nearer to the others.
    """
    lists = (train.profiles.hobbies, train.profiles.preferences)
    # A missing list has one word, [MASK].
    words = SINGLE_FIELDS + sum(np.maximum((names != MISSING).sum(axis=1), 1).mean() for names in lists)
    base_rates = labelled(train.labels.tools).mean(axis=0)
    share = np.maximum(even_share(len(base_rates)) + log_odds(base_rates) / (vote * words), 0.01)
    share *= min(1, 0.99 / share.sum())  # the rest is abstention
    return np.asarray(np.log(share / (1 - share.sum())))


def initialize_cross_modal_fusion(fusion: CrossModalFusion, memory: Array, rng: np.random.Generator) -> None:
    """Start the score of each memory slot as the dot product of its word with the user embedding."""
    width, user = fusion.user_projection.weight.shape
    for projection in (fusion.user_projection, fusion.gift_projection):
        projection.weight.data[...] = tiled_identity(width, user)
        bias(projection)[...] = 0
    for attention in fusion.layers:
        attention.out_proj.weight.data *= SMALL
    first, second = linear_layers(fusion.recommendation_head)
    view = orthonormal_basis(memory, (first.weight.shape[0], user), rng)
    first.weight.data[...] = view @ tiled_identity(width, user).T
    second.weight.data[...] = GIFT_MATCH / user * memory @ view.T
    open_relu_(first, second)


def initialize_reward_prediction(
    reward: RewardPrediction, words: WordVectors, rng: np.random.Generator
) -> None:
    """Start the category component as the number of words that profile and gift share, and the others at zero.

    The hidden layers of budget and age start with comparisons of the profile's number with the gift's.
    """
    for layer in reward.component:
        zero_(layer)
    first, second = reward.layers("category")
    as_scaled_sum_(first, second, REWARD_MATCH / first.weight.shape[1] / COMPONENT_GAIN, rng)
    compare_numbers_(reward.layers("budget")[0], words.budget, rng)
    compare_numbers_(reward.layers("age")[0], words.age, rng)
    for layer in linear_layers(reward.fusion):
        as_mean_(layer)


# ------------------------------------------------------------------------------------------------ the pieces


def along_direction_(encoder: nn.Sequential, rng: np.random.Generator) -> Array:
    """Make an encoder multiply its number by one vector, (1, width), which is returned."""
    first, second = linear_layers(encoder)
    width = second.weight.shape[0]
    direction = NUMBER * unit_rows(rng.normal(size=(1, width)))
    gate = 1 / (1 + np.exp(-SILU_SHIFT))
    slope = gate * (1 + SILU_SHIFT * (1 - gate))
    first.weight.data[...] = SILU_STEP
    bias(first)[...] = SILU_SHIFT
    second.weight.data[...] = direction.T / (first.weight.shape[0] * SILU_STEP * slope)
    bias(second)[...] = -SILU_SHIFT * gate * second.weight.data.sum(axis=1)
    return np.asarray(direction)


def compare_numbers_(hidden: nn.Linear, direction: Array, rng: np.random.Generator) -> None:
    """Let each unit compare a number of the gift with the profile's number: is it higher, or lower, by a threshold?

    `direction` (1, width) is what one unit of the profile's number adds to the input.
    """
    units, width = hidden.weight.shape[0], direction.shape[1]
    numbers = hidden.weight.shape[1] - width
    unit_index = np.arange(units)
    sign = np.where(unit_index % 2, -COMPARISON_STEP, COMPARISON_STEP)
    threshold = rng.permutation(np.linspace(-FARTHEST, FARTHEST, units))
    hidden.weight.data[...] = 0
    hidden.weight.data[:, :width] = -sign[:, None] * direction / (direction @ direction.T)
    hidden.weight.data[unit_index, width + unit_index // 2 % numbers] = sign
    bias(hidden)[...] = -sign * threshold


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def unit_rows(rows: Array) -> Array:
    """Each row divided by its length; a row of zeros stays."""
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows / length)


def orthogonal_rows(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Orthogonal rows, as many as the width allows, with elements of standard deviation 1."""
    return np.asarray(orthogonal(rng, shape) * max(shape) ** 0.5)


def orthonormal_basis(rows: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Orthonormal rows, at most as many as columns, and zeros after them.

    The first rows span `rows`, and equal them if they are orthonormal.
    """
    count, width = shape
    q, r = np.linalg.qr(
        np.concatenate([rows, rng.normal(size=(max(count, width), width))])[: max(count, width)].T
    )
    q *= np.where(np.diag(r) < 0, -1, 1)
    basis = np.zeros(shape, np.float32)
    basis[: min(shape)] = q.T[: min(shape)]
    return basis


def tiled_identity(width: int, narrow: int) -> Array:
    """Matrix (width, narrow) that repeats a narrow vector; `broadcasting.fold` undoes it, up to a factor."""
    copies = width // narrow
    return np.tile(np.eye(narrow, dtype=np.float32), (copies, 1)) / np.float32(copies**0.5)


def as_linear_map_(first: nn.Linear, second: nn.Linear, view: Array, rng: np.random.Generator) -> None:
    """Make second(relu(first(x))) start as `view` x."""
    second.weight.data[...] = orthogonal(rng, second.weight.shape)
    first.weight.data[...] = second.weight.data.T @ view
    open_relu_(first, second)


def as_scaled_sum_(first: nn.Linear, second: nn.Linear, scale: float, rng: np.random.Generator) -> None:
    """Make second(relu(first(x))) start as `scale` times the sum of x."""
    width = first.weight.shape[1]
    first.weight.data[...] = orthonormal_basis(np.full((1, width), width**-0.5), first.weight.shape, rng)
    second.weight.data[...] = scale * first.weight.data.sum(axis=1)
    open_relu_(first, second)


def open_relu_(first: nn.Linear, second: nn.Linear) -> None:
    """Shift the ReLU's input into its linear part by the first bias, and undo the shift by the second."""
    bias(first)[...] = RELU_SHIFT
    bias(second)[...] = -RELU_SHIFT * second.weight.data.sum(axis=1)


def zero_(layer: nn.Linear) -> None:
    layer.weight.data[...] = 0
    bias(layer)[...] = 0


def bias(layer: nn.Linear) -> Array:
    assert layer.bias is not None
    return layer.bias.data


def log_odds(rate: Array | float) -> Array:
    rate = np.clip(rate, 0.01, 0.99)
    return np.asarray(np.log(rate / (1 - rate)))


def as_mean_(layer: nn.Linear) -> None:
    """Make each output the mean of the inputs, which rises with each of them.

    With random signs, layers as narrow as the reward's fusion (7, 3, 1) often start with dead units or fall.
    """
    layer.weight.data[...] = 1 / layer.weight.shape[1]
    bias(layer)[...] = 0
