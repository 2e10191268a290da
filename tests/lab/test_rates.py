"""The page of learning rates: what is measured on an update is the factor of lesson 2."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.documents import embedded
from tests.lab.made_up_descents import made_up
from trm_np.cli import trm
from trm_np.data.load import load_dataset
from trm_np.data.task import Task, task_from
from trm_np.lab.page import as_script
from trm_np.lab.rates import ADAMW, DESCENT, OPTIMIZERS, RATES, Run, noiseless, page, run, slope_left
from trm_np.training.trainer import Trainer

LARGEST = 100_000  # bytes
UPDATES = 10


@pytest.fixture(scope="module")
def task() -> Task:
    return task_from(load_dataset(), noiseless().model.gift_features)


@given(st.floats(0.01, 100), st.floats(1e-4, 10), st.floats(0.1, 10))
def test_on_a_parabola_the_slope_left_is_one_minus_rate_times_curvature(
    curvature: float, rate: float, weight: float
) -> None:
    weights = np.array([weight, -weight])
    update = -rate * curvature * weights
    left = slope_left(update, curvature * weights, curvature * (weights + update))
    assert left == pytest.approx(1 - rate * curvature, rel=1e-9, abs=1e-9)


@pytest.mark.slow
def test_the_slopes_of_an_update_agree_with_the_losses_at_its_ends(task: Task) -> None:
    """By the trapezoidal rule: the loss falls by the mean of the slopes; gradient descent starts with -rate · |g|²."""
    rate, weights = 1e-4, sum(p.size for p in Trainer(noiseless(), task, 0).parameters)
    found = run(task, DESCENT, rate, 3, seed=0)
    for before, after, left, length in zip(
        found.losses, found.losses[1:], found.factors, found.lengths, strict=False
    ):
        slope = -rate * weights * length**2
        assert after - before == pytest.approx(slope * (1 + left) / 2, rel=0.02)


@pytest.mark.slow
def test_the_first_update_of_adamw_is_as_long_as_the_rate(task: Task) -> None:
    """Its bias correction makes it ± the rate, for each weight that has a gradient."""
    for rate in (1e-4, 1e-3):
        (length,) = run(task, ADAMW, rate, 1, seed=0).lengths
        assert 0.5 < length <= 1.001
    (short,) = run(task, DESCENT, 1e-3, 1, seed=0).lengths
    assert short < 0.1


@pytest.mark.slow
def test_a_run_depends_on_nothing_but_its_seed(task: Task) -> None:
    one, other = (run(task, ADAMW, 1e-3, 2, seed=1) for _ in range(2))
    assert one == other
    assert run(task, DESCENT, 1e-2, 1, seed=1).losses[0] == one.losses[0]
    assert run(task, DESCENT, 1e-2, 1, seed=2).losses[0] != one.losses[0]


def test_a_run_that_diverges_ends_with_its_last_finite_loss(task: Task) -> None:
    found = run(task, DESCENT, 1e6, 3, seed=0)
    assert 1 <= len(found.losses) < 4
    assert len(found.factors) == len(found.lengths) == len(found.losses) - 1
    assert np.isfinite([*found.losses, *found.factors, *found.lengths]).all()


def test_the_page_in_the_docs_is_up_to_date_with_its_template() -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "rates.html").read_text(encoding="utf-8")
    made = page(made_up(UPDATES), UPDATES, 0, "digest")
    assert docs.replace(as_script(embedded(docs)), "") == made.replace(as_script(embedded(made)), "")
    assert len(docs.encode()) < LARGEST


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = made_up(UPDATES)
    asked = []

    def made(task: Task, optimizer: str, rate: float, updates: int, seed: int) -> Run:
        asked.append((optimizer, rate, updates, seed))
        return runs[len(asked) - 1]

    monkeypatch.setattr("trm_np.lab.rates.run", made)
    result = CliRunner().invoke(trm, ["lab", "rates", "--updates", str(UPDATES), "--seed", "3"])
    document = Path("rates.html").read_text(encoding="utf-8")
    assert (result.exit_code, result.stdout) == (0, f"rates.html: {len(document.encode()):,} bytes\n")
    assert asked == [(optimizer, rate, UPDATES, 3) for optimizer in OPTIMIZERS for rate in RATES]
    assert "{{" not in document


@pytest.mark.parametrize("command", ["rates", "stopping"])
@pytest.mark.parametrize("out", ["folder", "nowhere/page.html"])
def test_a_page_that_cannot_be_written_is_refused_before_the_runs(
    command: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    monkeypatch.setattr("trm_np.data.load.load_dataset", lambda: pytest.fail("it has begun"))
    done = CliRunner().invoke(trm, ["lab", command, "--out", out])
    assert done.exit_code == 73 and done.stderr.startswith(f"Error: {out}: ")
