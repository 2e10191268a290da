"""Weights in fewer bits: what rounding may cost, and that a file of them is read as strictly as any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.hostile.forging import content_of, forged, smallest
from trm_np.autograd.ops import Array
from trm_np.storage.checkpoint import CheckpointError, StoredModel, load_model, save_checkpoint
from trm_np.storage.precision import LEAST_SCALE, as_stored, dequantized, halved, quantized, restore, to_read

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MATRICES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=FLOATS)
SCORE = "weights.tool_selection.score.weight"
BIAS = "weights.tool_selection.score.bias"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    path = tmp_path_factory.mktemp("model") / "best.npz"
    path.write_bytes(smallest())
    return load_model(path)


def written(stored: StoredModel, path: Path, precision: str) -> bytes:
    save_checkpoint(path, "model", stored, stored.header, precision=precision)
    return path.read_bytes()


# ------------------------------------------------------------------------------------------------ rounding


@given(MATRICES)
def test_a_whole_number_is_off_by_half_a_scale_at_most(weight: Array) -> None:
    integers, scale = quantized(weight)
    assert (integers.dtype, scale.dtype) == (np.int8, np.float32)
    error = np.abs(dequantized(integers, scale).astype(np.float64) - weight)
    rounding = 2**-23 * np.abs(weight.astype(np.float64))  # of the product, which is float32 again
    assert (error <= scale[:, None] / 2 + rounding).all()


@given(MATRICES)
def test_whole_numbers_are_symmetric(weight: Array) -> None:
    integers, scale = quantized(weight)
    opposite, same_scale = quantized(-weight)
    assert (opposite == -integers).all() and (same_scale == scale).all()
    assert np.abs(integers.astype(int)).max() <= 127


@given(MATRICES)
def test_a_scale_is_as_small_as_its_row_allows(weight: Array) -> None:
    """A row of large weights costs no other row its precision."""
    integers, scale = quantized(weight)
    for row, largest, each in zip(weight, np.abs(integers.astype(int)).max(axis=1), scale, strict=True):
        assert largest == 127 or each == LEAST_SCALE
        assert quantized(row[None])[1] == each


def test_a_row_of_zeros_stays_zero() -> None:
    assert not dequantized(*quantized(np.zeros((2, 3), np.float32))).any()


@pytest.mark.parametrize("huge", [1e6, 1e30, np.finfo(np.float32).max])
def test_one_huge_weight_costs_the_rest_of_its_row_alone(huge: float) -> None:
    weight = np.array([[huge, 0.5, -0.25], [0.5, 0.5, -0.25]], np.float32)
    first, second = dequantized(*quantized(weight))
    assert first[0] == pytest.approx(huge, rel=1e-6) and not first[1:].any()
    np.testing.assert_allclose(second, weight[1], atol=0.5 / 127 / 2)


@given(arrays(np.float16, array_shapes(max_dims=2), elements={"allow_nan": False, "allow_infinity": False}))
def test_what_half_precision_can_hold_comes_back_as_it_was(weight: Array) -> None:
    assert np.array_equal(halved("w", weight.astype(np.float32)).astype(np.float32), weight)


def test_what_half_precision_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"core.w: found a weight of 70000; allowed in float16: up to 65,504"
    ):
        as_stored({"core.w": np.array([1, -7e4], np.float32)}, "float16")


@given(MATRICES, st.sampled_from(["float32", "int8"]))
def test_what_is_no_matrix_stays_as_it_is(weight: Array, precision: str) -> None:
    weights = {"matrix": weight, "bias": weight[0].copy()}
    stored = as_stored(weights, precision)
    assert stored["bias"] is weights["bias"]
    restored = {name: np.zeros_like(value) for name, value in weights.items()}
    restore(restored, stored)
    assert np.array_equal(restored["bias"], weights["bias"])
    assert {n: (a.dtype, a.shape) for n, a in to_read(weights, precision).items()} == {
        n: (a.dtype, a.shape) for n, a in stored.items()
    }


# -------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_reduced_file_comes_back_as_it_was_rounded(
    stored: StoredModel, tmp_path: Path, precision: str
) -> None:
    data = written(stored, tmp_path / "small.npz", precision)
    assert forged(*content_of(data)) == data
    loaded = load_model(tmp_path / "small.npz")
    assert loaded.precision == precision
    assert (loaded.gifts, loaded.scenarios) == (stored.gifts, stored.scenarios)
    expected = stored.model.state_dict()
    restore(expected, as_stored(stored.model.state_dict(), precision))
    found = loaded.model.state_dict()
    assert all(value.dtype == np.float32 for value in found.values())
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_a_model_in_full_precision_is_written_as_ever(stored: StoredModel, tmp_path: Path) -> None:
    assert written(stored, tmp_path / "same.npz", "float32") == smallest()
    assert b"precision" not in smallest()


Content = dict[str, Any]
SPOILT: dict[str, tuple[str, Callable[[Content], Content], str]] = {
    "scales missing": (
        "int8",
        lambda c: {name: value for name, value in c.items() if name != SCORE + ".scale"},
        f"it lacks {SCORE}.scale",
    ),
    "scales of a bias": (
        "int8",
        lambda c: c | {BIAS + ".scale": np.ones(3, np.float32)},
        f"it has {BIAS}.scale",
    ),
    "a scale too many": (
        "int8",
        lambda c: c | {SCORE + ".scale": np.ones(4, np.float32)},
        f"{SCORE}.scale: found float32 of shape (4,); needed: float32 of shape (3,)",
    ),
    "scales in half precision": (
        "int8",
        lambda c: c | {SCORE + ".scale": c[SCORE + ".scale"].astype(np.float16)},
        f"{SCORE}.scale: found float16",
    ),
    "a scale that is not a number": (
        "int8",
        lambda c: c | {SCORE + ".scale": np.array([1, np.nan, 1], np.float32)},
        f"{SCORE}.scale holds a number that is not finite",
    ),
    "a scale that makes a weight infinite": (
        "int8",
        lambda c: c | {SCORE + ".scale": np.array([1, 3e38, 1], np.float32)},
        f"{SCORE} holds a number that is not finite",
    ),
    "a matrix in full precision": (
        "int8",
        lambda c: c | {SCORE: c[SCORE].astype(np.float32)},
        f"{SCORE}: found float32 of shape (3, 1); needed: int8",
    ),
    "a bias of whole numbers": (
        "int8",
        lambda c: c | {BIAS: np.ones(3, np.int8)},
        f"{BIAS}: found int8 of shape (3,); needed: float32",
    ),
    "a half that is infinite": (
        "float16",
        lambda c: c | {BIAS: np.array([0, np.inf, 0], np.float16)},
        f"{BIAS} holds a number that is not finite",
    ),
    "a weight of whole numbers among halves": (
        "float16",
        lambda c: c | {SCORE: c[SCORE].astype(np.int8)},
        f"{SCORE}: found int8 of shape (3, 1); needed: float16",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_reduced_file_is_refused(stored: StoredModel, tmp_path: Path, name: str) -> None:
    precision, spoil, fragment = SPOILT[name]
    header, content = content_of(written(stored, tmp_path / "small.npz", precision))
    (tmp_path / "spoilt.npz").write_bytes(forged(header, spoil(dict(content))))
    with pytest.raises(CheckpointError) as error:
        load_model(tmp_path / "spoilt.npz")
    assert fragment in str(error.value)


@pytest.mark.parametrize("precision", ["float32", "int4", None, 8, [], {"int8": 1}, "A" * 1000])
def test_no_other_precision_is_read(tmp_path: Path, precision: object) -> None:
    header, content = content_of(smallest())
    (tmp_path / "spoilt.npz").write_bytes(forged(header | {"precision": precision}, content))
    with pytest.raises(CheckpointError, match=r"header: found precision .*; allowed: float16 or int8, in a"):
        load_model(tmp_path / "spoilt.npz")


def test_a_training_file_is_always_in_full_precision(tmp_path: Path) -> None:
    header, content = content_of(smallest())
    (tmp_path / "last.npz").write_bytes(forged(header | {"kind": "training", "precision": "int8"}, content))
    with pytest.raises(CheckpointError, match='found precision "int8"'):
        load_model(tmp_path / "last.npz", kind="training")
