"""Simulated data: their size, schema, distributions, labels and reproducibility."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trm_np.cli.simulate import MOST_GIFTS, MOST_HELD_OUT, MOST_SCENARIOS
from trm_np.data.labelling import agreement, cheapest_prices, expected_categories
from trm_np.data.load import Dataset, load_dataset
from trm_np.data.records import Profile
from trm_np.data.simulation import documents, simulate
from trm_np.data.strict_json import MAX_FILE_BYTES
from trm_np.data.tables import age_group, gift_table, implied_categories

SHIPPED = load_dataset()
CATEGORIES = SHIPPED.vocabulary.categories


def simulated(scenarios: int = 25, held_out: int = 4, gifts: int = 45, seed: int = 0) -> Dataset:
    return simulate(SHIPPED, scenarios, held_out, gifts, np.random.default_rng(seed))


@cache
def large() -> Dataset:
    return simulated(scenarios=1500, held_out=200, gifts=2600, seed=1)


def interests(profile: Profile) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(profile.hobbies), frozenset(profile.preferences)


def implied(dataset: Dataset) -> np.ndarray:
    return implied_categories(gift_table(dataset.gifts, SHIPPED.vocabulary), SHIPPED.vocabulary)


# ----------------------------------------------------------------------------------------- the files


@settings(max_examples=15)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(13, 150), st.integers(0, 2**32))
def test_simulated_files_load_to_the_simulated_dataset(
    tmp_path_factory: pytest.TempPathFactory, scenarios: int, held_out: int, gifts: int, seed: int
) -> None:
    dataset = simulated(scenarios, held_out, gifts, seed)
    loaded = written(dataset, tmp_path_factory.mktemp("simulated"))
    assert loaded == dataset
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (scenarios, held_out, held_out)
    assert len(loaded.gifts) == gifts
    assert loaded.vocabulary == SHIPPED.vocabulary
    assert (implied(loaded) == implied(SHIPPED)).all()
    sizes = [sum(gift.category == category for gift in loaded.gifts) for category in CATEGORIES]
    assert max(sizes) - min(sizes) <= 1


def written(dataset: Dataset, folder: Path) -> Dataset:
    for name, content in documents(dataset).items():
        (folder / name).write_bytes(content)
    return load_dataset(*(folder / name for name in documents(dataset)))


def test_same_seed_same_bytes() -> None:
    assert documents(simulated(seed=7)) == documents(simulated(seed=7))
    again, other = documents(simulated(seed=7)), documents(simulated(seed=8))
    assert all(again[name] != other[name] for name in again)


@pytest.mark.slow
def test_one_record_on_a_line_and_the_largest_files_can_be_read() -> None:
    files = documents(large())
    assert files["gift_catalog.json"].count(b"\n") == 2600 + 2
    gift, scenario = (
        len(files[name]) / number for name, number in (("gift_catalog.json", 2600), ("scenarios.json", 1500))
    )
    assert gift * MOST_GIFTS < 0.95 * MAX_FILE_BYTES  # numbers in names get longer, by a few characters
    assert scenario * max(MOST_SCENARIOS, 2 * MOST_HELD_OUT) < 0.95 * MAX_FILE_BYTES


def test_fewer_gifts_than_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="n_gifts: found 12; allowed: at least 13, one per category"):
        simulated(gifts=12)


# ------------------------------------------------------------------------------------- the scenarios


def test_other_parts_do_not_depend_on_a_size() -> None:
    """With more gifts, scenarios and labels stay the same. A longer training list begins with the shorter one."""
    small = simulated(scenarios=10, gifts=13)
    for other in (simulated(scenarios=10, gifts=200), simulated(scenarios=40, gifts=13)):
        assert other.train[:10] == small.train
        assert (other.validation, other.test) == (small.validation, small.test)
    assert simulated(scenarios=40, gifts=13).gifts == small.gifts


def test_no_held_out_interests_occur_in_another_scenario() -> None:
    dataset = large()
    held_out = [interests(scenario.profile) for scenario in dataset.validation + dataset.test]
    assert len(set(held_out)) == len(held_out) == 400
    assert not set(held_out) & {interests(scenario.profile) for scenario in dataset.train}


def test_taken_interests_are_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1 list of hobbies and 4 of preferences, random draws would repeat."""
    few = SHIPPED.vocabulary.__class__(
        **{
            **SHIPPED.vocabulary.lists,
            "hobbies": ("art", "music"),
            "preferences": ("trendy", "unique", "quality"),
        }
    )
    monkeypatch.setattr("trm_np.data.simulation._gifts", lambda *_: ())
    crowded = Dataset(few, SHIPPED.train, SHIPPED.validation, SHIPPED.test, SHIPPED.gifts)
    dataset = simulate(crowded, 30, 1, 13, np.random.default_rng(0))
    held_out = {interests(scenario.profile) for scenario in dataset.validation + dataset.test}
    assert len(held_out) == 2
    trained = {interests(scenario.profile) for scenario in dataset.train}
    assert len(trained) == 2 and not trained & held_out


def test_labels_follow_the_guide_with_either_catalogue() -> None:
    dataset = large()
    scenarios = dataset.train + dataset.validation + dataset.test
    for gifts in (dataset.gifts, SHIPPED.gifts, simulated(gifts=13).gifts):
        found = agreement(scenarios, cheapest_prices(gifts, CATEGORIES))
        assert (found["categories_exact"], found["tools_exact"]) == (1.0, 1.0)
    assert {len(scenario.expected_categories) for scenario in scenarios} == {2, 3}
    unlimited = [expected_categories(scenario.profile, CATEGORIES) for scenario in scenarios]
    assert unlimited != [scenario.expected_categories for scenario in scenarios], "some budgets are too small"


def test_profiles_have_the_documented_distribution() -> None:
    """Each share within four standard errors of what the docstring says."""
    profiles = [scenario.profile for scenario in large().train]
    n = len(profiles)

    def close(count: int, share: float) -> bool:
        return abs(count - n * share) < 4 * np.sqrt(n * share * (1 - share))

    groups = age_group([profile.age for profile in profiles])
    assert all(close((groups == group).sum(), 0.2) for group in range(5))
    assert {profile.age for profile in profiles} == set(range(19, 69))
    assert all(
        close(sum(hobby in p.hobbies for p in profiles), 2.5 / 18) for hobby in SHIPPED.vocabulary.hobbies
    )
    assert all(
        close(sum(name in p.preferences for p in profiles), 2.5 / 20)
        for name in SHIPPED.vocabulary.preferences
    )
    assert close(sum(len(profile.hobbies) == 2 for profile in profiles), 0.5)
    budgets = np.array([profile.budget for profile in profiles])
    assert (budgets.min(), budgets.max()) == (45, 250)
    assert close((budgets < np.sqrt(45 * 250)).sum(), 0.5)  # half lie below the geometric mean


def test_profiles_are_plausible() -> None:
    profiles = [scenario.profile for scenario in large().train]
    assert {p.relationship for p in profiles} == set(SHIPPED.vocabulary.relationships)
    assert {p.occasion for p in profiles} == set(SHIPPED.vocabulary.occasions)
    assert min(p.age for p in profiles if p.relationship in ("mother", "father")) >= 36
    assert min(p.age for p in profiles if p.relationship == "grandparent") >= 56
    assert {p.relationship for p in profiles if p.occasion == "mothers_day"} == {"mother"}
    assert {p.relationship for p in profiles if p.occasion == "fathers_day"} == {"father"}


# ----------------------------------------------------------------------------------------- the gifts


def test_gifts_are_well_formed() -> None:
    hobbies = set(SHIPPED.vocabulary.hobbies)
    sellers = {offer.seller for gift in SHIPPED.gifts for offer in gift.offers}
    for gift in large().gifts:
        assert 1 <= len(hobbies & set(gift.tags)) <= 3
        assert 2 <= len(set(gift.tags) - hobbies) <= 4
        assert len(set(gift.tags)) == len(gift.tags)
        assert "birthday" in gift.occasions
        assert gift.age_range[0] < gift.age_range[1]
        assert gift.price == gift.offers[0].price
        assert {offer.seller for offer in gift.offers} <= sellers
        assert len({offer.seller for offer in gift.offers}) == len(gift.offers) <= 4
        assert sum(gift.reviews) > 0
        mean = sum(stars * count for stars, count in enumerate(gift.reviews, start=1)) / sum(gift.reviews)
        assert gift.rating == pytest.approx(mean, abs=0.05 + 1e-9)
        assert ("affordable" not in gift.tags) or gift.price <= 50
        assert ("luxury" not in gift.tags) or gift.price >= 120


def test_prices_lie_in_the_shipped_range_of_each_category() -> None:
    for category in CATEGORIES:
        shipped, ours = (
            [gift.price for gift in gifts if gift.category == category]
            for gifts in (SHIPPED.gifts, large().gifts)
        )
        assert min(ours) == min(shipped)
        assert max(ours) <= max(shipped) + 0.5
        middle = np.sqrt(min(shipped) * max(shipped))
        assert 0.35 < np.mean(np.array(ours) < middle) < 0.65  # uniform on a logarithmic scale


def test_simulated_gifts_have_something_for_every_tool() -> None:
    gifts = large().gifts
    assert 0.02 < np.mean([gift.stock == 0 for gift in gifts]) < 0.06
    assert any(min(offer.price for offer in gift.offers) <= 0.9 * gift.price for gift in gifts)
    days = [(offer.price / gift.price, offer.shipping_days) for gift in gifts for offer in gift.offers[1:]]
    assert np.mean([d for share, d in days if share < 0.88]) > 4 + np.mean(
        [d for share, d in days if share > 0.98]
    )
    assert {len(gift.offers) for gift in gifts} == {1, 2, 3, 4}
    assert sum(gift.rating >= 4.5 and sum(gift.reviews) < 25 for gift in gifts) >= 3
    growth = np.array(
        [(sum(gift.weekly_sales[-4:]) + 1) / (sum(gift.weekly_sales[:4]) + 1) for gift in gifts]
    )
    assert np.mean(growth > 1.5) > 0.1
    assert np.mean(growth < 0.7) > 0.1
    assert np.mean((growth > 0.9) & (growth < 1.1)) > 0.1
