"""The ONNX graph says what the model says, whatever model, people and gifts; one that does not is refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.recommend.stored_models import outputs_of, trained
from tests.training.small_run import small
from tests.world.small_world import VOCABULARY, gift
from trm_np import Recommender
from trm_np.autograd import no_grad
from trm_np.data.encode import GiftInputs, ProfileInputs, encode_profiles
from trm_np.data.tables import profile_table
from trm_np.export.errors import ExportError
from trm_np.export.onnx_file import (
    TOLERANCE,
    drawn_profiles,
    encoded_gifts,
    export_onnx,
    inputs_of,
    onnx_model,
    our_outputs,
)
from trm_np.extras import ExtraMissing
from trm_np.model.build import build_model
from trm_np.storage.checkpoint import StoredModel

onnx = pytest.importorskip("onnx", reason="needs the onnx extra: pip install -e '.[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the onnx extra: pip install -e '.[onnx]'")


def of_small_world(**settings: Any) -> StoredModel:
    """Random weights, for another vocabulary."""
    config, rng = small(**settings), np.random.default_rng(0)
    model = build_model(config, VOCABULARY, rng, rng)
    model.eval()
    kinds = zip(VOCABULARY.categories, (20.0, 60.0, 110.0, 240.0), (3.1, 3.9, 4.4, 4.9), strict=True)
    gifts = tuple(gift(kind, price, id=kind, rating=rating) for kind, price, rating in kinds)
    return StoredModel(model, config, VOCABULARY, gifts, (), {}, {})


MODELS = {
    "the tiny preset": trained,
    "another vocabulary": of_small_world,
    "a softmax head for the tools": lambda: of_small_world(model__tool_head="softmax"),
    "a core twice as wide as the user": lambda: of_small_world(model__core_width=16),
    "more of everything": lambda: of_small_world(
        model__core_blocks=2, model__latent_steps=2, model__cycles=3, model__supervision_steps=4
    ),
}


OURS = ("category_logits", "tool_logits", "components", "reward", "steps")


def session_of(stored: StoredModel) -> Any:
    data = onnx_model(stored, encoded_gifts(stored)).SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def given(gifts: GiftInputs) -> dict[str, Any]:
    """Gifts in place of those stored, as the graph takes them."""
    return {f"gift_{name}": getattr(gifts, name) for name in ("features", "price", "rating", "age_range")}


def people(stored: StoredModel, count: int) -> ProfileInputs:
    drawn = list(drawn_profiles(stored.vocabulary, count, np.random.default_rng(5)))
    return encode_profiles(profile_table(drawn, stored.vocabulary), stored.vocabulary)


def assert_same(ours: dict[str, Any], theirs: list[Any]) -> None:
    for (name, expected), value in zip(ours.items(), theirs, strict=True):
        assert value.dtype == expected.dtype, name
        tolerance = TOLERANCE * np.abs(expected).max()
        np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_says_what_the_model_says(name: str, tmp_path: Path) -> None:
    found = export_onnx(MODELS[name](), tmp_path / "model.onnx")
    assert found["profiles"] == 100
    assert list(found["differences"]) == [*OURS, "value"]
    assert max(found["differences"].values()) <= TOLERANCE == 1e-5
    proto = onnx.load(tmp_path / "model.onnx")
    assert proto.opset_import[0].version <= 21


def test_the_value_is_what_a_recommendation_ranks_by() -> None:
    """It holds where categories count, for the stored gifts, and for others."""
    stored = replace(of_small_world(), header={"category_share": 0.4})
    session, recommender = session_of(stored), Recommender(stored)
    drawn = list(drawn_profiles(stored.vocabulary, 9, np.random.default_rng(7)))
    profiles = encode_profiles(profile_table(drawn, stored.vocabulary), stored.vocabulary)
    with no_grad():
        wanted = outputs_of(recommender, drawn).value
    for gifts in (stored.gifts, stored.gifts[::-1] * 2):
        encoded = encoded_gifts(replace(stored, gifts=gifts))
        picked = np.zeros((9, len(gifts)), np.bool_)
        asked = inputs_of(session, profiles, picked) | given(encoded)
        value, reward = session.run(["value", "reward"], asked)
        places = [recommender.catalogue.place[each.id] for each in gifts]
        np.testing.assert_allclose(value, wanted[:, places], atol=1e-5)
        assert np.abs(value - reward).max() > 0.1


def test_people_halt_when_the_model_says_so() -> None:
    """With the halting head set so that about half of the people halt after the first step."""
    stored = of_small_world(model__supervision_steps=3)
    profiles = people(stored, 40)
    with no_grad():
        margins = stored.model.core.halt_head(stored.model.step(profiles).y[:, 0]).data
    stored.model.core.halt_head.bias.data[0] += np.median(margins[:, 1] - margins[:, 0])  # type: ignore[union-attr]
    picked = np.zeros((40, len(stored.gifts)), np.bool_)
    ours = our_outputs(stored.model, profiles, stored.model.encode_gifts(encoded_gifts(stored)), picked)
    assert 10 <= (ours["steps"] == 1).sum() <= 30 and ours["steps"].max() > 1
    session = session_of(stored)
    assert_same(ours, session.run(list(ours), inputs_of(session, profiles, picked)))


def test_other_gifts_may_be_given_in_place_of_those_stored() -> None:
    stored = of_small_world()
    session, profiles = session_of(stored), people(stored, 3)
    other = replace(stored, gifts=(*stored.gifts, gift("kitchen", 33.0, ("cooking",), rating=4.7))[1:] * 2)
    gifts = encoded_gifts(other)
    picked = np.arange(3 * 8).reshape(3, 8) % 5 == 0
    ours = our_outputs(other.model, profiles, other.model.encode_gifts(gifts), picked)
    assert_same(ours, session.run(list(ours), inputs_of(session, profiles, picked) | given(gifts)))


def test_gifts_picked_already_change_the_answer() -> None:
    stored = of_small_world()
    session, profiles = session_of(stored), people(stored, 2)
    none = np.zeros((2, 4), np.bool_)
    some = none.copy()
    some[1, 2] = True
    before, after = (session.run(["reward"], inputs_of(session, profiles, each))[0] for each in (none, some))
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[1], after[1])


def test_metadata_say_what_the_numbers_stand_for() -> None:
    stored = of_small_world()
    said = {
        each.key: json.loads(each.value) for each in onnx_model(stored, encoded_gifts(stored)).metadata_props
    }
    assert said["vocabulary"]["categories"] == list(VOCABULARY.categories)
    assert said["gifts"] == list(VOCABULARY.categories)
    assert said["config"]["model.core_width"] == stored.config.model.core_width


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        export_onnx(of_small_world(), tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


WRONG = {
    "inference_graph.COMPONENT_GAIN": 64.01,
    "inference_graph.TOOL_GAIN": 63.9,
    "inference_graph.HALT": 0,
    "graph_layers.EPS": 1e-2,
    "inference_graph.ROTARY_BASE": 9000.0,
}


@pytest.mark.parametrize("constant", WRONG)
def test_a_graph_that_says_something_else_is_refused(
    constant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"trm_np.export.{constant}", WRONG[constant])
    with pytest.raises(ExportError, match=r"it does not say the same: \w+ differ by .*; allowed: 1e-05"):
        export_onnx(trained(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match=r"^--onnx needs the extra \[onnx\]: "):
        export_onnx(of_small_world(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
