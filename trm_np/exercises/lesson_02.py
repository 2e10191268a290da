"""Exercises of lesson 2: how many updates a rate needs, and groups that include every parameter."""

import math

from trm_np.exercises.exercise import Attempt, Exercise, shown

SHAPES = {
    "core.token_embedding.weight": (120, 64),
    "core.blocks.0.qkv.weight": (192, 64),
    "core.blocks.0.norm.weight": (64,),
    "core.halt_head.weight": (2, 64),
    "core.halt_head.bias": (2,),
    "tool_selection.vote.weight": (5, 64),
    "tool_selection.vote.bias": (5,),
    "decision_heads.scale": (),
    "user_profiling.hobby_embedding.weight": (18, 32),
}


def counted(curvature: float, rate: float, part: float) -> float:
    w, updates = 1.0, 0
    while abs(w) > part:
        w -= rate * curvature * w
        updates += 1
        if abs(w) >= 1:
            return math.inf
    return updates


def check_updates(attempt: Attempt) -> None:
    cases = (
        (1.0, 0.01, 0.01, "each update multiplies w by 1 − rate · curvature"),
        (100.0, 0.01, 0.01, "rate · curvature = 1: the first update makes w exactly 0"),
        (1.0, 1.9, 0.01, "beyond rate · curvature = 1, w changes its sign each time; its size still shrinks"),
        (1.0, 2.1, 0.01, "beyond rate · curvature = 2, w grows without bound"),
        (1.0, 2.0, 0.01, "at rate · curvature = 2, w jumps between two values for ever"),
        (4.0, 0.05, 0.5, "each update multiplies w by 1 − rate · curvature"),
    )
    for curvature, rate, part, about in cases:
        expected = counted(curvature, rate, part)
        one_less = "one update less is not enough: round up" if expected > 1 else about
        attempt.expect((curvature, rate, part), expected, about, mistakes=[(expected - 1, one_less)])


def check_groups(attempt: Attempt) -> None:
    found = attempt(SHAPES, call="groups(shapes)")
    groups = isinstance(found, dict) and all(isinstance(names, list | tuple) for names in found.values())
    attempt.require(groups, f"returned {shown(found)}; expected a dict of groups, which are lists of names")
    for name, shape in SHAPES.items():
        wanted = (name.split(".")[0], len(shape) == 2 and "embedding" not in name)
        places = [key for key, names in found.items() for each in names if each == name]
        attempt.require(places, f"{name} of shape {shape} is in no group, so it would never learn")
        attempt.require(len(places) == 1, f"{name} is in {len(places)} groups: {shown(places)}")
        why = "an embedding does not decay" if "embedding" in name else f"its shape is {shape}"
        attempt.require(
            places[0] == wanted, f"{name} is in group {shown(places[0])}, expected {wanted}: {why}"
        )
    for key, names in found.items():
        attempt.require(names, f"group {shown(key)} is empty; leave it out")
        order = [name for name in SHAPES if name in names]
        attempt.require(
            list(names) == order, f"group {shown(key)} is {shown(names)}, expected the order {order}"
        )


EXERCISES = (
    Exercise(
        "updates",
        (
            "By which factor does one update multiply w? After n updates it is the n-th power of that factor.",
            "With factor = abs(1 − rate · curvature): it never ends if it is ≥ 1, and takes one update if it is 0.",
            "Otherwise factorⁿ ≤ part means n ≥ log(part) / log(factor). Round up.",
        ),
        check_updates,
    ),
    Exercise(
        "groups",
        (
            "Go through shapes once; compute the key of each name; append the name to the list of that key.",
            'decays = len(shape) == 2 and "embedding" not in name',
            "found.setdefault((component, decays), []).append(name)",
        ),
        check_groups,
    ),
)
