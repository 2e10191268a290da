"""Encode tables as model inputs: tokens, state features, scaled numbers and gift features."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trm_np.data.money import DOLLARS, Money
from trm_np.data.tables import (
    AGE_GROUPS,
    BUDGET_TIERS,
    MISSING,
    Bools,
    Floats,
    GiftTable,
    Ints,
    ProfileTable,
    Rows,
    age_group,
    budget_tier,
)
from trm_np.data.vocabulary import Vocabulary

Floats32 = NDArray[np.float32]

PAD, MASK, STATE = range(3)
FIRST_NAME = 3  # the first token that stands for a value of the profile
IGNORE_INDEX = -100  # a target that the loss leaves out
REMEMBERED = 32  # latest gifts of a history that the core reads as tokens; the whole history counts elsewhere
GIFT_NUMBERS = (
    4  # features of a gift before its one-hot category: price, rating and the two ends of its age range
)
SINGLE_FIELDS = 4  # age, budget, relationship, occasion: one token each, before the two lists


@dataclass(frozen=True, eq=False)
class ProfileInputs(Rows):
    """B profiles as the model reads them. A token is `hidden` if it is masked or its field is missing.

    - `tokens`, `padding` (B, S) and `positions` (S,) are for the core, `state` (B, F) is for the state encoder.
    - Each row of `hobbies` (B, H) and `preferences` (B, P) holds equal shares of the known names.
    - `occasion` (B,) has unknown as its last index; `age` and `budget` (B, 1) are 0 where unknown.
    - `masked_targets` (B, S) holds the true token where it was masked, and IGNORE_INDEX elsewhere.
    - `history` (B, H) holds rows of the experience table, the latest gift last, padded with -1 in front.
    """

    shared = ("positions",)

    tokens: Ints
    padding: Bools
    positions: Ints
    state: Floats32
    hobbies: Floats32
    preferences: Floats32
    occasion: Ints
    age: Floats32
    budget: Floats32
    masked_targets: Ints
    history: Ints

    def without_padding(self) -> "ProfileInputs":
        """The same profiles, without the tokens and the places of the history that are padding for all of them."""
        used, known = ~self.padding.all(axis=0), (self.history != MISSING).any(axis=0)
        return replace(
            self,
            tokens=self.tokens[:, used],
            padding=self.padding[:, used],
            positions=self.positions[used],
            masked_targets=self.masked_targets[:, used],
            history=self.history[:, known],
        )


@dataclass(frozen=True, eq=False)
class GiftInputs(Rows):
    """G gifts as the model reads them: features (G, W), token_features (G, 7 + C), price (G, 1), rating (G, 1),
    age_range (G, 2)."""

    features: Floats32
    token_features: Floats32
    price: Floats32
    rating: Floats32
    age_range: Floats32


def state_width(vocabulary: Vocabulary) -> int:
    return len(AGE_GROUPS) + len(BUDGET_TIERS) + len(vocabulary.relationships) + len(vocabulary.occasions)


def gift_token_width(vocabulary: Vocabulary) -> int:
    return GIFT_NUMBERS + len(vocabulary.categories) + len(BUDGET_TIERS)


def token_count(vocabulary: Vocabulary) -> int:
    """Number of distinct tokens that the vocabulary needs."""
    return FIRST_NAME + state_width(vocabulary) + len(vocabulary.hobbies) + len(vocabulary.preferences)


def content_width(vocabulary: Vocabulary) -> int:
    """Number of gift features that the vocabulary needs. Further features describe the age range in finer steps."""
    tags = len(vocabulary.hobbies) + len(vocabulary.preferences) + len(vocabulary.occasions)
    return gift_token_width(vocabulary) + tags


def plain_features(profiles: ProfileInputs) -> Floats32:
    """Features (B, F) for a linear model: one-hot names, and numbers scaled to about ±1.

    They are age group, budget tier, relationship, occasion, hobbies, preferences, age and budget, with zeros where a
    field is missing.
    """
    columns = (word_marks(profiles), profiles.age / 5, profiles.budget / 4)
    return np.concatenate(columns, axis=1).astype(np.float32)


def word_marks(profiles: ProfileInputs) -> Bools:
    """Mark the words (B, W) in each profile, in the order of `plain_features`."""
    return np.concatenate([profiles.state > 0, profiles.hobbies > 0, profiles.preferences > 0], axis=1)


def plain_width(vocabulary: Vocabulary) -> int:
    return state_width(vocabulary) + len(vocabulary.hobbies) + len(vocabulary.preferences) + 2


def draw_mask(profiles: ProfileTable, probability: float, rng: "np.random.Generator") -> Bools:
    """Mark the tokens (B, S - 1) to hide, each with this probability, in the order of the tokens after [STATE]."""
    width = SINGLE_FIELDS + profiles.hobbies.shape[1] + profiles.preferences.shape[1]
    return rng.random((len(profiles), width)) < probability


def hide(profiles: ProfileTable, masked: Bools) -> ProfileTable:
    """A copy of the profiles that lacks the fields of the masked tokens (B, S - 1)."""
    lists = masked[:, SINGLE_FIELDS:]
    hobbies, preferences = np.split(lists, [profiles.hobbies.shape[1]], axis=1)
    return ProfileTable(
        np.where(masked[:, 0], np.nan, profiles.age),
        np.where(masked[:, 1], np.nan, profiles.budget),
        np.where(masked[:, 2], MISSING, profiles.relationship),
        np.where(masked[:, 3], MISSING, profiles.occasion),
        np.where(hobbies, MISSING, profiles.hobbies),
        np.where(preferences, MISSING, profiles.preferences),
    )


def encode_profiles(
    profiles: ProfileTable, vocabulary: Vocabulary, masked: Bools | None = None, history: Ints | None = None
) -> ProfileInputs:
    """Encode B profiles. `masked` (B, S - 1) hides tokens in every input that shows them.

    `history` (B, H) is as in `ProfileInputs`; `None` means that all histories are empty.
    """
    money = vocabulary.money
    singles = np.stack(
        [
            age_group(profiles.age),
            budget_tier(profiles.budget, money),
            profiles.relationship,
            profiles.occasion,
        ],
        axis=1,
    )
    sizes = (len(AGE_GROUPS), len(BUDGET_TIERS), len(vocabulary.relationships), len(vocabulary.occasions))
    values = np.concatenate([singles, profiles.hobbies, profiles.preferences], axis=1)
    lengths = (*[1] * SINGLE_FIELDS, profiles.hobbies.shape[1], profiles.preferences.shape[1])
    field = np.repeat(np.arange(len(lengths)), lengths)
    first = FIRST_NAME + np.cumsum([0, *sizes, len(vocabulary.hobbies)])
    hidden = values == MISSING
    if masked is not None:
        hidden = hidden | masked
    known = np.where(hidden, MISSING, values)

    tokens = np.where(hidden, MASK, first[field] + values)
    padding = values == MISSING
    padding[:, np.cumsum((0, *lengths[:-1]))] = (
        False  # the first place of a missing field is a [MASK], not padding
    )
    tokens[padding] = PAD
    masked_targets = np.where(hidden & (values != MISSING), first[field] + values, IGNORE_INDEX)

    hobbies, preferences = np.split(known[:, SINGLE_FIELDS:], [lengths[-2]], axis=1)
    head = np.full((len(profiles), 1), STATE)
    return ProfileInputs(
        tokens=np.concatenate([head, tokens], axis=1),
        padding=np.concatenate([head != STATE, padding], axis=1),
        # Every field has one position. All hobbies share theirs, so their order has no effect; so do preferences.
        positions=np.concatenate([[0], field + 1]),
        state=np.concatenate([_one_hot(known[:, i], size) for i, size in enumerate(sizes)], axis=1),
        hobbies=_mean_of(hobbies, len(vocabulary.hobbies)),
        preferences=_mean_of(preferences, len(vocabulary.preferences)),
        occasion=np.where(known[:, 3] == MISSING, len(vocabulary.occasions), known[:, 3]),
        age=_column(np.where(hidden[:, 0], 0, scaled_age(profiles.age))),
        budget=_column(np.where(hidden[:, 1], 0, scaled_money(profiles.budget, money))),
        masked_targets=np.concatenate([np.full_like(head, IGNORE_INDEX), masked_targets], axis=1),
        history=np.full((len(profiles), 0), MISSING) if history is None else history,
    )


def encode_gifts(gifts: GiftTable, vocabulary: Vocabulary, width: int) -> GiftInputs:
    """Encode G gifts, with zeros where a field is unknown. `width` is the number of features, at least
    `content_width`."""
    numbers = np.stack(
        [scaled_money(gifts.price, vocabulary.money), 4 * (gifts.rating - 4), *scaled_age(gifts.age_range).T],
        axis=1,
    )
    numbers[np.isnan(numbers)] = 0.0
    tier = _one_hot(budget_tier(gifts.price, vocabulary.money), len(BUDGET_TIERS))
    token_features = np.concatenate(
        [numbers, _one_hot(gifts.category, len(vocabulary.categories)), tier], axis=1
    )
    ages = np.linspace(15, 75, width - content_width(vocabulary))
    suits = (gifts.age_range[:, :1] <= ages) & (ages <= gifts.age_range[:, 1:])
    features = [token_features, gifts.hobby_tags, gifts.preference_tags, gifts.occasions, suits]
    return GiftInputs(
        features=np.concatenate(features, axis=1).astype(np.float32),
        token_features=token_features.astype(np.float32),
        price=_column(numbers[:, 0]),
        rating=_column(numbers[:, 1]),
        age_range=numbers[:, 2:].astype(np.float32),
    )


def scaled_age(years: Floats) -> Floats:
    """Scale ages to be around 0 for 19 to 68, in units of 5 years. Taste hardly changes within such a span."""
    scaled: Floats = (years - 43) / 5
    return scaled


def scaled_money(sums: Floats, money: Money = DOLLARS) -> Floats:
    """Scale amounts to be around 0 for $45 to $250, in units of 25 %. People compare prices by ratio, hence the
    logarithm."""
    scaled: Floats = np.log(sums / money.middle) / np.log(1.25)
    return scaled


def _column(values: Floats) -> Floats32:
    return np.asarray(values[:, None], np.float32)


def _one_hot(index: Ints, size: int) -> Floats32:
    """One-hot rows (N, size) of indices (N,); a missing index gives a row of zeros."""
    return np.asarray(index[:, None] == np.arange(size), np.float32)


def _mean_of(index: Ints, size: int) -> Floats32:
    """Rows (B, size) with equal shares of the known indices (B, L), or zeros if none is known."""
    marks = (index[:, :, None] == np.arange(size)).any(axis=1)
    return np.asarray(marks / np.maximum(marks.sum(axis=1, keepdims=True), 1), np.float32)
