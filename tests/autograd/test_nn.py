"""Modules: names, state, modes; and what the layers promise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor, nn, optim
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array


def fresh() -> np.random.Generator:
    return np.random.default_rng(0)


class Inner(nn.Module):
    def __init__(self) -> None:
        self.dropout = nn.Dropout(0.5, fresh())
        self.out = nn.Linear(2, 1, rng=fresh())


class Outer(nn.Module):
    """Deliberately not in alphabetical order, parameters between modules."""

    def __init__(self) -> None:
        self.zeta = nn.Linear(3, 2, rng=fresh())
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.width = 2
        self.blocks = nn.ModuleList([Inner(), Inner()])
        first = nn.Linear(2, 2, bias=False, rng=fresh())
        self.alpha = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.1, fresh()))


NAMES = [
    "zeta.weight", "zeta.bias", "scale",
    "blocks.0.out.weight", "blocks.0.out.bias", "blocks.1.out.weight", "blocks.1.out.bias",
    "alpha.0.weight",
]  # fmt: skip


def test_names_come_in_definition_order() -> None:
    model = Outer()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert list(model.state_dict()) == NAMES
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]


def test_state_goes_out_as_a_copy_and_comes_back_in_place() -> None:
    model, other = Outer(), Outer()
    state = {name: value + 1 for name, value in model.state_dict().items()}
    places = [p.data for p in other.parameters()]
    other.load_state_dict(state)
    for place, (name, value) in zip(places, other.state_dict().items(), strict=True):
        assert np.array_equal(value, state[name]) and np.array_equal(place, value)
    state["scale"][:] = 9
    other.state_dict()["scale"][:] = 9
    assert other.scale.data.tolist() == [2.0, 2.0]


def test_a_state_that_does_not_fit_is_refused_whole_with_every_fault_named() -> None:
    model = Outer()
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    del state["zeta.bias"], state["blocks.1.out.weight"]
    state["stray"] = np.ones(1, np.float32)
    state["scale"] = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="Outer") as raised:
        model.load_state_dict(state)
    for fault in (
        "missing zeta.bias",
        "missing blocks.1.out.weight",
        "unexpected stray",
        "scale has shape (3,), not (2,)",
    ):
        assert fault in str(raised.value)
    for name, value in model.state_dict().items():
        assert np.array_equal(value, before[name])


def test_modes_reach_every_dropout() -> None:
    model = Outer()
    dropouts = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    assert len(dropouts) == 3 and all(d.training for d in dropouts)
    model.eval()
    assert not any(d.training for d in dropouts)
    model.train()
    assert all(d.training for d in dropouts)


def test_a_change_of_mode_or_dtype_returns_the_module() -> None:
    model = Outer()
    assert model.eval() is model.train() is model.astype(np.float64) is model


@pytest.mark.parametrize("mode", [[1, 2], "off", None, 1])
def test_a_mode_is_true_or_false(mode: Any) -> None:
    with pytest.raises(TypeError, match="mode is True or False"):
        Outer().train(mode)


def tied() -> nn.Sequential:
    a, b = nn.Linear(2, 2, bias=False, rng=fresh()), nn.Linear(2, 2, bias=False, rng=fresh())
    b.weight = a.weight
    return nn.Sequential(a, nn.ReLU(), b, a)


def test_tied_weights_are_one_parameter_under_its_first_name() -> None:
    model = tied()
    assert [name for name, _ in model.named_parameters()] == ["0.weight"] == list(model.state_dict())
    (weight,) = model.parameters()
    optimizer = optim.AdamW([*model.parameters(), *model.parameters()], lr=0.1, weight_decay=0.0)
    weight.grad = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
    assert optim.clip_grad_norm_([weight, weight], 100.0) == pytest.approx(5.0)
    before = weight.data.copy()
    optimizer.step()
    assert optimizer.steps == [1] and np.abs(weight.data - before).max() == pytest.approx(0.1, rel=1e-5)
    model.load_state_dict({"0.weight": np.eye(2)})
    assert np.array_equal(model(Tensor([[1.0, 2.0]])).data, [[1.0, 2.0]])


def test_zero_grad_clears_every_gradient() -> None:
    model = Outer()
    for p in model.parameters():
        (p * p).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_astype_turns_every_parameter() -> None:
    model = Outer()
    model.astype(np.float64)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.Sequential])
def test_modules_in_a_row_are_counted_indexed_and_walked(kind: type[nn.ModuleList]) -> None:
    layers = [nn.Linear(2, 2, rng=fresh()), nn.ReLU(), nn.Linear(2, 1, rng=fresh())]
    row = kind(layers) if kind is nn.ModuleList else kind(*layers)
    row.eval()  # which stores a mode beside the modules
    assert len(row) == 3 and list(row) == layers
    assert row[1] is layers[1] and row[-1] is layers[2]
    assert [name for name, _ in row.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda layer: nn.Sequential([layer, layer]), r"\[<"),
        (lambda layer: nn.Sequential(layer, F.relu), "function relu"),
        (lambda layer: nn.Sequential(layer, None), "None"),
        (lambda layer: nn.Sequential({"first": layer}), "first"),
        (lambda layer: nn.ModuleList([layer, np.tanh]), "tanh"),
        (lambda layer: nn.ModuleList([layer.weight]), "Tensor"),
    ],
)
def test_what_is_no_module_is_refused_by_name(make: Callable[[nn.Linear], object], named: str) -> None:
    with pytest.raises(TypeError, match=f"{named}.*is not a Module"):
        make(nn.Linear(1, 1, rng=fresh()))


def test_a_module_list_takes_one_iterable_as_pytorchs_does() -> None:
    layers = [nn.ReLU(), nn.SiLU()]
    assert list(nn.ModuleList(layers)) == list(nn.ModuleList(iter(layers))) == layers
    assert len(nn.ModuleList()) == 0
    with pytest.raises(TypeError):
        nn.ModuleList(*layers)  # type: ignore[call-arg, arg-type]


def test_sequential_applies_in_order() -> None:
    layers = [nn.Linear(2, 3, rng=fresh()), nn.ReLU(), nn.Linear(3, 1, rng=fresh())]
    x = Tensor(np.ones((4, 2)))
    assert np.array_equal(nn.Sequential(*layers)(x).data, layers[2](layers[1](layers[0](x))).data)


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(TypeError, match="Inner defines no forward"):
        Inner()(1)


# ---------------------------------------------------------------------------------------------------- layers


def test_linear_takes_the_parts_of_a_concatenation() -> None:
    layer = nn.Linear(5, 2, rng=fresh())
    rng = np.random.default_rng(1)
    a, b = (Tensor(rng.normal(size=(4, n)).astype(np.float32)) for n in (2, 3))
    whole = Tensor(np.concatenate([a.data, b.data], axis=-1))
    np.testing.assert_allclose(layer(a, b).data, layer(whole).data, rtol=1e-5, atol=1e-6)


def test_initial_values_lie_within_their_bounds_and_come_from_the_generator() -> None:
    layer, same, other = (nn.Linear(100, 50, rng=np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert 0.09 < np.abs(layer.weight.data).max() <= 0.1
    assert np.array_equal(layer.weight.data, same.weight.data)
    assert not np.array_equal(layer.weight.data, other.weight.data)
    attention = nn.MultiheadAttention(30, 3, rng=fresh())
    bound = (6 / (30 + 90)) ** 0.5
    assert 0.9 * bound < np.abs(attention.in_proj_weight.data).max() <= bound
    table = nn.Embedding(200, 50, rng=fresh(), std=0.02)
    assert table.weight.data.std() == pytest.approx(0.02, rel=0.05)


def test_norms_standardise() -> None:
    x = Tensor(np.random.default_rng(1).normal(3.0, 5.0, (6, 64)))
    standard = nn.LayerNorm(64)(x).data
    np.testing.assert_allclose(standard.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(standard.std(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.mean(nn.RMSNorm()(x).data ** 2, axis=-1), 1, rtol=1e-5)


def test_a_bad_width_of_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="embed_dim 10 is no multiple of num_heads 4"):
        nn.MultiheadAttention(10, 4, rng=fresh())


def test_an_odd_head_width_has_no_rotary_positions() -> None:
    with pytest.raises(ValueError, match="even head width, not 5"):
        nn.rotary_positions(np.arange(3), 5)


def attended(values: Array, padding: Array) -> tuple[Array, Array]:
    """The result of attention to `values` as keys, and its gradient with respect to them."""
    layer = nn.MultiheadAttention(8, 2, rng=fresh())
    x = Tensor(values, requires_grad=True)
    query = Tensor(np.ones((values.shape[0], 2, 8)))
    result = layer(query, x, x, key_padding_mask=padding)
    result.backward(np.random.default_rng(5).normal(size=result.shape))
    assert x.grad is not None
    return result.data, x.grad


def test_padded_keys_have_no_influence() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 5, 8)).astype(np.float32)
    padding = np.zeros((3, 5), bool)
    padding[0, 3:] = padding[1, 0] = True
    others = values.copy()
    others[padding] = 100 * rng.normal(size=(3, 8))
    result, gradient = attended(values, padding)
    assert np.array_equal(result, attended(others, padding)[0])
    assert not gradient[padding].any() and gradient[~padding].all()
    shorter, _ = attended(values[:1, :3], np.zeros((1, 3), bool))
    np.testing.assert_allclose(result[:1], shorter, rtol=1e-5, atol=1e-6)


def test_a_query_whose_keys_are_all_padding_is_left_with_the_output_bias() -> None:
    values = np.random.default_rng(1).normal(size=(1, 4, 8)).astype(np.float32)
    result, gradient = attended(values, np.ones((1, 4), bool))
    bias = nn.MultiheadAttention(8, 2, rng=fresh()).out_proj.bias
    assert bias is not None
    assert np.array_equal(result, np.broadcast_to(bias.data, result.shape))
    assert np.isfinite(gradient).all() and not gradient.any()


# --------------------------------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_zeroes_its_share(p: float) -> None:
    n = 100_000
    x = Tensor(np.ones(n, np.float32), requires_grad=True)
    result = nn.Dropout(p, fresh())(x)
    deviation = (p * (1 - p) / n) ** 0.5  # of the share, as a binomial
    assert abs(np.mean(result.data == 0) - p) < 4 * deviation
    assert abs(result.data.mean() - 1) < 4 * deviation / (1 - p)
    assert np.allclose(result.data[result.data != 0], 1 / (1 - p))
    result.backward(np.ones(n))
    assert x.grad is not None and np.array_equal(x.grad, result.data)


def test_dropout_draws_anew_each_time_and_nothing_in_evaluation() -> None:
    layer = nn.Dropout(0.5, fresh())
    x = Tensor(np.ones(100, np.float32))
    assert not np.array_equal(layer(x).data, layer(x).data)
    layer.eval()
    state = layer.rng.bit_generator.state
    assert layer(x) is x
    assert layer.rng.bit_generator.state == state


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_a_bad_drop_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="drop probability"):
        nn.Dropout(p, fresh())


def test_functional_dropout_is_the_layer() -> None:
    x = Tensor(np.ones((3, 4), np.float32))
    assert np.array_equal(F.dropout(x, 0.4, fresh()).data, nn.Dropout(0.4, fresh())(x).data)
