"""Reliability tables and the expected calibration error: by hand, by loops, and what always holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trm_np.evaluation.calibration import expected_calibration_error, reliability

PAIRS = st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(0, 1)), min_size=1, max_size=40)


def test_an_example_worked_by_hand() -> None:
    # Below one half: 0.1 and 0.3, of which one came true. From there on: 0.5, 0.9 and 1.0, of which all did.
    table = reliability(np.array([0.1, 0.3, 0.5, 0.9, 1.0]), np.array([0.0, 1.0, 1.0, 1.0, 1.0]), bins=2)
    assert table.edges.tolist() == [0.0, 0.5, 1.0]
    assert table.count.tolist() == [2, 3]
    np.testing.assert_allclose(table.predicted, [0.2, 0.8])
    np.testing.assert_allclose(table.true, [0.5, 1.0])
    assert expected_calibration_error(table) == pytest.approx((2 * 0.3 + 3 * 0.2) / 5)


@given(PAIRS, st.integers(1, 12))
def test_it_is_the_sum_over_bins_that_loops_find(pairs: list[tuple[float, float]], bins: int) -> None:
    predicted, true = np.array(pairs).T
    table = reliability(predicted, true, bins)
    error = 0.0
    for number in range(bins):
        low, high = table.edges[number : number + 2]
        inside = [
            (p, t)
            for p, t in pairs
            if (p >= low or number == 0)
            and (p < high or number == bins - 1)  # the ends take what lies beyond
        ]
        assert table.count[number] == len(inside)
        if inside:
            p, t = np.mean(inside, axis=0)
            assert (table.predicted[number], table.true[number]) == pytest.approx((p, t))
            error += len(inside) / len(pairs) * abs(p - t)
        else:
            assert np.isnan([table.predicted[number], table.true[number]]).all()
    assert expected_calibration_error(table) == pytest.approx(error, abs=1e-12)


@given(PAIRS, st.integers(1, 12))
def test_one_who_says_what_is_true_is_calibrated(pairs: list[tuple[float, float]], bins: int) -> None:
    true = np.array(pairs)[:, 1]
    assert expected_calibration_error(reliability(true, true, bins)) == 0.0


def test_drawing_what_was_predicted_is_nearly_calibrated_and_overconfidence_is_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((200, 100))
    came = (rng.random(p.shape) < p).astype(np.float64)
    assert expected_calibration_error(reliability(p, came)) < 0.01
    bold = np.where(p > 0.5, 1.0, 0.0)
    assert expected_calibration_error(reliability(bold, came)) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("predicted", "true", "fault"),
    [
        (np.zeros(0), np.zeros(0), "not be empty"),
        (np.zeros(2), np.zeros(3), "one shape"),
        (np.array([np.nan]), np.zeros(1), "finite"),
        (np.zeros(1), np.array([np.inf]), "finite"),
    ],
)
def test_what_cannot_be_counted_is_refused(predicted: np.ndarray, true: np.ndarray, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        reliability(predicted, true)
