"""Model inputs from profiles and gifts: every token, feature and number."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world.small_world import PROFILES, VOCABULARY, gift
from trm_np.data.encode import (
    FIRST_NAME,
    IGNORE_INDEX,
    MASK,
    PAD,
    STATE,
    content_width,
    draw_mask,
    encode_gifts,
    encode_profiles,
    gift_token_width,
    hide,
    scaled_age,
    scaled_money,
    state_width,
    token_count,
)
from trm_np.data.load import load_dataset
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import AGE_GROUPS, BUDGET_TIERS, MISSING, gift_table, profile_table
from trm_np.data.task import Task, task_from
from trm_np.data.vocabulary import Vocabulary

SEEDS = st.integers(0, 2**32 - 1)

MOTHER = Profile(61, ("reading", "garden"), "mother", 120.5, "birthday", ("luxury",))
STRANGER = Profile()


def spelt(vocabulary: Vocabulary) -> list[tuple[str, Any]]:
    """Every token that stands for a value, in order, as (field, name or index of the bucket)."""
    fields = {
        "age": range(len(AGE_GROUPS)),
        "budget": range(len(BUDGET_TIERS)),
        "relationship": vocabulary.relationships,
        "occasion": vocabulary.occasions,
        "hobby": vocabulary.hobbies,
        "preference": vocabulary.preferences,
    }
    return [(field, name) for field, names in fields.items() for name in names]


# ------------------------------------------------------------------------------------------- profiles


def test_a_worked_example() -> None:
    # Ages 3-7, budgets 8-10, mother 11, friend 12, birthday 13, wedding 14, hobbies 15-18, preferences 19-21.
    inputs = encode_profiles(profile_table([MOTHER, STRANGER], VOCABULARY), VOCABULARY)
    assert (PAD, MASK, STATE, FIRST_NAME) == (0, 1, 2, 3)
    assert inputs.tokens.tolist() == [[2, 7, 9, 11, 13, 17, 15, 20], [2, 1, 1, 1, 1, 1, 0, 1]]
    assert inputs.positions.tolist() == [0, 1, 2, 3, 4, 5, 5, 6]
    assert inputs.padding.tolist() == [[False] * 8, [False] * 6 + [True, False]]
    assert inputs.state.tolist() == [[0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0], [0] * 12]
    assert inputs.hobbies.tolist() == [[0.5, 0, 0.5, 0], [0] * 4]
    assert inputs.preferences.tolist() == [[0, 1, 0], [0] * 3]
    assert inputs.occasion.tolist() == [0, 2]
    np.testing.assert_allclose(inputs.age, [[3.6], [0]], rtol=1e-6)
    np.testing.assert_allclose(inputs.budget, [[math.log(120.5 / 110, 1.25)], [0]], rtol=1e-6)
    assert (inputs.masked_targets == IGNORE_INDEX).all()


def test_a_masked_token_is_hidden_in_every_input_and_is_a_target() -> None:
    masked = np.zeros((2, 7), bool)
    masked[0, [0, 3, 5]] = True  # age, occasion, and the garden
    masked[1] = True  # a profile without known fields
    inputs = encode_profiles(profile_table([MOTHER, STRANGER], VOCABULARY), VOCABULARY, masked)
    assert inputs.tokens.tolist() == [[2, 1, 9, 11, 1, 17, 1, 20], [2, 1, 1, 1, 1, 1, 0, 1]]
    no = IGNORE_INDEX
    assert inputs.masked_targets.tolist() == [[no, 7, no, no, 13, no, 15, no], [no] * 8]
    assert inputs.state.tolist() == [[0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0], [0] * 12]
    assert inputs.hobbies.tolist() == [[0, 0, 1, 0], [0] * 4]
    assert inputs.occasion.tolist() == [2, 2]
    assert inputs.age.tolist() == [[0], [0]]
    assert inputs.budget[0, 0] != 0


@given(st.lists(PROFILES, min_size=1, max_size=5), SEEDS)
def test_it_agrees_with_a_plain_reference_implementation(profiles: list[Profile], seed: int) -> None:
    table = profile_table(profiles, VOCABULARY)
    masked = draw_mask(table, 0.4, np.random.default_rng(seed))
    inputs = encode_profiles(table, VOCABULARY, masked)
    number = {said: FIRST_NAME + index for index, said in enumerate(spelt(VOCABULARY))}
    width = table.hobbies.shape[1]
    for row, profile in enumerate(profiles):
        age = None if profile.age is None else sum(int(profile.age) > old for _, old in AGE_GROUPS[:-1])
        budget = None if profile.budget is None else sum(profile.budget > top for _, top in BUDGET_TIERS[:-1])
        said: list[tuple[str, Any]] = [
            *(("age", age), ("budget", budget)),
            *(("relationship", profile.relationship), ("occasion", profile.occasion)),
            *(("hobby", name) for name in profile.hobbies or [None]),
            *[("padding", None)] * (width - max(1, len(profile.hobbies))),
            *(("preference", name) for name in profile.preferences or [None]),
        ]
        said += [("padding", None)] * (masked.shape[1] - len(said))
        tokens, masked_targets, padding = [STATE], [IGNORE_INDEX], [False]
        for (field, name), hidden in zip(said, masked[row], strict=True):
            known = number.get((field, name))
            padding.append(field == "padding")
            tokens.append(PAD if field == "padding" else MASK if known is None or hidden else known)
            masked_targets.append(known if hidden and known is not None else IGNORE_INDEX)
        assert inputs.tokens[row].tolist() == tokens
        assert inputs.masked_targets[row].tolist() == masked_targets
        assert inputs.padding[row].tolist() == padding


@pytest.mark.parametrize("vocabulary", [VOCABULARY, load_dataset().vocabulary], ids=["small", "shipped"])
def test_every_token_stands_for_exactly_one_value(vocabulary: Vocabulary) -> None:
    ages = [Profile(age=youngest) for youngest, _ in AGE_GROUPS]
    budgets = [Profile(budget=above + 1) for above, _ in BUDGET_TIERS]
    relationships = [Profile(relationship=name) for name in vocabulary.relationships]
    occasions = [Profile(occasion=name) for name in vocabulary.occasions]
    hobbies = [Profile(hobbies=(name,)) for name in vocabulary.hobbies]
    preferences = [Profile(preferences=(name,)) for name in vocabulary.preferences]
    alone = [*ages, *budgets, *relationships, *occasions, *hobbies, *preferences]
    tokens = encode_profiles(profile_table(alone, vocabulary), vocabulary).tokens
    assert [max(row) for row in tokens.tolist()] == list(range(FIRST_NAME, token_count(vocabulary)))
    assert len(spelt(vocabulary)) == token_count(vocabulary) - FIRST_NAME


@given(st.lists(PROFILES, min_size=1, max_size=5), SEEDS)
def test_masking_equals_encoding_a_profile_without_the_fields(profiles: list[Profile], seed: int) -> None:
    table = profile_table(profiles, VOCABULARY)
    masked = draw_mask(table, 0.5, np.random.default_rng(seed))
    told = encode_profiles(table, VOCABULARY, masked)
    hidden = encode_profiles(hide(table, masked), VOCABULARY)
    for field in ("state", "hobbies", "preferences", "occasion", "age", "budget"):
        np.testing.assert_array_equal(getattr(told, field), getattr(hidden, field), err_msg=field)
    assert (hidden.masked_targets == IGNORE_INDEX).all()


def test_hiding_changes_no_other_field_and_not_its_input() -> None:
    table = profile_table([MOTHER], VOCABULARY)
    hidden = hide(table, np.array([[False, True, True, False, True, False, False]]))
    assert (hidden.age[0], np.isnan(hidden.budget[0])) == (61, True)
    assert (hidden.relationship[0], hidden.occasion[0]) == (MISSING, 0)
    assert hidden.hobbies.tolist() == [[MISSING, 0]]
    assert hidden.preferences.tolist() == [[1]]
    assert (table.budget[0], table.relationship[0], table.hobbies.tolist()) == (120.5, 0, [[2, 0]])


@given(PROFILES, st.data())
def test_the_order_of_lists_does_not_matter(profile: Profile, data: st.DataObject) -> None:
    reordered = replace(
        profile,
        hobbies=tuple(data.draw(st.permutations(profile.hobbies))),
        preferences=tuple(data.draw(st.permutations(profile.preferences))),
    )
    first, second = (
        encode_profiles(profile_table([one], VOCABULARY), VOCABULARY) for one in (profile, reordered)
    )
    for field in set(vars(first)) - {"tokens"}:
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field), err_msg=field)
    # The tokens of one field share a position, so their order within it is free.
    placed = [sorted(zip(one.positions, one.tokens[0], strict=True)) for one in (first, second)]
    assert placed[0] == placed[1]


@given(st.lists(PROFILES, min_size=2, max_size=5))
def test_a_profile_is_encoded_alike_alone_and_in_a_batch(profiles: list[Profile]) -> None:
    together = encode_profiles(profile_table(profiles, VOCABULARY), VOCABULARY)
    alone = encode_profiles(profile_table(profiles[:1], VOCABULARY), VOCABULARY)
    for field in ("state", "hobbies", "preferences", "occasion", "age", "budget"):
        np.testing.assert_array_equal(getattr(together, field)[:1], getattr(alone, field), err_msg=field)
    seen = ~together.padding[0]
    assert together.tokens[0, seen].tolist() == alone.tokens[0, ~alone.padding[0]].tolist()
    assert together.positions[seen].tolist() == alone.positions[~alone.padding[0]].tolist()


def test_a_missing_number_is_encoded_as_zero() -> None:
    numbers = [Profile(), Profile(age=43, budget=110)]
    inputs = encode_profiles(profile_table(numbers, VOCABULARY), VOCABULARY)
    assert inputs.age.tolist() == inputs.budget.tolist() == [[0], [0]]


def test_each_token_is_masked_with_the_given_probability() -> None:
    table = profile_table([MOTHER, STRANGER] * 2000, VOCABULARY)
    masked = draw_mask(table, 0.15, np.random.default_rng(0))
    assert masked.shape == (4000, 4 + 2 + 1)
    # Five standard errors of 4000 draws.
    np.testing.assert_allclose(masked.mean(axis=0), 0.15, atol=5 * math.sqrt(0.15 * 0.85 / 4000))
    assert not draw_mask(table, 0.0, np.random.default_rng(0)).any()


@pytest.mark.parametrize(("years", "scaled"), [(43, 0), (48, 1), (18, -5), (68, 5)])
def test_ages_are_scaled_in_units_of_five_years(years: float, scaled: float) -> None:
    assert scaled_age(np.array([years]))[0] == pytest.approx(scaled)


@pytest.mark.parametrize(("dollars", "scaled"), [(110, 0), (137.5, 1), (88, -1), (110 * 1.25**3, 3)])
def test_amounts_are_scaled_in_units_of_25_percent(dollars: float, scaled: float) -> None:
    assert scaled_money(np.array([dollars]))[0] == pytest.approx(scaled)


# ---------------------------------------------------------------------------------------------- gifts


def test_a_worked_gift() -> None:
    pan = gift("kitchen", 110, ("cooking", "luxury"), rating=4.5, age_range=(18, 60), occasions=("wedding",))
    inputs = encode_gifts(gift_table([pan], VOCABULARY), VOCABULARY, width=23)
    numbers, category, tier = [0, 2, -5, 3.4], [0, 1, 0, 0], [0, 1, 0]
    tags, occasions = [*[0, 1, 0, 0], *[0, 1, 0]], [0, 1]
    np.testing.assert_allclose(inputs.token_features, [[*numbers, *category, *tier]], rtol=1e-6)
    # The last features mark the ages 15, 45 and 75 that the gift suits.
    expected = [[*numbers, *category, *tier, *tags, *occasions, 0, 1, 0]]
    np.testing.assert_allclose(inputs.features, expected, rtol=1e-6)
    assert (inputs.price.tolist(), inputs.rating.tolist()) == ([[0]], [[2]])
    np.testing.assert_allclose(inputs.age_range, [[-5, 3.4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("age_range", "suits"), [((15, 75), [1, 1, 1]), ((16, 74), [0, 1, 0]), ((46, 90), [0, 0, 1])]
)
def test_further_features_mark_the_ages_a_gift_suits(age_range: tuple[int, int], suits: list[int]) -> None:
    table = gift_table([gift(age_range=age_range)], VOCABULARY)
    features = encode_gifts(table, VOCABULARY, content_width(VOCABULARY) + 3).features
    assert features[0, -3:].tolist() == suits  # at 15, 45 and 75


@given(st.integers(0, 20))
def test_the_features_have_the_requested_width(more: int) -> None:
    width = content_width(VOCABULARY) + more
    inputs = encode_gifts(gift_table([gift("kitchen")], VOCABULARY), VOCABULARY, width)
    assert inputs.features.shape == (1, width)
    assert inputs.features.dtype == inputs.token_features.dtype == np.float32


def test_the_features_of_the_shipped_gifts_are_of_ordinary_size() -> None:
    task = shipped(gift_features=128)
    inputs, categories = task.gift_inputs, len(task.vocabulary.categories)
    assert inputs.features.shape == (45, 128)
    assert np.isfinite(inputs.features).all()
    assert np.abs(inputs.features[:, :4]).max() < 10
    marks = inputs.features[:, 4:]
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:, :categories].sum(axis=1) == 1).all()
    assert (marks[:, categories : categories + len(BUDGET_TIERS)].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(inputs.token_features, inputs.features[:, :20])


# ----------------------------------------------------------------------------------------- the dataset


def shipped(**settings: Any) -> Task:
    return task_from(load_dataset(), **settings)


def test_the_widths_of_the_shipped_vocabulary_are_those_of_the_report() -> None:
    vocabulary = load_dataset().vocabulary
    assert (state_width(vocabulary), gift_token_width(vocabulary)) == (26, 20)
    assert content_width(vocabulary) == 20 + 18 + 20 + 9


@settings(max_examples=10)
@given(st.none() | st.integers(1, 30), st.integers(1, 200))
def test_a_task_trains_on_the_first_scenarios_and_keeps_the_rest(
    limit: int | None, gift_features: int
) -> None:
    data = load_dataset()
    task = task_from(data.first(limit), gift_features)
    assert len(task.train) == min(limit or 25, 25)
    for split, scenarios in (
        (task.train, data.train),
        (task.validation, data.validation),
        (task.test, data.test),
    ):
        assert split.profiles.age.tolist() == [
            pytest.approx(ages(scenario), nan_ok=True) for scenario in scenarios[: len(split)]
        ]
        assert split.labels.categories.sum(axis=1).tolist() == [
            len(scenario.expected_categories) for scenario in scenarios[: len(split)]
        ]
    assert (len(task.validation), len(task.test), len(task.gifts)) == (30, 30, 45)
    assert task.gift_inputs.features.shape == (45, max(gift_features, content_width(task.vocabulary)))


def ages(scenario: Scenario) -> float:
    return math.nan if scenario.profile.age is None else scenario.profile.age
