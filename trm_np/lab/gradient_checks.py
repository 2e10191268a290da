"""Check the gradients of all rules, layers, losses and components, and of the whole models.

The checks compare with finite differences in float64. The model is the `tiny` preset with small widths, on few
scenarios and gifts. It has so few ReLUs that a difference quotient rarely crosses a kink.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trm_np.autograd import Tensor, check_grads, nn, no_grad
from trm_np.autograd import functional as F
from trm_np.autograd.cases import CASES, DRAWS, Case, check_case
from trm_np.autograd.gradcheck import RTOL, GradientError
from trm_np.autograd.ops import Array
from trm_np.config import Config, resolve
from trm_np.data.choices import Choices, choices_among, padded
from trm_np.data.encode import GiftInputs, ProfileInputs, draw_mask, encode_gifts, encode_profiles, hide
from trm_np.data.load import load_dataset
from trm_np.data.task import Task, task_from
from trm_np.model.core import Carry
from trm_np.model.losses import (
    TERMS,
    Targets,
    logits_of_choices,
    loss_terms,
    masked_token_logits,
    targets_of,
    tool_loss,
    weighted_total,
)
from trm_np.model.tool_selection import TOOL_GAIN
from trm_np.model.trm import TRM, Outputs, state_vector
from trm_np.puzzles.config import PuzzleModelConfig
from trm_np.puzzles.maze import Maze
from trm_np.puzzles.model import PuzzleModel, losses
from trm_np.puzzles.sudoku import Sudoku

REDRAWS = 5  # a kink of a ReLU near the point spoils one draw; a wrong gradient spoils all of them
NEAR_BY = 0.05  # standard deviation of the move to another point
PROFILES, GIFTS = 2, 4

SIZES = {
    8: "core_width",
    6: "core_hidden",
    5: "gift_slots",
    4: "policy_hidden value_hidden outcome_hidden hobby_width user_width category_width category_hidden tool_width "
    "fusion_hidden",
    3: "preference_width occasion_width scalar_width reward_hidden",
    2: "core_heads category_heads tool_heads fusion_heads",
    1: "cycles",  # the cycles before the last have no gradient, which `check_cycles` checks
}
NARROW = {f"model.{name}": str(size) for size, names in SIZES.items() for name in names.split()}

Check = Callable[[int], float]


def run_checks(seed: int) -> Iterator[tuple[str, float, str]]:
    """Run all checks. Yields each name, the largest relative error, and a complaint or ""."""
    for name, check in all_checks():
        try:
            yield name, check(seed), ""
        except GradientError as error:
            yield name, float("nan"), str(error)


def all_checks() -> list[tuple[str, Check]]:
    """All checks by name. Each is called with a seed."""
    return [
        *((f"rule: {case.name}", lambda seed, case=case: check_rule(case, seed)) for case in CASES),
        *((f"loss: {name}", lambda seed, name=name: check_loss(name, seed)) for name in TERMS),
        ("loss: tool, softmax head", check_softmax_tool_loss),
        *((f"component: {name}", lambda seed, name=name: check_component(name, seed)) for name in COMPONENTS),
        ("whole model, recursion and dropout", check_whole_model),
        ("recursion: gradient stops at the last cycle", check_cycles),
        ("puzzle model, cells and halting", lambda seed: check_puzzle_model(seed, Sudoku(2, 2))),
        ("puzzle model, walls of each question", lambda seed: check_puzzle_model(seed, Maze(2))),
    ]


# -------------------------------------------------------------------------------------------- a setting


@dataclass(frozen=True)
class Setting:
    """A narrow model in float64, in training mode, and a batch. `dropout` is the model's generator."""

    config: Config
    task: Task
    model: TRM
    dropout: np.random.Generator
    inputs: ProfileInputs
    gifts: GiftInputs
    picked: Array
    targets: Targets
    choices: Choices
    rng: np.random.Generator

    def same_dropout(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Wrap a function so that the dropout generator is reset before each call."""
        start = self.dropout.bit_generator.state

        def wrapped(*tensors: Tensor) -> Tensor:
            self.dropout.bit_generator.state = start
            return function(*tensors)

        return wrapped


def setting(seed: int) -> Setting:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]  # as in data/choices.py

    dataset = load_dataset()
    config = resolve("tiny", settings=NARROW | {"model.experienced_gifts": str(len(dataset.gifts))})
    task = task_from(dataset, config.model.gift_features)
    init, dropout, rng = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
    model = TRM(config, task.vocabulary, init, dropout)
    model.astype(np.float64)
    # Nearly equal votes. Clear votes saturate: they are flat, with steep steps between that spoil finite differences.
    for parameter in model.tool_selection.score.parameters():
        parameter.data /= TOOL_GAIN
    rows = rng.choice(len(task.train), PROFILES, replace=False)
    profiles, labels = task.train.profiles.take(rows), task.train.labels.take(rows)
    gifts = task.gifts.take(rng.choice(len(task.gifts), GIFTS, replace=False))
    masked = draw_mask(profiles, 0.3, rng)
    masked[0, 0] = True  # at least one masked target
    picked = np.eye(PROFILES, GIFTS, dtype=bool)
    chosen, history = (
        csr_array(rng.random((PROFILES, len(task.gifts))) < 0.1, dtype=np.float64) for _ in range(2)
    )
    none_hidden = np.zeros(PROFILES, np.bool_)
    return Setting(
        config,
        task,
        model,
        dropout,
        encode_profiles(profiles, task.vocabulary, masked, padded(history)),
        encode_gifts(gifts, task.vocabulary, model.gift_features),
        picked,
        targets_of(hide(profiles, masked), labels, gifts, task.implied, picked),
        choices_among(chosen, history * 0, history, none_hidden, None),
        rng,
    )


def check_each(
    function: Callable[..., Tensor], named: Sequence[tuple[str, Tensor]], rng: np.random.Generator
) -> float:
    """Check the gradient of `function()` for each tensor that it reads. Returns the largest relative error.

    If a check fails, it is repeated at other points near by, because a kink of a ReLU may be the cause.
    """
    return max(check_with_redraws(lambda _: function(), name, tensor, rng) for name, tensor in named)


def check_with_redraws(
    function: Callable[..., Tensor], name: str, tensor: Tensor, rng: np.random.Generator
) -> float:
    start = tensor.data
    try:
        for left in reversed(range(REDRAWS)):
            try:
                return check_grads(function, tensor, rng=rng, names=[name], directions=1)
            except GradientError:
                if not left:
                    raise
                tensor.data = start + rng.normal(scale=NEAR_BY, size=start.shape)
    finally:
        tensor.data = start
    raise AssertionError("unreachable")


def leaf(rng: np.random.Generator, *shape: int) -> Tensor:
    return Tensor(rng.normal(size=shape), requires_grad=True)


# ---------------------------------------------------------------------------------------------- checks


def check_rule(case: Case, seed: int) -> float:
    """Check a rule or a layer on arrays of several shapes."""
    return max(check_case(case, draw) for draw in range(DRAWS * seed, DRAWS * (seed + 1)))


def check_loss(name: str, seed: int) -> float:
    """Check one term of the loss for everything that it reads: outputs of the model and a few parameters."""
    s = setting(seed)
    vocabulary, rng = s.task.vocabulary, s.rng
    categories, tools = len(vocabulary.categories), len(vocabulary.tools)
    outputs = Outputs(
        category_logits=leaf(rng, PROFILES, categories),
        tool_logits=leaf(rng, PROFILES, tools),
        components=leaf(rng, PROFILES, GIFTS, 7),
        reward=leaf(rng, PROFILES, GIFTS),
        gift_logits=leaf(rng, PROFILES, GIFTS),
        policy_logits=leaf(rng, PROFILES, GIFTS),
        gift_scores=leaf(rng, PROFILES, GIFTS),
        value=leaf(rng, PROFILES),
        outcome=leaf(rng, PROFILES),
        slots=leaf(rng, PROFILES, s.config.model.gift_slots),
        h=leaf(rng, PROFILES, s.config.model.core_width),
    )
    logits = leaf(rng, *s.choices.share.shape)
    tokens = leaf(rng, *s.inputs.tokens.shape, s.config.model.core_tokens)

    def term() -> Tensor:
        # With choices, the reward term lacks its listwise part. So only the term "choice" gets any.
        chosen = (logits, s.choices) if name == "choice" else None
        masked = (tokens, s.inputs.masked_targets)
        return loss_terms(s.model, outputs, s.targets, s.config.loss, tokens=masked, chosen=chosen)[name]

    others = [("token logits", tokens), ("logits of choices", logits)]
    read = [*vars(outputs).items(), *others, *s.model.named_parameters()]
    wanted = reached(term(), read)
    if not wanted:
        raise RuntimeError(f"the loss {name} depends on nothing")
    return check_each(term, wanted, rng)


def reached(result: Tensor, named: Sequence[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """Those of the tensors that a scalar depends on."""
    for _, tensor in named:
        tensor.grad = None
    result.backward()
    return [(name, tensor) for name, tensor in named if tensor.grad is not None]


def check_softmax_tool_loss(seed: int) -> float:
    rng = np.random.default_rng(seed)
    target = np.array([[1.0, 0, 1, 0, 0], [0, 0, 0, 1, 1]])
    logits = leaf(rng, 2, 5)
    return check_each(lambda: tool_loss(logits, target, "softmax"), [("logits", logits)], rng)


def check_component(name: str, seed: int) -> float:
    """Check one component for all its parameters, and for the vectors that it reads."""
    s = setting(seed)
    part: nn.Module = getattr(s.model, name)
    function, inputs = COMPONENTS[name](s)
    learned = [(each, p) for each, p in part.named_parameters() if f"{name}.{each}" not in SOLVED]
    return check_each(s.same_dropout(function), [*inputs, *learned], s.rng)


Component = tuple[Callable[[], Tensor], list[tuple[str, Tensor]]]


def core(s: Setting) -> Component:
    x, y, z = (leaf(s.rng, *s.inputs.tokens.shape, s.config.model.core_width) for _ in range(3))
    had = leaf(s.rng, PROFILES, s.config.model.user_width)
    absent = s.inputs.padding[:, None, None, :]

    def function() -> Tensor:
        question = x + s.model.core.embed(s.inputs.tokens)
        carry = s.model.core(question, Carry(y, z), s.inputs.positions, absent)
        heads = s.model.core.lm_head(carry.y), s.model.core.halt_head(state_vector(carry))
        return joined(carry.z, *heads, s.model.core.remember(had))

    return function, [("x", x), ("y", y), ("z", z), ("had", had)]


def decision_heads(s: Setting) -> Component:
    heads, h = s.model.decision_heads, leaf(s.rng, PROFILES, s.config.model.core_width)

    def function() -> Tensor:
        state = heads.state_encoder(Tensor(s.inputs.state))
        scores = heads.score_gifts(h, heads.gift_token_encoder(Tensor(s.gifts.token_features)))
        return joined(state, scores, heads.policy(h), heads.value(h), heads.outcome(h))

    return function, [("h", h)]


def user_profiling(s: Setting) -> Component:
    return lambda: joined(*s.model.user_profiling(s.inputs)), []


def category_matching(s: Setting) -> Component:
    user, taste = (leaf(s.rng, PROFILES, s.config.model.user_width) for _ in range(2))
    return lambda: s.model.category_matching(user, taste), [("user", user), ("taste", taste)]


def tool_selection(s: Setting) -> Component:
    model, padding = s.config.model, s.inputs.padding[:, 1:].copy()
    padding[0, -1] = True  # at least one padded place
    u, h = leaf(s.rng, PROFILES, model.user_width), leaf(s.rng, PROFILES, model.core_width)
    words = leaf(s.rng, *padding.shape, model.core_width)
    named = [("u", u), ("h", h), ("words", words)]
    return lambda: joined(*s.model.tool_selection(u, h, words, padding)), named


def reward_prediction(s: Setting) -> Component:
    user = s.model.user_profiling(s.inputs)
    part, width = s.model.reward_prediction, s.config.model.user_width
    user = type(user)(*(Tensor(value.data, requires_grad=True) for value in user))
    h, gift = leaf(s.rng, PROFILES, s.config.model.core_width), leaf(s.rng, GIFTS, width)
    picked = leaf(s.rng, PROFILES, width)

    def function() -> Tensor:
        components = part(user, h, s.gifts, gift, picked)
        return joined(components, part.fuse(components))

    return function, [*user._asdict().items(), ("h", h), ("gift", gift), ("picked", picked)]


def gift_catalogue(s: Setting) -> Component:
    slots = leaf(s.rng, PROFILES, s.config.model.gift_slots)

    def function() -> Tensor:
        gift = s.model.gift_catalogue(s.gifts)
        return joined(gift, s.model.gift_catalogue.gift_logits(slots, gift))

    return function, [("slot scores", slots)]


def cross_modal_fusion(s: Setting) -> Component:
    model = s.config.model
    u, h = leaf(s.rng, PROFILES, model.user_width), leaf(s.rng, PROFILES, model.core_width)
    gift, tool = leaf(s.rng, GIFTS, model.user_width), leaf(s.rng, PROFILES, model.tool_width)
    named = [("u", u), ("h", h), ("gift", gift), ("tool parameters", tool)]
    return lambda: s.model.cross_modal_fusion(u, h, gift, tool), named


def experience(s: Setting) -> Component:
    part = s.model.experience
    assert part is not None
    taste, places = leaf(s.rng, PROFILES, s.config.model.user_width), s.choices.gifts
    return lambda: joined(part.taste(s.inputs), part.logits(taste, places)), [("taste", taste)]


SOLVED = ("experience.bias.weight", "experience.shares")  # solved in closed form, so constants in every loss
COMPONENTS: dict[str, Callable[[Setting], Component]] = {
    part.__name__: part
    for part in (
        *(core, decision_heads, user_profiling, category_matching),
        *(tool_selection, reward_prediction, gift_catalogue, cross_modal_fusion, experience),
    )
}


def joined(*tensors: Tensor) -> Tensor:
    """Join several results to one vector."""
    return F.concatenate([tensor.reshape(-1) for tensor in tensors])


def total_loss(s: Setting, carry: Carry | None = None) -> Tensor:
    """Total loss that a training step minimizes, from the tokens of the profiles on."""
    carry, outputs = s.model(s.inputs, s.gifts, s.picked, carry)
    loss = s.config.loss
    tokens = masked_token_logits(s.model, carry, s.inputs)
    chosen = logits_of_choices(s.model, outputs, s.task.gift_inputs, s.choices)
    terms = loss_terms(s.model, outputs, s.targets, loss, loss.smoothing or 0, tokens, chosen)
    return weighted_total(terms, loss)


def check_whole_model(seed: int) -> float:
    """Check the total loss for every parameter of the model, with the same dropout masks in each call."""
    s = setting(seed)
    function = s.same_dropout(lambda: total_loss(s))
    return check_each(function, reached(function(), list(s.model.named_parameters())), s.rng)


def check_cycles(seed: int) -> float:
    """Check that two cycles have the gradient of a single cycle that starts from the detached carry of another."""
    s = setting(seed)
    start = s.dropout.bit_generator.state

    def gradients(cycles: int, carry: Carry | None) -> dict[str, Any]:
        s.dropout.bit_generator.state = start
        s.model.core.config = replace(s.config.model, cycles=cycles)
        s.model.zero_grad()
        total_loss(s, carry).backward()
        parameters = s.model.named_parameters()
        return {name: parameter.grad for name, parameter in parameters if parameter.grad is not None}

    with no_grad():
        once = s.model.step(s.inputs)
    alike, wanted = gradients(2, None), gradients(1, once.detach())
    errors = {name: relative_error(alike[name], wanted[name]) for name in wanted}
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= RTOL:
        raise GradientError(f"{worst}: two cycles differ from one after another by {errors[worst]:.2g}")
    return errors[worst]


def check_puzzle_model(seed: int, task: Sudoku | Maze) -> float:
    """Check the losses of a supervision step for every parameter and for the carry."""
    rng = np.random.default_rng(seed)
    settings = PuzzleModelConfig(core_width=8, core_blocks=1, core_hidden=6, latent_steps=2)
    model = PuzzleModel(settings, task, rng).astype(np.float64)
    for parameter in model.core.halt_head.parameters():
        parameter.data[...] = rng.normal(size=parameter.shape)  # zero weights would stop the gradient
    pairs = [task.generate(rng) for _ in range(PROFILES)]
    questions, answers = map(np.stack, zip(*pairs, strict=True))
    y, z = (leaf(rng, PROFILES, task.cells, settings.core_width) for _ in range(2))

    def function() -> Tensor:
        cells, halting = losses(model.decode(model(questions, Carry(y, z))), answers)
        return cells + halting

    return check_each(function, [("y", y), ("z", z), *model.named_parameters()], rng)


def relative_error(found: Array, wanted: Array) -> float:
    size = float(np.linalg.norm(wanted))
    return float(np.linalg.norm(found - wanted)) / max(size, 1e-12)
