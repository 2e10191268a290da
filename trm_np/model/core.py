"""The recursive core: one small network, applied repeatedly to its own answer.

In the letters of Jolicoeur-Martineau (2025), "Less is More: Recursive Reasoning with Tiny Networks": x is the
question, y the answer, z the latent, each (B, S, D).

    latent recursion   n times z ← f(x + y + z), then y ← f(y + z)
    deep recursion     T - 1 latent recursions without gradient, then one with
    deep supervision   the carry (y, z), detached, enters the next deep recursion, after a loss and a step

In the paper's code y is z_H, z is z_L, n is L_cycles and T is H_cycles.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from trm_np.autograd import Tensor, is_grad_enabled, nn, no_grad
from trm_np.autograd.fused import add_and_norm_, attention_weights, gate_and_up, split_heads, swiglu_
from trm_np.autograd.ops import Array
from trm_np.deadline import require_time

Value = TypeVar("Value", Tensor, Array)  # of a tensor or of an array the same sums are taken


class CoreConfig(Protocol):
    """Settings of a core for any task: width D, blocks, heads, hidden width, n and T."""

    @property
    def core_width(self) -> int: ...
    @property
    def core_blocks(self) -> int: ...
    @property
    def core_heads(self) -> int: ...
    @property
    def core_hidden(self) -> int: ...
    @property
    def latent_steps(self) -> int: ...
    @property
    def cycles(self) -> int: ...


class Carry(NamedTuple):
    """Answer and latent, (B, S, D) each, between supervision steps."""

    y: Tensor
    z: Tensor

    def detach(self) -> "Carry":
        return Carry(self.y.detach(), self.z.detach())

    def take(self, rows: Array) -> "Carry":
        """The carry of the questions that `rows` picks, detached."""
        return Carry(Tensor(self.y.data[rows]), Tensor(self.z.data[rows]))


class Block(nn.Module):
    """Attention, then SwiGLU; each is added to its input, and RMSNorm normalizes the sum."""

    def __init__(self, config: CoreConfig, rng: "np.random.Generator") -> None:
        self.attention = nn.MultiheadAttention(config.core_width, config.core_heads, bias=False, rng=rng)
        self.swiglu = nn.SwiGLU(config.core_width, config.core_hidden, rng=rng)

    def forward(self, x: Tensor, rotation: Array | None, blocked: Array | None) -> Tensor:
        return self.swiglu.sublayer(self.attention.sublayer(x, blocked, rotation))


def in_place(
    blocks: "nn.ModuleList[Block]", x: Array, rotation: Array | None, blocked: Array | None
) -> Callable[[Array], Array]:
    """The blocks without a graph: a function that returns f of an array like x (B, S, D), and overwrites it.

    It computes what `Block.forward` does, in arrays that each call uses again. They have a row for each token. Heads,
    (B, heads, S, D / heads), and the pairs of features that `rotation` turns are views of them.
    """
    (b, s, width), dtype = x.shape, x.dtype
    weights = [
        (
            block.attention.in_proj_weight.data.T,
            block.attention.out_proj.weight.data.T,
            gate_and_up(block.swiglu.gate_up.weight.data).swapaxes(-1, -2),
            block.swiglu.down.weight.data.T,
        )
        for block in blocks
    ]
    heads, hidden = blocks[0].attention.num_heads, len(weights[0][-1])
    packed = np.empty((b * s, 3 * width), dtype)
    q, k, v = packed.reshape(b, s, 3, heads, width // heads).transpose(2, 0, 3, 1, 4)
    pairs = packed.reshape(b, s, -1)[..., : 2 * width].view(np.result_type(dtype, np.complex64))
    p = np.empty((b, heads, s, s), dtype)
    seen, between = np.empty((2, b * s, width), dtype)
    seen_by_head = split_heads(seen.reshape(x.shape), heads)
    gate, up = both = np.empty((2, b * s, hidden), dtype)

    def f(x: Array) -> Array:
        rows = np.ascontiguousarray(x.reshape(-1, width))
        for qkv, out, gate_up, down in weights:
            np.dot(rows, qkv, out=packed)
            if rotation is not None:
                np.multiply(pairs, rotation, out=pairs)
            np.matmul(attention_weights(q, k, blocked, out=p), v, out=seen_by_head)
            add_and_norm_(np.dot(seen, out, out=between), rows)
            np.matmul(between, gate_up, out=both)
            add_and_norm_(np.dot(swiglu_(gate, up), down, out=rows), between)
        return rows.reshape(x.shape)

    return f


class Core(nn.Module):
    """Token embedding, the recursion, and the heads on the answer: tokens and halting.

    `memories` is the width of the memory vectors beside the tokens of a question, 0 if there are none.
    """

    def __init__(
        self, config: CoreConfig, tokens: int, rng: "np.random.Generator", memories: int = 0
    ) -> None:
        self.config = config
        # Stored with standard deviation 1/√D and multiplied by √D, as in the paper's code: the vectors have unit size,
        # and learn √D times as fast as if they were stored at unit size.
        self.scale = config.core_width**0.5
        self.token_embedding = nn.Embedding(tokens, config.core_width, rng=rng, std=1 / self.scale)
        self.blocks = nn.ModuleList(Block(config, rng) for _ in range(config.core_blocks))
        self.lm_head = nn.Linear(config.core_width, tokens, bias=False, rng=rng)
        self.halt_head = nn.Linear(config.core_width, 2, rng=rng)
        if memories:
            self.remember = nn.Linear(memories, config.core_width, bias=False, rng=rng)

    def lay_out_for_inference(self) -> None:
        """Store the blocks' weights column by column, which makes x Wᵀ of a few rows up to four times as fast."""
        for parameter in self.blocks.parameters():
            parameter.data = np.asfortranarray(parameter.data)

    def embed(self, tokens: Array) -> Tensor:
        """Tokens (B, S) to vectors (B, S, D)."""
        vectors: Tensor = self.token_embedding(tokens) * self.scale
        return vectors

    def initial_carry(self, x: Tensor) -> Carry:
        """The carry before the first step: y = z = 0."""
        zeros = Tensor(np.zeros_like(x.data))
        return Carry(zeros, zeros)

    def forward(self, x: Tensor, carry: Carry, positions: Array | None, blocked: Array | None) -> Carry:
        """Deep recursion on the question x (B, S, D); `positions` (S,) are those of its tokens, None for no positions.

        `blocked`, broadcastable to (B, heads, S, S), is True where a query may not attend to a key.
        """
        width, heads = self.config.core_width, self.config.core_heads
        rotation = None if positions is None else rotation_of(tuple(positions.tolist()), width, heads)

        def f(v: Tensor) -> Tensor:
            for block in self.blocks:
                v = block(v, rotation, blocked)
            return v

        def latent_recursion(
            f: Callable[[Value], Value], x: Value, y: Value, z: Value
        ) -> tuple[Value, Value]:
            for _ in range(self.config.latent_steps):
                require_time()
                z = f(x + y + z)
            return f(y + z), z

        if is_grad_enabled():
            y, z = carry.y, carry.z
            with no_grad():
                for _ in range(self.config.cycles - 1):
                    y, z = latent_recursion(f, x, y, z)
            return Carry(*latent_recursion(f, x, y, z))
        answer, latent = carry.y.data, carry.z.data
        f_in_place = in_place(self.blocks, x.data, rotation, blocked)
        with np.errstate(over="ignore"):  # of exp in swiglu_
            for _ in range(self.config.cycles):
                answer, latent = latent_recursion(f_in_place, x.data, answer, latent)
        return Carry(Tensor(answer), Tensor(latent))


@lru_cache(maxsize=64)
def rotation_of(positions: tuple[int, ...], width: int, heads: int) -> Array:
    """Rotary factors for queries and keys of all heads, cached because they are the same in every step."""
    return nn.rotary_positions(np.array(positions), width // heads, 2 * heads)


def halves_to_neighbours(in_proj_weight: Array, heads: int) -> None:
    """Reorder rows of queries and keys in place, so that rotary pairs half a head apart become neighbours."""
    queries_and_keys = in_proj_weight[: 2 * len(in_proj_weight) // 3]
    of_heads = queries_and_keys.reshape(2 * heads, 2, -1, in_proj_weight.shape[1])
    queries_and_keys[...] = of_heads.swapaxes(1, 2).reshape(queries_and_keys.shape)
