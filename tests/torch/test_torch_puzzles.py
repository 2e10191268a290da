"""The puzzle model and its training say and learn what their copy in PyTorch does."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[torch]'")
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from mirrors.torch_puzzles import TorchPuzzles, TorchPuzzleTrainer  # noqa: E402

from tests.puzzles.small_puzzles import sets, small, trainer  # noqa: E402
from trm_np.puzzles.config import PuzzleConfig  # noqa: E402
from trm_np.puzzles.model import PuzzleModel, predictions  # noqa: E402
from trm_np.puzzles.sets import make_puzzles  # noqa: E402
from trm_np.puzzles.sudoku import SUDOKU_6  # noqa: E402

DEEP = {"model__latent_steps": 2, "model__cycles": 2, "model__core_blocks": 2}


def test_thoughts_are_the_same() -> None:
    questions = make_puzzles(SUDOKU_6, 3, np.random.default_rng(1)).questions
    model = PuzzleModel(PuzzleConfig().model, SUDOKU_6, np.random.default_rng(0))
    model.core.halt_head.weight.data[...] = np.random.default_rng(2).normal(size=(2, 64))
    cells, right = TorchPuzzles(model).unroll(questions, 5)
    for step, prediction in enumerate(predictions(model, questions, 5)):
        np.testing.assert_allclose(prediction.probabilities, cells[step], atol=1e-5)
        np.testing.assert_allclose(prediction.right, right[step], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, DEEP], ids=["T = n = 1", "T = n = 2"])
def test_updates_are_the_same(settings: dict[str, int]) -> None:
    """Losses, the carry handed on, and the weights after some updates on one batch, with the average of them."""
    ours = trainer(small(training__warmup=0, training__final=1.0, **settings))
    ours.refill()
    ours.progress.epochs = 1000  # so that the average is the one of later training
    theirs = TorchPuzzleTrainer(ours)
    assert len(sets()[0]) > 0
    for _ in range(4):
        before = dict(ours.progress.sums)
        ours.update()
        found = theirs.update()
        spent = {name: total - before.get(name, 0.0) for name, total in ours.progress.sums.items()}
        assert found == pytest.approx(spent["cells"] + 0.5 * spent["halting"], rel=1e-5)
        np.testing.assert_allclose(ours.batch.y, theirs.carry.y, atol=1e-4)
        np.testing.assert_allclose(ours.batch.z, theirs.carry.z, atol=1e-4)
    for (name, mine), other in zip(ours.learner.named_parameters(), theirs.parameters, strict=True):
        np.testing.assert_allclose(mine.data, other.detach(), atol=2e-5, err_msg=name)
    for (name, mine), other in zip(ours.model.named_parameters(), theirs.average, strict=True):
        np.testing.assert_allclose(mine.data, other, atol=2e-5, err_msg=name)
