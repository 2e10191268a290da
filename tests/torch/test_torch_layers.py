"""Layers, activations and losses beside PyTorch's, with the same weights: values and every gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor, nn
from trm_np.autograd import functional as F
from trm_np.autograd.ops import Array

torch = pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")

SEEDS = range(3)


def drawn(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def assert_close(ours: Array | None, theirs: Any, what: str) -> None:
    """Within 1e-5, of each element or, for what cancels, of the largest one."""
    assert ours is not None and theirs is not None, what
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape and ours.dtype == expected.dtype, what
    largest = float(np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5 * largest, err_msg=what)


def compare(
    ours: Callable[..., Tensor],
    theirs: Callable[..., Any],
    arrays: list[Array],
    module: nn.Module | None = None,
    torch_module: Any = None,
) -> None:
    """One forward and one backward pass of both on `arrays`, the module's weights copied to PyTorch's."""
    if module is not None:
        state = {name: torch.tensor(value) for name, value in module.state_dict().items()}
        torch_module.load_state_dict(state)
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    torch_tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, torch_result = ours(*tensors), theirs(*torch_tensors)
    assert_close(result.data, torch_result, "value")
    cotangent = drawn(np.random.default_rng(9), *result.shape)
    result.backward(cotangent)
    torch_result.backward(torch.tensor(cotangent))
    for place, (tensor, torch_tensor) in enumerate(zip(tensors, torch_tensors, strict=True)):
        assert_close(tensor.grad, torch_tensor.grad, f"gradient of argument {place}")
    if module is not None:
        torch_gradients = {name: p.grad for name, p in torch_module.named_parameters()}
        for name, parameter in module.named_parameters():
            assert_close(parameter.grad, torch_gradients[name], f"gradient of {name}")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_linear(seed: int, bias: bool, lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    layer, oracle = nn.Linear(7, 5, bias, rng=rng), torch.nn.Linear(7, 5, bias)
    compare(layer, oracle, [drawn(rng, *lead, 7)], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
def test_embedding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer, oracle = nn.Embedding(6, 4, rng=rng), torch.nn.Embedding(6, 4)
    index = rng.integers(0, 6, (5, 7))
    compare(lambda: layer(index), lambda: oracle(torch.tensor(index)), [], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
def test_layer_norm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer, oracle = nn.LayerNorm(8), torch.nn.LayerNorm(8)
    layer.load_state_dict({"weight": drawn(rng, 8), "bias": drawn(rng, 8)})
    compare(layer, oracle, [drawn(rng, 3, 4, 8)], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.skipif(not hasattr(torch.nn.functional, "rms_norm"), reason="rms_norm came with torch 2.4")
def test_rms_norm(seed: int) -> None:
    x = drawn(np.random.default_rng(seed), 3, 4, 8)
    compare(nn.RMSNorm(eps=1e-5), lambda x: torch.nn.functional.rms_norm(x, (8,), eps=1e-5), [x])


def padding(rng: np.random.Generator, batch: int, keys: int) -> Array:
    """About a third of the keys, never the first: PyTorch has NaN where all keys are padding."""
    padded = rng.random((batch, keys)) < 0.35
    padded[:, 0] = False
    return padded


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("kind", ["self", "cross"])
def test_multihead_attention(seed: int, bias: bool, padded: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    layer = nn.MultiheadAttention(12, 3, bias, rng=rng)
    oracle = torch.nn.MultiheadAttention(12, 3, bias=bias, batch_first=True)
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):  # they start from zero
            parameter.data[...] = drawn(rng, *parameter.shape)
    query, keys = drawn(rng, 4, 5, 12), drawn(rng, 4, 6, 12)
    mask = padding(rng, 4, 5 if kind == "self" else 6) if padded else None
    torch_mask = None if mask is None else torch.tensor(mask)

    def ours(query: Tensor, *others: Tensor) -> Tensor:
        key, value = others or (query, query)
        result: Tensor = layer(query, key, value, key_padding_mask=mask)
        return result

    def theirs(query: Any, *others: Any) -> Any:
        key, value = others or (query, query)
        return oracle(query, key, value, key_padding_mask=torch_mask, need_weights=False)[0]

    others = [] if kind == "self" else [keys, drawn(rng, 4, 6, 12)]
    compare(ours, theirs, [query, *others], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
def test_attention_with_a_mask_for_each_query(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [drawn(rng, 2, 3, t, 4) for t in (5, 6, 6)]
    blocked = rng.random((2, 1, 5, 6)) < 0.4
    blocked[..., 0] = False
    attend = torch.nn.functional.scaled_dot_product_attention
    compare(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, blocked),
        lambda q, k, v: attend(q, k, v, attn_mask=~torch.tensor(blocked)),
        arrays,
    )


class TorchSwiGLU(torch.nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = torch.nn.Linear(width, 2 * hidden, bias=False)
        self.down = torch.nn.Linear(hidden, width, bias=False)

    def forward(self, x: Any) -> Any:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(torch.nn.functional.silu(gate) * up)


@pytest.mark.parametrize("seed", SEEDS)
def test_swiglu(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer, oracle = nn.SwiGLU(6, 10, rng=rng), TorchSwiGLU(6, 10)
    compare(layer, oracle, [drawn(rng, 3, 4, 6)], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
def test_sequential_has_pytorchs_names(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [nn.Linear(5, 8, rng=rng), nn.ReLU(), nn.Linear(8, 8, rng=rng), nn.SiLU(), nn.LayerNorm(8)]
    kinds = torch.nn
    oracles = [kinds.Linear(5, 8), kinds.ReLU(), kinds.Linear(8, 8), kinds.SiLU(), kinds.LayerNorm(8)]
    layer, oracle = nn.Sequential(*layers), torch.nn.Sequential(*oracles)
    assert list(layer.state_dict()) == list(oracle.state_dict())
    compare(layer, oracle, [drawn(rng, 4, 5)], layer, oracle)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (F.relu, torch.relu),
        (F.silu, torch.nn.functional.silu),
        (F.sigmoid, torch.sigmoid),
        (Tensor.tanh, torch.tanh),
        (Tensor.exp, torch.exp),
        (F.softmax, lambda x: torch.softmax(x, dim=-1)),
        (F.log_softmax, lambda x: torch.log_softmax(x, dim=-1)),
    ],
    ids=["relu", "silu", "sigmoid", "tanh", "exp", "softmax", "log_softmax"],
)
def test_activations(ours: Callable[[Tensor], Tensor], theirs: Callable[[Any], Any], seed: int) -> None:
    compare(ours, theirs, [3 * drawn(np.random.default_rng(seed), 4, 5, 6)])


def distributions(rng: np.random.Generator, *shape: int) -> Array:
    target: Array = rng.uniform(size=shape) * (rng.random(shape) < 0.7)
    target[..., 0] += 0.1
    target /= target.sum(axis=-1, keepdims=True)
    return target.astype(np.float32)


@pytest.mark.parametrize("seed", SEEDS)
def test_binary_cross_entropy_with_logits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.uniform(size=(6, 5)).astype(np.float32)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    for scale in (1, 30):
        compare(
            lambda z: F.binary_cross_entropy_with_logits(z, target),
            lambda z: loss(z, torch.tensor(target)),
            [scale * drawn(rng, 6, 5)],
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ignore_index", [-100, 0])
def test_cross_entropy(seed: int, ignore_index: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 5, (4, 6))
    target[rng.random((4, 6)) < 0.3] = ignore_index

    def theirs(z: Any) -> Any:
        flat = torch.tensor(target).reshape(-1)
        return torch.nn.functional.cross_entropy(z.reshape(-1, 5), flat, ignore_index=ignore_index)

    compare(lambda z: F.cross_entropy(z, target, ignore_index), theirs, [3 * drawn(rng, 4, 6, 5)])


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_divergence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = distributions(rng, 7, 5)

    def theirs(z: Any) -> Any:
        log_p = torch.log_softmax(z, dim=-1)
        return torch.nn.functional.kl_div(log_p, torch.tensor(target), reduction="batchmean")

    compare(lambda z: F.kl_divergence_with_logits(z, target), theirs, [2 * drawn(rng, 7, 5)])


@pytest.mark.parametrize("seed", SEEDS)
def test_mse_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = drawn(rng, 4, 5)
    oracle = torch.nn.functional.mse_loss
    compare(lambda x: F.mse_loss(x, target), lambda x: oracle(x, torch.tensor(target)), [drawn(rng, 4, 5)])
