"""Training and evaluation from values in Python, and what a notebook shows of the results."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trm_np
from tests.training.small_run import SET
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.evaluation.compare import evaluate_stored
from trm_np.html import lines, preformatted, table
from trm_np.interactive import Trained
from trm_np.lab.effects import Effect, Effects
from trm_np.puzzles.solving import Solution
from trm_np.puzzles.sudoku import SUDOKU_6
from trm_np.training.run import Run

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
SETTINGS = dict(pair.split("=") for pair in SET[1::2]) | {"training.epochs": 2}
NAMES = ("realistic_user_scenarios", "gift_catalog", "held_out_scenarios")


def shipped() -> list[Any]:
    """Scenarios, gifts and held-out scenarios as values of their JSON."""
    return [json.loads((SCENARIOS / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES]


@pytest.fixture(scope="module")
def trained() -> Trained:
    return trm_np.train(*shipped(), settings=SETTINGS)


class Shown(HTMLParser):
    """Elements and text of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_model_of_values_is_that_of_the_command(trained: Trained, tmp_path: Path) -> None:
    from trm_np.config import resolve

    summary = Run(resolve("tiny", settings=SETTINGS), load_dataset(), 0, tmp_path).train()
    assert trained.summary | {"seconds": 0} == summary | {"seconds": 0}
    assert [each["epoch"] for each in trained.history] == [1, 2]
    from_file = trm_np.Recommender.load(tmp_path / "best.npz", trust=True)
    assert trained.recommender.recommend({"age": 34}) == from_file.recommend({"age": 34})
    assert trm_np.evaluate(trained) == trm_np.evaluate(tmp_path / "best.npz")
    assert trm_np.evaluate(trained.recommender) == evaluate_stored(from_file.stored, None)


def test_each_epoch_is_shown_as_it_ends() -> None:
    seen: list[int] = []
    trm_np.train(settings=SETTINGS, show=lambda record: seen.append(record["epoch"]))
    assert seen == [1, 2]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_value_that_is_wrong_is_named(place: int) -> None:
    values = shipped()
    values[place] = [{"id": 3}]
    name = ("scenarios", "gifts", "held_out")[place]
    with pytest.raises(DataError, match=f"^{name}: {'gifts' if place == 1 else 'scenarios'}"):
        trm_np.train(*values)


def test_lists_and_numbers_of_numpy_are_taken() -> None:
    scenarios, gifts, held_out = shipped()
    gifts["gifts"][0]["price"] = np.float64(gifts["gifts"][0]["price"])
    assert load_dataset(scenarios, held_out["test"], gifts["gifts"]).test == load_dataset().test


def test_what_is_shown_has_only_text(trained: Trained) -> None:
    evil = "<script>alert(1)</script>&\"'"
    pieces = [table([evil], [[evil]]), lines([evil]), preformatted(evil)]
    for piece in pieces:
        assert evil in Shown(piece).text
        assert "script" not in Shown(piece).elements
    recommendation = trained.recommender.recommend({"age": 34, "hobbies": ["<b>chess</b>"]})
    several = trained.recommender.recommend_many([{"age": 34}, {"age": 7}])
    found = trm_np.evaluate(trained)
    effects = Effects([Effect("dropout", "all on", "reward", 0.1, -float("inf"), float("inf"), 1, "seen")])
    solution = Solution(
        SUDOKU_6, {"question": "." * 36, "thoughts": [], "steps": 1, "halted": True, "fault": evil}
    )
    for shown in (recommendation, several, found, effects, solution, trained, trained.history):
        html = shown._repr_html_()
        assert Shown(html).elements <= {"table", "thead", "tbody", "tr", "th", "td", "p", "pre"}
        assert not re.search(r"color|background|url\(", html)
    text = Shown(recommendation._repr_html_()).text
    assert all(gift.name in text for gift in recommendation.gifts) and "<b>chess</b>" in text
