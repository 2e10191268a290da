"""Training stops before a bad number reaches the weights, says where it was, and keeps what was saved before."""

import copy
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import trm_np.training.trainer as train_module
from tests.some_quick import some_quick
from tests.training.small_run import SET, new_run, small, trainer, written
from trm_np.autograd import Tensor
from trm_np.autograd.optim import BETAS
from trm_np.cli import trm
from trm_np.evaluation.predict import Evaluation
from trm_np.model.losses import TERMS, loss_terms
from trm_np.storage.checkpoint import load_model
from trm_np.training.divergence import Diverged
from trm_np.training.trainer import Trainer

BAD = [math.nan, *(pytest.param(value, marks=pytest.mark.slow) for value in (math.inf, -math.inf))]
COMPONENTS = [name for name, rate in vars(small().learning_rate).items() if rate]
METRICS = (
    *("category_match_rate", "tool_match_rate", "average_reward", "recommendation_quality"),
    *("category_recall_at_3", "category_precision_at_3", "category_ndcg_at_3", "tool_exact_rate"),
    *("reward_vs_best", "reward_spearman", "categories_in_use", "tools_in_use", "generalization_gap"),
)
Learnt = tuple[bytes, bytes, bytes, list[int]]

CONFIG = small(training__batch_size=10, training__epochs=3, training__evaluate_every=1)
STEPS = 6  # of an epoch: three batches, two steps each
STEP = 3  # the first of the second batch: every moment has moved
ONE_STEP = small(
    training__batch_size=25, training__epochs=3, training__evaluate_every=1, model__supervision_steps=1
)


def learnt(t: Trainer) -> Learnt:
    """Weights, both moments, and step counts."""
    optimizer = t.optimizer
    arrays = (optimizer.weights, optimizer.first_moment, optimizer.second_moment)
    first, second, third = (array.tobytes() for array in arrays)
    return first, second, third, list(optimizer.steps)


class Injection:
    """Calls `spoil` in place of `function` at one call, having noted what the trainer had learnt by then."""

    def __init__(
        self, t: Trainer | None, function: Callable[..., Any], spoil: Callable[..., Any], call: int
    ) -> None:
        self.trainer, self.function, self.spoil, self.call = t, function, spoil, call
        self.calls = 0
        self.before: Learnt | None = None

    def __call__(self, *args: Any, **settings: Any) -> Any:
        self.calls += 1
        if self.calls != self.call:
            return self.function(*args, **settings)
        self.before = self.trainer and learnt(self.trainer)
        return self.spoil(*args, **settings)

    def stops_training(self, message: str) -> None:
        """Train, and be told so; what had been learnt when the bad number came is unchanged to the bit."""
        assert self.trainer is not None
        with pytest.raises(Diverged, match=f"^training diverged: {message}$"):
            list(self.trainer.epochs())
        assert self.calls == self.call
        assert learnt(self.trainer) == self.before


def spoilt_term(name: str, value: float) -> Callable[..., Any]:
    def terms(*args: Any, **settings: Any) -> dict[str, Tensor]:
        right: dict[str, Tensor] = loss_terms(*args, **settings)
        return {**right, name: right[name] * 0 + value}

    return terms


@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize("name", TERMS)
def test_a_loss_term(name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    injection = Injection(trainer(CONFIG), loss_terms, spoilt_term(name, value), STEP)
    monkeypatch.setattr(train_module, "loss_terms", injection)
    injection.stops_training(rf"loss {name} is {value} in epoch 1, step {STEP}")


def test_a_sum_of_terms_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small(training__batch_size=10, loss__tool=10)
    injection = Injection(trainer(config), loss_terms, spoilt_term("tool", 1e38), STEP)
    monkeypatch.setattr(train_module, "loss_terms", injection)
    injection.stops_training(rf"loss total is inf in epoch 1, step {STEP}")


def spoilt_gradients(t: Trainer, values: Mapping[str, float]) -> Callable[..., float]:
    """The norm, for which the first element of each of these parameters' gradients has become another number."""
    norm_of = train_module.global_norm

    def spoil(gradients: Any) -> float:
        for name, parameter in t.model.named_parameters():
            if name in values:
                assert parameter.grad is not None
                parameter.grad.flat[0] = values[name]
        return norm_of(gradients)

    return spoil


@cache
def parameter_of(component: str) -> str:
    """One in the middle of the component."""
    part = getattr(trainer(CONFIG).model, component)
    names = [name for name, _ in part.named_parameters(f"{component}.")]
    return names[len(names) // 2]


@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_gradient(component: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    t, name = trainer(CONFIG), parameter_of(component)
    injection = Injection(t, train_module.global_norm, spoilt_gradients(t, {name: value}), STEP)
    monkeypatch.setattr(train_module, "global_norm", injection)
    injection.stops_training(rf"gradient of {re.escape(name)} is {abs(value)} in epoch 1, step {STEP}")


def steep(*args: Any, **settings: Any) -> dict[str, Tensor]:
    """The outcome's loss plus the root of nothing: finite, and infinitely steep."""
    terms: dict[str, Tensor] = loss_terms(*args, **settings)
    outcome = terms["outcome"]
    return {**terms, "outcome": outcome + (outcome - outcome.item()).sqrt()}


def test_of_several_gradients_the_one_nearest_to_the_loss_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    injection = Injection(trainer(CONFIG), loss_terms, steep, STEP)
    monkeypatch.setattr(train_module, "loss_terms", injection)
    with np.errstate(divide="ignore"):
        injection.stops_training(
            rf"gradient of decision_heads\.outcome\.\S+ \(and \d+ before it\) is (nan|inf) in epoch 1, step {STEP}"
        )


@pytest.mark.parametrize("value", [-1e25, 3e38])
def test_gradients_whose_squares_are_too_large_are_clipped(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training goes on: the squares are numbers again once the gradients are clipped."""
    t, name = trainer(CONFIG), parameter_of("core")
    monkeypatch.setattr(train_module, "global_norm", spoilt_gradients(t, {name: value}))
    next(t.epochs())
    assert np.abs(t.optimizer.first_moment).max() <= CONFIG.training.clip_norm / (1 - BETAS[0])
    for array in (t.optimizer.weights, t.optimizer.first_moment, t.optimizer.second_moment):
        assert np.isfinite(array).all()


def spoilt_evaluation(kind: str, name: str, value: float) -> Callable[..., Any]:
    evaluate_model = train_module.evaluate_model

    def evaluate(*args: Any) -> Evaluation:
        found: Evaluation = evaluate_model(*args)
        (found.losses if kind == "loss" else found.metrics)[name] = value
        return found

    return evaluate


def decisions(t: Trainer) -> list[Any]:
    """Decisions that follow from the evaluations so far."""
    return [t.stopping.state, t.scheduler.state, *(group["lr"] for group in t.optimizer.param_groups)]


@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize(
    ("kind", "name"),
    some_quick(
        [*(("metric", name) for name in METRICS), *(("loss", name) for name in (*TERMS, "total"))],
        lambda row: row[1] in ("category_match_rate", "generalization_gap", "tool", "total"),
    ),
)
def test_an_evaluation(kind: str, name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the learning rates nor the best weights follow a number that is none."""
    t = trainer(ONE_STEP)
    injection = Injection(t, train_module.evaluate_model, spoilt_evaluation(kind, name, value), 2)
    monkeypatch.setattr(train_module, "evaluate_model", injection)
    next(t.epochs())
    before = copy.deepcopy(decisions(t))
    injection.stops_training(rf"validation {kind} {name} is {value} in epoch 2, step 1")
    assert decisions(t) == before


def test_every_metric_of_an_evaluation_is_among_those_injected() -> None:
    found = next(trainer(CONFIG).epochs())["validation"]
    assert {*found} == {*METRICS, "losses"}
    assert {*found["losses"]} == {*TERMS, "total"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_whose_weights_are_all_nan(component: str) -> None:
    t = trainer(CONFIG)
    for parameter in getattr(t.model, component).parameters():
        parameter.data[...] = math.nan
    before = learnt(t)
    with pytest.raises(Diverged, match=r"^training diverged: loss \w+ is nan in epoch 1, step 1$"):
        list(t.epochs())
    assert learnt(t) == before


@pytest.mark.parametrize("rate", [1e4, 1e10, 1e30, 1e37, 1e38, 1e300])
@pytest.mark.parametrize("decay", [0.0, 0.01, 1e30])
def test_a_learning_rate_or_a_decay_far_too_high_leaves_finite_weights(rate: float, decay: float) -> None:
    rates = {f"learning_rate.{name}": rate for name in COMPONENTS}
    t = trainer(small(training__epochs=60, training__weight_decay=decay, **rates))
    step, before = t.optimizer.step, [learnt(t)]

    def watched_step(scale: float) -> None:
        step(scale)
        before.append(learnt(t))

    t.optimizer.step = watched_step  # type: ignore[method-assign]
    with pytest.raises(Diverged, match=r" is (nan|inf) in epoch \d+, step \d+$"):
        list(t.epochs())
    assert learnt(t) == before[-1]
    optimizer = t.optimizer
    for array in (optimizer.weights, optimizer.first_moment, optimizer.second_moment):
        assert np.isfinite(array).all()


def test_an_update_that_has_no_room_is_refused_by_component_and_rate() -> None:
    t = trainer(small(learning_rate__tool_selection=1e300))
    before = learnt(t)
    what = r"a weight of tool_selection after an update at learning rate 1e\+300 is inf in epoch 1, step 1"
    with pytest.raises(Diverged, match=what):
        list(t.epochs())
    assert learnt(t) == before


# ------------------------------------------------------------------------------------------------ what stays

PLACES: dict[
    str, tuple[str, str]
] = {  # by what is spoilt: what says so, and in which step of the second epoch
    "loss_terms": ("loss tool is nan", "2"),
    "global_norm": (r"gradient of \S+ \(and \d+ before it\) is nan", "2"),
    "evaluate_model": ("validation metric reward_spearman is nan", str(STEPS)),
}


def spoil_second_epoch(place: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bad number there, whichever trainer is at work; gives what is said then."""
    function = getattr(train_module, place)

    def all_nan(gradients: list[Any]) -> float:
        for gradient in gradients:
            gradient[...] = math.nan
        return float(function(gradients))

    spoils = {
        "loss_terms": spoilt_term("tool", math.nan),
        "global_norm": all_nan,
        "evaluate_model": spoilt_evaluation("metric", "reward_spearman", math.nan),
    }
    call = 2 if place == "evaluate_model" else STEPS + 2
    monkeypatch.setattr(train_module, place, Injection(None, function, spoils[place], call))
    message, step = PLACES[place]
    return f"training diverged: {message} in epoch 2, step {step}"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """One that nothing has stopped."""
    run = new_run(tmp_path_factory.mktemp("straight"), CONFIG)
    run.train()
    return run.trainer


@pytest.mark.parametrize("place", some_quick(PLACES, "loss_terms".__eq__))
def test_what_was_saved_before_stays_and_is_where_training_can_go_on(
    place: str, straight: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[dict[str, bytes]] = []
    with monkeypatch.context() as patch, pytest.raises(Diverged):
        spoil_second_epoch(place, patch)
        new_run(tmp_path / "run", CONFIG).train(show=lambda record: saved.append(written(tmp_path / "run")))
    assert len(saved) == 1 and {"best.npz", "last.npz"} <= {*saved[0]}
    assert written(tmp_path / "run") == saved[0]
    resumed = new_run(tmp_path / "run", CONFIG, resume=True)
    resumed.train()
    assert learnt(resumed.trainer) == learnt(straight)


@pytest.mark.parametrize("place", some_quick(PLACES, "loss_terms".__eq__))
def test_the_command_exits_3_and_says_where_in_one_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = spoil_second_epoch(place, monkeypatch)
    settings = ("--set", "training.batch_size=10", "--set", "training.evaluate_every=1", "--epochs", "3")
    result = CliRunner().invoke(trm, ["train", *SET, *settings, "--quiet", "--out", str(tmp_path)])
    assert result.exit_code == 3
    assert re.fullmatch(f"Error: {message}", result.stderr.strip())
    assert result.stdout == ""
    assert load_model(tmp_path / "best.npz").header["best_epoch"] == 1
