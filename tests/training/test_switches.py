"""Each of the eight optimizations, by what it does: the same run with it and without."""

from typing import Any

import numpy as np
import pytest

import trm_np.training.trainer as train_module
from tests.training.small_run import new_run, small, trainer
from trm_np.autograd import Tensor, nn
from trm_np.config import Config
from trm_np.storage.checkpoint import load_model
from trm_np.training.trainer import Trainer


def test_data_diversity_trains_on_all_scenarios_instead_of_two(tmp_path: Any) -> None:
    def trained_on(config: Config) -> int:
        new_run(tmp_path, config).train()
        stored = load_model(tmp_path / "best.npz")
        t = trainer(config)
        t.begin_epoch()
        assert len(t.progress.order) == len(stored.scenarios)
        return len(stored.scenarios)

    assert trained_on(small(training__epochs=1)) == 25
    assert trained_on(small("data_diversity", training__epochs=1)) == 2


def test_learning_rates_slow_category_matching_and_user_profiling_down() -> None:
    def first_steps(config: Config) -> dict[str, float]:
        t = trainer(config)
        before = t.model.state_dict()
        t.learn(t.draw_batch(np.arange(16)))
        moved: dict[str, float] = {}
        for name, value in t.model.state_dict().items():
            part = name.split(".")[0]
            moved[part] = moved.get(part, 0.0) + float(np.square(value - before[name]).sum())
        return moved

    # One step only: the gradients of the first step are the same in both.
    on = first_steps(small(model__supervision_steps=1))
    off = first_steps(small("learning_rates", model__supervision_steps=1))
    ratio = {part: (off[part] / on[part]) ** 0.5 for part in on}
    expected = {part: 1.0 for part in on} | {"category_matching": 3.0, "user_profiling": 2.0}
    assert ratio == pytest.approx(expected, rel=1e-2)


def judged_as(monkeypatch: pytest.MonkeyPatch, qualities: list[float], loss: float = 1.0) -> None:
    """Evaluations find these qualities, and always the same loss."""
    found = iter(qualities)
    monkeypatch.setattr(
        train_module,
        "evaluate_model",
        lambda *_: ({}, {"total": loss}, np.array([next(found)])),
    )


def rates_over(t: Trainer, evaluations: int) -> list[float]:
    rates = []
    for epoch in range(1, evaluations + 1):
        t.evaluate(epoch)
        rates.append(t.optimizer.param_groups[0]["lr"])
    return rates


def test_lr_scheduler_halves_the_rates_when_the_validation_loss_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged_as(monkeypatch, [0.5] * 16)
    # The first evaluation is the best, five bad ones are allowed, the seventh acts.
    assert rates_over(trainer(small()), 8) == pytest.approx([1e-4] * 6 + [5e-5] * 2)
    assert rates_over(trainer(small("lr_scheduler")), 8) == pytest.approx([1e-4] * 8)


def test_loss_weights_move_a_tenth_from_category_to_tool() -> None:
    def first_record(config: Config) -> Any:
        return next(trainer(config).epochs())

    one_step = {"training__batch_size": 25, "model__supervision_steps": 1}
    on, off = first_record(small(**one_step)), first_record(small("loss_weights", **one_step))
    assert on["losses"] == off["losses"]
    expected = 0.10 * on["losses"]["category"] - 0.10 * on["losses"]["tool"]
    assert off["total"] - on["total"] == pytest.approx(expected, abs=1e-6)


def test_dropout_is_stronger_and_strongest_in_the_recommendation_head() -> None:
    def zeroed(config: Config) -> list[float]:
        layers = [m for m in trainer(config).model.modules() if isinstance(m, nn.Dropout)]
        ones = Tensor(np.ones((200, 200)))
        return [float((layer(ones).data == 0).mean()) for layer in layers]

    off = zeroed(small("dropout"))
    assert off == pytest.approx([0.1] * 5, abs=0.01)
    # Profile encoder, semantic matcher (two layers), gift encoder, recommendation head.
    assert zeroed(small()) == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.3], abs=0.01)


def test_early_stopping_ends_a_run_that_gets_worse_and_keeps_its_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ended(config: Config) -> tuple[int, str, int]:
        judged_as(monkeypatch, [0.5 - epoch / 1000 for epoch in range(20)])
        t = trainer(config)
        for _ in t.epochs():
            pass
        return t.progress.epochs, t.progress.stopped_by, t.stopping.state.best_epoch

    settings = {
        "training__epochs": 20,
        "training__evaluate_every": 1,
        "training__batch_size": 25,
        "model__supervision_steps": 1,
    }
    assert ended(small(**settings)) == (17, "early_stopping", 1)
    assert ended(small("early_stopping", **settings)) == (20, "epochs", 20)


def test_frequent_evaluation_evaluates_every_five_epochs_instead_of_ten() -> None:
    def evaluated(config: Config) -> list[int]:
        return [record["epoch"] for record in trainer(config).epochs() if "validation" in record]

    # The last epoch is always evaluated.
    settings = {"training__epochs": 11, "training__batch_size": 25, "model__supervision_steps": 1}
    assert evaluated(small(**settings)) == [5, 10, 11]
    assert evaluated(small("frequent_evaluation", **settings)) == [10, 11]


def test_data_augmentation_tells_a_scenario_differently_each_time() -> None:
    def told(config: Config) -> list[Any]:
        t = trainer(config)
        return [t.draw_batch(np.arange(25)).inputs for _ in range(2)]

    first, second = told(small(training__mask_probability=0))
    assert not np.array_equal(first.age, second.age)
    assert not np.array_equal(first.budget, second.budget)
    first, second = told(small("data_augmentation", training__mask_probability=0))
    assert np.array_equal(first.age, second.age)
    assert np.array_equal(first.budget, second.budget)
