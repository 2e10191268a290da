"""Every rule's gradient against finite differences, on drawn shapes and at the edges; dtypes are kept."""

import inspect
import math
import operator
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from trm_np.autograd import Tensor, check_grads, fused, nn, no_grad, ops
from trm_np.autograd import functional as F
from trm_np.autograd.cases import CASES, DRAWS, Case, check_case
from trm_np.autograd.ops import Array
from trm_np.autograd.tensor import apply, concatenate

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
ELEMENTWISE_CASES = [case for case in CASES if case.rule in ops.ELEMENTWISE]
seeds = st.integers(0, 2**32 - 1)


def leaves(arrays: list[Array]) -> list[Tensor]:
    return [Tensor(a, requires_grad=True) for a in arrays]


@every_case
@settings(derandomize=True, max_examples=25)
@given(seed=seeds)
def test_gradient_agrees_with_finite_differences(case: Case, seed: int) -> None:
    assert check_case(case, seed) <= 1e-6


@every_case
@settings(derandomize=True, max_examples=10)
@given(seed=seeds, dtype=st.sampled_from([np.float32, np.float64]))
def test_the_value_is_the_same_to_the_bit_where_nothing_is_recorded(
    case: Case, seed: int, dtype: type[np.floating[Any]]
) -> None:
    tensors = leaves([a.astype(dtype) for a in case.draw(np.random.default_rng(seed))])
    before = [tensor.data.copy() for tensor in tensors]
    recorded = case.function(*tensors)
    with no_grad():
        alone = case.function(*tensors)
    assert recorded.requires_grad and not alone.requires_grad
    assert (alone.dtype, alone.shape) == (recorded.dtype, recorded.shape) and recorded.dtype == dtype
    np.testing.assert_array_equal(alone.data, recorded.data)
    for tensor, data in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(tensor.data, data)


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize(
    ("sublayer", "shapes"),
    [
        (lambda *given: F.attention_sublayer(*given, heads=1), [(2, 3, 1), (3, 1), (4, 1)]),
        (F.swiglu_sublayer, [(2, 3, 1), (6, 1), (4, 3)]),
        (F.swiglu_sublayer, [(2, 3, 4), (5, 4), (4, 3)]),
    ],
    ids=["attention, wider", "swiglu, wider", "swiglu, odd"],
)
def test_a_sublayer_refuses_weights_that_do_not_fit_recorded_or_not(
    sublayer: Callable[..., Tensor], shapes: list[tuple[int, ...]], recording: bool
) -> None:
    """Added to an input that is one wide, what is wider would pass, by broadcasting."""
    with (
        nullcontext() if recording else no_grad(),
        pytest.raises(ValueError, match=r"sublayer of shapes .*: needs"),
    ):
        sublayer(*leaves([np.ones(shape, np.float32) for shape in shapes]))


@pytest.mark.parametrize("case", [case for case in CASES if case.rule], ids=lambda case: case.name)
def test_a_vjp_reads_the_arguments_that_its_rule_says_and_no_others(case: Case) -> None:
    """An argument whose data are overwritten after the forward pass changes the gradients, or does not."""
    assert case.rule is not None
    rng = np.random.default_rng(0)
    read = set()
    for arrays in (case.draw(rng) for _ in range(DRAWS)):
        expected = gradients_with_overwritten(case, arrays, None)
        places = range(len(arrays))
        read |= {
            place
            for place in places
            for found, wanted in zip(gradients_with_overwritten(case, arrays, place), expected, strict=True)
            if not np.array_equal(found, wanted)
        }
    assert read == set(ops.VJP_READS.get(case.rule, places))


def gradients_with_overwritten(case: Case, arrays: list[Array], place: int | None) -> list[Array]:
    tensors = leaves([a.copy() for a in arrays])
    result = case.function(*tensors)
    if place is not None:
        tensors[place].data[...] = 0.7 - 1.3 * tensors[place].data
    with np.errstate(all="ignore"):  # a negative number has no root
        result.backward(np.random.default_rng(1).normal(size=result.shape))
    return [tensor.grad for tensor in tensors if tensor.grad is not None]


@pytest.mark.parametrize("module", [ops, fused], ids=["ops", "fused"])
def test_every_rule_has_a_row_in_the_table(module: ModuleType) -> None:
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [f for _, f in functions if f.__module__ == module.__name__]
    rules = {f for f in own if inspect.signature(f).return_annotation == ops.Ruled}
    assert len(rules) > 5
    assert rules <= {case.rule for case in CASES}


def test_rows_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_elementwise_rule_is_checked_on_broadcasting_shapes() -> None:
    assert {case.rule for case in ELEMENTWISE_CASES} == ops.ELEMENTWISE


@pytest.mark.parametrize("case", ELEMENTWISE_CASES, ids=lambda case: case.name)
@settings(derandomize=True, max_examples=25)
@given(data=st.data(), seed=seeds)
def test_elementwise_rules_on_shapes_that_broadcast(case: Case, data: st.DataObject, seed: int) -> None:
    assert case.rule is not None
    parameters = inspect.signature(case.rule).parameters.values()
    arity = sum(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)
    drawn = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=arity, min_side=0, max_side=3, max_dims=4))
    rng = np.random.default_rng(seed)
    tensors = leaves([rng.uniform(0.3, 2.0, shape) for shape in drawn.input_shapes])
    result = case.function(*tensors)
    assert result.shape == drawn.result_shape
    assert check_grads(case.function, *tensors, rng=rng) <= 1e-6
    for tensor in tensors:
        assert tensor.grad is not None and tensor.grad.shape == tensor.shape


@settings(derandomize=True, max_examples=40)
@given(data=st.data(), seed=seeds)
def test_attention_under_any_mask(data: st.DataObject, seed: int) -> None:
    b, h, t, s, d = (data.draw(st.integers(1, 4)) for _ in range(5))
    mask_shape = data.draw(st.sampled_from([(b, h, t, s), (b, 1, 1, s), (b, 1, t, s), (t, s), (s,)]))
    blocked = data.draw(hnp.arrays(bool, mask_shape))
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in ((b, h, t, d), (b, h, s, d), (b, h, s, d))]

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, blocked)

    assert check_grads(attend, *leaves(arrays), rng=rng) <= 1e-6


@settings(derandomize=True, max_examples=50)
@given(data=st.data(), seed=seeds)
def test_getitem_with_any_basic_index(data: st.DataObject, seed: int) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    rng = np.random.default_rng(seed)
    (x,) = leaves([rng.normal(size=shape)])
    assert np.array_equal(x[index].data, x.data[index])
    assert check_grads(lambda x: x[index], x, rng=rng) <= 1e-6


@settings(derandomize=True, max_examples=50)
@given(data=st.data(), seed=seeds)
def test_permute_by_any_permutation_counted_from_either_end(data: st.DataObject, seed: int) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3))
    axes = data.draw(st.permutations(range(len(shape))))
    axes = [axis - data.draw(st.sampled_from([0, len(shape)])) for axis in axes]
    rng = np.random.default_rng(seed)
    (x,) = leaves([rng.normal(size=shape)])
    assert check_grads(lambda x: x.permute(*axes), x, rng=rng) <= 1e-6


@settings(derandomize=True, max_examples=50)
@given(data=st.data(), seed=seeds)
def test_sum_and_mean_over_any_axes(data: st.DataObject, seed: int) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    n = len(shape)
    axis = data.draw(st.one_of(st.none(), st.integers(-n, n - 1), hnp.valid_tuple_axes(n)))
    keepdims = data.draw(st.booleans())
    rng = np.random.default_rng(seed)
    (x,) = leaves([rng.normal(size=shape)])
    for ours, numpys in ((Tensor.sum, np.sum), (Tensor.mean, np.mean)):
        assert np.allclose(ours(x, axis, keepdims).data, numpys(x.data, axis=axis, keepdims=keepdims))
        assert check_grads(lambda x, ours=ours: ours(x, axis, keepdims), x, rng=rng) <= 1e-6


NOTHING = np.array([], dtype=int)
EMPTY: list[tuple[str, Callable[..., Tensor], list[tuple[int, ...]]]] = [
    ("softmax", F.softmax, [(0, 3)]),
    ("log_softmax", F.log_softmax, [(0, 3)]),
    ("sum of nothing", lambda a: a.sum(axis=0), [(0, 3)]),
    ("sum of rows of nothing", lambda a: a.sum(axis=1), [(2, 0)]),
    ("reshape", lambda a: a.reshape(3, 0), [(0, 3)]),
    ("transpose", lambda a: a.transpose(0, 1), [(0, 3)]),
    ("permute", lambda a: a.permute(1, 0), [(0, 3)]),
    ("expand", lambda a: a.expand(0, 3), [(1, 3)]),
    ("concatenate", lambda a, b: concatenate([a, b]), [(2, 0), (2, 3)]),
    ("getitem", lambda a: a[1:1], [(2, 3)]),
    ("take_rows", lambda a: F.embedding(NOTHING, a), [(4, 3)]),
    ("matmul without rows", operator.matmul, [(0, 3), (3, 2)]),
    ("matmul over nothing", operator.matmul, [(2, 0), (0, 3)]),
    ("linear", F.linear, [(0, 3), (2, 3), (2,)]),
    ("rms_norm", F.rms_norm, [(0, 3)]),
    ("layer_norm", F.layer_norm, [(0, 3), (3,), (3,)]),
    ("swiglu", F.swiglu, [(0, 4)]),
    ("attention without queries", F.scaled_dot_product_attention, [(2, 0, 3), (2, 4, 3), (2, 4, 3)]),
    ("attention without keys", F.scaled_dot_product_attention, [(2, 4, 3), (2, 0, 3), (2, 0, 3)]),
    ("attention without batch", F.scaled_dot_product_attention, [(0, 4, 3), (0, 2, 3), (0, 2, 3)]),
]


@pytest.mark.parametrize(("name", "function", "shapes"), EMPTY)
def test_empty_arrays_have_gradients_too(
    name: str, function: Callable[..., Tensor], shapes: list[tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(0)
    tensors = leaves([rng.normal(size=shape) for shape in shapes])
    assert check_grads(function, *tensors, rng=rng, names=[name] * 3) <= 1e-6
    for tensor in tensors:
        assert tensor.grad is not None and tensor.grad.shape == tensor.shape


ONE_ELEMENT: list[tuple[str, Callable[..., Tensor], list[tuple[int, ...]]]] = [
    ("softmax", F.softmax, [(1,)]),
    ("log_softmax", F.log_softmax, [(1, 1)]),
    ("sum of a number", lambda a: a.sum(), [()]),
    ("reshape", lambda a: a.reshape(1, 1), [()]),
    ("expand", lambda a: a.expand(2, 3), [()]),
    ("getitem", lambda a: a[0], [(1,)]),
    ("matmul", operator.matmul, [(1, 1), (1, 1)]),
    ("linear", F.linear, [(1,), (1, 1), (1,)]),
    ("linear of a vector", F.linear, [(3,), (2, 3), (2,)]),
    ("layer_norm", F.layer_norm, [(1,), (1,), (1,)]),
    ("rms_norm of a vector", F.rms_norm, [(3,)]),
    ("swiglu", F.swiglu, [(2,)]),
    ("attention", F.scaled_dot_product_attention, [(1, 1), (1, 1), (1, 1)]),
    ("mse_loss", lambda a: F.mse_loss(a, np.zeros(())), [()]),
]


@pytest.mark.parametrize(("name", "function", "shapes"), ONE_ELEMENT)
def test_one_element_and_one_row(
    name: str, function: Callable[..., Tensor], shapes: list[tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(1)
    tensors = leaves([rng.normal(size=shape) for shape in shapes])
    assert check_grads(function, *tensors, rng=rng, names=[name] * 3) <= 1e-6


def test_dropout_with_probability_zero_is_the_identity() -> None:
    rng = np.random.default_rng(2)
    (x,) = leaves([rng.normal(size=(3, 4))])
    assert np.array_equal(F.dropout(x, 0.0, rng).data, x.data)
    assert check_grads(lambda x: F.dropout(x, 0.0, rng), x, rng=rng) <= 1e-6


@settings(derandomize=True, max_examples=40)
@given(data=st.data(), seed=seeds)
def test_gradient_of_a_table_is_what_np_add_at_sums(data: st.DataObject, seed: int) -> None:
    rows = data.draw(st.integers(1, 6))
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    index = data.draw(hnp.arrays(int, shapes, elements=st.integers(0, rows - 1)))
    rng = np.random.default_rng(seed)
    (table,) = leaves([rng.normal(size=(rows, 3))])
    g = rng.normal(size=(*index.shape, 3))
    expected = np.zeros((rows, 3))
    np.add.at(expected, index, g)
    F.embedding(index, table).backward(g)
    assert table.grad is not None
    np.testing.assert_allclose(table.grad, expected, rtol=1e-12, atol=1e-12)


# --------------------------------------------------------------------------------------------------- float32


@every_case
@pytest.mark.parametrize("seed", range(3))
def test_float32_stays_float32(case: Case, seed: int) -> None:
    arrays = case.draw(np.random.default_rng(seed))
    tensors = leaves([a.astype(np.float32) for a in arrays])
    result = case.function(*tensors)
    assert result.dtype == np.float32
    result.backward(np.ones(result.shape))
    for tensor in tensors:
        assert tensor.grad is not None and tensor.grad.dtype == np.float32


NUMBERS = [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)]
ARRAYS = [np.full((2, 3), 2.5), np.arange(1, 4), np.full((1, 1), 2.5, np.float32)]


@pytest.mark.parametrize("other", [*NUMBERS, *ARRAYS], ids=lambda other: f"{type(other).__name__} {other}")
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_numbers_and_arrays_take_the_dtype_of_the_tensor(
    operation: Callable[..., Any], other: object, shape: tuple[int, ...]
) -> None:
    for dtype in (np.float32, np.float64):
        x = Tensor(np.full(shape, 1.5), requires_grad=True, dtype=dtype)
        for result in (operation(x, other), operation(other, x)):
            assert result.dtype == dtype
            x.grad = None
            result.backward(np.ones(result.shape))
            assert x.grad is not None and x.grad.dtype == dtype and x.grad.shape == shape
        assert np.allclose(operation(x, other).data, operation(x.data, other))
        assert np.allclose(operation(other, x).data, operation(other, x.data))


@pytest.mark.parametrize("exponent", [2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2)])
def test_power_keeps_float32(exponent: float) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    result = x**exponent
    result.sum().backward()
    assert result.dtype == np.float32
    assert x.grad is not None and x.grad.dtype == np.float32


def test_each_gradient_has_the_dtype_of_its_own_argument() -> None:
    single = Tensor(np.ones(2, np.float32), requires_grad=True)
    double = Tensor(np.ones(2, np.float64), requires_grad=True)
    (single * double).sum().backward()
    assert single.grad is not None and single.grad.dtype == np.float32
    assert double.grad is not None and double.grad.dtype == np.float64


def test_matmul_with_an_array_on_either_side() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    m = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert (x @ m).dtype == (m @ x).dtype == np.float32
    assert np.array_equal((x @ m).data, x.data[:, ::-1])
    assert np.array_equal((m @ x).data, x.data[::-1])


# ------------------------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize("index", [np.array([True, False]), np.array([0.0, 1.0]), [0.5], Tensor([0.0, 1.0])])
def test_an_embedding_is_indexed_by_integers(index: Any) -> None:
    with pytest.raises(TypeError, match="must be of integers"):
        F.embedding(index, Tensor(np.ones((2, 3))))


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, math.nan])
def test_dropout_as_a_function_refuses_what_the_layer_refuses(p: float) -> None:
    with pytest.raises(ValueError, match="drop probability"):
        F.dropout(Tensor(np.ones(3)), p, np.random.default_rng(0))


def test_targets_may_be_tensors_lists_and_arrays() -> None:
    x = Tensor([[0.5, -1.0]], requires_grad=True)
    for loss, target in (
        (F.mse_loss, [[0.0, 1.0]]),
        (F.binary_cross_entropy_with_logits, [[0.0, 1.0]]),
        (F.kl_divergence_with_logits, [[0.25, 0.75]]),
    ):
        given = [np.array(target), np.array(target, ">f8"), Tensor(target), target]
        assert len({float(loss(x, each)) for each in given}) == 1  # type: ignore[arg-type]
    assert float(F.cross_entropy(x, [1])) == float(F.cross_entropy(x, np.array([1])))  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------- wrong shapes

a23, a45, a6 = (Tensor(np.ones(shape), requires_grad=True) for shape in ((2, 3), (4, 5), (6,)))


@pytest.mark.parametrize(
    ("call", "rule", "shapes"),
    [
        (lambda: a23 + a45, "add", "(2, 3), (4, 5)"),
        (lambda: a23 * a45, "mul", "(2, 3), (4, 5)"),
        (lambda: a23 @ a45, "matmul", "(2, 3), (4, 5)"),
        (lambda: a23 @ a6, "matmul", "(2, 3), (6,)"),
        (lambda: a23.reshape(4), "reshape", "(2, 3)"),
        (lambda: a23.expand(4, 3), "expand", "(2, 3)"),
        (lambda: a23.sum(axis=2), "total", "(2, 3)"),
        (lambda: a23.transpose(0, 2), "transpose", "(2, 3)"),
        (lambda: a23.permute(0, 2), "permute", "(2, 3)"),
        (lambda: a23[[0, 0]], "getitem", "(2, 3)"),
        (lambda: a23[:, np.array([0, 0])], "getitem", "(2, 3)"),
        (lambda: a23[(0, 0),], "getitem", "(2, 3)"),
        (lambda: a23[np.ones(2, bool)], "getitem", "(2, 3)"),
        (lambda: a23[range(2)], "getitem", "(2, 3)"),
        (lambda: concatenate([a23, a45], axis=0), "concatenate", "(2, 3), (4, 5)"),
        (lambda: F.linear(a23, a45), "linear", "(2, 3), (4, 5)"),
        (lambda: F.linear(a23, Tensor(np.ones((4, 3))), a6), "linear", "(2, 3), (4, 3), (6,)"),
        (lambda: F.swiglu(a23), "swiglu", "(2, 3)"),
        (lambda: F.layer_norm(a23, a6, a6), "layer_norm", "(2, 3), (6,), (6,)"),
        (lambda: F.scaled_dot_product_attention(a23, a45, a45), "attention", "(2, 3), (4, 5), (4, 5)"),
        (lambda: F.linear_of_parts([a23, a23], a45, a6), "linear_of_parts", "(4, 5)"),
        (lambda: F.embedding(np.array([0, 2]), a23), "take_rows", "(2, 3)"),
        (lambda: F.embedding(np.array([-1, 0]), a23), "take_rows", "(2, 3)"),
        (lambda: F.mse_loss(a23, np.ones((2, 1))), "mse_loss", "(2, 1)"),
        (lambda: F.binary_cross_entropy_with_logits(a23, np.ones(3)), "binary_cross_entropy", "(3,)"),
        (lambda: F.kl_divergence_with_logits(a23, np.ones((3, 2))), "kl_divergence", "(3, 2)"),
        (lambda: F.cross_entropy(a23, np.array([1])), "cross_entropy", "(1,)"),
        (lambda: F.cross_entropy(a23, np.array([0, 3])), "cross_entropy", "(2, 3)"),
        (lambda: F.cross_entropy(a23, np.array([0, -1])), "cross_entropy", "(2, 3)"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_rule_and_shapes(
    call: Callable[[], Tensor], rule: str, shapes: str
) -> None:
    with pytest.raises(ValueError) as raised:
        call()
    assert rule in str(raised.value)
    assert shapes in str(raised.value)


def test_a_vjp_of_a_wrong_shape_is_an_error_that_names_the_rule() -> None:
    def crooked(a: Array) -> ops.Ruled:
        return 2 * a, lambda g: (2 * g[:1],)

    with pytest.raises(ValueError, match=r"crooked: gradient 0 has shape \(1,\), its argument has \(3,\)"):
        apply(crooked, Tensor(np.ones(3), requires_grad=True)).sum().backward()


# ---------------------------------------------------------------------------------------- values at the edges


def test_activations_and_losses_are_finite_for_any_logit() -> None:
    z = Tensor(np.array([[-1e4, 0.0, 1e4], [1e4, 1e4, -1e4]]), requires_grad=True)
    target = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    for result in (
        F.sigmoid(z), F.silu(z), F.softmax(z), F.log_softmax(z), F.swiglu(concatenate([z, z])),
        F.binary_cross_entropy_with_logits(z, target), F.kl_divergence_with_logits(z, target),
        F.cross_entropy(z, np.array([0, 2])),
    ):  # fmt: skip
        z.grad = None
        result.sum().backward()
        assert np.isfinite(result.data).all()
        assert z.grad is not None and np.isfinite(z.grad).all()


def test_cross_entropy_of_nothing_but_ignored_targets_is_zero() -> None:
    z = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    loss = F.cross_entropy(z, np.array([-1, -1]), ignore_index=-1)
    loss.backward()
    assert loss.item() == 0.0
    assert z.grad is not None and not z.grad.any()


def test_uniform_logits_cost_what_a_uniform_guess_costs() -> None:
    z = Tensor(np.zeros((3, 5)))
    assert F.cross_entropy(z, np.array([0, 1, 2])).item() == pytest.approx(math.log(5))
    assert F.binary_cross_entropy_with_logits(z, np.eye(5)[:3]).item() == pytest.approx(math.log(2))
    assert F.kl_divergence_with_logits(z, np.eye(5)[:3]).item() == pytest.approx(math.log(5))
    assert F.kl_divergence_with_logits(z, np.full((3, 5), 0.2)).item() == pytest.approx(0.0)


def test_a_query_that_may_see_no_key_gets_zeros_and_a_finite_gradient() -> None:
    rng = np.random.default_rng(3)
    q, k, v = leaves([rng.normal(size=(1, 3, 4)) for _ in range(3)])
    blocked = np.zeros((1, 3, 3), bool)
    blocked[0, 1] = True
    result = F.scaled_dot_product_attention(q, k, v, blocked)
    result.backward(rng.normal(size=result.shape))
    assert not result.data[0, 1].any() and result.data[0, 0].all()
    assert q.grad is not None and not q.grad[0, 1].any()
    assert all(t.grad is not None and np.isfinite(t.grad).all() for t in (q, k, v))


@settings(derandomize=True, max_examples=30)
@given(offset=st.integers(-50, 50), seed=seeds)
def test_rotary_dot_products_depend_on_relative_position_only(offset: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, k = (Tensor(rng.normal(size=(5, 8)).astype(np.float32)) for _ in range(2))
    here, there = (nn.rotary_positions(np.arange(5) + start, 8) for start in (0, offset))
    scores = (F.rotary(q, here) @ F.rotary(k, here).transpose(0, 1)).data
    moved = (F.rotary(q, there) @ F.rotary(k, there).transpose(0, 1)).data
    np.testing.assert_allclose(moved, scores, rtol=1e-4, atol=1e-4)
    turned = np.linalg.norm(F.rotary(q, there).data, axis=-1)
    np.testing.assert_allclose(turned, np.linalg.norm(q.data, axis=-1), rtol=1e-5)
    assert np.array_equal(F.rotary(q, here).data[0], q.data[0])  # position 0 is not turned
