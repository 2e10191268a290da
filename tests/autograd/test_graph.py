"""The graph: depth, sharing, accumulation, freeing, and where it is not built."""

import threading
from collections import Counter

import numpy as np
import pytest

from trm_np.autograd import Tensor, no_grad
from trm_np.autograd.graph import Node, backward_pass
from trm_np.autograd.ops import Array, Ruled
from trm_np.autograd.tensor import apply


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def gradient(tensor: Tensor) -> list[float]:
    assert tensor.grad is not None
    return list(tensor.grad.tolist())


def test_a_chain_longer_than_python_recurses() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5_000):
        y = y + 1
    y.backward()
    assert y.item() == 5_001 and gradient(x) == [1.0]


def test_a_long_chain_is_let_go_without_a_walk() -> None:
    y = leaf(1.0)
    for _ in range(20_000):
        y = y * 1
    del y


def test_a_ladder_of_diamonds_calls_each_vjp_once() -> None:
    """Sixty diamonds in a row have 2⁶⁰ paths."""
    calls: Counter[int] = Counter()

    def counted(a: Array, b: Array) -> Ruled:
        rung = len(calls)
        calls[rung] = 0

        def vjp(g: Array) -> tuple[Array, Array]:
            calls[rung] += 1
            return g, g

        return a + b, vjp

    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = apply(counted, y, y)
    y.backward()
    assert gradient(x) == [2.0**60]
    assert calls == Counter(dict.fromkeys(range(60), 1))


def test_the_walk_knows_nodes_not_arrays() -> None:
    """Cotangents need only know how to be added: strings will do."""
    received: list[str] = []

    def keep(g: str) -> tuple[()]:
        received.append(g)
        return ()

    x = Node("x", (Node("leaf", (), keep),), lambda g: (g + "d",))
    double = Node("double", (x, x), lambda g: (g + "a", g + "b"))
    end = Node("end", (double, None), lambda g: (g + "c", "to nobody"))
    backward_pass(end, "g")
    assert received == ["gcagcbd"]


def test_a_leaf_takes_what_comes_as_it_comes() -> None:
    received: list[str] = []

    def keep(g: str) -> tuple[()]:
        received.append(g)
        return ()

    x = Node("x", (), keep)
    backward_pass(Node("end", (x, x), lambda g: (g + "a", g + "b")), "g")
    assert received == ["ga", "gb"]


def test_a_node_waits_for_all_that_it_flowed_into() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * y + y * x + y  # x⁴ + x³ + x²
    z.backward()
    assert gradient(x) == [4 * 27 + 3 * 9 + 2 * 3]


def test_an_expression_used_twice_is_differentiated_twice() -> None:
    x = leaf(2.0)
    shared = x * 3
    (shared * shared).backward()
    assert gradient(x) == [2 * 9 * 2.0]


def test_gradients_add_up_over_backward_calls_until_they_are_cleared() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(2):
        (x * x).sum().backward()
    assert gradient(x) == [4.0, 8.0]
    x.grad = None
    (x * x).sum().backward()
    assert gradient(x) == [2.0, 4.0]


def test_only_leaves_get_a_gradient() -> None:
    x, constant = leaf(1.0), Tensor(np.array([2.0]))
    y = x * constant
    z = y * y
    z.backward()
    assert y.grad is None and z.grad is None and constant.grad is None
    assert gradient(x) == [8.0]


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_a_gradient_is_an_array_of_the_leafs_shape(shape: tuple[int, ...]) -> None:
    x = Tensor(np.ones(shape), requires_grad=True)
    for _ in range(2):
        (x * 2).sum().backward()
        assert isinstance(x.grad, np.ndarray)
        assert x.grad.shape == shape and x.grad.flags.writeable and x.grad.flags.c_contiguous


def test_two_leaves_that_share_a_cotangent_do_not_share_a_gradient() -> None:
    a, b = leaf(1.0), leaf(2.0)
    (a + b).backward()
    assert a.grad is not None
    a.grad += 10
    assert gradient(a) == [11.0] and gradient(b) == [1.0]


def test_the_callers_cotangent_is_neither_kept_nor_changed() -> None:
    a, b = leaf(1.0), leaf(2.0)
    g = np.array([3.0])
    for _ in range(2):
        (a + b).backward(g)
    a.backward(g)
    assert g.tolist() == [3.0] and gradient(a) == [9.0] and gradient(b) == [6.0]


def test_a_second_backward_is_an_error() -> None:
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_backward_into_a_part_that_is_freed_is_an_error() -> None:
    x = leaf(1.0)
    shared = x * x
    (shared * 2).backward()
    with pytest.raises(RuntimeError, match="freed"):
        (shared * 3).backward()


def test_backward_lets_go_of_what_the_rules_kept() -> None:
    held = []

    class Watched:
        def __del__(self) -> None:
            held.append("gone")

    def keeping(a: Array) -> Ruled:
        kept = Watched()
        return a * 1, lambda g: (g, kept)[:1]

    y = apply(keeping, leaf(1.0))
    assert held == []
    y.backward()
    assert held == ["gone"]


@pytest.mark.parametrize("shape", [(2,), (1, 2), (0,)])
def test_only_a_scalar_may_leave_the_cotangent_out(shape: tuple[int, ...]) -> None:
    y = Tensor(np.ones(shape), requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="needs a gradient of that shape"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"got a gradient of shape \(3,\)"):
        y.backward(np.ones(3))
    y.backward(np.ones(shape))


def test_backward_without_a_leaf_below_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="requires no gradient"):
        (Tensor(np.ones(1)) * 2).backward()


def test_detach_cuts_the_graph_and_keeps_the_data() -> None:
    x = leaf(3.0)
    y = x * x
    cut = y.detach()
    assert not cut.requires_grad and cut.data is y.data
    (cut * x).backward()
    assert gradient(x) == [9.0]


# --------------------------------------------------------------------------------------------------- no_grad


def test_no_grad_builds_nothing() -> None:
    x = leaf(1.0)
    with no_grad():
        inside = x * x
    assert not inside.requires_grad
    assert (x * x).requires_grad


def test_no_grad_as_a_decorator_each_time_it_is_called() -> None:
    @no_grad()
    def square(x: Tensor) -> Tensor:
        return x * x

    x = leaf(2.0)
    for _ in range(2):
        assert not square(x).requires_grad
        assert (x * x).requires_grad


def test_no_grad_nests() -> None:
    x = leaf(1.0)
    with no_grad():
        with no_grad():
            pass
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_ends_with_an_exception() -> None:
    x = leaf(1.0)
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_holds_in_its_own_thread_only() -> None:
    x = leaf(1.0)
    elsewhere: list[bool] = []
    with no_grad():
        thread = threading.Thread(target=lambda: elsewhere.append((x * x).requires_grad))
        thread.start()
        thread.join()
        assert not (x * x).requires_grad
    assert elsewhere == [True]
