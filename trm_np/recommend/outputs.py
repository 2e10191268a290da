"""The outputs of the model for profiles: the value of each gift, categories, tools, and which gifts count as equal."""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from trm_np.autograd import functional as F
from trm_np.data.encode import PAD, Floats32, encode_profiles
from trm_np.data.records import Profile
from trm_np.data.tables import MISSING, Floats, Ints, ProfileTable, profile_table
from trm_np.model.experience import Shares
from trm_np.model.trm import EncodedUser
from trm_np.recommend.catalogue import Catalogue
from trm_np.storage.checkpoint import StoredModel

TIE_MARGIN = 0.08  # of reward: without hobbies, gifts that differ by less are tied
CELLS = (
    2**12
)  # profiles × gifts that the model reads together, where nothing is larger than the gifts: 128 MB
TIE_BREAK = 1e-3  # of reward: too little to matter, added to put tied gifts in order


class ModelError(ValueError):
    """The outputs of a model are not finite numbers."""


class TieBreaker(NamedTuple):
    """Largest difference in value between tied gifts, and their order: numbers (G,) from 0 to 1, the greatest first."""

    margin: float
    order: Floats

    def apply(self, value: Floats, places: Ints) -> Floats:
        """Values (L,) of the gifts at `places` (L,), with ties for the best broken: they become nearly the same."""
        best = value.max(initial=-np.inf)
        return np.where(value >= best - self.margin, best + TIE_BREAK * self.order[places], value)


class Outputs(NamedTuple):
    """Outputs of the model for B profiles: the value (B, G) of each gift, and more for each profile.

    For each profile these are probabilities by name, the highest first, the supervision steps taken, and the order
    of gifts of equal value. The value is `liking` (B, G) plus the share of the predicted reward that `shares`
    says. `liking` is learned from choices; without choices it is a share of the probability of the gift's category,
    and the reward counts in full.
    """

    table: ProfileTable
    user: EncodedUser
    reward: Floats
    liking: Floats
    shares: Shares
    categories: list[dict[str, float]]
    tools: list[dict[str, float]]
    steps: Ints
    tie_breakers: list[TieBreaker]

    @property
    def value(self) -> Floats:
        return self.shares.value(self.liking, self.reward)


def outputs_for(stored: StoredModel, catalogue: Catalogue, profiles: Sequence[Profile]) -> Outputs:
    """Run the model on the profiles, and score every gift for them; raises ModelError."""
    model, vocabulary, gifts = stored.model, stored.vocabulary, catalogue.encoded
    table = profile_table(profiles, vocabulary)
    inputs = encode_profiles(table, vocabulary, history=histories(stored.experience, profiles))
    h, steps = model.infer(inputs)
    user = model.encode_user(h, inputs)
    likely = F.softmax if model.config.tool_head == "softmax" else F.sigmoid
    _, reward = model.score_gifts(model.pair_logits(user, gifts), gifts)
    if model.experience is None:
        shares = Shares()
        liking = stored.category_share * user.category_probability(catalogue.table.category)
    else:
        experience, content = model.choice_logits(user, inputs, gifts, catalogue.rows)
        shares = model.experience.fitted_shares()
        liking = shares.liking(experience.data.astype(np.float64), content.data.astype(np.float64))
    categories, tools = user.category_logits.sigmoid().data, likely(user.tool_logits).data
    require_numbers(reward=reward.data, choice=liking, category=categories, tool=tools)
    return Outputs(
        table,
        user,
        reward.data.astype(np.float64),
        liking,
        shares,
        [by_name(vocabulary.categories, row) for row in categories],
        [by_name(vocabulary.tools, row) for row in tools],
        steps,
        [
            tie_breaker_for(stored, catalogue, hobbies, tokens)
            for hobbies, tokens in zip(table.hobbies, inputs.tokens.tolist(), strict=True)
        ],
    )


def histories(known: Mapping[str, int], profiles: Sequence[Profile]) -> Ints | None:
    """Histories (B, H) by row of the experience, in which each gift is `known`, the latest last; None without one."""
    if not known:
        return None
    rows = [[known[gift] for gift in profile.history if gift in known] for profile in profiles]
    width = max(map(len, rows))
    return np.array([[MISSING] * (width - len(row)) + row for row in rows], np.int64).reshape(
        len(rows), width
    )


def tie_breaker_for(
    stored: StoredModel, catalogue: Catalogue, hobbies: Ints, tokens: Sequence[int]
) -> TieBreaker:
    """Which gifts count as equal for a profile of these hobbies (H,) and tokens, and which of them comes first.

    If the hobbies are known, only gifts of the same value are equal, and the first one is taken. Without hobbies
    the model knows too little to tell the best from the next best, and the same few gifts for everybody would help
    nobody. So the order of equals is drawn at random, the same for all profiles with these tokens. The dearer of two
    gifts comes first more often, because a cheap one fits every budget and would be in too many lists.
    """
    size = len(catalogue.gifts)
    if hobbies[0] != MISSING or stored.model.experience is not None:
        return TieBreaker(0.0, np.zeros(size))
    known = sorted(token for token in tokens if token != PAD)
    rng = np.random.default_rng(zlib.crc32(repr(known).encode()))
    usual = stored.vocabulary.money.middle
    wait = rng.exponential(size=size) * np.sqrt(usual / np.nan_to_num(catalogue.table.price, nan=usual))
    return TieBreaker(TIE_MARGIN, 1 / (1 + wait))  # the shortest wait comes first: chances grow as √price


def require_numbers(**outputs: Floats | Floats32) -> None:
    """Raise ModelError for an output that is not finite, and name it."""
    for name, values in outputs.items():
        if not np.isfinite([values.min(), values.max()]).all():
            raise ModelError(
                f"the model's {name} is not a finite number: its weights are of no use; train again"
            )


def by_name(names: Sequence[str], probabilities: Floats32) -> dict[str, float]:
    """Probabilities (n,) by name, the highest first."""
    named = zip(names, probabilities.tolist(), strict=True)
    return dict(sorted(named, key=lambda pair: -pair[1]))
