"""Cost of a recommendation, estimated from settings and sizes before anything is computed, and its limit.

The weights of a model cost no more than the file that holds them. Other factors multiply the cost: the number of
recursions, the squares of list lengths, the number of gifts times widths. A small file can set any of them.
"""

from typing import NamedTuple

from trm_np.config import ModelConfig
from trm_np.data.encode import content_width
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.core import CoreConfig

# Multiply-adds of a recommendation from encoded gifts: ten times those of the `report` preset.
MOST_WORK = 25 * 10**9
MOST_MEMORY = 64 * 2**20  # bytes of a recommendation
MEMORY_OF_A_BYTE = 16  # bytes more for each byte of the files

WORDS = 16  # of a profile of usual length
CALLS = 3_000_000  # multiply-adds in the time of the NumPy calls of one block of the core
SHORTLIST = 64  # gifts of each recommendation that are encoded again with the findings of the tools
NAMED = 200  # bytes of a probability by name
NUMBER = 4  # bytes of a number


class CostError(ValueError):
    """Refusal of a file that is not trusted, because a recommendation would cost more than the limit."""


class Cost(NamedTuple):
    """Multiply-adds of a recommendation, bytes that all share, and bytes of each: estimates on the high side."""

    work: int
    shared: int
    each: int


def cost_of(model: ModelConfig, vocabulary: Vocabulary, gifts: int) -> Cost:
    """Cost of a recommendation by a model of these settings, from so many gifts."""
    core, user, width = model.core_width, model.user_width, model.category_width
    categories, tools = len(vocabulary.categories), len(vocabulary.tools)
    features = max(model.gift_features, content_width(vocabulary))
    hidden = user + 6 * model.reward_hidden  # of a gift, when it is scored

    recursion, numbers = cost_of_recursion(model, model.supervision_steps, WORDS)
    matched = categories * (8 * width**2 + width * model.category_hidden + 2 * width * categories)
    chosen = WORDS * (user * model.tool_width + 5 * model.tool_width**2 + model.tool_width * tools)
    encoded = features * user + user**2 + user * hidden
    projected = 2 * core**2 * model.fusion_layers if model.experienced_gifts else 0
    scored = gifts * (encoded + user * model.reward_hidden + projected) + SHORTLIST * encoded
    work = recursion + matched + chosen + scored

    gift = NUMBER * (3 * features + 4 * categories + 4 * user + 2 * hidden)
    matching = categories * (6 * width + 2 * model.category_heads * categories + 2 * model.category_hidden)
    choosing = WORDS * (8 * model.tool_width + 3 * tools)
    scoring = 8 * gifts * model.reward_hidden + (3 * gifts * core if model.experienced_gifts else 0)
    outputs = WORDS * features + NAMED * (categories + tools + gifts)
    each = NUMBER * (numbers + matching + choosing + scoring) + SHORTLIST * gift + outputs
    return Cost(work, gifts * gift + 10 * categories * len(vocabulary.hobbies), each)


def cost_of_recursion(core: CoreConfig, steps: int, tokens: int) -> tuple[int, int]:
    """Multiply-adds of so many supervision steps of a core on so many tokens, and the numbers that it holds at once."""
    width, hidden = core.core_width, core.core_hidden
    blocks = steps * core.cycles * (core.latent_steps + 1) * core.core_blocks
    block = tokens * (4 * width**2 + 3 * width * hidden + 2 * tokens * width)
    return blocks * (block + CALLS), tokens * (8 * width + 4 * hidden + 3 * core.core_heads * tokens)


def require_modest(cost: Cost, file_bytes: int) -> None:
    """Raise CostError if the cost exceeds the limit for files of so many bytes."""
    most = MOST_MEMORY + MEMORY_OF_A_BYTE * file_bytes
    for found, allowed, what in (
        (cost.work, MOST_WORK, "multiply-adds"),
        (cost.shared + cost.each, most, "bytes of memory"),
    ):
        if found > allowed:
            raise CostError(
                f"by its settings and sizes inference takes {found:,} {what}; allowed: {allowed:,}"
            )
