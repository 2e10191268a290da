"""Tensors in Python and NumPy: dtype, truth, length, comparisons, conversion, copies, changes in place."""

import copy
import operator
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor, nn, optim
from trm_np.autograd import functional as F
from trm_np.autograd.tensor import concatenate


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# --------------------------------------------------------------------------------------------- data and dtype


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        ([1.0], np.float32),
        (1, np.float32),
        ([True, False], np.float32),
        (np.arange(3), np.float32),
        (np.ones(2), np.float64),
        (np.ones(2, ">f8"), np.float64),
        (np.ones(2, "<f8"), np.float64),
        (np.ones(2, np.longdouble), np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, ">f4"), np.float32),
        (np.ones(2, np.float16), np.float32),
        (np.float64(1), np.float64),
        (Tensor(np.ones(2)), np.float64),
        ([Tensor([1.0]), Tensor([2.0])], np.float32),
    ],
    ids=str,
)
def test_a_tensor_is_float32_unless_made_from_float64(data: object, dtype: type) -> None:
    made = Tensor(data)
    assert made.dtype == dtype and made.dtype.isnative


@pytest.mark.parametrize("order", ["<", ">", "="])
def test_no_digit_is_lost_to_byte_order(order: str) -> None:
    third = np.array([1 / 3], f"{order}f8")
    for made in (
        Tensor(third),
        Tensor(third, dtype=f"{order}f8"),
        Tensor([1 / 3], dtype=np.dtype(f"{order}f8")),
    ):
        assert made.dtype == np.float64 and made.item() == 1 / 3
    assert (leaf(1.0) * third).item() == 1 / 3


@pytest.mark.parametrize(
    "data", ["3", None, [1, None], 1j, np.array([1j]), object(), np.array(["1"]), np.datetime64("2020-01-01")]
)
def test_what_is_not_real_numbers_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match="real numbers"):
        Tensor(data)
    with pytest.raises(TypeError, match="real numbers"):
        leaf(1.0) * data  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [int, np.float16, bool, complex, np.longdouble])
def test_a_tensor_of_another_dtype_is_refused(dtype: Any) -> None:
    if np.dtype(dtype) == np.float64:
        pytest.skip("long double is double here")
    with pytest.raises(TypeError, match="a tensor is of float32 or float64"):
        Tensor([1.0], dtype=dtype)


def test_an_array_of_the_dtype_is_shared_and_another_is_not() -> None:
    single = np.ones(2, np.float32)
    assert np.shares_memory(Tensor(single).data, single)
    assert not np.shares_memory(Tensor(single, dtype=np.float64).data, single)


# -------------------------------------------------------------------------------- truth, length, conversions


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -2.5, np.inf, np.nan])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_is_as_true_as_its_number(value: float, shape: tuple[int, ...]) -> None:
    one = Tensor(np.full(shape, value), requires_grad=True)
    assert bool(one) is bool(value)
    assert float(one) == value or np.isnan(value)
    assert f"{one:.2f}" == f"{value:.2f}"


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 3)])
@pytest.mark.parametrize("convert", [bool, float, Tensor.item, "{:.2f}".format])
def test_any_other_number_of_elements_is_not_one_number(
    convert: Callable[[Tensor], object], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"a tensor of shape \(.*\) is not one number"):
        convert(Tensor(np.ones(shape)))


def test_length_and_iteration_are_over_the_first_axis() -> None:
    table = leaf(1.0, 2.0, 3.0, 4.0).reshape(2, 2)
    assert len(table) == 2
    rows = list(table)
    rows[1].sum().backward()
    assert [row.data.tolist() for row in rows] == [[1, 2], [3, 4]]
    for of_no_axis in (len, iter, list):
        with pytest.raises(TypeError):
            of_no_axis(Tensor(1.0))


@pytest.mark.parametrize(
    "compare", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
)
def test_comparisons_are_element_by_element(compare: Callable[[Any, Any], Any]) -> None:
    a, b = np.array([1.0, 2.0, np.nan]), np.array([2.0, 2.0, np.nan])
    for left, right in ((Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b))):
        assert np.array_equal(compare(left, right), compare(a, b))
    assert np.array_equal(compare(Tensor(a), 2), compare(a, 2))


def test_a_tensor_is_hashed_by_identity() -> None:
    a, b = leaf(1.0), leaf(1.0)
    assert len({a, b, a}) == 2


def test_numpy_takes_the_array_and_not_the_elements_one_by_one() -> None:
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = Tensor(data)
    assert np.asarray(tensor) is not None and np.shares_memory(np.asarray(tensor), data)
    assert np.asarray(tensor).dtype == np.float32 and np.asarray(tensor, dtype=float).dtype == float
    assert not np.shares_memory(np.array(tensor), data)
    assert np.array_equal(np.concatenate([tensor, data]), np.concatenate([data, data]))


@pytest.mark.parametrize(
    "use",
    [
        Tensor.numpy,
        np.asarray,
        lambda t: np.concatenate([t]),
        lambda t: Tensor([t, t]),
        lambda t: F.mse_loss(t, t),
    ],
    ids=["numpy()", "asarray", "concatenate", "a list of tensors", "a target"],
)
def test_what_would_lose_a_gradient_is_refused_with_a_hint(use: Callable[[Tensor], object]) -> None:
    with pytest.raises(RuntimeError, match=r"no gradient: use tensor\.detach\(\)"):
        use(leaf(1.0) * 2)
    use(Tensor([1.0]))


def test_functions_of_numpy_that_would_leave_the_graph_are_refused() -> None:
    for call in (np.exp, np.add.reduce, lambda t: np.add(np.ones(1), t)):
        with pytest.raises(TypeError):
            call(leaf(1.0))


@pytest.mark.parametrize("exponent", [leaf(2.0), Tensor(2.0), np.array([2.0]), "2", None, 2j])
def test_an_exponent_is_one_number(exponent: object) -> None:
    with pytest.raises(TypeError):
        leaf(3.0) ** exponent  # type: ignore[operator]


def test_sizes_may_come_as_one_sequence() -> None:
    x = Tensor(np.arange(6.0))
    assert x.reshape((2, 3)).shape == x.reshape([2, 3]).shape == x.reshape(2, 3).shape == (2, 3)
    assert x.reshape(2, 3).permute((1, 0)).shape == (3, 2)
    assert x.expand((2, 6)).shape == (2, 6)


def test_transpose_exchanges_two_axes_as_in_pytorch() -> None:
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    assert np.array_equal(x.transpose(0, 1).data, x.data.swapaxes(0, 1))
    assert np.array_equal(x.transpose(-1, 0).data, x.data.swapaxes(-1, 0))


# ----------------------------------------------------------------------------------------- copies and pickles


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_leaf_is_copied_with_its_gradient_and_lives_apart(duplicate: Callable[[Tensor], Tensor]) -> None:
    for original in (leaf(1.0, 2.0), Tensor([1.0, 2.0]), nn.Parameter(np.ones(2, np.float32))):
        if original.requires_grad:
            (original * 3).sum().backward()
        other = duplicate(original)
        assert type(other) is type(original) and other.dtype == original.dtype
        assert np.array_equal(other.data, original.data) and other.requires_grad == original.requires_grad
        if original.requires_grad:
            assert other.grad is not None and np.array_equal(other.grad, np.full(2, 3.0))
            (other * 4).sum().backward()
            assert np.array_equal(other.grad, np.full(2, 7.0))


def test_the_result_of_an_operation_is_not_copied() -> None:
    w = leaf(2.0)
    kept, spent = w * 3, w * 3
    spent.backward()
    for result in (kept, spent):
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(RuntimeError, match=r"only a leaf.*detach\(\)"):
                duplicate(result)
    assert copy.deepcopy(kept.detach()).item() == 6.0


# ---------------------------------------------------------------------------------------- changes in place


def stepped(w: Tensor) -> None:
    before = w.grad
    w.grad = np.ones_like(w.data)
    optim.AdamW([w], lr=0.1).step()
    w.grad = before


def loaded(w: Tensor) -> None:
    module = nn.Module()
    module.w = w  # type: ignore[attr-defined]
    module.load_state_dict({"w": w.data + 1})


CHANGES = pytest.mark.parametrize(
    "change", [stepped, loaded, lambda w: w.copy_(w.data + 1)], ids=["step", "load_state_dict", "copy_"]
)


@CHANGES
def test_a_value_that_backward_needs_and_that_was_changed_is_an_error(
    change: Callable[[Tensor], None],
) -> None:
    """w³ at 2 has the gradient 12, and no other may come out."""
    w = nn.Parameter(np.array([2.0]))
    loss = w**3
    change(w)
    with pytest.raises(
        RuntimeError, match=r"backward\(\) of power: its argument of shape \(1,\) was changed in place"
    ):
        loss.backward()
    w.copy_(2.0)
    w.grad = None
    (w**3).backward()
    assert w.grad == [12.0]


@CHANGES
def test_a_value_that_backward_does_not_need_may_change(change: Callable[[Tensor], None]) -> None:
    w, b = nn.Parameter(np.array([2.0])), nn.Parameter(np.array([1.0]))
    loss = (w * 3 + b).exp().sum()
    expected = float(loss)
    change(b)
    loss.backward()
    assert b.grad is not None and b.grad[0] == expected


def test_an_input_that_was_refilled_is_an_error() -> None:
    batch, w = Tensor(np.ones((4, 3))), nn.Parameter(np.ones((2, 3)))
    loss = F.linear(batch, w).sum()
    assert batch.copy_(np.zeros((4, 3))) is batch
    with pytest.raises(RuntimeError, match="backward\\(\\) of linear"):
        loss.backward()


def test_the_result_of_an_operation_is_not_refilled() -> None:
    w = leaf(2.0)
    with pytest.raises(RuntimeError, match=r"copy_\(\) on the result of an operation"):
        (w * 3).copy_(5.0)
    with pytest.raises(RuntimeError, match="no gradient"):
        w.copy_(w * 3)
    assert (w * 3).detach().copy_(5.0).item() == 5.0


def test_two_losses_of_one_weight_with_a_step_between_them() -> None:
    """The second gradient would be that of a weight that is no more: 8.5 where 12 is right."""
    w = nn.Parameter(np.array([2.0]))
    optimizer = optim.AdamW([w], lr=0.1)
    first, second = w**3, w**3
    first.backward()
    optimizer.step()
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="call backward\\(\\) before that"):
        second.backward()


# ------------------------------------------------------------------------------------ values at the edges


def value_and_gradient(function: Callable[[Tensor], Tensor], *row: float) -> tuple[list[float], list[float]]:
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array(row), requires_grad=True, dtype=dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = function(x)
            result.backward(np.ones(result.shape))
        assert x.grad is not None
    return result.data.reshape(-1).tolist(), x.grad.tolist()


@pytest.mark.parametrize("a", [0.0, -0.0, 2.0, np.inf, -np.inf, np.nan, 1e-300])
def test_the_power_0_is_1_and_its_slope_0(a: float) -> None:
    assert value_and_gradient(lambda x: x**0, a) == ([1.0], [0.0])


@pytest.mark.parametrize("a", [-3e38, float(np.finfo(np.float32).min), -1e4, -np.inf])
def test_silu_and_swiglu_are_0_far_to_the_left(a: float) -> None:
    assert value_and_gradient(F.silu, a) == ([0.0], [0.0])
    assert value_and_gradient(lambda x: F.swiglu(concatenate([x, Tensor([7.0])])), a) == ([0.0], [0.0])


@pytest.mark.parametrize("ignored", [-np.inf, np.inf, np.nan])
def test_an_ignored_row_may_hold_anything(ignored: float) -> None:
    other = Tensor([[ignored, 0.0]])
    loss, gradient = value_and_gradient(
        lambda x: F.cross_entropy(concatenate([x.reshape(1, 2), other], axis=0), np.array([0, -100])),
        1.0,
        1.0,
    )
    assert loss == [pytest.approx(np.log(2))] and gradient == pytest.approx([-0.5, 0.5])


def test_a_class_without_probability_may_have_the_logit_minus_infinity() -> None:
    for function in (
        lambda x: F.cross_entropy(x, np.array(1)),
        lambda x: F.kl_divergence_with_logits(x, np.array([0.0, 1.0, 0.0])),
    ):
        loss, gradient = value_and_gradient(function, -np.inf, 1.0, 1.0)
        assert loss == [pytest.approx(np.log(2))] and gradient == pytest.approx([0.0, -0.5, 0.5])


def test_an_infinite_logit_on_the_right_side_costs_nothing_and_on_the_wrong_side_infinitely_much() -> None:
    def loss_of(target: float) -> Callable[[Tensor], Tensor]:
        return lambda x: F.binary_cross_entropy_with_logits(x, np.array([target]))

    assert value_and_gradient(loss_of(1.0), np.inf) == ([0.0], [0.0])
    assert value_and_gradient(loss_of(0.0), -np.inf) == ([0.0], [0.0])
    for target, logit, slope in ((0.0, np.inf, 1.0), (1.0, -np.inf, -1.0), (0.5, np.inf, 0.5)):
        (loss,), gradient = value_and_gradient(loss_of(target), logit)
        assert loss == np.inf and gradient == [slope]


@pytest.mark.parametrize("magnitude", [10.0**n for n in range(-40, 39, 6)] + [1e38])
def test_a_norm_has_the_right_size_at_every_magnitude(magnitude: float) -> None:
    x = Tensor(np.full(100, magnitude, np.float32) / 10, requires_grad=True)
    norm = F.l2_norm(x)
    norm.backward()
    assert norm.item() == pytest.approx(magnitude, rel=1e-4)
    assert x.grad is not None
    if magnitude >= 1e-37:  # below, the norm is no normal number
        assert x.grad == pytest.approx(np.full(100, 0.1), rel=1e-4)
