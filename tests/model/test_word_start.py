"""Initial weights: words at right angles, linear maps, an even mean, base rates, and what follows from them."""

import math
from copy import copy
from dataclasses import replace
from functools import cache
from itertools import cycle, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_run import SMALL
from tests.world.small_world import gift
from trm_np.autograd import Tensor, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array
from trm_np.config import resolve
from trm_np.data.encode import (
    FIRST_NAME,
    encode_profiles,
    scaled_age,
    scaled_money,
    state_width,
    token_count,
)
from trm_np.data.load import Dataset, load_dataset
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import ProfileTable, profile_table
from trm_np.data.task import Task, task_from
from trm_np.data.vocabulary import Vocabulary
from trm_np.evaluation.predict import evaluate_model
from trm_np.model.broadcasting import fold
from trm_np.model.core import halves_to_neighbours
from trm_np.model.new import Generators
from trm_np.model.trm import TRM, Outputs
from trm_np.model.word_start import (
    CATEGORY_MATCH,
    COMPARISON_STEP,
    initialize_category_matching,
    initialize_from_words,
    initialize_user_profiling,
    linear_layers,
    unit_rows,
    zero_,
)
from trm_np.training.trainer import Trainer

SEEDS = st.integers(0, 2**32 - 1)
STARTED = pytest.mark.parametrize(
    ("preset", "seed"), [("tiny", 0), ("tiny", 1), pytest.param("report", 0, marks=pytest.mark.slow)]
)


@cache
def shipped(preset: str) -> Task:
    return task_from(load_dataset(), resolve(preset).model.gift_features)


@cache
def started(preset: str, seed: int) -> TRM:
    """A model of the preset where training on the shipped data starts, without dropout."""
    rng = np.random.default_rng(seed)
    model = TRM(resolve(preset), shipped(preset).vocabulary, rng, rng)
    initialize_from_words(model, shipped(preset), rng)
    model.eval()
    return model


@no_grad()
def said(model: TRM, task: Task, profiles: list[Profile]) -> Outputs:
    inputs = encode_profiles(profile_table(profiles, task.vocabulary), task.vocabulary)
    h, _ = model.infer(inputs)
    return model.decode(h, inputs, task.gift_inputs)


def one_hobby_each(task: Task) -> list[Profile]:
    return [Profile(hobbies=(name,)) for name in task.vocabulary.hobbies]


def some_profiles() -> list[Profile]:
    return [scenario.profile for scenario in load_dataset().test[:6]]


def before_the_norm(part: nn.Module) -> nn.Module:
    """A profile or gift encoder without the LayerNorm at its end."""
    bare = copy(part)
    bare.encoder = nn.Sequential(*list(part.encoder)[:-1])  # type: ignore[attr-defined]
    return bare


def angles(rows: Array) -> Array:
    return np.abs(unit_rows(rows) @ unit_rows(rows).T - np.eye(len(rows)))


# -------------------------------------------------------------------------------------------- a word


@STARTED
def test_the_words_of_the_vocabulary_are_at_right_angles(preset: str, seed: int) -> None:
    task, rng = shipped(preset), np.random.default_rng(seed)
    model = TRM(resolve(preset), task.vocabulary, rng, rng)
    words = initialize_user_profiling(model.user_profiling, task, rng)
    rows = np.concatenate([words.hobbies, words.preferences, words.occasions])
    assert len(rows) == 18 + 20 + 9
    assert angles(rows).max() < 1e-5


def in_person(model: TRM, task: Task) -> Array:
    """Change of the user vector by each hobby and preference, given alone."""
    alone = [Profile(preferences=(name,)) for name in task.vocabulary.preferences]
    profiles = profile_table([*one_hobby_each(task), *alone, Profile()], task.vocabulary)
    with no_grad():
        u: Array = before_the_norm(model.user_profiling)(encode_profiles(profiles, task.vocabulary)).u.data
    return u[:-1] - u[-1]


def in_token(model: TRM, task: Task) -> Array:
    first = FIRST_NAME + state_width(task.vocabulary)
    tokens = np.arange(first, token_count(task.vocabulary))
    return fold(model.core.embed(tokens), model.config.user_width).data


def in_gift(model: TRM, task: Task) -> Array:
    """Change of a gift's embedding by each tag."""
    first = task.gift_inputs.token_features.shape[1]
    features = task.gift_inputs.features.copy()[[0] * 39]
    features[:, first : first + 38] = np.eye(39, 38)
    with no_grad():
        embedding = before_the_norm(model.gift_catalogue)(replace(task.gift_inputs, features=features)).data
    return np.asarray(embedding[:-1] - embedding[-1])


@STARTED
def test_a_word_is_one_vector_everywhere(preset: str, seed: int) -> None:
    model, task = started(preset, seed), shipped(preset)
    slots = model.gift_catalogue.memory.data[:38]
    for place in (in_person, in_token, in_gift):
        agreement = unit_rows(place(model, task)) @ slots.T
        # Nearly: now and then a ReLU shuts.
        assert np.diag(agreement).min() > 0.95, place.__name__
        assert np.abs(agreement - np.diag(np.diag(agreement))).max() < 0.2, place.__name__
    assert angles(slots).max() < 1e-5


# ----------------------------------------------------------------------------------- what follows from it


@STARTED
def test_a_hobby_puts_a_category_first_that_it_names_or_implies(preset: str, seed: int) -> None:
    task = shipped(preset)
    logits = said(started(preset, seed), task, one_hobby_each(task)).category_logits.data
    first = {
        hobby: task.vocabulary.categories[best]
        for hobby, best in zip(task.vocabulary.hobbies, logits.argmax(axis=1), strict=True)
    }
    meant = {
        hobby: [name for name, on in zip(task.vocabulary.categories, row, strict=True) if on]
        for hobby, row in zip(task.vocabulary.hobbies, task.implied, strict=True)
    }
    assert {hobby: best for hobby, best in first.items() if best not in meant[hobby]} == {}


@STARTED
def test_gifts_tagged_with_a_hobby_are_scored_higher_by_head_and_reward(preset: str, seed: int) -> None:
    task = shipped(preset)
    outputs = said(started(preset, seed), task, one_hobby_each(task))
    for scores in (outputs.gift_logits.data, outputs.components.data[..., 0], outputs.reward.data):
        for row, tagged in zip(scores, task.gifts.hobby_tags.T, strict=True):
            assert row[tagged].mean() > row[~tagged].mean()


def words_said(profiles: ProfileTable, task: Task) -> Array:
    """Number of words that vote on the tools, for each profile."""
    inputs = encode_profiles(profiles, task.vocabulary)
    return np.asarray((~inputs.padding[:, 1:]).sum(axis=1))


@STARTED
def test_tools_start_at_their_base_rates_each_word_adding_its_share(preset: str, seed: int) -> None:
    """At the base rates for who says as many words as is usual; nobody else is far from them."""
    task, profiles = shipped(preset), some_profiles()
    logits = said(started(preset, seed), task, profiles).tool_logits
    often = task.train.labels.tools.mean(axis=0)
    words = words_said(profile_table(profiles, task.vocabulary), task)
    share_of_usual = words / words_said(task.train.profiles, task).mean()
    assert share_of_usual.min() < 1 < share_of_usual.max()
    np.testing.assert_allclose(logits.data, np.outer(share_of_usual, np.log(often / (1 - often))), atol=1e-5)
    np.testing.assert_allclose(logits.sigmoid().data, np.tile(often, (len(profiles), 1)), atol=0.03)


@STARTED
def test_categories_start_near_their_base_rate_where_nothing_is_known(preset: str, seed: int) -> None:
    matching = started(preset, seed).category_matching
    width = matching.category_embedding.weight.shape[1]
    base_rate = shipped(preset).train.labels.categories.mean()
    with no_grad():
        agreement_with_none = matching.score(Tensor(np.zeros((1, width), np.float32))).sigmoid().item()
        nobody = Tensor(np.zeros((1, matching.meeting.weight.shape[1] - width), np.float32))
        probability = matching(nobody).sigmoid().data
    assert agreement_with_none == pytest.approx(base_rate, abs=1e-5)
    assert probability.mean() == pytest.approx(base_rate, abs=0.15)  # the quiet layers between are not silent


@STARTED
def test_a_person_who_says_nothing_is_promised_no_category(preset: str, seed: int) -> None:
    task = shipped(preset)
    nothing, hobbies = (
        said(started(preset, seed), task, profiles).category_logits.sigmoid().data
        for profiles in ([Profile()], one_hobby_each(task))
    )
    assert nothing.mean() < 0.5
    assert nothing.max() < hobbies.max(axis=1).mean()


@STARTED
def test_a_category_that_the_person_is_all_of_starts_as_good_as_certain(preset: str, seed: int) -> None:
    """The matching head by itself: the base rate's logit and CATEGORY_MATCH where all words agree."""
    task, rng = shipped(preset), np.random.default_rng(seed)
    model = TRM(resolve(preset), task.vocabulary, rng, rng)
    words = initialize_user_profiling(model.user_profiling, task, rng)
    base_rate = float(task.train.labels.categories.mean())
    initialize_category_matching(model.category_matching, words, base_rate, rng)
    for part in (*model.category_matching.layers, model.category_matching.attention):
        zero_(linear_layers(part)[-1])
    model.eval()
    person = unit_rows(words.categories) * words.categories.shape[1] ** 0.5
    with no_grad():
        logits = np.diag(model.category_matching(Tensor(person.astype(np.float32))).data)
    expected = math.log(base_rate / (1 - base_rate)) + CATEGORY_MATCH
    np.testing.assert_allclose(logits, np.full(len(logits), expected), rtol=1e-3)


@STARTED
def test_budget_and_age_start_out_compared_with_a_gift_by_difference(preset: str, seed: int) -> None:
    """The first layers see a person and a gift as they see an unknown person and the difference."""
    model = started(preset, seed)
    user, reward = model.user_profiling, model.reward_prediction
    for encoder, layer, numbers in (
        (user.budget_encoder, reward.layers("budget")[0], scaled_money(np.array([45.0, 80, 110, 150, 250]))),
        (user.age_encoder, reward.layers("age")[0], scaled_age(np.array([19.0, 30, 43, 55, 68]))),
    ):
        person, gift = (side.reshape(-1, 1).astype(np.float32) for side in np.meshgrid(numbers, numbers))
        columns = layer.weight.shape[1] - encoder[-1].weight.shape[0]  # one for the price, two for the ages
        with no_grad():
            asked, expected = (
                layer(F.concatenate([encoder(Tensor(x)), Tensor(np.repeat(y, columns, axis=1))])).relu().data
                for x, y in ((person, gift), (0 * person, gift - person))
            )
        np.testing.assert_allclose(asked, expected, atol=0.1 * COMPARISON_STEP)
        assert (np.ptp(expected, axis=0) > 0.1).mean() > 0.9  # nearly every unit tells some of these apart


@STARTED
def test_the_other_heads_start_without_an_opinion_and_nobody_halts(preset: str, seed: int) -> None:
    model, task = started(preset, seed), shipped(preset)
    outputs = said(model, task, some_profiles())
    for silent in (outputs.policy_logits, outputs.gift_scores, outputs.value, outputs.outcome):
        assert not silent.data.any()
    assert not outputs.components.data[..., 1:].any()
    _, steps = model.infer(encode_profiles(task.test.profiles.take(np.arange(6)), task.vocabulary))
    assert (steps == 3).all()


@STARTED
def test_the_fused_reward_rises_with_every_component(preset: str, seed: int) -> None:
    reward = started(preset, seed).reward_prediction
    logits = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    for component in range(7):
        more = logits.copy()
        more[:, component] += 1
        assert (reward.fuse(Tensor(more)).data > reward.fuse(Tensor(logits)).data).all()


@STARTED
def test_the_core_hands_on_the_mean_of_what_it_sees(preset: str, seed: int) -> None:
    core = started(preset, seed).core
    rng = np.random.default_rng(0)
    padding = np.array([[False] * 6, [False] * 4 + [True] * 2])
    x = F.rms_norm(Tensor(rng.normal(size=(2, 6, core.config.core_width)).astype(np.float32)))
    heads = core.config.core_heads
    rotation = nn.rotary_positions(np.arange(6), core.config.core_width // heads, 2 * heads)
    mean = np.stack([x.data[0].mean(axis=0), x.data[1, :4].mean(axis=0)])[:, None]
    for block in core.blocks:
        seen = block.attention.attend_to_itself(x, padding[:, None, None, :], rotation).data
        assert np.linalg.norm(seen - mean, axis=-1).max() < 0.05 * np.linalg.norm(mean, axis=-1).min()


def test_the_start_can_be_left_to_chance() -> None:
    config = resolve("tiny", settings=SMALL | {"training.word_start": "false"})
    trainer = Trainer(config, shipped("tiny"), 0)
    init = Generators.from_seed(0).init
    drawn = TRM(config, shipped("tiny").vocabulary, init, init)
    for block in drawn.core.blocks:
        halves_to_neighbours(block.attention.in_proj_weight.data, config.model.core_heads)
    for name, value in drawn.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], value, err_msg=name)


def test_the_start_knows_of_the_scenarios_only_how_often_each_label_is_given() -> None:
    """Moving labels between scenarios, or changing the held-out scenarios, changes no bit of it."""

    def weights(task: Task) -> dict[str, Array]:
        rng = np.random.default_rng(0)
        model = TRM(resolve("tiny", settings=SMALL), task.vocabulary, rng, rng)
        initialize_from_words(model, task, rng)
        return model.state_dict()

    task = shipped("tiny")
    train = replace(task.train, labels=task.train.labels.take(slice(None, None, -1)))
    few = task.train.take([0])
    before, after = weights(task), weights(replace(task, train=train, validation=few, test=few))
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


# --------------------------------------------------------------------------------- any vocabulary


def made_up(sizes: tuple[int, int, int, int, int, int], rng: np.random.Generator) -> Dataset:
    """A dataset whose six lists of names are of these sizes; who likes what, and what suits whom, is drawn."""
    lists = [[f"{kind}{i}" for i in range(size)] for kind, size in zip("cthpro", sizes, strict=True)]
    vocabulary = Vocabulary(*map(tuple, lists))

    def some(names: tuple[str, ...], most: int) -> tuple[str, ...]:
        chosen = rng.choice(names, rng.integers(1, min(most, len(names)) + 1), replace=False)
        return tuple(str(name) for name in chosen)

    def scenario(number: int) -> Scenario:
        profile = Profile(
            float(rng.integers(10, 90)),
            some(vocabulary.hobbies, 3),
            some(vocabulary.relationships, 1)[0],
            float(rng.integers(10, 300)),
            some(vocabulary.occasions, 1)[0],
            some(vocabulary.preferences, 3),
        )
        return Scenario(str(number), profile, some(vocabulary.categories, 3), some(vocabulary.tools, 2))

    gifts = [
        gift(
            id=f"gift{number}",
            category=category,
            price=float(rng.integers(10, 300)),
            tags=some(vocabulary.hobbies, 2) + some(vocabulary.preferences, 2),
            occasions=some(vocabulary.occasions, 2),
        )
        for number, category in enumerate(islice(cycle(vocabulary.categories), max(4, sizes[0])))
    ]
    scenarios = [scenario(number) for number in range(10)]
    return Dataset(
        vocabulary, tuple(scenarios[:6]), tuple(scenarios[6:8]), tuple(scenarios[8:]), tuple(gifts)
    )


SIZES = st.integers(1, 3) | st.integers(4, 120)


@settings(max_examples=12)
@given(st.tuples(*[SIZES] * 6), SEEDS)
def test_training_starts_with_a_vocabulary_of_any_size(
    sizes: tuple[int, int, int, int, int, int], seed: int
) -> None:
    trains_and_evaluates(sizes, seed, SMALL)


@pytest.mark.parametrize(
    "sizes",
    [pytest.param((13, 5, 100, 100, 30, 30), marks=pytest.mark.slow), (1, 1, 1, 1, 1, 1)],
    ids=["more words than width", "a single name each"],
)
def test_the_tiny_preset_starts_with_very_long_and_very_short_lists(
    sizes: tuple[int, int, int, int, int, int],
) -> None:
    trains_and_evaluates(sizes, 0, {})


@pytest.mark.parametrize("tools", [1, 2, 5])
def test_a_tool_always_given_starts_as_likely_and_one_never_given_as_unlikely(tools: int) -> None:
    config = resolve("tiny", settings=SMALL)
    task = task_from(made_up((5, tools, 6, 6, 4, 4), np.random.default_rng(0)), config.model.gift_features)
    labels = np.zeros((len(task.train), tools))
    labels[::2] = 1  # every other time
    labels[:, -1], labels[:, 0] = 0, 1
    given_so = replace(task.train, labels=replace(task.train.labels, tools=labels))
    model = Trainer(config, replace(task, train=given_so), 0).model
    model.eval()
    inputs = encode_profiles(task.test.profiles, task.vocabulary)
    with no_grad():
        h, _ = model.infer(inputs)
        probability = model.decode(h, inputs, task.gift_inputs).tool_logits.sigmoid().data
    assert (probability[:, 0] > 0.9).all()
    if tools > 1:
        assert (probability[:, -1] < 0.3).all()
    np.testing.assert_allclose(probability[:, 1:-1], np.full_like(probability[:, 1:-1], 0.5), atol=0.1)


def trains_and_evaluates(
    sizes: tuple[int, int, int, int, int, int], seed: int, settings: dict[str, str]
) -> None:
    config = resolve("tiny", settings=settings)
    task = task_from(made_up(sizes, np.random.default_rng(seed)), config.model.gift_features)
    trainer = Trainer(config, task, seed)
    for name, value in trainer.model.state_dict().items():
        assert np.isfinite(value).all(), name
        assert value.dtype == np.float32, name
    trainer.learn(trainer.draw_batch(np.arange(6)))  # refuses any number that is not finite
    metrics, losses, _ = evaluate_model(trainer.model, task.test, task, config.loss)
    assert np.isfinite([*metrics.values(), *losses.values()]).all()
