"""The page of dropout: its figures are those of the model with dropout on."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.lab.documents import embedded
from trm_np.autograd import nn
from trm_np.cli import trm
from trm_np.config import resolve
from trm_np.data.load import load_dataset
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import evaluation_loss, infer_split, predict
from trm_np.lab.dropout import LIKELIEST, RATES, SCENARIOS, Noisy, page, under_dropout
from trm_np.lab.page import as_script
from trm_np.model.new import Generators, new_model
from trm_np.storage.checkpoint import StoredModel

LARGEST = 300_000  # bytes


@cache
def stored() -> StoredModel:
    """A model with its initial weights, which match words."""
    config, data = resolve("tiny"), load_dataset()
    model = new_model(config, task(), Generators.from_seed(0))
    model.eval()
    return StoredModel(model, config, data.vocabulary, data.gifts, data.train, {"seed": 0}, {})


@cache
def task() -> Task:
    return task_from(load_dataset(), resolve("tiny").model.gift_features)


def noisy(rate: float, masks: int = 3, seed: int = 0) -> Noisy:
    model, loss = stored().model, stored().config.loss
    return under_dropout(model, task(), infer_split(model, task().test, task()), loss, rate, masks, seed)


@cache
def document(seed: int) -> str:
    return page(stored(), 2, seed)


def test_with_probability_0_it_is_the_model_as_it_is_used() -> None:
    found, model = noisy(0.0), stored().model
    loss = evaluation_loss(model, task().test, task(), stored().config.loss)["total"]
    assert found.losses == pytest.approx(np.full(3, loss), rel=1e-6)
    predicted = predict(model, task().test.profiles, task())
    for mask in range(3):
        np.testing.assert_allclose(
            found.categories[mask], 1 / (1 + np.exp(-predicted.category_scores)), atol=1e-6
        )
        np.testing.assert_allclose(found.tools[mask], 1 / (1 + np.exp(-predicted.tool_scores)), atol=1e-6)


def test_more_dropout_spreads_more_and_the_model_stays_as_it_was() -> None:
    model = stored().model
    before = [(module.p, module.rng) for module in model.modules() if isinstance(module, nn.Dropout)]
    states = [rng.bit_generator.state for _, rng in before]
    spreads = [noisy(rate, masks=8).categories.std(axis=0).mean() for rate in (0.0, 0.1, 0.3, 0.6)]
    assert spreads[0] == pytest.approx(0, abs=1e-9)
    assert sorted(spreads) == spreads
    after = [(module.p, module.rng) for module in model.modules() if isinstance(module, nn.Dropout)]
    assert after == before
    assert [rng.bit_generator.state for _, rng in after] == states
    assert not model.training


@pytest.mark.slow
def test_the_page_depends_on_nothing_but_the_seed() -> None:
    assert page(stored(), 2, 0) == document(0) != document(1)


def test_the_page_holds_losses_spreads_and_the_likeliest_names() -> None:
    data = embedded(document(0))
    found, at = noisy(0.3, 2, 0), RATES.index(0.3)
    assert data["losses"][at] == pytest.approx(found.losses.tolist(), abs=1e-4)
    assert data["spreads"]["tools"][at] == pytest.approx(found.tools.std(axis=0).mean(), abs=1e-4)
    assert len(data["scenarios"]) == SCENARIOS
    exact = noisy(0.0, 1).categories[0, 1]
    names = task().vocabulary.categories
    best = sorted(range(len(names)), key=lambda place: -exact[place])[:LIKELIEST]
    shown = data["scenarios"][1][:LIKELIEST]
    assert [one["name"] for one in shown] == [names[place] for place in best]
    for one, place in zip(shown, best, strict=True):
        assert one["thousandths"][at] == pytest.approx(1000 * found.categories[:, 1, place], abs=0.51)


def test_the_page_in_the_docs_is_up_to_date_with_its_template() -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "dropout.html").read_text(encoding="utf-8")
    made = document(0)
    assert docs.replace(as_script(embedded(docs)), "") == made.replace(as_script(embedded(made)), "")
    assert len(docs.encode()) < LARGEST


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("trm_np.storage.checkpoint.load_model", lambda path: stored())
    monkeypatch.setattr("trm_np.lab.dropout.page", lambda *given: asked.append(given[:3]) or document(0))
    result = CliRunner().invoke(trm, ["lab", "dropout", "--masks", "2", "--seed", "3"])
    assert (result.exit_code, result.stdout) == (0, f"dropout.html: {len(document(0).encode()):,} bytes\n")
    assert asked == [(stored(), 2, 3)]
    assert Path("dropout.html").read_text(encoding="utf-8") == document(0)
    assert "{{" not in document(0)


def test_the_command_refuses_unusable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absent = CliRunner().invoke(trm, ["lab", "dropout"])
    assert absent.exit_code == 65
    assert absent.stderr.startswith("Error: checkpoints/integrated_enhanced/best.npz: no such file")
    Path("model.npz").write_bytes(b"")
    same = CliRunner().invoke(trm, ["lab", "dropout", "model.npz", "--out", "./model.npz"])
    assert same.exit_code == 73
    assert same.stderr.startswith("Error: model.npz: is an input of this command")
