"""A catalogue of which little is known: answers come, say what is not known, and are as the server describes them."""

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.recommend.stored_models import trained
from tests.some_quick import some_quick
from trm_np import Recommender
from trm_np.cli.recommend import recommendation_text
from trm_np.data.records import Gift, Profile, Scenario
from trm_np.recommend.reasons import reasons
from trm_np.storage.checkpoint import Checkpoint, load_model, save_checkpoint
from trm_np.world.reward import COMPONENTS
from trm_np.world.tools import TOOLS, run_tools

OPTIONAL = [field.name for field in fields(Gift) if field.default is None]
ASKED = Profile(34, ("cooking", "music"), "mother", 120.0, "birthday", ("quality",))
ALL_HIGH = dict.fromkeys(COMPONENTS, 1.0)


@cache
def with_unknown(*hidden: str) -> Recommender:
    """The trained model with the shipped gifts, of which these fields are not known, by their JSON."""
    gifts = [
        {key: value for key, value in vars(each).items() if key not in hidden} for each in trained().gifts
    ]
    return Recommender(trained(), gifts)


def half_known() -> Recommender:
    rng = np.random.default_rng(0)
    hidden = [{field: None for field in OPTIONAL if rng.random() < 0.5} for _ in trained().gifts]
    return Recommender(
        trained(), [replace(each, **no) for each, no in zip(trained().gifts, hidden, strict=True)]
    )


@pytest.mark.parametrize(
    "recommender",
    [*([field] for field in OPTIONAL), OPTIONAL, "some"],
    ids=lambda hidden: hidden if isinstance(hidden, str) else "+".join(hidden),
)
@pytest.mark.parametrize(
    "asked",
    some_quick([ASKED, Profile(), replace(ASKED, budget=0.5)], ASKED.__eq__),
    ids=["asked", "silent", "poor"],
)
def test_a_catalogue_of_which_fields_are_unknown_is_answered_from(
    recommender: list[str] | str, asked: Profile
) -> None:
    recommender = half_known() if isinstance(recommender, str) else with_unknown(*recommender)
    answer = recommender.recommend(asked, k=5, tools=TOOLS)
    assert answer.gifts and [tool.name for tool in answer.tools] == list(TOOLS)
    text = recommendation_text(answer) + json.dumps(answer.to_dict(), allow_nan=False)
    assert "nan" not in text.replace("nano", "") and "None" not in text
    explained = recommender.explain(asked, answer.gifts[0].id)
    json.dumps(explained.to_dict(), allow_nan=False)


def test_a_model_file_keeps_what_is_unknown_and_what_was_chosen(tmp_path: Path) -> None:
    stored, gifts = trained(), half_known().gifts
    person = Profile(history=(gifts[3].id,))
    chosen = ((gifts[0].id, 2.5), (gifts[1].id, 1.0))
    scenarios = (*stored.scenarios, Scenario("somebody", person, chosen=chosen, rejected=(gifts[2].id,)))
    content = Checkpoint(stored.model, stored.config, stored.vocabulary, gifts, scenarios)
    save_checkpoint(tmp_path / "m.npz", "model", content, extra={"seed": 0, "metrics": {}})
    loaded = load_model(tmp_path / "m.npz")
    assert (loaded.gifts, loaded.scenarios) == (gifts, scenarios)


def test_an_answer_has_no_price_where_none_is_known() -> None:
    (first, *_) = with_unknown("price", "offers").recommend(ASKED, tools=TOOLS).gifts
    assert (first.price, first.paid, first.offer) == (None, None, None)
    assert "price unknown" in first.reasons and "fits the budget" not in first.reasons


def test_the_list_price_is_paid_where_no_offers_are_known() -> None:
    for gift in with_unknown("offers").recommend(ASKED, tools=TOOLS).gifts:
        assert gift.paid == gift.price and gift.offer is None


def test_of_what_is_unknown_no_reason_is_made() -> None:
    bare = Gift("bare", "Bare", "cooking")
    findings = run_tools(TOOLS, [bare], np.ones(1), 120.0, 10)
    assert reasons(bare, ASKED, ALL_HIGH, {}, 0, 10) == (
        *("from cooking, a category that suits", "price unknown"),
    )
    assert set(reasons(bare, ASKED, ALL_HIGH, findings, 0, 10)) == {
        *("from cooking, a category that suits", "price unknown"),
        *("delivery unknown", "stock unknown", "reviews unknown"),
    }


FOUND: dict[str, Any] = {
    "price_comparison": {"offer": None, "price": None, "saving": 0.0},
    "inventory_check": {"stock": None, "offer": None, "arrival_days": None, "in_time": True},
    "review_analysis": {"rating": None, "reviews": None, "low_share": 0.0},
    "trend_analysis": {"slope": None, "standard_error": None, "direction": 0},
}


@pytest.mark.parametrize("tool", FOUND)
def test_a_tool_finds_null_where_nothing_is_known(tool: str) -> None:
    answer = with_unknown(*OPTIONAL).recommend(ASKED, tools=[tool])
    assert list(answer.tools[0].data.values()) == [FOUND[tool]] * 3
