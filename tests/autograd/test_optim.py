"""AdamW by hand, its groups, and clipping by the global norm."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.autograd.optim import CHUNK, AdamW, clip_factor, clip_grad_norm_, global_norm


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def with_gradient(values: list[float], gradient: list[float]) -> Tensor:
    tensor = leaf(*values)
    tensor.grad = np.array(gradient)
    return tensor


def test_two_steps_by_hand() -> None:
    """lr 0.1, decay 0.1, betas 0.9 and 0.999; gradients 0.5, then -0.5.

    Step 1: m = 0.05, v = 0.00025; unbiased 0.5 and 0.25, so 1 · 0.99 - 0.1 · 0.5 / 0.5 = 0.89.
    Step 2: m = 0.045 - 0.05 = -0.005, unbiased -0.005 / 0.19; v unbiased 0.25 again, so
    0.89 · 0.99 + 0.1 · (0.005 / 0.19) / 0.5 = 0.8811 + 1 / 190.
    """
    p = leaf(1.0)
    optimizer = AdamW([p], lr=0.1, weight_decay=0.1, eps=0.0)
    p.grad = np.array([0.5])
    optimizer.step()
    assert p.data[0] == pytest.approx(0.89, rel=1e-12)
    p.grad = np.array([-0.5])
    optimizer.step()
    assert p.data[0] == pytest.approx(0.8811 + 1 / 190, rel=1e-12)


def test_eps_is_added_outside_the_root() -> None:
    """0.5 / (0.5 + 0.5): the unbiased second moment's root is the gradient itself."""
    p = with_gradient([1.0], [0.5])
    AdamW([p], lr=0.1, weight_decay=0.0, eps=0.5).step()
    assert p.data[0] == pytest.approx(1 - 0.1 * 0.5, rel=1e-12)


@settings(derandomize=True)
@given(gradient=st.floats(-1e6, 1e6), p=st.floats(-10, 10), decay=st.floats(0, 1))
def test_decay_is_decoupled_from_the_gradient(gradient: float, p: float, decay: float) -> None:
    with_decay, without = (with_gradient([p], [gradient]) for _ in range(2))
    AdamW([with_decay], lr=0.1, weight_decay=decay).step()
    AdamW([without], lr=0.1, weight_decay=0.0).step()
    assert without.data[0] - with_decay.data[0] == pytest.approx(0.1 * decay * p, rel=1e-9, abs=1e-12)


def test_each_group_has_its_own_settings_and_keeps_its_own_entries() -> None:
    slow, fast = with_gradient([1.0], [1.0]), with_gradient([1.0], [1.0])
    groups: list[dict[str, Any]] = [{"params": [slow], "name": "slow"}, {"params": [fast], "lr": 0.2}]
    optimizer = AdamW(groups, lr=0.1, weight_decay=0.0, eps=0.0)
    optimizer.step()
    assert slow.data[0] == pytest.approx(0.9) and fast.data[0] == pytest.approx(0.8)
    assert optimizer.param_groups[0]["name"] == "slow"
    optimizer.param_groups[1]["lr"] = 0.0
    optimizer.step()
    assert slow.data[0] == pytest.approx(0.8) and fast.data[0] == pytest.approx(0.8)


def test_a_group_given_as_a_generator_is_kept() -> None:
    p = with_gradient([1.0], [1.0])
    AdamW([{"params": (tensor for tensor in [p])}], lr=0.1, weight_decay=0.0).step()
    assert p.data[0] == pytest.approx(0.9)


def test_a_parameter_without_a_gradient_stays_and_its_steps_are_not_counted() -> None:
    p, q = leaf(1.0), leaf(1.0)
    optimizer = AdamW([p, q], lr=0.1)
    p.grad = np.array([1.0])
    optimizer.step()
    assert q.data[0] == 1.0 and optimizer.steps == [1, 0]
    q.grad = np.array([1.0])
    optimizer.step()
    assert q.data[0] == pytest.approx(1 * (1 - 0.1 * 0.01) - 0.1)  # as at a first step


def test_steps_are_taken_in_place_and_in_the_parameters_dtype() -> None:
    p = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    optimizer = AdamW([p], lr=np.float64(0.1))
    place = p.data
    for _ in range(3):
        p.grad = np.ones((2, 3), np.float32)
        optimizer.step()
    assert p.data is place and p.dtype == np.float32 and (place < 0.8).all()


def test_parameters_and_gradients_are_views_of_one_array_each() -> None:
    """They lie in the order of the groups. A gradient put there by hand is taken over, and so is one of backward()."""
    p, q, r = leaf(1.0, 2.0), leaf(3.0), leaf(4.0, 5.0)
    optimizer = AdamW([{"params": [r]}, {"params": [p, q]}])
    assert optimizer.weights.tolist() == [4, 5, 1, 2, 3]
    optimizer.weights[...] = [10, 20, 30, 40, 50]
    assert (r.data.tolist(), p.data.tolist(), q.data.tolist()) == ([10, 20], [30, 40], [50])
    (p * 2 + q * 3).sum().backward()
    r.grad = np.array([7.0, 8.0])
    of_groups = optimizer.gradients()
    assert optimizer.gradient.tolist() == [7, 8, 2, 2, 6]
    assert [g.tolist() for g in of_groups] == [[7, 8], [2, 2, 6]]
    of_groups[1][0] = 0.5
    assert p.grad is not None and p.grad.tolist() == [0.5, 2]


def test_gradients_leave_out_who_has_none() -> None:
    p, q, r = leaf(1.0), leaf(2.0), leaf(3.0)
    optimizer = AdamW([p, q, r])
    p.grad, r.grad = np.array([1.0]), np.array([2.0])
    assert [g.tolist() for g in optimizer.gradients()] == [[1], [2]]


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_a_long_parameter_is_updated_chunk_by_chunk_to_the_same_end(size: int) -> None:
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(2, size))
    whole = Tensor(start.copy(), requires_grad=True)
    pieces = [Tensor(piece.copy(), requires_grad=True) for piece in np.array_split(start, 7)]
    optimizers = AdamW([whole], lr=0.1), AdamW([{"params": [piece]} for piece in pieces], lr=0.1)
    for _ in range(2):
        whole.grad = gradient
        for piece, its in zip(pieces, np.array_split(gradient, 7), strict=True):
            piece.grad = its
        for optimizer in optimizers:
            optimizer.step()
    np.testing.assert_allclose(whole.data, np.concatenate([piece.data for piece in pieces]), rtol=1e-12)


def test_a_parameter_without_axes() -> None:
    p = Tensor(np.array(1.0), requires_grad=True)
    optimizer = AdamW([p], lr=0.1, weight_decay=0.0)
    (p * 4).backward()
    assert clip_grad_norm_([p], 2.0) == pytest.approx(4.0)
    assert p.grad is not None and p.grad.item() == pytest.approx(2.0, rel=1e-6)
    optimizer.step()
    assert p.data.item() == pytest.approx(0.9)


def test_zero_grad() -> None:
    p = with_gradient([1.0], [1.0])
    AdamW([p]).zero_grad()
    assert p.grad is None


def test_a_minimum_is_found() -> None:
    p, target = leaf(5.0, -3.0), np.array([1.0, 2.0])
    optimizer = AdamW([p], lr=0.1, weight_decay=0.0)
    for _ in range(500):
        optimizer.zero_grad()
        ((p - target) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(p.data, target, atol=1e-3)


P = leaf(1.0)


@pytest.mark.parametrize(
    ("groups", "settings_", "message"),
    [
        ([{"params": [P]}, {"params": [P]}], {}, "more than one group"),
        ([P * 2], {}, "result of an operation"),
        ([], {}, "empty"),
        ([P, {"params": [leaf(2.0)]}], {}, "mixes parameters and dicts"),
        ([P, Tensor([1.0], requires_grad=True)], {}, "different dtypes"),
        ([{"params": [P]}, {"params": []}], {}, "empty"),
        ([P], {"lr": -1.0}, "lr is -1.0"),
        ([P], {"lr": float("nan")}, "lr is nan"),
        ([P], {"lr": float("inf")}, "lr is inf"),
        ([{"params": [P], "lr": -2.0}], {}, "lr is -2.0"),
        ([P], {"eps": -1e-8}, "eps is -1e-08"),
        ([P], {"weight_decay": -0.1}, "weight_decay is -0.1"),
        ([P], {"betas": (1.0, 0.999)}, "betas are"),
        ([P], {"betas": (0.9, -0.1)}, "betas are"),
    ],
)
def test_bad_groups_and_settings_are_refused(groups: Any, settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdamW(groups, **settings_)


@pytest.mark.parametrize("given_", [P, [1.0], [P, None], [{"params": ["w"]}], [np.ones(2)], {"params": [P]}])
def test_what_is_no_parameter_is_refused(given_: Any) -> None:
    with pytest.raises(TypeError, match="Tensor"):
        AdamW(given_)


def test_parameters_may_come_from_a_generator_and_a_group_may_be_one_tensor() -> None:
    p, q = with_gradient([1.0], [1.0]), with_gradient([1.0], [1.0])
    AdamW((each for each in [p, q]), lr=0.1, weight_decay=0.0).step()
    AdamW([{"params": p}], lr=0.1, weight_decay=0.0).step()
    assert (p.data[0], q.data[0]) == (pytest.approx(0.8), pytest.approx(0.9))


# ----------------------------------------------------------------------------------------------------- views


def fitted(steps: int, at_step: Callable[[int, nn.Sequential, AdamW], tuple[nn.Sequential, AdamW]]) -> Any:
    """The weights after so many steps; before each, `at_step` may put other objects in place of these two."""
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.SiLU(), nn.Linear(4, 1, rng=rng)).astype(np.float64)
    optimizer = AdamW(
        [{"params": model.parameters()[:2], "lr": 0.03}, {"params": model.parameters()[2:]}], lr=0.1
    )
    for step in range(steps):
        model, optimizer = at_step(step, model, optimizer)
        F.mse_loss(model(Tensor(x)), target).backward()
        optimizer.step()
        optimizer.zero_grad()
    return np.concatenate([p.data.reshape(-1) for p in model.parameters()])


def data_put_elsewhere(model: nn.Sequential) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data.copy()


@pytest.mark.parametrize(
    "move",
    [
        lambda model, optimizer: copy.deepcopy((model, optimizer)),
        lambda model, optimizer: pickle.loads(pickle.dumps((model, optimizer))),
        lambda model, optimizer: (model, copy.copy(optimizer)),
        lambda model, optimizer: (data_put_elsewhere(model), (model, optimizer))[1],
        lambda model, optimizer: (AdamW(model.parameters()), (model, optimizer))[1],
    ],
    ids=["deepcopy", "pickle", "copy of the optimizer", "w.data = new", "another optimizer"],
)
def test_training_goes_on_to_the_bit_after_a_move(move: Callable[..., Any]) -> None:
    plain = fitted(6, lambda step, *both: both)
    moved = fitted(6, lambda step, *both: move(*both) if step in (0, 3) else both)
    assert np.array_equal(plain, moved)


def test_a_copy_in_the_middle_of_a_step_takes_the_gradients_along_and_lives_apart() -> None:
    p = leaf(1.0, 2.0)
    optimizer = AdamW([p], lr=0.1)
    (p * 3).sum().backward()
    q, other = copy.deepcopy((p, optimizer))
    other.step()
    assert p.data.tolist() == [1.0, 2.0] and (q.data != p.data).all()
    optimizer.step()
    assert np.array_equal(q.data, p.data)


def test_two_optimizers_of_one_parameter_take_turns() -> None:
    """PyTorch's answer: 1 - 0.1 - 0.2, both at their first step."""
    p = leaf(1.0)
    one, two = (AdamW([p], lr=lr, weight_decay=0.0, eps=0.0) for lr in (0.1, 0.2))
    (p * 3).backward()
    one.step()
    two.step()
    assert p.data[0] == pytest.approx(0.7)
    p.grad = None
    (p * 3).backward()
    one.step()
    assert p.data[0] == pytest.approx(0.6)


@pytest.mark.parametrize("value", [np.ones(3), np.ones(2, np.float32), np.ones(())])
def test_what_no_longer_fits_is_an_error_at_the_next_step(value: Any) -> None:
    for name in ("data", "grad"):
        p = with_gradient([1.0, 2.0], [1.0, 1.0])
        optimizer = AdamW([p])
        setattr(p, name, value)
        with pytest.raises(RuntimeError, match="since the optimizer was made; make a new one"):
            optimizer.step()


def test_a_model_that_is_turned_to_another_dtype_needs_a_new_optimizer() -> None:
    layer = nn.Linear(2, 1, rng=np.random.default_rng(0))
    optimizer = AdamW(layer.parameters())
    layer.astype(np.float64)
    with pytest.raises(RuntimeError, match=r"has become .* float64"):
        optimizer.step()


# -------------------------------------------------------------------------------------------------- clipping

gradients = hnp.arrays(float, hnp.array_shapes(max_dims=2), elements=st.floats(-100, 100))


@settings(derandomize=True)
@given(arrays=st.lists(gradients, min_size=1, max_size=3), max_norm=st.floats(0.01, 100))
def test_clipping_bounds_the_joint_norm_and_keeps_the_direction(arrays: list[Any], max_norm: float) -> None:
    tensors = [Tensor(np.zeros(a.shape), requires_grad=True) for a in arrays]
    for tensor, a in zip(tensors, arrays, strict=True):
        tensor.grad = a.copy()
    clipped = [tensor.grad for tensor in tensors if tensor.grad is not None]  # in place
    before = float(np.linalg.norm(np.concatenate([a.ravel() for a in arrays])))
    assert clip_grad_norm_(tensors, max_norm) == pytest.approx(before, rel=1e-9)
    if before <= max_norm - 1e-5:
        assert all(np.array_equal(g, a) for g, a in zip(clipped, arrays, strict=True))
    else:
        for g, a in zip(clipped, arrays, strict=True):
            np.testing.assert_allclose(g, a * (max_norm / before), rtol=1e-3, atol=1e-12)
        assert np.linalg.norm(np.concatenate([g.ravel() for g in clipped])) <= max_norm


@pytest.mark.parametrize(
    ("dtype", "exponent"),
    [(np.float32, exponent) for exponent in (-40, -30, -20, -10, 0, 10, 19, 20, 30, 38)]
    + [(np.float64, exponent) for exponent in (-320, -200, -40, -10, 0, 10, 38, 150, 300)],
)
def test_gradients_of_any_magnitude_are_clipped_and_the_weights_move_on(dtype: Any, exponent: int) -> None:
    magnitude = dtype(10.0**exponent)
    parameters = [Tensor(np.zeros(1, dtype), requires_grad=True) for _ in range(100)]
    optimizer = AdamW(parameters, lr=0.1, weight_decay=0.0)
    for p in parameters:
        p.grad = np.array([magnitude])
    assert clip_grad_norm_(parameters, 1.0) == pytest.approx(10 * float(magnitude), rel=1e-6)
    clipped = np.concatenate([p.grad for p in parameters if p.grad is not None])
    assert np.allclose(clipped, min(float(magnitude), 0.1), rtol=1e-4, atol=0)
    optimizer.step()
    assert np.isfinite(optimizer.second_moment).all()
    for p in parameters:
        p.grad = np.array([0.1], dtype)
    optimizer.step()
    assert np.isfinite(optimizer.weights).all() and (optimizer.weights < -0.01).all()


@settings(derandomize=True)
@given(arrays=st.lists(gradients, min_size=1, max_size=3), decay=st.sampled_from([0.0, 0.1]))
def test_a_step_may_clip_on_its_way(arrays: list[Any], decay: float) -> None:
    """The same as after clipping, but that the gradients stay as they are."""
    within, before = ([Tensor(np.ones(a.shape), requires_grad=True) for a in arrays] for _ in range(2))
    one, other = (AdamW(tensors, lr=0.1, weight_decay=decay) for tensors in (within, before))
    for _ in range(3):
        for tensor, same, a in zip(within, before, arrays, strict=True):
            tensor.grad, same.grad = a.copy(), a.copy()
        one.step(clip_factor(global_norm(one.gradients()), 1.0))
        clip_grad_norm_(before, 1.0)
        other.step()
        assert all(np.array_equal(tensor.grad, a) for tensor, a in zip(within, arrays, strict=True))
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-12)


def test_large_and_small_gradients_have_one_norm() -> None:
    tensors = [with_gradient([0.0], [value]) for value in (3e200, 4e200, 1.0, 1e-300)]
    assert clip_grad_norm_(tensors, 1.0) == pytest.approx(5e200)
    assert [float(t.grad[0]) for t in tensors if t.grad is not None] == pytest.approx([0.6, 0.8, 2e-201, 0.0])


def test_one_tensor_is_taken_as_pytorch_takes_it() -> None:
    p = with_gradient([0.0, 0.0], [3.0, 4.0])
    assert clip_grad_norm_(p, 1.0) == pytest.approx(5.0)
    assert p.grad is not None and p.grad.tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(TypeError, match="must be a Tensor"):
        clip_grad_norm_([np.ones(2)], 1.0)  # type: ignore[list-item]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_leaves_the_gradients_alone(bad: float) -> None:
    p, q = with_gradient([0.0, 0.0], [3.0, bad]), with_gradient([0.0], [4.0])
    assert not np.isfinite(clip_grad_norm_([p, q], 1.0))
    assert p.grad is not None and p.grad[0] == 3.0
    assert q.grad is not None and q.grad[0] == 4.0


def test_clipping_skips_what_has_no_gradient_and_takes_a_generator() -> None:
    p, q = with_gradient([0.0], [3.0]), leaf(1.0)
    assert clip_grad_norm_((tensor for tensor in [p, q]), 1.0) == pytest.approx(3.0)
    assert q.grad is None and p.grad is not None and p.grad[0] == pytest.approx(1.0)
    assert clip_grad_norm_([q], 1.0) == 0.0


@pytest.mark.parametrize("max_norm", [-1.0, float("nan")])
def test_a_bad_bound_is_refused(max_norm: float) -> None:
    with pytest.raises(ValueError, match="max_norm is"):
        clip_grad_norm_([], max_norm)


def test_a_gradient_goes_to_the_optimizer_while_the_values_lie_there_and_nowhere_else_later() -> None:
    p = nn.Parameter(np.ones(3, np.float32))
    optimizer = AdamW([p])
    (p * 2.0).sum().backward()
    assert p.grad is not None and np.shares_memory(p.grad, optimizer.gradient)
    p.data, p.grad = p.data.astype(np.float64), None
    (p * 3.0).sum().backward()
    assert p.grad.dtype == np.float64 and not np.shares_memory(p.grad, optimizer.gradient)
    assert optimizer.gradient.tolist() == [2.0] * 3
