"""Training on as little as is allowed, and on the ends of every range, stays finite all the way to an answer."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.some_quick import some_quick
from tests.training.small_run import dataset, small
from trm_np.recommend.recommender import Recommender
from trm_np.training.run import Run


@pytest.mark.parametrize(
    ("age", "budget"), some_quick(product((0, 120), (0.01, 1_000_000_000)), (120, 0.01).__eq__)
)
def test_two_people_at_the_end_of_every_range(tmp_path: Path, age: int, budget: float) -> None:
    data = dataset()
    people = tuple(
        replace(scenario, profile=replace(scenario.profile, age=float(age), budget=float(budget)))
        for scenario in data.train[:2]
    )
    data = replace(data, train=people, validation=people, test=people)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        summary = Run(small(training__epochs=2), data, 0, tmp_path).train()
        answer = Recommender.load(tmp_path / "best.npz").recommend(
            {"age": age, "budget": budget}, any_age=True, allow=["over_budget"]
        )
    assert np.isfinite([figure for figure in summary["test"].values() if isinstance(figure, float)]).all()
    assert 0 < summary["test"]["average_reward"] < 1
    assert len(answer.gifts) == 3
    assert np.isfinite([gift.predicted_reward for gift in answer.gifts]).all()
    assert np.isfinite(list(answer.categories.values())).all()
