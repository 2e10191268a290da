"""Counts of a profile, and that nothing is measured outside of it."""

import numpy as np

from trm_np.autograd import Tensor
from trm_np.autograd.profile import Cost, profile


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape, np.float32), requires_grad=True)


def test_calls_and_bytes_are_counted_forward_and_backward() -> None:
    """One product of (2, 3) and (3, 4): 8 numbers forward, 6 + 12 backward; and a sum, a number and 8."""
    costs: dict[str, Cost] = {}
    a, b = leaf(2, 3), leaf(3, 4)
    with profile(costs):
        (a @ b).sum().backward()
    assert list(costs) == ["matmul", "total"]
    product, total = costs.values()
    assert (product.forward_calls, product.backward_calls) == (1, 1)
    assert product.bytes == 4 * (8 + 6 + 12)
    assert total.bytes == 4 * (1 + 8)
    assert product.seconds == product.forward_seconds + product.backward_seconds > 0


def test_a_profile_goes_on_where_it_is_entered_again_and_stops_where_it_is_left() -> None:
    costs: dict[str, Cost] = {}
    a, b = leaf(2, 2), leaf(2, 2)
    for _ in range(2):
        with profile(costs):
            c = a @ b
        c @ b
    assert costs["matmul"].forward_calls == 2


def test_results_are_the_same_bits() -> None:
    a = Tensor(np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32), requires_grad=True)
    plain = a @ a
    with profile({}):
        profiled = a @ a
    assert np.array_equal(plain.data, profiled.data)
