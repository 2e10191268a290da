"""The page of patience and frequency: its figures are those of early stopping on the runs."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.documents import embedded
from tests.lab.made_up_courses import EPOCHS, made_up
from trm_np.cli import trm
from trm_np.config import resolve
from trm_np.data.load import load_dataset
from trm_np.data.task import task_from
from trm_np.lab.page import as_script
from trm_np.lab.stopping import BARS, FREQUENCIES, PATIENCES, TESTED, Course, course, end, page, stopped
from trm_np.training.trainer import Trainer

SCENARIOS = 4
LARGEST = 100_000  # bytes
CURVES = st.lists(
    st.lists(st.floats(0.1, 1), min_size=SCENARIOS, max_size=SCENARIOS), min_size=25, max_size=60
)


@given(CURVES, st.sampled_from(FREQUENCIES), st.sampled_from(PATIENCES), st.sampled_from([*BARS.values()]))
def test_a_run_ends_at_the_best_and_patience_or_at_its_end(
    curve: list[list[float]], every: int, patience: int, threshold: float | None
) -> None:
    """The formula of lesson 7, and the epoch kept is the last that is better until then."""
    qualities = [np.array(values) for values in curve]
    kept, last = end(qualities, every, threshold, patience)
    better = stopped(qualities, every, threshold)["better"]
    assert kept == max(epoch for epoch in better if epoch <= last)
    assert last == min(kept + (patience + 1) * every, len(qualities))
    assert better[0] == every and all(epoch % every == 0 for epoch in better)


@pytest.mark.slow
def test_the_course_is_that_of_training_whatever_is_evaluated() -> None:
    """A run that evaluates every second epoch, without scheduler and early stopping, sees the same qualities."""
    settings = {"training.epochs": "4", "training.evaluate_every": "2"}
    config = resolve("tiny", ("early_stopping", "lr_scheduler"), settings)
    task = task_from(load_dataset(), config.model.gift_features)
    records = [record for record in Trainer(config, task, 0).epochs() if "validation" in record]
    seen = [record["validation"]["recommendation_quality"] for record in records]
    found = course(task, 4, 0)
    assert [float(found.qualities[epoch].mean()) for epoch in (1, 3)] == pytest.approx(seen, rel=1e-12)
    assert [metrics.keys() >= set(TESTED) for metrics in found.test] == [True] * 4


def test_the_page_holds_what_early_stopping_does() -> None:
    """With an evaluation every 10 epochs: 0.2, 0.4, 0.3, 0.3 and 0.5 for all scenarios."""
    qualities = [np.full(3, 0.1 * value) for value in (2, 4, 3, 3, 5) for _ in range(10)]
    data = embedded(page([made_up(0)._replace(qualities=qualities)], "digest"))
    (shown,) = data["courses"]
    assert (data["epochs"], shown["test"].keys()) == (EPOCHS, set(TESTED))
    found = shown["stopped"]["0 %"]["10"]
    assert found["better"] == [10, 20, 50]
    assert found["ends"][:4] == [[20, 30], [20, 40], [50, 50], [50, 50]]


def test_the_page_in_the_docs_is_up_to_date_with_its_template() -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "stopping.html").read_text(encoding="utf-8")
    made = page([made_up(0)], "digest")
    assert docs.replace(as_script(embedded(docs)), "") == made.replace(as_script(embedded(made)), "")
    assert len(docs.encode()) < LARGEST


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []

    def made(task: object, epochs: int, seed: int, advance: object) -> Course:
        asked.append((epochs, seed))
        return made_up(seed)

    monkeypatch.setattr("trm_np.lab.stopping.course", made)
    result = CliRunner().invoke(trm, ["lab", "stopping", "--seeds", "2", "--epochs", "30"])
    assert (result.exit_code, asked) == (0, [(30, 0), (30, 1)])
    document = (tmp_path / "stopping.html").read_text(encoding="utf-8")
    assert result.stdout == f"stopping.html: {len(document.encode()):,} bytes\n"
    assert [each["seed"] for each in embedded(document)["courses"]] == [0, 1]
    assert "{{" not in document
