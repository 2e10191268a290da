"""AdamW, clipping and the plateau scheduler beside PyTorch's."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from trm_np.autograd import Tensor
from trm_np.autograd.optim import AdamW, clip_grad_norm_
from trm_np.autograd.schedule import ReduceLROnPlateau

torch = pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")


def test_a_thousand_steps_of_adamw_with_two_groups() -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (5,), (2, 2, 2)]
    start = [rng.normal(size=shape) for shape in shapes]
    ours = [Tensor(a.copy(), requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]

    def groups(parameters: list[Any]) -> list[dict[str, Any]]:
        return [
            {"params": parameters[:2], "lr": 3e-3, "weight_decay": 0.05},
            {"params": parameters[2:], "lr": 1e-2, "weight_decay": 0.0, "betas": (0.8, 0.99), "eps": 1e-6},
        ]

    optimizer, oracle = AdamW(groups(ours)), torch.optim.AdamW(groups(theirs))
    for step in range(1000):
        for parameter, torch_parameter in zip(ours, theirs, strict=True):
            gradient = rng.normal(size=parameter.shape) * 10.0 ** rng.integers(-3, 3)
            parameter.grad, torch_parameter.grad = gradient, torch.tensor(gradient)
        if step % 7 == 3:
            ours[1].grad = theirs[1].grad = None
        optimizer.step()
        oracle.step()
        for parameter, torch_parameter in zip(ours, theirs, strict=True):
            expected = torch_parameter.detach().numpy()
            np.testing.assert_allclose(parameter.data, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "fails"),
    [
        (lambda w: w**3, True),
        (lambda w: w * w, True),
        (lambda w: (w * 0 + 1) / w, True),
        (lambda w: w.log(), True),
        (lambda w: w + w, False),
        (lambda w: w * 3 - w, False),
        (lambda w: w / 3, False),
        (lambda w: w.exp(), False),
        (lambda w: w.sqrt(), False),
        (lambda w: w.tanh() + w.sigmoid() + w.relu(), False),
        (lambda w: w.reshape(1, 2).transpose(0, 1)[0], False),
    ],
)
def test_a_step_between_two_backward_passes_is_an_error_where_it_is_one_in_pytorch(
    function: Callable[..., Any], fails: bool
) -> None:
    ours, theirs = (
        Tensor(np.array([1.0, 2.0]), requires_grad=True),
        torch.tensor([1.0, 2.0], requires_grad=True),
    )
    for w, optimizer in ((ours, AdamW([ours], lr=0.1)), (theirs, torch.optim.AdamW([theirs], lr=0.1))):
        first, second = function(w).sum(), function(w).sum()
        first.backward()
        optimizer.step()
        with pytest.raises(RuntimeError) if fails else nullcontext():
            second.backward()
    assert ours.grad is not None
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_clip_grad_norm(seed: int, max_norm: float) -> None:
    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=shape) for shape in ((3, 4), (5,), (1,))]
    ours = [Tensor(np.zeros(g.shape), requires_grad=True) for g in gradients]
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients]
    for parameter, torch_parameter, gradient in zip(ours, theirs, gradients, strict=True):
        parameter.grad, torch_parameter.grad = gradient.copy(), torch.tensor(gradient)
    norm = clip_grad_norm_(ours, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-12)
    for parameter, torch_parameter in zip(ours, theirs, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad, torch_parameter.grad.numpy(), rtol=1e-12)


def metric_sequence(rng: np.random.Generator) -> list[float]:
    """Steps up and down on a coarse grid, so that ties occur, with now and then no number at all."""
    n = int(rng.integers(1, 80))
    walk = 2 + np.cumsum(rng.integers(-2, 3, n)) * float(rng.choice([0.001, 0.1, 1.0]))
    strange = rng.random(n) < 0.05
    walk[strange] = rng.choice([np.nan, np.inf, -np.inf], strange.sum())
    return [float(metric) for metric in walk]


def scheduler_settings(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "mode": str(rng.choice(["min", "max"])),
        "factor": float(rng.uniform(0.05, 0.95)),
        "patience": int(rng.integers(0, 6)),
        "threshold": float(rng.choice([0.0, 1e-4, 0.01, 0.1, 1.0])),
        "threshold_mode": str(rng.choice(["rel", "abs"])),
        "cooldown": int(rng.integers(0, 4)),
        "min_lr": [float(rate) for rate in rng.choice([0.0, 1e-6, 1e-3, 0.05], 2)],
        "eps": float(rng.choice([1e-8, 1e-3])),
    }


def test_a_thousand_plateaus_end_at_the_same_rates_at_every_step() -> None:
    rng = np.random.default_rng(0)
    reductions = 0
    for _ in range(1000):
        settings, rates = scheduler_settings(rng), [float(rate) for rate in rng.uniform(1e-3, 1.0, 2)]
        ours = AdamW([{"params": [Tensor(np.ones(1), requires_grad=True)], "lr": lr} for lr in rates])
        theirs = torch.optim.SGD([{"params": [torch.ones(1, requires_grad=True)], "lr": lr} for lr in rates])
        scheduler = ReduceLROnPlateau(ours, **settings)
        oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
        for metric in metric_sequence(rng):
            scheduler.step(metric)
            oracle.step(metric)
            found = [group["lr"] for group in ours.param_groups]
            assert found == [group["lr"] for group in theirs.param_groups], settings
        reductions += found != rates
    assert reductions > 500
