"""Early stopping on real runs, as one HTML file in which the reader moves patience, frequency and bar.

stopping.html is the template. This module trains the runs and computes the data that is put into it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trm_np import __version__
from trm_np.autograd import nn
from trm_np.config import Config, resolve
from trm_np.data.tables import Floats
from trm_np.data.task import Task
from trm_np.evaluation.predict import evaluate_model
from trm_np.lab.page import filled, rounded
from trm_np.training.stopping import EarlyStopping
from trm_np.training.trainer import Trainer

FREQUENCIES = (1, 2, 5, 10, 25)  # epochs from one evaluation to the next
PATIENCES = range(21)
BARS = {
    "the standard error": None,
    "0 %": 0.0,
    "3 %": 0.03,
}  # how much better an evaluation must be, and its threshold
TESTED = ("recommendation_quality", "category_recall_at_3", "tool_exact_rate", "reward_spearman")


class Course(NamedTuple):
    """One run to the end: after each epoch the quality of each validation scenario, and the metrics on the test set."""

    seed: int
    qualities: list[Floats]
    test: list[dict[str, float]]


def config_of(epochs: int) -> Config:
    """Nothing acts on an evaluation, so that all frequencies share one course."""
    settings = {"training.epochs": str(epochs), "training.evaluate_every": str(epochs)}
    return resolve("tiny", ("early_stopping", "lr_scheduler"), settings)


def course(task: Task, epochs: int, seed: int, after_epoch: Callable[[], object] = lambda: None) -> Course:
    trainer = Trainer(config_of(epochs), task, seed)
    found = Course(seed, [], [])
    for _ in trainer.epochs():
        found.qualities.append(trainer.validate().quality)
        found.test.append(evaluate_model(trainer.model, task.test, task, trainer.config.loss).metrics)
        after_epoch()
    return found


def page(courses: Sequence[Course], data: str) -> str:
    """The document, for runs on the data of this digest. Its links are relative to docs/."""
    return filled("stopping.html", {
        "version": __version__,
        "data": data,
        "epochs": len(courses[0].qualities),
        "frequencies": FREQUENCIES,
        "patiences": list(PATIENCES),
        "bars": list(BARS),
        "courses": [shown(course) for course in courses],
    })  # fmt: skip


def shown(course: Course) -> dict[str, Any]:
    """A run: its curves, and what each bar and frequency does with them."""
    return {
        "seed": course.seed,
        "quality": rounded(quality.mean() for quality in course.qualities),
        "test": {name: rounded(metrics[name] for metrics in course.test) for name in TESTED},
        "stopped": {
            name: {every: stopped(course.qualities, every, threshold) for every in FREQUENCIES}
            for name, threshold in BARS.items()
        },
    }


def stopped(qualities: Sequence[Floats], every: int, threshold: float | None) -> dict[str, Any]:
    """For each patience, the epoch kept and the last epoch; and the epochs that are better, if nothing stops."""
    return {
        "ends": [end(qualities, every, threshold, patience) for patience in PATIENCES],
        "better": better(qualities, every, threshold),
    }


def end(qualities: Sequence[Floats], every: int, threshold: float | None, patience: int) -> tuple[int, int]:
    stopping = EarlyStopping(patience, threshold)
    for epoch in range(every, len(qualities) + 1, every):
        if stopping.step(qualities[epoch - 1], epoch, nn.Module()):
            return stopping.state.best_epoch, epoch
    return stopping.state.best_epoch, len(qualities)


def better(qualities: Sequence[Floats], every: int, threshold: float | None) -> list[int]:
    stopping, found = EarlyStopping(len(qualities), threshold), []
    for epoch in range(every, len(qualities) + 1, every):
        stopping.step(qualities[epoch - 1], epoch, nn.Module())
        if stopping.state.best_epoch == epoch:
            found.append(epoch)
    return found
