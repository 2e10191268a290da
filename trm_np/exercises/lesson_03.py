"""Exercises of lesson 3: the state machine, and whether it acted in a run."""

from collections.abc import Sequence
from typing import Any

from trm_np.autograd import Tensor, optim
from trm_np.autograd.schedule import ReduceLROnPlateau
from trm_np.exercises.exercise import Attempt, Exercise


def scheduled(
    losses: Sequence[float], rate: float, patience: int, factor: float, lowest: float
) -> list[float]:
    optimizer = optim.AdamW([Tensor([0.0], requires_grad=True)], lr=rate)
    scheduler = ReduceLROnPlateau(optimizer, factor=factor, patience=patience, min_lr=lowest, eps=0.0)
    found = []
    for loss in losses:
        scheduler.step(loss)
        found.append(float(optimizer.param_groups[0]["lr"]))
    return found


def check_rates(attempt: Attempt) -> None:
    cases: tuple[tuple[list[float], int, str], ...] = (
        ([1.0, 0.9, 0.8, 0.7], 1, "every loss is better than the best"),
        ([0.5, 0.6, 0.6, 0.6], 2, "patience bad evaluations are allowed, and the next one acts"),
        ([0.5, 0.5, 0.5], 1, "a loss equal to the best is bad"),
        ([1.0, 0.99995, 0.99991], 1, "a loss that is lower by less than a part in 10,000 is bad"),
        ([0.5, 0.6, 0.4, 0.6, 0.6], 1, "an improvement sets the count of bad evaluations to zero"),
        ([0.5, 0.6, 0.6, 0.6, 0.6, 0.6], 1, "after a reduction the count begins again at zero"),
        ([0.5, 0.6, 0.6, 0.55, 0.55], 1, "a reduction does not change the best loss"),
    )
    for losses, patience, about in cases:
        arguments = (losses, 8e-4, patience, 0.5, 1e-6)
        attempt.expect(arguments, scheduled(*arguments), about)
    arguments = ([0.5] * 8, 8e-4, 0, 0.1, 3e-5)
    attempt.expect(arguments, scheduled(*arguments), "the rate is never lower than `lowest`")


def check_reductions(attempt: Attempt) -> None:
    def records(core: Sequence[float], fusion: Sequence[float]) -> list[dict[str, Any]]:
        pairs = enumerate(zip(core, fusion, strict=True), 1)
        return [{"epoch": epoch, "learning_rate": {"core": a, "fusion": b}} for epoch, (a, b) in pairs]

    cases: tuple[tuple[list[float], list[float], list[int], str], ...] = (
        ([4.0] * 4, [8.0] * 4, [], "no rate ever changes"),
        ([4.0, 4.0, 2.0, 2.0, 1.0], [8.0, 8.0, 4.0, 4.0, 2.0], [3, 5], "both rates fall twice"),
        ([1.0, 1.0, 1.0], [8.0, 8.0, 4.0], [3], "the rate of one group falls; core is at its lowest already"),
        ([1.0, 2.0, 2.0], [1.0, 2.0, 2.0], [], "a rate that rises is no reduction"),
        ([], [], [], "there are no records"),
    )
    for core, fusion, epochs, about in cases:
        attempt.expect((records(core, fusion),), epochs, about)


EXERCISES = (
    Exercise(
        "rates",
        (
            "Three variables are enough: the best loss so far (at first infinity), the count of bad ones, the rate.",
            "If loss < best * (1 - 0.0001): best = loss and bad = 0. Otherwise bad += 1.",
            "Then, if bad > patience: rate = max(rate * factor, lowest) and bad = 0. Append the rate.",
        ),
        check_rates,
    ),
    Exercise(
        "reductions",
        (
            "Compare each record with the one before it: zip(records, records[1:]).",
            "A record counts if any(now[group] < before[group] for group in now).",
            'Collect record["epoch"] of those that count.',
        ),
        check_reductions,
    ),
)
