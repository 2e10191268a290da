"""Dropout left on in a trained model, as one HTML file in which the reader moves the drop probability.

dropout.html is the template. This module measures how far outputs and loss spread over the masks.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from trm_np import __version__
from trm_np.autograd import nn, no_grad
from trm_np.autograd.ops import logistic
from trm_np.config import LossConfig
from trm_np.data.tables import Floats
from trm_np.data.task import Task, task_from
from trm_np.evaluation.compare import stored_dataset
from trm_np.evaluation.predict import Inferred, infer_split
from trm_np.lab.page import filled, rounded
from trm_np.lab.trial import data_digest
from trm_np.model.losses import loss_terms, targets_of, weighted_total
from trm_np.model.trm import TRM
from trm_np.storage.checkpoint import StoredModel

RATES = tuple(step / 20 for step in range(19))  # drop probabilities; 0 is the model as it is used
SCENARIOS = 4  # whose probabilities are shown
LIKELIEST = 4  # categories, and tools, of each
DIGITS = 4


class Noisy(NamedTuple):
    """The loss (M,) for each of M masks, and the probabilities (M, N, C) and (M, N, K) of N test scenarios."""

    losses: Floats
    categories: Floats
    tools: Floats


def under_dropout(
    model: TRM, task: Task, inferred: Inferred, loss: LossConfig, rate: float, masks: int, seed: int
) -> Noisy:
    """Evaluate the test scenarios with dropout on and this drop probability everywhere.

    A seed draws the same numbers for every rate, so that a higher one also drops all that a lower one drops.
    """
    noisy, rng = deepcopy(model), np.random.default_rng(seed)
    for module in noisy.modules():
        if isinstance(module, nn.Dropout):
            module.p, module.rng = rate, rng
    noisy.train()
    test = task.test
    targets = targets_of(test.profiles, test.labels, task.gifts, task.implied)
    losses, categories, tools = [], [], []
    with no_grad():
        for _ in range(masks):
            outputs = noisy.decode(inferred.h, inferred.inputs, task.gift_inputs)
            losses.append(weighted_total(loss_terms(noisy, outputs, targets, loss), loss).item())
            categories.append(logistic(outputs.category_logits.data.astype(np.float64)))
            tools.append(logistic(outputs.tool_logits.data.astype(np.float64)))
    return Noisy(np.array(losses), np.array(categories), np.array(tools))


def page(stored: StoredModel, masks: int, seed: int, after_rate: Callable[[], object] = lambda: None) -> str:
    """The document, from a trained model and the shipped test scenarios. Its links are relative to docs/.

    Raises DataError if the model does not know their names.
    """
    dataset = stored_dataset(stored, None)
    task = task_from(dataset, stored.config.model.gift_features)
    inferred = infer_split(stored.model, task.test, task)
    found = []
    for rate in RATES:
        found.append(under_dropout(stored.model, task, inferred, stored.config.loss, rate, masks, seed))
        after_rate()
    vocabulary = task.vocabulary
    return filled("dropout.html", {
        "version": __version__,
        "data": data_digest(dataset),
        "trained": stored.header["seed"],
        "seed": seed,
        "masks": masks,
        "tested": len(task.test),
        "rates": RATES,
        "losses": [rounded(noisy.losses, DIGITS) for noisy in found],
        "spreads": {
            kind: rounded((getattr(noisy, kind).std(axis=0).mean() for noisy in found), DIGITS)
            for kind in ("categories", "tools")
        },
        "scenarios": [
            [
                *shown([noisy.categories[:, place] for noisy in found], vocabulary.categories),
                *shown([noisy.tools[:, place] for noisy in found], vocabulary.tools),
            ]
            for place in range(min(SCENARIOS, len(task.test)))
        ],
    })  # fmt: skip


def shown(probabilities: list[Floats], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The likeliest names of a scenario, with their probabilities in thousandths, of those (M, C) for each rate."""
    thousandths = np.rint(1000 * np.array(probabilities)).astype(int)
    exact = probabilities[0][0]
    return [
        {"name": names[place], "thousandths": thousandths[:, :, place].tolist()}
        for place in exact.argsort()[::-1][:LIKELIEST]
    ]
