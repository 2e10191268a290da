"""The scale of money: that of the shipped data, and its independence of the currency."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data import sample_files
from tests.some_quick import some_quick
from tests.training.small_run import dataset, small
from trm_np.data.encode import encode_profiles, scaled_money
from trm_np.data.load import Dataset, Scenarios, load_catalogue, load_dataset
from trm_np.data.money import DOLLARS, Money, in_words, money_of
from trm_np.data.problems import Place
from trm_np.data.records import Gift
from trm_np.data.schema import money_scale
from trm_np.data.tables import BUDGET_TIERS, budget_tier
from trm_np.data.task import Task, task_from
from trm_np.evaluation.inspection import coverage_text, inspect_new, inspect_stored
from trm_np.recommend.recommender import Recommender
from trm_np.storage.checkpoint import Checkpoint, load_model, save_checkpoint
from trm_np.training.trainer import Trainer

SUMS = st.floats(0.01, 1e6)


def times(data: Dataset, factor: float) -> Dataset:
    """The dataset with all amounts of money multiplied by a factor."""

    def scenarios(given: Scenarios) -> Scenarios:
        return tuple(
            replace(
                each,
                profile=replace(each.profile, budget=each.profile.budget and each.profile.budget * factor),
            )
            for each in given
        )

    def gift(given: Gift) -> Gift:
        assert given.price and given.offers
        offers = tuple(replace(offer, price=offer.price * factor) for offer in given.offers)
        return replace(given, price=given.price * factor, offers=offers)

    train, gifts = scenarios(data.train), tuple(map(gift, data.gifts))
    money = money_of((each.profile.budget for each in train), (each.price for each in gifts), "¥")
    vocabulary = replace(data.vocabulary, money=money)
    return Dataset(vocabulary, train, scenarios(data.validation), scenarios(data.test), gifts)


def task_of(data: Dataset) -> Task:
    return task_from(data, small().model.gift_features)


# --------------------------------------------------------------------------------------------- the scale


def test_the_default_scale_is_that_of_the_shipped_data() -> None:
    data = load_dataset()
    budgets = [scenario.profile.budget for scenario in data.train]
    prices = [gift.price for gift in data.gifts]
    assert data.vocabulary.money == DOLLARS == money_of(budgets, prices) == money_of([None], prices)
    assert (DOLLARS.currency, DOLLARS.tiers, DOLLARS.middle) == ("$", (80.0, 150.0), 110.0)
    assert ((0.0, 80.0), (80.0, 150.0), (150.0, np.inf)) == BUDGET_TIERS
    assert money_of([None], [None]) == DOLLARS


@given(st.lists(SUMS, min_size=1, max_size=9), st.lists(SUMS, max_size=5), st.floats(1e-2, 1e3))
def test_the_scale_is_proportional_to_the_amounts(
    budgets: list[float], prices: list[float], factor: float
) -> None:
    before = money_of(budgets, prices)
    after = money_of([factor * budget for budget in budgets], [factor * price for price in prices])
    assert after.middle == pytest.approx(factor * before.middle)
    assert after.tiers == pytest.approx(tuple(factor * top for top in before.tiers))
    assert before.middle == pytest.approx(median(budgets))


@given(st.lists(SUMS, min_size=3, max_size=9), SUMS)
def test_one_extreme_budget_hardly_changes_the_scale(budgets: list[float], odd: float) -> None:
    middle = money_of([*budgets, odd], []).middle
    ordered = sorted(budgets)
    half = len(ordered) // 2
    assert ordered[half - 1] * 0.999999 <= middle <= ordered[min(half + 1, len(ordered) - 1)] * 1.000001


def test_unknown_budgets_do_not_count_and_prices_replace_them() -> None:
    assert money_of([None, 220.0], [1.0]).middle == pytest.approx(220.0)
    assert money_of([None, None], [None, 136.0]).middle == pytest.approx(220.0)


@given(st.sampled_from([150, 0.05, 1 / 3, 1000, 7.3]))
def test_encodings_do_not_depend_on_the_currency(factor: float) -> None:
    data = load_dataset()
    before, after = task_of(data), task_of(times(data, factor))
    for name in ("train", "validation", "test"):
        one, other = (
            vars(encode_profiles(getattr(task, name).profiles, task.vocabulary)) for task in (before, after)
        )
        for column, values in one.items():
            np.testing.assert_allclose(other[column], values, rtol=1e-6, atol=1e-6)
    for column, values in vars(before.gift_inputs).items():
        np.testing.assert_allclose(getattr(after.gift_inputs, column), values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("factor", some_quick([150, 0.05], {150}.__contains__))
def test_training_does_not_depend_on_the_currency(factor: float) -> None:
    data, found = dataset(), []
    for each in (data, times(data, factor)):
        trainer = Trainer(small(training__epochs=5), task_of(each), seed=0)
        *_, last = trainer.epochs()
        found.append(last["validation"])
    one, other = found
    assert {name: other[name] for name in one if name != "losses"} == pytest.approx(
        {name: value for name, value in one.items() if name != "losses"}, abs=0.02
    )


def test_a_tier_includes_its_upper_bound() -> None:
    yen = Money("¥", (12000.0, 22500.0), 16500.0)
    assert budget_tier([12000, 12001, 22500, 22501, np.nan], yen).tolist() == [0, 1, 1, 2, -1]
    assert scaled_money(np.array([16500.0, 20625.0]), yen).tolist() == pytest.approx([0, 1])


# ------------------------------------------------------------------------------------------- the currency


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        *((32, "$", "$32"), (27.5, "$", "$27.50"), (1250, "¥", "¥1,250"), (0.8, "$", "$0.80")),
        *((40, "EUR", "EUR 40"), (1234.5, "kr", "kr 1,234.50"), (7, "US$", "US$7")),
    ],
)
def test_amounts_are_formatted_with_their_currency(amount: float, currency: str, words: str) -> None:
    assert in_words(amount, currency) == words


def files(folder: Path, factor: float, **more: str) -> dict[str, Path]:
    documents = {"scenarios": sample_files.training(), "held_out": sample_files.held_out()}
    for scenario in documents["scenarios"]["scenarios"]:
        scenario["profile"]["budget"] *= factor
    return sample_files.write(folder, **documents, catalogue=sample_files.catalogue() | more)


def test_a_dataset_has_the_currency_of_the_catalogue_and_the_scale_of_the_budgets(
    tmp_path: Path,
) -> None:
    assert load_dataset(**files(tmp_path, 1)).vocabulary.money.currency == "$"
    data = load_dataset(**files(tmp_path, 100, currency="¥"))
    assert data.vocabulary.money == money_of([12050.0], [], "¥")
    assert data.first(2).vocabulary.money == data.vocabulary.money
    assert load_catalogue(tmp_path / "catalogue.json", data.vocabulary) == (data.gifts, "¥")


# ------------------------------------------------------------------------------------------ model files


def model_file(path: Path, money: Money) -> Path:
    data = dataset()
    trainer = Trainer(small(), task_of(data), seed=0)
    vocabulary = replace(data.vocabulary, money=money)
    content = Checkpoint(trainer.model, small(), vocabulary, data.gifts, data.train)
    save_checkpoint(path, "model", content, extra={"seed": 0, "metrics": {}})
    return path


def test_a_model_file_stores_the_scale_and_defaults_to_that_of_the_shipped_data(tmp_path: Path) -> None:
    yen = Money("¥", (12000.0, 22500.0), 16500.0)
    stored = load_model(model_file(tmp_path / "yen.npz", yen))
    assert stored.vocabulary.money == yen and stored.header["money"]["middle"] == 16500.0
    stored = load_model(model_file(tmp_path / "dollars.npz", DOLLARS))
    assert stored.vocabulary.money == DOLLARS and "money" not in stored.header


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {"currency": "$", "tiers": [80.0, 150.0]},
        {"currency": "", "tiers": [80.0, 150.0], "middle": 110.0},
        {"currency": "$", "tiers": [150.0, 80.0], "middle": 110.0},
        {"currency": "$", "tiers": [80.0, 150.0], "middle": 10.0},
        {"currency": "$", "tiers": [0.0, 150.0], "middle": 110.0},
        {"currency": "$", "tiers": [80.0, float("inf")], "middle": 110.0},
        {"currency": "$", "tiers": [80.0], "middle": 110.0},
        {"currency": "$", "tiers": "80", "middle": 110.0},
    ],
    ids=str,
)
def test_an_invalid_scale_is_refused(wrong: object) -> None:
    assert list(money_scale(wrong, Place("header", "money")))


def test_inspect_shows_the_scale_of_data_and_of_a_model(tmp_path: Path) -> None:
    shipped = coverage_text(inspect_new(small(), None, None, None)["coverage"])
    assert (
        "currency: $\nusual budget: 110\n" in shipped and "up to 80 8, up to 150 10, above 150 7" in shipped
    )
    yen = model_file(tmp_path / "yen.npz", Money("¥", (12000.0, 22500.0), 16500.0))
    text = coverage_text(inspect_stored(yen)["coverage"])
    assert "currency: ¥\nusual budget: 16500\n" in text and "up to 12000 25, up to 22500 0" in text


def test_a_recommendation_shows_amounts_in_the_currency_of_its_catalogue(
    tmp_path: Path,
) -> None:
    path = model_file(tmp_path / "model.npz", Money("¥", (12000.0, 22500.0), 16500.0))
    asked = {"budget": 1.0}
    answer = Recommender.load(path).recommend(asked, tools=["budget_optimizer"])
    assert answer.currency == answer.to_dict()["currency"] == "¥"
    said = " ".join([*answer.warnings, *(reason for gift in answer.gifts for reason in gift.reasons)])
    assert "¥" in said and "$" not in said
    document = json.loads((Path(__file__).parents[2] / "scenarios" / "gift_catalog.json").read_text("utf-8"))
    other = sample_files.write(tmp_path, catalogue={"currency": "EUR"} | document)["catalogue"]
    recommender = Recommender.load(path, other)
    assert recommender.recommend(asked).currency == "EUR"
    assert recommender.stored.vocabulary.money.middle == 16500.0
    assert recommender.explain(asked, document["gifts"][0]["id"]).currency == "EUR"
