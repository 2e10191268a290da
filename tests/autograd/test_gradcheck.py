"""The gradient check bites: every spoiled vjp is caught, and right gradients are not taken for wrong ones."""

import re
import sys
from collections.abc import Callable
from functools import wraps

import numpy as np
import pytest

from trm_np.autograd import Tensor, check_grads, fused, ops
from trm_np.autograd import functional as F
from trm_np.autograd.cases import CASES, Case, check_case
from trm_np.autograd.fused import attention, rms_norm, rotary
from trm_np.autograd.gradcheck import GradientError
from trm_np.autograd.ops import Array, Rule, Ruled, logistic, silu, softmax
from trm_np.autograd.tensor import apply

Spoil = Callable[[Array], Array]


def transposed(g: Array) -> Array:
    """The last two axes exchanged, where they are of one length."""
    return g.swapaxes(-1, -2) if g.ndim > 1 and g.shape[-1] == g.shape[-2] else g


SPOILS: dict[str, Spoil] = {
    "too large by a thousandth": lambda g: g * 1.001,
    "sign flipped": lambda g: -g,
    "zero": np.zeros_like,
    "doubled": lambda g: 2 * g,
    "mean in place of sum": lambda g: np.broadcast_to(g.mean(), g.shape),
    "permuted": lambda g: np.roll(g.reshape(-1), 1).reshape(g.shape),
    "first axis reversed": lambda g: np.flip(g, axis=0) if g.ndim else g,
    "last axis reversed": lambda g: np.flip(g, axis=-1) if g.ndim else g,
    "transposed": transposed,
}

# Spoils that are provably none: a sum's gradient repeats one number along the axes it summed; attention's
# values are drawn with a first axis of length 1; and some shapes are never square.
MOVES = ["permuted", "first axis reversed", "last axis reversed", "transposed"]
SUMMED = {
    "total of all": ["mean in place of sum", *MOVES],
    "total": ["last axis reversed"],
    "total, axes kept": ["first axis reversed", "last axis reversed"],
    "mean": ["first axis reversed"],
}
FIRST_AXIS_OF_ONE = [("attention", 2), ("attention, blocked keys", 2)]
NEVER_SQUARE = [
    *(("pair_scores", 0), ("pair_scores", 3)),
    *(("linear", 2), ("layer_norm", 1), ("layer_norm", 2), ("take_rows", 0)),
    *(("self_attention", 0), ("self_attention, rotated, blocked keys", 0)),
    *(("attention_sublayer", 1), ("swiglu_sublayer", 1), ("swiglu_sublayer", 2)),
]
NO_CHANGE = {
    *((name, 0, spoil) for name, spoils in SUMMED.items() for spoil in spoils),
    *((name, place, "first axis reversed") for name, place in FIRST_AXIS_OF_ONE),
    *((name, place, "transposed") for name, place in NEVER_SQUARE),
}


def spoiled(rule: Rule, place: int, spoil: Spoil, changed: list[bool]) -> Rule:
    """`rule` with the gradient of argument `place` spoiled; `changed` learns whether that changed it."""

    @wraps(rule)
    def wrong(*arrays: Array, **rule_settings: object) -> Ruled:
        value, vjp = rule(*arrays, **rule_settings)

        def wrong_vjp(g: Array) -> tuple[Array, ...]:
            gradients = list(vjp(g))
            if place < len(gradients):
                right = gradients[place]
                if rule in ops.ELEMENTWISE:
                    right = ops.unbroadcast(right, arrays[place].shape)
                gradients[place] = spoil(right)
                size = np.linalg.norm(right)
                difference = np.linalg.norm(gradients[place] - right)
                changed.append(bool(size > 1e-3 and difference > 9e-4 * size))
            return tuple(gradients)

        return value, wrong_vjp

    return wrong


def put_in_place(monkeypatch: pytest.MonkeyPatch, rule: Rule, wrong: Rule) -> None:
    """Have every caller use `wrong` where it used `rule`."""
    monkeypatch.setattr(sys.modules[rule.__module__], rule.__name__, wrong)
    if rule in ops.ELEMENTWISE:
        monkeypatch.setattr(ops, "ELEMENTWISE", ops.ELEMENTWISE | {wrong})


def argument_count(case: Case) -> int:
    return len(case.draw(np.random.default_rng(0)))


SPOILED = [
    (case, place, name)
    for case in CASES
    if case.rule
    for place in range(argument_count(case))
    for name in SPOILS
]


@pytest.mark.parametrize(("case", "place", "name"), SPOILED, ids=[f"{c.name}-{p}-{s}" for c, p, s in SPOILED])
def test_a_spoiled_gradient_is_caught(
    case: Case, place: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert case.rule is not None
    changed: list[bool] = []
    put_in_place(monkeypatch, case.rule, spoiled(case.rule, place, SPOILS[name], changed))
    for seed in range(60):  # until a draw on which the spoil makes a difference
        changed.clear()
        try:
            check_case(case, seed)
        except GradientError as error:
            assert any(changed)
            assert case.name in str(error)
            assert (case.name, place, name) not in NO_CHANGE
            return
        assert not any(changed), f"not caught on seed {seed}"
    assert (case.name, place, name) in NO_CHANGE


def softmax_without_the_row_sum(a: Array) -> Ruled:
    value, _ = softmax(a)
    return value, lambda g: (value * g,)


def softmax_along_the_wrong_axis(a: Array) -> Ruled:
    value, _ = softmax(a)
    return value, lambda g: (value * (g - np.sum(g * value, axis=0, keepdims=True)),)


def attention_without_the_scale(q: Array, k: Array, v: Array, *, blocked: Array | None = None) -> Ruled:
    value, vjp = attention(q, k, v, blocked=blocked)

    def wrong(g: Array) -> tuple[Array, ...]:
        gq, gk, gv = vjp(g)
        return gq * q.shape[-1] ** 0.5, gk, gv

    return value, wrong


def rms_norm_of_a_constant_norm(*summands: Array, eps: float) -> Ruled:
    value, _ = rms_norm(*summands, eps=eps)
    a = np.sum(summands, axis=0)
    inverse = 1 / np.sqrt(np.mean(a * a, axis=-1, keepdims=True) + eps)
    return value, lambda g: (inverse * g,) * len(summands)


def rotary_that_turns_on(a: Array, *, rotation: Array) -> Ruled:
    return rotary(a, rotation=rotation)[0], lambda g: (rotary(g, rotation=rotation)[0],)


def take_rows_that_forgets_repeats(table: Array, *, index: Array) -> Ruled:
    def wrong(g: Array) -> tuple[Array]:
        gradient = np.zeros_like(table)
        gradient[index] = g
        return (gradient,)

    return table[index], wrong


def silu_with_the_sigmoid_alone(a: Array) -> Ruled:
    return silu(a)[0], lambda g: (g * logistic(a),)


MISTAKES: list[tuple[Rule, Rule]] = [
    (ops.softmax, softmax_without_the_row_sum),
    (ops.softmax, softmax_along_the_wrong_axis),
    (ops.silu, silu_with_the_sigmoid_alone),
    (ops.take_rows, take_rows_that_forgets_repeats),
    (fused.attention, attention_without_the_scale),
    (fused.rms_norm, rms_norm_of_a_constant_norm),
    (fused.rotary, rotary_that_turns_on),
]


@pytest.mark.parametrize(("rule", "mistake"), MISTAKES, ids=[mistake.__name__ for _, mistake in MISTAKES])
def test_a_mistake_that_people_make_is_caught(
    rule: Rule, mistake: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [case for case in CASES if case.rule is rule]
    put_in_place(monkeypatch, rule, mistake)
    for case in cases:
        with pytest.raises(GradientError):
            for seed in range(10):
                check_case(case, seed)


GELU = (0.7978845608028654, 0.044715)  # √(2/π), and the constant of Hendrycks and Gimpel 2016, section 2
PYTORCH = {"rtol": 1e-3, "atol": 1e-5}  # the tolerances of torch.autograd.gradcheck


def gelu_with(inner: float, cubic: float) -> Rule:
    """a/2 · (1 + tanh(√(2/π) (a + 0.044715 a³))), whose gradient uses these two constants instead."""

    def gelu(a: Array) -> Ruled:
        value = a / 2 * (1 + np.tanh(GELU[0] * (a + GELU[1] * a**3)))

        def vjp(g: Array) -> tuple[Array]:
            t = np.tanh(inner * (a + cubic * a**3))
            return (g / 2 * (1 + t + a * (1 - t * t) * inner * (1 + 3 * cubic * a * a)),)

        return value, vjp

    return gelu


def gelu_checks(rule: Rule, **tolerances: float) -> int:
    """Number of failures in ten checks."""
    failed = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
        try:
            check_grads(lambda x: apply(rule, x), x, rng=rng, **tolerances)
        except GradientError:
            failed += 1
    return failed


@pytest.mark.parametrize("change", [1e-5, -1e-5])
@pytest.mark.parametrize("place", [0, 1], ids=["inner", "cubic"])
def test_a_constant_of_gelu_off_by_a_hundred_thousandth_is_caught(place: int, change: float) -> None:
    wrong = [value + change * (place == each) for each, value in enumerate(GELU)]
    assert gelu_checks(gelu_with(*GELU)) == 0
    assert gelu_checks(gelu_with(*wrong)) > 5
    assert gelu_checks(gelu_with(*wrong), **PYTORCH) == 0


def tanh_that_remembers(forgets: Callable[[Array], object]) -> Rule:
    """tanh, whose gradient takes the value of the first call for an array of which this is the same."""
    kept: dict[object, Array] = {}

    def remembering_tanh(a: Array) -> Ruled:
        value = np.tanh(a)
        first = kept.setdefault(forgets(a), value)
        return value, lambda g: (g * (1 - first * first),)

    return remembering_tanh


def test_a_value_kept_from_an_earlier_call_is_caught_at_once() -> None:
    stale = tanh_that_remembers(lambda a: a.shape)
    with pytest.raises(GradientError):
        check_grads(lambda x: apply(stale, x), leaf(0.3, -1.2), rng=np.random.default_rng(0))
    fresh = tanh_that_remembers(lambda a: a.tobytes())
    assert check_grads(lambda x: apply(fresh, x), leaf(0.3, -1.2), rng=np.random.default_rng(0)) <= 1e-6


# ------------------------------------------------------------------------------------------- the check itself


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def tripled(a: Array) -> Ruled:
    """Three times x, with the gradient of twice x."""
    return 3 * a, lambda g: (2 * g,)


def test_it_raises_with_the_name_and_both_values() -> None:
    x = leaf(1.0)
    with pytest.raises(GradientError, match="the weight") as raised:
        check_grads(lambda x: apply(tripled, x), x, rng=np.random.default_rng(0), names=["the weight"])
    stated = re.search(r"gives (\S+) along .* differences (\S+) \(relative error 0.33\)", str(raised.value))
    assert stated is not None
    analytic, numeric = map(float, stated.groups())
    cotangent = np.random.default_rng(0).normal(size=1).item()
    assert abs(analytic) == pytest.approx(abs(2 * cotangent))
    assert numeric == pytest.approx(1.5 * analytic)


def test_without_names_it_counts_the_arguments() -> None:
    with pytest.raises(GradientError, match="argument 1 of shape"):
        check_grads(lambda x, y: x * apply(tripled, y), leaf(1.0), leaf(2.0), rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    "tensor",
    [Tensor(np.ones(2, np.float32), requires_grad=True), Tensor(np.ones(2))],
    ids=["float32", "no gradient"],
)
def test_it_wants_float64_leaves(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match="float64 leaves that require a gradient"):
        check_grads(lambda x: x * x, tensor, rng=np.random.default_rng(0))


@pytest.mark.parametrize("distance", [3e-4, 1e-3, -3e-4, -1e-3])
def test_a_kink_near_by_neither_hides_an_error_nor_feigns_one(distance: float) -> None:
    def wrong_relu(a: Array) -> Ruled:
        return np.maximum(a, 0), lambda g: (g * (a > 0) + 0.001 * g,)

    rng = np.random.default_rng(0)
    assert check_grads(lambda x: x * 2 + F.relu(x), leaf(distance), rng=rng) <= 1e-6
    with pytest.raises(GradientError):
        check_grads(lambda x: x * 2 + apply(wrong_relu, x), leaf(distance), rng=rng)


def test_a_function_that_does_not_settle_is_reported_as_such() -> None:
    with pytest.raises(GradientError, match="do not settle"):
        check_grads(F.relu, leaf(1e-4), rng=np.random.default_rng(0))


def test_nan_is_caught_in_the_value_and_in_the_gradient() -> None:
    def nan_value(a: Array) -> Ruled:
        return a * np.nan, lambda g: (g,)

    def nan_gradient(a: Array) -> Ruled:
        return a * 1.0, lambda g: (g * np.nan,)

    for rule in (nan_value, nan_gradient):
        with pytest.raises(GradientError):
            check_grads(lambda x, rule=rule: apply(rule, x), leaf(1.0, 2.0), rng=np.random.default_rng(0))


def test_it_leaves_the_tensors_as_they_were() -> None:
    x = leaf(1.0, 2.0)
    data = x.data
    check_grads(lambda x: x * x, x, rng=np.random.default_rng(0))
    assert x.data is data and np.array_equal(data, [1.0, 2.0])
    with pytest.raises(GradientError):
        check_grads(lambda x: apply(tripled, x), x, rng=np.random.default_rng(0))
    assert x.data is data


def test_a_right_gradient_of_zero_is_right() -> None:
    assert check_grads(lambda x: F.softmax(x), leaf(3.0), rng=np.random.default_rng(0)) == 0.0


def test_an_argument_without_influence_has_a_gradient_of_zero() -> None:
    x, y = leaf(1.0), leaf(2.0)
    assert check_grads(lambda x, y: x * x, x, y, rng=np.random.default_rng(0)) <= 1e-6
    assert y.grad is None
