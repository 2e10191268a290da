"""The five tools: worked examples, properties, and comparison with brute force and SciPy."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from tests.world.small_world import gift
from trm_np.data.load import load_dataset
from trm_np.data.records import Gift, Offer
from trm_np.world.bundle import best_bundle
from trm_np.world.tools import (
    BUNDLE_BONUS,
    BUNDLE_MARGIN,
    PRIOR_REVIEWS,
    T_QUANTILE,
    TOOLS,
    TREND_BONUS,
    Effect,
    budget_optimizer,
    catalogue_star_shares,
    combined,
    effective_price,
    inventory_check,
    price_comparison,
    review_analysis,
    run_tools,
    trend_analysis,
)

OFFERS = st.lists(
    st.builds(Offer, st.sampled_from("abc"), st.integers(1, 9).map(float), st.integers(0, 9)), min_size=1
)
OFFERED_GIFTS = st.builds(
    gift, price=st.integers(1, 9).map(float), offers=OFFERS.map(tuple), stock=st.integers(0, 2)
)
SALES = st.lists(st.integers(0, 50), min_size=12, max_size=12)
REVIEWS = st.tuples(*[st.integers(0, 40)] * 5)
# Sums of quarters are exact, so that equal sums compare as equal.
PRICED = st.lists(st.tuples(st.integers(-1, 4), st.integers(1, 8)), max_size=9)


def offered(*offers: tuple[float, int], price: float = 40.0, stock: int = 5) -> Gift:
    sellers = tuple(Offer(f"seller {place}", *offer) for place, offer in enumerate(offers))
    return gift(price=price, offers=sellers, stock=stock)


# price_comparison


def test_the_cheapest_offer_wins_and_the_faster_of_equal_ones() -> None:
    found = price_comparison([offered((40, 2), (35, 8), (35, 5)), offered((40, 2))])
    assert [offer.seller for offer in found.offer] == ["seller 2", "seller 0"]
    np.testing.assert_array_equal(found.price, [35, 40])
    np.testing.assert_array_equal(found.saving, [5, 0])
    np.testing.assert_array_equal(found.effect().price, [35, 40])


def test_an_offer_that_arrives_too_late_does_not_win() -> None:
    gifts = [offered((40, 2), (36, 8), (30, 14)), offered((40, 11), (35, 12))]
    found = price_comparison(gifts, days_left=10)
    assert [offer.price for offer in found.offer] == [36, 35]  # of the second gift every offer is late
    assert price_comparison(gifts).offer[0].price == 30


def test_offers_above_the_list_price_count_only_if_all_are() -> None:
    found = price_comparison([offered((55, 3), (40, 9), price=40), offered((55, 3), (50, 9), price=40)])
    np.testing.assert_array_equal(found.price, [40, 50])
    np.testing.assert_array_equal(found.saving, [0, 0])
    assert [offer.shipping_days for offer in found.offer] == [9, 9]


@given(st.lists(OFFERED_GIFTS, min_size=1, max_size=5), st.integers(0, 9))
def test_no_other_offer_in_time_is_cheaper_or_as_cheap_and_faster(gifts: list[Gift], days: int) -> None:
    found = price_comparison(gifts, days)
    for best, price, saving, each in zip(found.offer, found.price, found.saving, gifts, strict=True):
        at_list_price = [offer for offer in each.offers if offer.price <= each.price] or list(each.offers)
        assert best in at_list_price
        assert (price, saving) == (best.price, max(each.price - best.price, 0))
        in_time = [offer for offer in at_list_price if offer.shipping_days <= days]
        assert not in_time or best in in_time
        for other in in_time or at_list_price:
            assert other.price >= price
            assert other.price > price or other.shipping_days >= best.shipping_days


def test_a_lower_price_counts_only_beyond_the_budget() -> None:
    listed, paid = np.array([80.0, 120, 120, 120]), np.array([40.0, 120, 110, 40])
    np.testing.assert_array_equal(effective_price(listed, paid, 100), [80, 120, 110, 100])
    np.testing.assert_array_equal(effective_price(listed, paid, np.nan), listed)


# inventory_check


def test_stock_and_the_earliest_arrival_decide_what_is_in_time() -> None:
    gifts = [
        offered((40, 9), (35, 3)),
        offered((40, 9), (45, 3)),
        offered((40, 4)),
        offered((40, 1), stock=0),
    ]
    found = inventory_check(gifts, days_left=4)
    np.testing.assert_array_equal(found.stock, [5, 5, 5, 0])
    np.testing.assert_array_equal(found.arrival_days, [3, 9, 4, 1])
    np.testing.assert_array_equal(found.in_time, [True, False, True, False])
    assert [offer.shipping_days for offer in found.offer] == [3, 9, 4, 1]
    without_a_date = inventory_check(gifts)
    np.testing.assert_array_equal(without_a_date.in_time, [True, True, True, False])
    assert all(column is None for column in found.effect())


@given(st.lists(OFFERED_GIFTS, min_size=1, max_size=5), st.integers(0, 9))
def test_the_best_offer_of_a_gift_that_is_in_time_is_in_time(gifts: list[Gift], days: int) -> None:
    in_time = inventory_check(gifts, days).in_time
    for best, fits in zip(price_comparison(gifts, days).offer, in_time, strict=True):
        assert not fits or best.shipping_days <= days


# review_analysis


def test_the_weight_of_the_prior_falls_with_the_number_of_reviews() -> None:
    # Five stars only, in 3 reviews and in 300; the catalogue at large is worth three stars.
    shares = np.full(5, 0.2)
    gifts = [gift(reviews=(0, 0, 0, 0, number)) for number in (3, 300)] + [gift(reviews=(2, 1, 3, 0, 4))]
    found = review_analysis(gifts, shares)
    expected = [
        (3 * 5 + PRIOR_REVIEWS * 3) / (3 + PRIOR_REVIEWS),
        (300 * 5 + PRIOR_REVIEWS * 3) / (300 + PRIOR_REVIEWS),
        (2 + 2 + 9 + 20 + PRIOR_REVIEWS * 3) / (10 + PRIOR_REVIEWS),
    ]
    np.testing.assert_allclose(found.rating, expected)
    np.testing.assert_array_equal(found.reviews, [3, 300, 10])
    np.testing.assert_allclose(found.low_share, [0, 0, 0.3])
    np.testing.assert_array_equal(found.effect().rating, found.rating)


@given(REVIEWS, REVIEWS)
def test_the_rating_is_the_mean_of_the_dirichlet_posterior(
    counts: tuple[int, ...], rest: tuple[int, ...]
) -> None:
    gifts = [gift(reviews=counts), gift(reviews=rest)]
    shares = catalogue_star_shares(gifts)
    posterior = stats.dirichlet(PRIOR_REVIEWS * shares + counts)
    assert review_analysis(gifts).rating[0] == pytest.approx(posterior.mean() @ np.arange(1, 6))


@given(REVIEWS, REVIEWS, st.integers(0, 4))
def test_a_rating_lies_between_the_gifts_mean_and_that_of_the_prior(
    counts: tuple[int, ...], rest: tuple[int, ...], star: int
) -> None:
    shares = catalogue_star_shares([gift(reviews=rest)])
    of_all = shares @ np.arange(1, 6)
    own = np.average(np.arange(1, 6), weights=counts) if any(counts) else of_all
    rating = review_analysis([gift(reviews=counts)], shares).rating[0]
    assert min(own, of_all) - 1e-12 <= rating <= max(own, of_all) + 1e-12
    one_more = tuple(count + (place == star) for place, count in enumerate(counts))
    changed = review_analysis([gift(reviews=one_more)], shares).rating[0]
    assert changed == pytest.approx(rating) or (changed > rating) == (star + 1 > rating)


def test_without_any_review_every_gift_is_worth_three_stars() -> None:
    found = review_analysis([gift(reviews=(0,) * 5)] * 2)
    np.testing.assert_allclose(found.rating, 3.0)
    np.testing.assert_array_equal(found.reviews, 0)
    np.testing.assert_array_equal(found.low_share, 0.0)


def test_the_prior_weight_follows_from_the_shipped_variances() -> None:
    # Bühlmann's credibility: the expected variance within gifts over the variance between them.
    counts = np.array([each.reviews for each in load_dataset().gifts])
    stars = [np.repeat(np.arange(1.0, 6.0), row) for row in counts]
    number = counts.sum(axis=1)
    within = sum(((own - own.mean()) ** 2).sum() for own in stars) / (number.sum() - len(number))
    means = np.array([own.mean() for own in stars])
    grand_mean = np.concatenate(stars).mean()
    effective = (number.sum() - (number**2).sum() / number.sum()) / (len(number) - 1)
    between = ((number * (means - grand_mean) ** 2).sum() / (len(number) - 1) - within) / effective
    assert round(within / between) == PRIOR_REVIEWS


# trend_analysis


def test_a_linear_trend_is_found_and_noise_is_not() -> None:
    line, wobble, fall = range(10, 34, 2), (10, 14) * 6, (60, 58, 55, 57, 50, 52, 46, 44, 45, 40, 38, 36)
    found = trend_analysis([gift(weekly_sales=tuple(sales)) for sales in (line, wobble, fall, (0,) * 12)])
    assert found.slope[0] == pytest.approx(2 / 21)  # two a week more, of 21 on average
    assert found.standard_error[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(found.direction, [1, 0, -1, 0])
    np.testing.assert_array_equal(found.effect().bonus, TREND_BONUS * found.direction)
    assert (found.slope[3], found.standard_error[3]) == (0, 0)


@given(SALES)
def test_slope_and_error_agree_with_scipy(sales: list[int]) -> None:
    found = trend_analysis([gift(weekly_sales=tuple(sales))])
    if len(set(sales)) == 1:
        assert (found.slope[0], found.standard_error[0], found.direction[0]) == (0, 0, 0)
        return
    fit = stats.linregress(range(12), sales)
    mean = np.mean(sales)
    assert found.slope[0] == pytest.approx(fit.slope / mean, abs=1e-12)
    assert found.standard_error[0] == pytest.approx(fit.stderr / mean, rel=1e-6, abs=1e-7)
    if abs(fit.pvalue - 0.05) > 1e-9:
        assert found.direction[0] == (np.sign(fit.slope) if fit.pvalue < 0.05 else 0)


def test_the_quantile_agrees_with_scipy() -> None:
    """Compare by the distribution function, since quantiles of SciPy 1.13 to 1.15 have only 11 correct digits."""
    assert stats.t(df=10).cdf(T_QUANTILE) == pytest.approx(0.975, rel=1e-15, abs=0)


# budget_optimizer


def by_brute_force(value: np.ndarray, price: np.ndarray, limit: float) -> tuple[int, ...]:
    """The best bundle by exhaustive search: the greatest value, then the lowest price, then the first."""
    bundles = [
        bundle
        for size in range(4)
        for bundle in combinations(range(len(value)), size)
        if sum(price[index] for index in bundle) <= limit
    ]
    return min(bundles, key=lambda b: (-sum(value[i] for i in b), sum(price[i] for i in b), b))


def test_a_bundle_may_hold_fewer_than_three_gifts() -> None:
    gifts = [gift(price=price) for price in (20, 25, 15, 40, 70)]
    value = np.array([0.5, 0.6, 0.4, 0.95, 1.0])
    found = budget_optimizer(gifts, value, budget=65)
    # 0.6 + 0.95 for 65; the three cheapest cost 60 and are worth 1.5.
    assert found.bundle == (
        1,
        3,
    )
    assert found.price == 65
    assert budget_optimizer(gifts, value, 80).bundle == (1, 2, 3)
    assert budget_optimizer(gifts, value, None).bundle == (1, 3, 4)
    np.testing.assert_array_equal(found.effect().bonus, [0, BUNDLE_BONUS, 0, BUNDLE_BONUS, 0])


def test_the_bundle_is_empty_if_nothing_fits() -> None:
    found = budget_optimizer([gift(price=20)] * 3, np.ones(3), budget=19)
    assert (found.bundle, found.price, found.value) == ((), 0, 0)
    np.testing.assert_array_equal(found.effect().bonus, 0)


@given(PRICED, st.integers(0, 24))
def test_no_bundle_beats_the_one_found(priced: list[tuple[int, int]], limit: int) -> None:
    value = np.array([value for value, _ in priced]) / 4
    price = np.array([price for _, price in priced]) / 4
    gifts = [gift(price=float(each)) for each in price]
    found = budget_optimizer(gifts, value, limit / 4)
    assert found.bundle == best_bundle(value, price, limit / 4) == by_brute_force(value, price, limit / 4)
    assert found.price == price[list(found.bundle)].sum() <= limit / 4
    assert found.value == value[list(found.bundle)].sum()


@given(st.integers(0, 2**32), st.floats(0, 300))
def test_no_bundle_of_many_gifts_beats_the_one_found(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    price = rng.uniform(10, 200, 12)
    value = np.clip(
        price / 200 + rng.normal(0, 0.1, 12), 0, 1
    )  # dearer gifts are better, so few are dominated
    assert best_bundle(value, price, limit) == by_brute_force(value, price, limit)


@given(PRICED, st.integers(1, 40), st.data())
def test_bundles_use_offers_and_available_gifts(
    priced: list[tuple[int, int]], limit: int, data: st.DataObject
) -> None:
    number = len(priced)
    value, price = np.array(priced, dtype=np.float64).reshape(-1, 2).T
    stocked = np.array(data.draw(st.lists(st.booleans(), min_size=number, max_size=number)), dtype=np.bool_)
    found = budget_optimizer([gift(price=1000.0)] * number, value, limit, price, stocked)
    left = np.flatnonzero(stocked)
    assert found.bundle == tuple(left[list(by_brute_force(value[left], price[left], limit))])


def test_a_sum_of_prices_may_round_to_just_above_the_budget() -> None:
    gifts = [gift(price=price) for price in (0.1, 0.2)]
    assert 0.1 + 0.2 > 0.3
    assert budget_optimizer(gifts, np.ones(2), 0.3).bundle == (0, 1)


@pytest.mark.parametrize("value", [[0.5, np.nan], [0.5]])
def test_a_value_for_each_gift_is_needed(value: list[float]) -> None:
    with pytest.raises(ValueError, match="value must be 2 numbers, one for each gift"):
        budget_optimizer([gift()] * 2, np.array(value), 50)


# All together

SHOP = [
    offered((40, 2), (30, 8)),
    offered((40, 2), stock=0),
    offered((28, 3), price=28),
    offered((45, 3), price=45),
]
VALUE = np.array([0.90, 0.92, 0.88, 0.70])


def test_tools_run_in_their_own_order_whatever_the_order_of_names() -> None:
    found = run_tools(tuple(reversed(TOOLS)), SHOP, VALUE, 60, 10)
    assert list(found) == list(TOOLS)
    assert run_tools((), SHOP, VALUE, 60, 10) == {}
    for name in TOOLS:
        assert list(run_tools([name], SHOP, VALUE, 60, 10)) == [name]


def test_the_bundle_uses_compared_prices() -> None:
    def bundle(*names: str) -> tuple[int, ...]:
        effect = run_tools(names, SHOP, VALUE, 60, 10)["budget_optimizer"].effect()
        assert effect.bonus is not None
        return tuple(np.flatnonzero(effect.bonus).tolist())

    assert bundle("budget_optimizer") == (1,)  # 40 + 28 is beyond 60, so it is the best gift alone
    assert bundle("budget_optimizer", "price_comparison") == (0, 2)  # 30 + 28


def test_a_bundle_leaves_out_gifts_much_worse_than_the_best_affordable() -> None:
    dear = offered((400, 2), price=400)  # the greatest value, but beyond the budget
    value = np.array([0.80, 0.82, 0.82 - BUNDLE_MARGIN - 0.01, 0.70, 1.0])
    effect = run_tools(["budget_optimizer"], [*SHOP, dear], value, 110, 10)["budget_optimizer"].effect()
    np.testing.assert_array_equal(effect.bonus, [BUNDLE_BONUS, BUNDLE_BONUS, 0, 0, 0])


def test_the_tools_use_the_days_left() -> None:
    found = run_tools(["price_comparison", "inventory_check"], SHOP, VALUE, 60, days_left=2)
    np.testing.assert_array_equal(found["price_comparison"].effect().price, [40, 40, 28, 45])
    in_time = inventory_check(SHOP, days_left=2).in_time
    np.testing.assert_array_equal(found["inventory_check"]._asdict()["in_time"], in_time)
    np.testing.assert_array_equal(in_time, [True, False, False, False])


def test_the_stars_of_the_catalogue_may_be_given() -> None:
    shares = np.array([1.0, 0, 0, 0, 0])
    found = run_tools(["review_analysis"], SHOP, VALUE, 60, 10, shares)["review_analysis"]
    np.testing.assert_array_equal(found.effect().rating, review_analysis(SHOP, shares).rating)


def test_an_unknown_tool_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="no such tool: magic; the tools are price_comparison, inventory_check"
    ):
        run_tools(["magic"], SHOP, VALUE, 60, 10)


def test_the_tools_accept_an_empty_list_of_gifts() -> None:
    for name, finding in run_tools(list(TOOLS), [], np.zeros(0), 60, 10).items():
        effect = finding.effect()
        columns = [effect.price, effect.rating, effect.bonus]
        shapes = [column.shape for column in columns if column is not None]
        assert shapes == ([] if name == "inventory_check" else [(0,)]), name


def test_effects_are_combined() -> None:
    effect = combined(
        [
            Effect(price=np.array([4.0, 9.0]), bonus=np.array([0.5, 0.0])),
            Effect(price=np.array([5.0, 8.0])),
            Effect(bonus=np.array([1.0, -1.0])),
        ]
    )
    np.testing.assert_array_equal(effect.price, [4, 8])
    np.testing.assert_array_equal(effect.bonus, [1.5, -1])
    assert effect.rating is None
    nothing = combined([])
    assert (nothing.price, nothing.rating, nothing.bonus) == (None, None, None)
