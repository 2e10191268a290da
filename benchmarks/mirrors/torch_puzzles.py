"""The puzzle model and its training once more, in PyTorch for the CPU: the same weights, names and letters.

What each part is for stands at its namesake in trm_np/puzzles. `mode` is "eager" or "compiled".
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mirrors.torch_mirror import Block, Carry, Core, rms_norm
from trm_np.puzzles.config import PuzzleModelConfig
from trm_np.puzzles.model import PuzzleModel
from trm_np.puzzles.task import Board
from trm_np.puzzles.training import PuzzleTrainer

Arrays = dict[str, NDArray[np.floating]]


class PuzzleBlock(Block):
    """One without positions; `seen` (heads, S, S) is True where a head may look."""

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        q, k, v = self.attention.project(x, 0, 3)
        x = rms_norm(x + self.attention.attend(q, k, v, seen))
        return rms_norm(x + self.swiglu(x))


class PuzzleCore(Core):
    def __init__(self, config: PuzzleModelConfig, tokens: int) -> None:
        super().__init__(config, tokens)
        self.blocks = nn.ModuleList(PuzzleBlock(config) for _ in range(config.core_blocks))


class Step(nn.Module):
    """One supervision step on questions (B, S): the carry after it, logits of the cells, and logits of halting."""

    def __init__(self, config: PuzzleModelConfig, tokens: int) -> None:
        super().__init__()
        self.core = PuzzleCore(config, tokens)

    def forward(self, questions: Tensor, carry: Carry, seen: Tensor) -> tuple[Carry, Tensor, Tensor]:
        after = self.core(self.core.embed(questions), carry, seen)
        return after, self.core.lm_head(after.y), self.core.halt_head(after.y.mean(dim=1))


class TorchPuzzles:
    """A copy of one of our models, in the precision of its weights."""

    def __init__(self, model: PuzzleModel, mode: Literal["eager", "compiled"] = "eager") -> None:
        self.config, self.task = model.config, model.task
        weights = {name: torch.tensor(weight) for name, weight in model.state_dict().items()}
        self.model = Step(model.config, len(model.task.symbols)).to(weights["core.lm_head.weight"].dtype)
        self.model.load_state_dict(weights)
        self.step = torch.compile(self.model) if mode == "compiled" else self.model
        self.seen = torch.tensor(model.task.sees)

    def initial_carry(self, count: int) -> Carry:
        dtype = self.model.core.lm_head.weight.dtype
        zeros = torch.zeros(count, self.task.cells, self.config.core_width, dtype=dtype)
        return Carry(zeros, zeros)

    @torch.inference_mode()
    def unroll(self, questions: Board, steps: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Probabilities of each symbol (steps, B, S, V), and of being right (steps, B), as `predictions` has them."""
        tokens, carry = torch.tensor(questions.astype(np.int64)), self.initial_carry(len(questions))
        cells, right = [], []
        for _ in range(steps):
            carry, logits, halting = self.step(tokens, carry, self.seen)
            cells.append(logits.softmax(dim=-1))
            right.append(halting.softmax(dim=-1)[:, 1])
        return torch.stack(cells).numpy(), torch.stack(right).numpy()


class TorchPuzzleTrainer(TorchPuzzles):
    """A copy of our trainer as it stands: an update is one supervision step of the batch that it holds."""

    def __init__(self, trainer: PuzzleTrainer, mode: Literal["eager", "compiled"] = "eager") -> None:
        super().__init__(trainer.learner, mode)
        self.training, batch = trainer.config.training, trainer.batch
        self.questions = torch.tensor(batch.questions.astype(np.int64))
        self.answers = torch.tensor(batch.answers.astype(np.int64))
        self.carry = Carry(torch.tensor(batch.y), torch.tensor(batch.z))
        self.parameters = list(self.model.parameters())
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        training = self.training
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=trainer.learning_rate(),
            betas=(training.beta1, training.beta2),
            weight_decay=training.weight_decay,
            fused=True,
        )

    def losses(self) -> tuple[Tensor, Tensor]:
        """Of the cells and of halting; the carry, detached, is handed on."""
        after, logits, halting = self.step(self.questions, self.carry, self.seen)
        self.carry = Carry(after.y.detach(), after.z.detach())
        solved = (logits.argmax(dim=2) == self.answers).all(dim=1)
        cells = F.cross_entropy(logits.flatten(0, 1), self.answers.flatten())
        return cells, F.cross_entropy(halting, solved.long())

    def update(self) -> float:
        """One update, with that of the averaged weights; gives the loss."""
        cells, halting = self.losses()
        total = cells + self.training.halting * halting
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.training.clip_norm, error_if_nonfinite=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - self.training.average)
        return total.item()
