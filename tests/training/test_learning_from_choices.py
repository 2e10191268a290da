"""Learning from choices: where the model starts, what training adds, and that all of it is kept."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from tests.recommend.stored_models import outputs_of
from tests.training.small_run import dataset, small
from trm_np import Recommender
from trm_np.autograd import Tensor, no_grad
from trm_np.data.choices import padded
from trm_np.data.encode import encode_profiles, plain_width
from trm_np.data.load import Dataset
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import MISSING
from trm_np.data.task import Task, task_from
from trm_np.evaluation.choices import choice_values, means, top_gifts
from trm_np.evaluation.predict import choice_scores, fit_shares, infer_profiles, infer_split, predict
from trm_np.model.choice_start import leading_directions
from trm_np.model.experience import REWARD_SCALE, Shares
from trm_np.model.word_start import linear_layers
from trm_np.storage.checkpoint import load_model
from trm_np.training.run import Run
from trm_np.training.trainer import Trainer

TRIBES = 4  # people of the first choose from the first gifts, and so on


def person(index: int, rng: np.random.Generator, data: Dataset, told: bool) -> Scenario:
    """One of a tribe, who has two of its gifts and chooses another two; `told`, the hobby says which tribe it is."""
    tribe = index % TRIBES
    ids = [gift.id for gift in data.gifts][tribe::TRIBES]
    had_and_chosen = rng.permutation(ids)[:3].tolist()
    hobbies = (data.vocabulary.hobbies[tribe],) if told else ()
    profile = Profile(age=30.0 + index % 7, hobbies=hobbies, history=tuple(had_and_chosen[:2]))
    return Scenario(f"person {index}", profile, chosen=((had_and_chosen[2], 1.0),))


@cache
def tribal(told: bool = True) -> Dataset:
    data, rng = dataset(), np.random.default_rng(5)
    people = [person(index, rng, data, told) for index in range(60)]
    return replace(data, train=tuple(people[:40]), validation=tuple(people[40:50]), test=tuple(people[50:]))


def task_of(data: Dataset) -> Task:
    return task_from(data, small().model.gift_features)


def tribe_of_best(scores: np.ndarray) -> list[int]:
    return [int(best) % TRIBES for best in scores.argmax(axis=1)]


def started(data: Dataset) -> Trainer:
    return Trainer(small(), task_of(data), seed=0)


def test_it_starts_by_knowing_the_tribe_of_a_history() -> None:
    trainer = started(tribal(told=False))
    found = tribe_of_best(choice_scores(trainer.model, trainer.task.test, trainer.task))
    assert found == [index % TRIBES for index in range(50, 60)]


def test_it_starts_by_knowing_the_tribe_of_a_profile() -> None:
    trainer = started(tribal())
    untold = infer_profiles(trainer.model, trainer.task.test.profiles, trainer.task)
    found = tribe_of_best(choice_scores(trainer.model, trainer.task.test, trainer.task, untold))
    assert found == [index % TRIBES for index in range(50, 60)]


def test_embeddings_are_the_leading_singular_vectors() -> None:
    table = (np.random.default_rng(3).random((9, 7)) < 0.4).astype(float)
    found = leading_directions(csr_array(table), 3)
    assert found.T @ found == pytest.approx(np.eye(3), abs=1e-8)
    _, value, _ = np.linalg.svd(table)
    assert np.linalg.norm(table @ found) ** 2 == pytest.approx((value[:3] ** 2).sum())


def test_a_gift_is_wanted_as_often_as_those_without_it_choose_it() -> None:
    """Of 40 people 8 chose the first gift, which nobody has; 30 have the second, and 8 of the other 10 chose it."""
    data, (first, second, other) = dataset(), [gift.id for gift in dataset().gifts][:3]

    def one(index: int) -> Scenario:
        had = (second,) if index >= 10 else ()
        wanted = [second] * (index < 8) + [first] * (index < 8) or [other]
        return Scenario(
            f"person {index}", Profile(age=30.0, history=had), chosen=tuple((each, 1.0) for each in wanted)
        )

    bias = started(replace(data, train=tuple(map(one, range(40))))).model.experience.bias  # type: ignore[union-attr]
    said = bias.weight.data[:, 0]
    part = 48 / 78  # 16 and 32 gifts chosen, and 30 that were there before
    wanted = (8 + part * 8 / 40) / 41, (8 + part * 38 / 40) / 11
    assert said[:2] == pytest.approx(REWARD_SCALE * np.array(wanted) / part, rel=1e-5)
    assert not said[3:].any()


def test_where_nobody_has_anything_a_bias_is_the_share_of_people_who_chose() -> None:
    data = tribal()
    bare = [
        replace(each, profile=replace(each.profile, history=()), chosen=each.chosen) for each in data.train
    ]
    trainer = started(replace(data, train=tuple(bare)))
    shares = trainer.task.train.chosen.toarray().mean(axis=0)
    found = trainer.model.experience.bias.weight.data[:, 0]  # type: ignore[union-attr]
    assert found == pytest.approx(REWARD_SCALE * shares, rel=1e-5)


def test_a_new_gift_has_no_experience_and_the_least_popularity() -> None:
    experience = started(tribal()).model.experience
    assert experience is not None
    taste = Tensor(np.ones((2, experience.embedding.weight.shape[1]), np.float32))
    logits = experience.logits(taste, np.array([0, MISSING])).data
    assert logits[:, 1] == pytest.approx(experience.bias.weight.data.min())


def test_a_taste_is_half_of_the_profile_and_the_history_at_unit_length() -> None:
    trainer = started(tribal())
    experience, people = trainer.model.experience, trainer.task.test.profiles.take([0])
    assert experience is not None

    def taste(history: list[int]) -> np.ndarray:
        told = np.array([history], np.int64)
        return experience.taste(encode_profiles(people, trainer.task.vocabulary, history=told)).data[0]

    had = experience.embedding.weight.data[[1, 4, 6]].sum(axis=0) / np.sqrt(3)
    wanted = taste([]) / 2 + experience.from_history.weight.data @ had
    assert taste([MISSING, 1, 4, 6]) == pytest.approx(wanted, abs=1e-5)


def named(data: Dataset, people: int) -> Dataset:
    """So many people to learn from, each expected to like their tribe's category; no profile tells the tribe."""
    rng, categories = np.random.default_rng(6), data.vocabulary.categories

    def expecting(index: int) -> Scenario:
        one = person(index, rng, data, told=False)
        return replace(one, expected_categories=(categories[index % TRIBES],))

    train = tuple(expecting(index) for index in range(people))
    return replace(data, train=train, test=tuple(expecting(index) for index in range(12)))


def test_with_enough_people_the_categories_start_at_what_the_taste_foretells() -> None:
    trainer = started(named(dataset(), 2 * plain_width(dataset().vocabulary)))
    task = trainer.task
    found = predict(trainer.model, task.test.profiles, task, infer_split(trainer.model, task.test, task))
    assert tribe_of_best(found.category_scores) == [index % TRIBES for index in range(12)]
    likely = 1 / (1 + np.exp(-found.category_scores))
    assert likely.mean() == pytest.approx(task.train.labels.categories.mean(), abs=0.03)
    untold = predict(trainer.model, task.test.profiles, task).category_scores
    assert (untold.max(axis=1) < found.category_scores.max(axis=1)).all()


def test_few_people_leave_the_categories_to_the_words() -> None:
    few = started(named(dataset(), 2 * plain_width(dataset().vocabulary) - 1)).model.category_matching
    assert few.from_taste.bias is not None
    assert not few.from_taste.weight.data.any() and not few.from_taste.bias.data.any()
    assert linear_layers(few.score)[-1].weight.data.any()


def test_a_history_is_read_by_the_core_too() -> None:
    trainer = started(tribal())
    people = trainer.task.test.profiles
    told = infer_profiles(trainer.model, people, trainer.task, padded(trainer.task.test.history)).h.data
    assert not np.allclose(told, infer_profiles(trainer.model, people, trainer.task).h.data)


@pytest.mark.parametrize("people", [1, 2, 3])
def test_few_people_are_enough_to_start_from(people: int) -> None:
    trainer = started(tribal().first(people))
    scores = choice_scores(trainer.model, trainer.task.test, trainer.task)
    assert np.isfinite(scores).all()
    train, liked = trainer.task.train, scores.mean(axis=0)
    taken = (train.chosen + train.history).toarray().any(axis=0)
    assert liked[taken].min() > liked[~taken].max()  # what somebody took stands before what nobody did


def test_recommendations_are_in_the_order_of_the_scores(tmp_path: Path) -> None:
    Run(small(training__epochs=1), tribal(), 0, tmp_path).train()
    recommender = Recommender.load(tmp_path / "best.npz")
    recommender.stored.model.experience.shares.data[...] = 0.4, 0.8  # type: ignore[union-attr]
    people = [scenario.profile for scenario in tribal().test]
    task = task_of(tribal())
    wanted = choice_scores(recommender.stored.model, task.test, task)
    with no_grad():
        found = outputs_of(recommender, people).value
    assert found == pytest.approx(wanted, rel=1e-4)


def test_experience_content_and_reward_make_one_value_in_units_of_reward() -> None:
    """As docs/choices.md has it, experience + a · content + b · 10 · reward, over 10."""
    experience, content, reward = np.array([[3.0, -1.0]]), np.array([[2.0, 4.0]]), np.array([[0.5, 0.7]])
    shares = Shares(content=0.5, reward=0.2)
    found = shares.value(shares.liking(experience, content), reward)
    assert found == pytest.approx(np.array([[(3 + 1 + 1) / 10, (-1 + 2 + 1.4) / 10]]))
    assert Shares().value(np.zeros((1, 2)), reward) == pytest.approx(reward)  # without choices


def test_without_choices_there_is_no_experience() -> None:
    trainer = started(dataset())
    assert trainer.model.experience is None
    assert trainer.config.model.experienced_gifts == 0
    assert trainer.draw_batch(np.arange(2)).choices is None


def test_shares_are_those_that_rank_best() -> None:
    trainer = started(tribal())
    model, task = trainer.model, trainer.task
    assert model.experience is not None
    fit_shares(model, task.validation, task, infer_split(model, task.validation, task))
    fitted = quality(trainer)
    for shares in ((0.0, 0.0), (0.8, 0.8), (0.1, 0.4)):
        model.experience.shares.data[...] = shares
        assert quality(trainer) <= fitted


def quality(trainer: Trainer) -> float:
    split = trainer.task.validation
    lists = top_gifts(choice_scores(trainer.model, split, trainer.task).__getitem__, split.history)
    return means(choice_values(lists, split.chosen, split.history))["ndcg_at_10"]


def test_training_lowers_the_loss_of_choices() -> None:
    """It does by content alone, which starts as a matcher of words and learns whom a chosen gift suits."""
    config = small("dropout", training__epochs=10, training__evaluate_every=100)
    rates = {name: 3e-3 for name in vars(config.learning_rate) if name != "experience"}
    config = replace(config, learning_rate=replace(config.learning_rate, **rates))
    trainer = Trainer(config, task_of(tribal()), seed=0)
    losses = [record["losses"]["choice"] for record in trainer.epochs()]
    assert losses[-1] < 0.9 * losses[0]


def test_gradients_leave_the_experience_as_it_was_solved() -> None:
    trainer = started(tribal())
    assert trainer.model.experience is not None
    before = trainer.model.experience.state_dict()
    trainer.learn(trainer.draw_batch(np.arange(4)))
    for name, value in trainer.model.experience.state_dict().items():
        assert np.array_equal(value, before[name]), name


def test_a_stored_model_ranks_as_the_one_that_was_trained(tmp_path: Path) -> None:
    run = Run(small(training__epochs=2), tribal(), 0, tmp_path)
    run.train()
    stored = load_model(tmp_path / "best.npz")
    split, task = run.task.test, run.task
    assert np.array_equal(
        choice_scores(stored.model, split, task), choice_scores(run.trainer.model, split, task)
    )


def test_few_candidates_learn_too() -> None:
    config = small(loss__choice_candidates=5, training__epochs=1)
    trainer = Trainer(config, task_of(tribal()), seed=0)
    batch = trainer.draw_batch(np.arange(4))
    assert batch.choices is not None and len(batch.choices.gifts) < len(trainer.task.gifts)
    assert all(np.isfinite(record["losses"]["choice"]) for record in trainer.epochs())
