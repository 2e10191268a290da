"""Exercises of lesson 4: the lower bound of a loss, by algebra and by random search."""

from math import log

import numpy as np

from trm_np.exercises.exercise import Attempt, Exercise, shown


def bound(right: int, tools: int) -> float:
    return right * log(right) / tools


def check_lowest_loss(attempt: Attempt) -> None:
    for right, tools in ((2, 5), (3, 5), (1, 5), (4, 4), (2, 8)):
        mistakes = (
            (bound(right, tools) * tools, "the loss is a mean: divide by the number of tools"),
            (
                log(right),
                "this is the bound of categorical cross-entropy; here each tool is a question of its own",
            ),
            (2 * log(2) / 5, "this is the bound for 2 of 5 tools"),
            (-bound(right, tools), "a loss is not negative: −ln p"),
        )
        about = f"each right tool gets the probability 1/{right}, and the others 0"
        attempt.expect((right, tools), bound(right, tools), about, mistakes if right > 1 else ())


def check_search(attempt: Attempt) -> None:
    for right, tools, draws in ((2, 5, 60), (3, 6, 60), (2, 5, 100_000)):
        p = np.random.default_rng(draws).dirichlet([0.2] * tools, size=draws).clip(1e-12, 1 - 1e-12)
        of_right, of_wrong = -np.log(p[:, :right]).sum(axis=1), -np.log(1 - p[:, right:]).sum(axis=1)
        losses = of_right + of_wrong
        mistakes = (
            (losses.min(), "the loss is a mean: divide by the number of tools"),
            (of_right.min() / tools, "the term −ln (1 − p) of the wrong tools is missing"),
            (losses.mean() / tools, "take the lowest of all draws, not their mean"),
            (losses.max() / tools, "take the lowest of all draws, not the highest"),
            (losses[0] / tools, "take the lowest of all draws, not the first"),
            (np.inf, "a probability of exactly 0 or 1 has no finite logarithm; clip it"),
            (np.nan, "a probability of exactly 0 or 1 has no finite logarithm; clip it"),
        )
        arguments = (right, tools, draws, np.random.default_rng(draws))
        found = attempt(*arguments)
        if isinstance(found, float) and found < bound(right, tools):
            about = f"this is below the lower bound {shown(bound(right, tools))}; do the probabilities sum to one?"
            attempt.compare(found, losses.min() / tools, about, mistakes)
        attempt.compare(
            found, losses.min() / tools, f"draw once, rng.dirichlet([0.2] * {tools}, size={draws})", mistakes
        )


EXERCISES = (
    Exercise(
        "lowest_loss",
        (
            "What would a perfect model predict? The probabilities sum to one, and the wrong tools need none.",
            "Each of the right tools gets 1 / right, and the others 0. What is −ln of 1 / right?",
            "right tools have the loss ln(right) each, the others 0; the loss is the mean over all tools.",
        ),
        check_lowest_loss,
    ),
    Exercise(
        "search",
        (
            "Compute all losses at once, from the array p of shape (draws, tools).",
            "np.log(p[:, :right]).sum(axis=1) is the part of the right tools. What is that of the others?",
            "loss = −(that + np.log(1 − p[:, right:]).sum(axis=1)) / tools, and its minimum over the draws.",
        ),
        check_search,
    ),
)
