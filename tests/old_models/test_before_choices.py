"""A model file from before models learned from choices says today what it said then.

`before_choices.npz` was trained, and `before_choices.json` recorded, by the code of commit 252720d: the widths of
`gradient_checks.NARROW`, every second shipped gift, 20 epochs. The answers are on terms that have not changed since.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trm_np import Recommender
from trm_np.cli.evaluate import evaluate
from trm_np.cli.recommend import recommend
from trm_np.data.load import as_json
from trm_np.storage.checkpoint import load_model

FOLDER = Path(__file__).parent
MODEL = FOLDER / "before_choices.npz"
RECORDED = json.loads((FOLDER / "before_choices.json").read_text(encoding="utf-8"))
CLOSE = 1e-4  # float32 on another machine


def as_recorded(answer: dict[str, Any], recorded: dict[str, Any]) -> None:
    gifts = {gift["id"]: gift["predicted_reward"] for gift in answer["gifts"]}
    assert list(gifts) == list(recorded["gifts"])
    assert gifts == pytest.approx(recorded["gifts"], abs=CLOSE)
    assert answer["categories"] == pytest.approx(recorded["categories"], abs=CLOSE)
    assert answer["tool_probabilities"] == pytest.approx(recorded["tools"], abs=CLOSE)
    assert answer["steps"] == recorded["steps"]


@pytest.mark.parametrize("recorded", RECORDED["answers"])
def test_it_answers_as_it_did(recorded: dict[str, Any]) -> None:
    recommender = Recommender.load(MODEL)
    answer = recommender.recommend(recorded["profile"], days_left=30, tools=["price_comparison"])
    as_recorded(answer.to_dict(), recorded)


def test_the_command_answers_by_it(tmp_path: Path) -> None:
    """With the tools that the model selects, which are no part of what is recorded."""
    people = tmp_path / "people.jsonl"
    people.write_text("".join(json.dumps(each["profile"]) + "\n" for each in RECORDED["answers"]))
    result = CliRunner().invoke(recommend, [str(MODEL), "--profile", str(people), "--days-left", "30"])
    assert result.exit_code == 0
    for line, recorded in zip(result.stdout.splitlines(), RECORDED["answers"], strict=True):
        answer = json.loads(line)
        assert len(answer["gifts"]) == 3 and answer["warnings"] == []
        assert answer["tool_probabilities"] == pytest.approx(recorded["tools"], abs=CLOSE)


def test_it_is_judged_as_it_was(tmp_path: Path) -> None:
    """On its own training scenarios, five of them as validation scenarios."""
    scenarios = [as_json(each) for each in load_model(MODEL).scenarios]
    held_out = tmp_path / "held_out.json"
    held_out.write_text(json.dumps({"validation": scenarios[:5], "test": scenarios[5:]}))
    result = CliRunner().invoke(evaluate, [str(MODEL), "--held-out", str(held_out), "--json"])
    assert result.exit_code == 0, result.output
    judged = json.loads(result.stdout)
    for split, recorded in RECORDED["metrics"].items():
        assert judged[split] == pytest.approx(recorded, abs=CLOSE)
    assert judged["ranking"]["category_share"] == 0


def test_what_came_later_is_not_in_it() -> None:
    stored = load_model(MODEL)
    assert stored.model.experience is None and not stored.experience
    assert not {"category_share", "money", "recipe"} & stored.header.keys()
    assert MODEL.stat().st_size < 100_000
