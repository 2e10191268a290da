"""Effects paired by seed: worked examples, comparison with SciPy's t test, and properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.lab.small_trials import row
from trm_np.config import SWITCHES, switches
from trm_np.lab.effects import effect, effects, mean_and_interval, verdict
from trm_np.lab.grid import ALL_OFF, ALL_ON, grid, only, without

figures = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 6))


def test_a_worked_example() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1/√3, and t(0.975, 2) = 4.3027."""
    found = effect("dropout", "all on", "reward_spearman", [1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    assert found.mean == 2.0 and found.seeds == 3
    assert found.high - 2.0 == pytest.approx(4.3027 / math.sqrt(3), abs=1e-4)
    assert found.low == pytest.approx(4.0 - found.high)
    assert found.verdict == "no effect seen"  # from -0.48: three seeds do not suffice


@given(st.lists(st.tuples(figures, figures), min_size=2, max_size=12))
def test_the_interval_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    on, off = np.array(pairs).T
    found = effect("dropout", "all on", "reward_spearman", on.tolist(), off.tolist())
    if np.ptp(on - off) > 1e-9:
        interval = stats.ttest_rel(on, off).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_pairing_removes_the_variance_between_seeds() -> None:
    """Seeds differ a lot, and the switch adds 0.01 to each. Only paired differences show it."""
    off = [0.1, 0.9, 0.5, 0.3]
    on = [value + gained for value, gained in zip(off, (0.010, 0.011, 0.009, 0.010), strict=True)]
    assert effect("dropout", "all on", "tool_exact_rate", on, off).verdict == "helps"
    apart = np.abs(mean_and_interval(on)[1] - mean_and_interval(on)[0])
    assert apart > 0.4


@given(figures, figures, st.sampled_from(["reward_spearman", "generalization_gap"]))
def test_a_verdict_needs_the_whole_interval_on_one_side(one: float, other: float, metric: str) -> None:
    low, high = sorted((one, other))
    said = verdict(metric, low, high)
    assert (said == "no effect seen") == (low <= 0 <= high)
    if said != "no effect seen":
        assert (said == "helps") == ((low > 0) if metric == "reward_spearman" else (high < 0))


def test_one_seed_shows_no_effect() -> None:
    found = effect("dropout", "all on", "tool_exact_rate", [1.0], [0.0])
    assert (found.mean, found.low, found.high, found.verdict) == (1.0, -math.inf, math.inf, "no effect seen")


def test_differences_that_are_all_the_same_are_certain() -> None:
    assert effect("dropout", "all on", "tool_exact_rate", [0.5, 0.7], [0.5, 0.7]).verdict == "no effect seen"
    assert effect("dropout", "all on", "tool_exact_rate", [0.75, 0.5], [0.5, 0.25]).verdict == "helps"


def test_effects_with_the_others_on_and_off_have_the_right_sign() -> None:
    """The effect is "all on" minus "without", or "only" minus "all off". A failed run removes its pair."""
    rows = [
        *(row(ALL_ON, seed, {"tool_exact_rate": 0.8}) for seed in range(3)),
        *(row(without("dropout"), seed, {"tool_exact_rate": 0.7}) for seed in range(3)),
        *(row(ALL_OFF, seed, {"tool_exact_rate": 0.2}) for seed in range(3)),
        *(row(only("dropout"), seed, {"tool_exact_rate": 0.5}) for seed in range(2)),
        {"name": only("dropout"), "seed": 2, "error": "Diverged: training diverged"},
    ]
    among_on, among_off = effects(rows)
    assert (among_on.among, among_off.among) == ("all on", "all off")
    assert among_on.mean == pytest.approx(0.1) and among_on.seeds == 3
    assert among_off.mean == pytest.approx(0.3) and among_off.seeds == 2


def test_the_grid_matches_its_names() -> None:
    found = {name: switches(config) for name, config in grid("tiny", {}).items()}
    assert len(found) == 18
    assert all(found[ALL_ON].values()) and not any(found[ALL_OFF].values())
    for switch in SWITCHES:
        assert [name for name, on in found[without(switch)].items() if not on] == [switch]
        assert [name for name, on in found[only(switch)].items() if on] == [switch]


def test_the_full_grid_has_every_subset_once_and_the_18_under_the_same_names() -> None:
    full = grid("tiny", {}, full=True)
    assert len({tuple(switches(config).values()) for config in full.values()}) == len(full) == 256
    assert {name: full[name] for name in grid("tiny", {})} == grid("tiny", {})


def test_settings_apply_to_the_whole_grid() -> None:
    assert {config.training.epochs for config in grid("tiny", {"training.epochs": "3"}).values()} == {3}
