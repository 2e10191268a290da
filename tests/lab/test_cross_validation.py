"""Cross-validation: every scenario is tested once, by a model that has not seen it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trm_np.lab.cross_validation
from tests.training.small_run import new_run, small
from trm_np.autograd import nn
from trm_np.config import Config, ConfigError
from trm_np.data.load import load_held_out
from trm_np.data.tables import ProfileTable, profile_table
from trm_np.data.task import Task
from trm_np.lab.cross_validation import FOLDS, cross_validate, shuffled_folds
from trm_np.storage.checkpoint import StoredModel, load_model
from trm_np.training.trainer import Trainer

SHORT = {"training__epochs": 1, "training__evaluate_every": 1, "training__batch_size": 20}


@dataclass
class Watch:
    """Record of a cross-validation: the tasks trained on, best weights restored, folds announced."""

    tasks: list[Task] = field(default_factory=list)
    restored: list[nn.Module] = field(default_factory=list)
    announced: int = 0

    def announce(self) -> None:
        self.announced += 1


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    folder = tmp_path_factory.mktemp("run")
    new_run(folder, small(**SHORT)).train()
    return load_model(folder / "best.npz")


@pytest.fixture(scope="module")
def watched(stored: StoredModel) -> tuple[dict[str, Any], Watch]:
    """Cross-validation with two seeds, watched."""
    watch = Watch()

    class Watched(Trainer):
        def __init__(self, config: Config, task: Task, seed: int) -> None:
            super().__init__(config, task, seed)
            watch.tasks.append(task)
            restore = self.stopping.restore
            self.stopping.restore = lambda model: watch.restored.append(model) or restore(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trm_np.lab.cross_validation, "Trainer", Watched)
        return cross_validate(stored, None, [0, 1], watch.announce), watch


@pytest.fixture(scope="module")
def found(watched: tuple[dict[str, Any], Watch]) -> dict[str, Any]:
    return watched[0]


@given(st.integers(FOLDS, 60), st.integers(0, 2**32 - 1))
def test_every_row_is_in_one_fold_and_folds_have_equal_sizes(count: int, seed: int) -> None:
    folds = shuffled_folds(count, seed)
    assert sorted(np.concatenate(folds).tolist()) == list(range(count))
    assert len(folds) == FOLDS
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_folds_depend_only_on_the_seed() -> None:
    first, again, other = ([fold.tolist() for fold in shuffled_folds(25, seed)] for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.slow
def test_no_model_is_tested_on_its_training_scenarios(
    watched: tuple[dict[str, Any], Watch], stored: StoredModel
) -> None:
    _, watch = watched
    everyone = people(profile_table([scenario.profile for scenario in stored.scenarios], stored.vocabulary))
    held_out, _ = load_held_out(None, stored.vocabulary)
    validation = people(profile_table([scenario.profile for scenario in held_out], stored.vocabulary))
    assert len(watch.tasks) == 2 * FOLDS
    for task in watch.tasks:
        train, test = people(task.train.profiles), people(task.test.profiles)
        assert sorted(train + test) == sorted(everyone)
        assert not set(train) & set(test)
        assert people(task.validation.profiles) == validation
    for seed in range(2):
        tested = [task.test.profiles for task in watch.tasks[seed * FOLDS : (seed + 1) * FOLDS]]
        assert sorted(person for profiles in tested for person in people(profiles)) == sorted(everyone)


def people(profiles: ProfileTable) -> list[str]:
    """Each profile as text, to recognize it."""
    return [
        str({name: column[row][column[row] != -1] for name, column in vars(profiles).items()})
        for row in range(len(profiles))
    ]


@pytest.mark.slow
def test_the_best_weights_are_tested_and_done_is_called_after_each_fold(
    watched: tuple[dict[str, Any], Watch],
) -> None:
    _, watch = watched
    assert len(watch.restored) == watch.announced == 2 * FOLDS


@pytest.mark.slow
def test_the_metrics_of_a_seed_pool_its_folds(found: dict[str, Any]) -> None:
    assert (found["scenarios"], found["folds"], found["seeds"]) == (25, 5, [0, 1])
    for pooled, folds in zip(found["pooled"], found["by_fold"], strict=True):
        assert len(folds) == FOLDS
        for name in ("category_recall_at_3", "tool_exact_rate", "average_reward", "reward_spearman"):
            # The folds have five scenarios each, so the mean over all is the mean of their means.
            assert pooled[name] == pytest.approx(np.mean([fold[name] for fold in folds]))
        assert pooled["categories_in_use"] >= max(fold["categories_in_use"] for fold in folds)
        gap = max(fold["generalization_gap"] for fold in folds)
        assert 0 <= pooled["generalization_gap"] <= gap
    assert found["pooled"][0] != found["pooled"][1]


@pytest.mark.slow
def test_the_baselines_use_the_same_folds(found: dict[str, Any]) -> None:
    assert list(found["baselines"]) == ["popularity", "nearest_neighbour", "linear"]
    for metrics in found["baselines"].values():
        assert set(found["pooled"][0]) - set(metrics) == {"generalization_gap"}
        assert 0 < metrics["category_recall_at_3"] < 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(stored: StoredModel, found: dict[str, Any]) -> None:
    assert cross_validate(stored, None, [1])["pooled"] == found["pooled"][1:]


def test_fewer_scenarios_than_folds_are_refused(stored: StoredModel) -> None:
    with pytest.raises(ConfigError, match="at least 5 training scenarios; the model has 4"):
        cross_validate(replace(stored, scenarios=stored.scenarios[:4]), None, [0])
