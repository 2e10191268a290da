"""Augmentation changes age, budget and the order of hobbies, and nothing else."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trm_np.data.augment import augment
from trm_np.data.tables import ProfileTable

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def tables(draw: st.DrawFn) -> ProfileTable:
    rows = draw(st.integers(0, 6))
    width = draw(st.integers(1, 5))
    hobbies = [draw(st.lists(st.integers(0, 9), unique=True, max_size=width)) for _ in range(rows)]
    numbers = st.lists(st.just(np.nan) | st.floats(0.01, 120), min_size=rows, max_size=rows)
    names = st.lists(st.integers(-1, 8), min_size=rows, max_size=rows)
    return ProfileTable(
        age=np.array(draw(numbers)),
        budget=np.array(draw(numbers)),
        relationship=np.array(draw(names), dtype=np.int64),
        occasion=np.array(draw(names), dtype=np.int64),
        hobbies=np.array([row + [-1] * (width - len(row)) for row in hobbies], dtype=np.int64).reshape(
            rows, width
        ),
        preferences=np.full((rows, 2), 3, dtype=np.int64),
    )


@given(tables(), SEEDS)
def test_age_and_budget_stay_in_their_ranges_and_missing_stays_missing(
    table: ProfileTable, seed: int
) -> None:
    new = augment(table, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.isnan(new.age), np.isnan(table.age))
    np.testing.assert_array_equal(np.isnan(new.budget), np.isnan(table.budget))
    known = ~np.isnan(table.age)
    assert (np.abs(new.age[known] - table.age[known]) <= 3 + 1e-9).all()
    assert ((new.age[known] >= 0) & (new.age[known] <= 120)).all()
    known = ~np.isnan(table.budget)
    share = new.budget[known] / table.budget[known]
    assert ((share >= 0.85 - 1e-9) & (share <= 1.15 + 1e-9)).all()


@given(tables(), SEEDS)
def test_every_row_keeps_its_hobbies_and_padding_stays_at_the_end(table: ProfileTable, seed: int) -> None:
    new = augment(table, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(new.hobbies, axis=1), np.sort(table.hobbies, axis=1))
    np.testing.assert_array_equal(new.hobbies == -1, table.hobbies == -1)


@given(tables(), SEEDS)
def test_the_input_is_not_changed_and_other_columns_are_copied(table: ProfileTable, seed: int) -> None:
    before = {field.name: getattr(table, field.name).copy() for field in fields(table)}
    new = augment(table, np.random.default_rng(seed))
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(table, name), values)
    for name in ("relationship", "occasion", "preferences"):
        np.testing.assert_array_equal(getattr(new, name), before[name])


@given(tables(), SEEDS)
def test_the_same_seed_gives_the_same_table(table: ProfileTable, seed: int) -> None:
    first, second = (augment(table, np.random.default_rng(seed)) for _ in range(2))
    for field in fields(table):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def many(count: int) -> ProfileTable:
    names = np.zeros(count, dtype=np.int64)
    hobbies = np.tile(np.array([0, 1, 2, -1]), (count, 1))
    return ProfileTable(np.full(count, 50.0), np.full(count, 100.0), names, names, hobbies, hobbies)


def test_all_ages_and_all_orders_are_equally_likely() -> None:
    new = augment(many(7000), np.random.default_rng(0))
    years, times = np.unique(new.age - 50, return_counts=True)
    assert years.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert ((times > 850) & (times < 1150)).all()  # 1000 expected, standard deviation 29
    orders, times = np.unique(new.hobbies, axis=0, return_counts=True)
    assert len(orders) == 6
    assert ((times > 1000) & (times < 1333)).all()  # 1167 expected, standard deviation 31


def test_budgets_fill_the_whole_range() -> None:
    budget = augment(many(7000), np.random.default_rng(0)).budget
    times, _ = np.histogram(budget, bins=6, range=(85, 115))
    assert times.sum() == 7000
    assert ((times > 1000) & (times < 1333)).all()
