"""The checks behind `trm gradcheck` cover everything that learns, and bite."""

from contextlib import nullcontext
from typing import Any

import pytest

import trm_np.model.core
import trm_np.model.tool_selection
from trm_np.autograd import Tensor
from trm_np.autograd.cases import CASES
from trm_np.autograd.gradcheck import GradientError
from trm_np.lab import gradient_checks
from trm_np.model.broadcasting import fold
from trm_np.model.core import Carry, Core
from trm_np.model.losses import TERMS
from trm_np.puzzles.model import PuzzleModel, PuzzleOutputs


def test_there_is_a_check_for_every_rule_loss_and_component() -> None:
    names = [name for name, _ in gradient_checks.all_checks()]
    model = gradient_checks.setting(0).model
    assert len(set(names)) == len(names)
    assert [f"rule: {case.name}" for case in CASES] == [name for name in names if name.startswith("rule")]
    assert {f"loss: {term}" for term in TERMS} < set(names)
    parts = [f"component: {name}" for name, _ in model.named_children()]
    assert parts == [name for name in names if name.startswith("component")]


def cut_question(core: Core, tokens: Any) -> Tensor:
    return (core.token_embedding(tokens) * core.scale).detach()


def cut_answer(h: Tensor, width: int) -> Tensor:
    return fold(h, width).detach()


def cut_words(x: Tensor, width: int) -> Tensor:
    return fold(x, width) if x.ndim == 2 else fold(x, width).detach()


def cut_thought(model: PuzzleModel, carry: Carry) -> PuzzleOutputs:
    return PuzzleOutputs(model.core.lm_head(carry.y), model.core.halt_head(carry.y.detach().mean(axis=1)))


@pytest.mark.parametrize(
    ("owner", "name", "spoilt", "check"),
    [
        (trm_np.model.tool_selection, "fold", cut_answer, "component: tool_selection"),
        (trm_np.model.tool_selection, "fold", cut_words, "component: tool_selection"),
        (Core, "embed", cut_question, "component: core"),
        (Core, "embed", cut_question, "puzzle model, cells and halting"),
        (PuzzleModel, "decode", cut_thought, "puzzle model, cells and halting"),
        # Gradient through every cycle, not only through the last.
        (trm_np.model.core, "no_grad", nullcontext, "recursion: gradient stops at the last cycle"),
    ],
    ids=[
        "an input cut off",
        "the words cut off",
        "a table cut off",
        "a table of puzzles cut off",
        "a thought cut off",
        "a cycle too many",
    ],
)
def test_a_gradient_that_stops_too_early_or_too_late_is_caught(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, spoilt: Any, check: str
) -> None:
    run = dict(gradient_checks.all_checks())[check]
    run(0)
    monkeypatch.setattr(owner, name, spoilt)
    with pytest.raises(GradientError):
        run(0)


def test_a_failed_check_is_told_and_the_others_still_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(seed: int) -> float:
        raise GradientError("off by one")

    monkeypatch.setattr(gradient_checks, "all_checks", lambda: [("a", wrong), ("b", lambda seed: 1e-9)])
    (_, _, complaint), second = gradient_checks.run_checks(0)
    assert complaint == "off by one"
    assert second == ("b", 1e-9, "")
