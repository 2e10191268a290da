"""Draw the effect of the recursion on one profile: the outputs after each latent recursion, and beyond training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trm_np.autograd import functional as F
from trm_np.data.encode import encode_profiles
from trm_np.data.records import Profile, Scenario
from trm_np.data.tables import Floats, profile_table
from trm_np.evaluation.metrics import TOP_CATEGORIES, TOP_TOOLS
from trm_np.evaluation.predict import evaluating
from trm_np.lab.plots.style import BAND, GREY, LIGHT, LINES, drawing, label, save
from trm_np.model.build import build_model
from trm_np.model.trm import HALT, state_vector
from trm_np.storage.checkpoint import StoredModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.05  # height of a line of text, as a share of a panel
LEADER = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2, "relpos": (0, 0.5)}
BEYOND = 2  # the number of supervision steps drawn, as a multiple of those in training


@dataclass(frozen=True, eq=False)
class Trace:
    """Probabilities read from the answer h before the first latent recursion and after each of R.

    They are `categories` (R + 1, C), `tools` (R + 1, K) and `halting` (R + 1,). `change` (R,) is the distance that each
    recursion moves h, as a share of its length. A supervision step is `cycles` recursions. The model is trained for
    `trained` such steps and halts after `halted`.
    """

    categories: Floats
    tools: Floats
    halting: Floats
    change: Floats
    cycles: int
    trained: int
    halted: int


def trace_recursion(stored: StoredModel, profile: Profile) -> Trace:
    """Run the recursion on a profile for BEYOND times the steps in training, without halting."""
    settings, vocabulary = stored.config.model, stored.vocabulary
    model = build_model(replace(stored.config, model=replace(settings, cycles=1)), vocabulary)
    model.load_state_dict(stored.model.state_dict())
    inputs = encode_profiles(profile_table([profile], vocabulary), vocabulary)
    likely = F.softmax if settings.tool_head == "softmax" else F.sigmoid
    with evaluating(model):
        carry = model.core.initial_carry(model.embed(inputs))
        carries = [carry]
        for _ in range(BEYOND * settings.supervision_steps * settings.cycles):
            carry = model.step(inputs, carry)
            carries.append(carry)
        states = [state_vector(each) for each in carries]
        users = [model.encode_user(h, inputs) for h in states]
        h = np.concatenate([each.data for each in states]).astype(np.float64)
        return Trace(
            categories=np.concatenate([user.category_logits.sigmoid().data for user in users]),
            tools=np.concatenate([likely(user.tool_logits).data for user in users]),
            halting=np.array([F.softmax(model.core.halt_head(each)).data[0, HALT] for each in states]),
            change=np.linalg.norm(np.diff(h, axis=0), axis=1) / np.linalg.norm(h[1:], axis=1),
            cycles=settings.cycles,
            trained=settings.supervision_steps,
            halted=int(stored.model.infer(inputs)[1][0]),
        )


def draw_recursion(
    trace: Trace, scenario: Scenario, categories: Sequence[str], tools: Sequence[str], path: Path
) -> list[Path]:
    """Draw the probabilities of categories, tools and halting, and the change of the answer, after each recursion."""
    with drawing(2, 2, size=(10.5, 7.4), sharex=True) as (figure, panels):
        from matplotlib.ticker import LogLocator

        step = f"supervision steps, of {trace.cycles} latent recursions each"
        (first, second), (third, fourth) = panels
        recursions = np.arange(len(trace.halting)) / trace.cycles
        for axes in panels.flat:
            mark_steps(axes, trace)
        expected = (scenario.expected_categories, scenario.expected_tools)
        draw_names(first, recursions, trace.categories, categories, expected[0], TOP_CATEGORIES)
        label(first, "", "probability", "Categories (* expected; grey: the others)")
        draw_names(second, recursions, trace.tools, tools, expected[1], TOP_TOOLS)
        label(second, "", "probability", "Tools (* expected)")
        third.plot(recursions, trace.halting, **LINES[0], markevery=trace.cycles)
        third.set_ylim(-0.02, 1.02)
        label(third, step, "probability", "Halting: the answer is right already")
        fourth.plot(recursions[1:], trace.change, **LINES[0])
        fourth.set_yscale("log")
        fourth.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        fourth.yaxis.set_major_formatter("{x:g}")
        fourth.minorticks_off()
        label(fourth, step, "change, share of the answer's length", "How far each recursion moves the answer")
        handles, names = third.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        figure.suptitle(f"Test scenario “{scenario.name}”", fontsize=10)
        return save(figure, path)


def mark_steps(axes: "Axes", trace: Trace) -> None:
    last = (len(trace.halting) - 1) / trace.cycles
    axes.axvspan(trace.trained, last, color=BAND, zorder=0, label="more steps than trained")
    axes.axvline(trace.halted, color=LIGHT, linewidth=4, zorder=1, label="the model answers here")
    axes.set_xlim(0, last)


def draw_names(
    axes: "Axes", x: Floats, y: Floats, names: Sequence[str], expected: Sequence[str], leading: int
) -> None:
    """Draw one line per name. Expected names and the leading ones at the end have a style and a label; others are
    grey."""
    lead = set((-y[-1]).argsort(kind="stable")[:leading].tolist())
    shown = [i for i, name in enumerate(names) if name in expected or i in lead or len(names) <= len(LINES)]
    for index in sorted(set(range(len(names))) - set(shown)):
        axes.plot(x, y[:, index], color=LIGHT, linewidth=1)
    heights = spread(y[-1, shown], gap=LINE)
    for place, (index, height) in enumerate(zip(shown, heights, strict=True)):
        style: dict[str, Any] = LINES[place % len(LINES)]
        axes.plot(x, y[:, index], **style, markevery=max(1, (len(x) - 1) // round(x[-1])))
        text = names[index] + (" *" if names[index] in expected else "")
        axes.annotate(
            text,
            (x[-1], y[-1, index]),
            (x[-1] * 1.05, height),
            color=style["color"],
            va="center",
            annotation_clip=False,
            arrowprops=LEADER,
        )
    axes.set_ylim(-0.02, 1.02)


def spread(heights: Floats, gap: float) -> Floats:
    """The nearest heights in the same order that are at least `gap` apart, moved below 1 if they fit.

    Minus the gaps, the heights must not decrease. This is isotonic regression, solved by pooling adjacent violators
    (Barlow et al. 1972).
    """
    order, gaps = heights.argsort(kind="stable"), gap * np.arange(len(heights))
    pools: list[tuple[float, int]] = []  # (mean, how many)
    for height in heights[order] - gaps:
        pools.append((float(height), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, few), (high, more) = pools[-2:]
            pools[-2:] = [((low * few + high * more) / (few + more), few + more)]
    apart = np.repeat([mean for mean, _ in pools], [count for _, count in pools]) + gaps
    in_place: Floats = np.minimum(apart, 1 - gaps[::-1])[order.argsort()]
    return in_place
