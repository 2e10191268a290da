"""Train and evaluate a model from Python values, as in a notebook, without files of one's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trm_np.config import resolve
from trm_np.data.load import Data, FilePath, load_dataset
from trm_np.evaluation.compare import evaluate_stored
from trm_np.evaluation.diagnostics_text import evaluation_text
from trm_np.evaluation.summary import summary_text
from trm_np.html import preformatted, table
from trm_np.recommend.recommender import Recommender
from trm_np.storage.checkpoint import load_model
from trm_np.training.run import BEST, Run
from trm_np.training.trainer import Record


class History(list[Record]):
    """The record of each epoch: losses and, after an evaluation, metrics on the validation scenarios."""

    def _repr_html_(self) -> str:
        headings = ("epoch", "loss", "validation loss", "recommendation quality")
        evaluated = [(each, each["validation"]) for each in self if "validation" in each]
        rows = [
            (each["epoch"], each["total"], found["losses"]["total"], found["recommendation_quality"])
            for each, found in evaluated
        ]
        return table(headings, [(epoch, *(f"{value:.4f}" for value in values)) for epoch, *values in rows])


@dataclass(frozen=True)
class Trained:
    """A trained model as a recommender, the history of its training, and the summary that `trm-train` prints."""

    recommender: Recommender
    history: History
    summary: dict[str, Any]

    def _repr_html_(self) -> str:
        return preformatted(summary_text(self.summary))


class Evaluation(dict[str, Any]):
    """Metrics, baselines and diagnoses by name, as `trm evaluate --json` prints them."""

    def _repr_html_(self) -> str:
        return preformatted(evaluation_text(self))


def train(
    scenarios: Data | None = None,
    gifts: Data | None = None,
    held_out: Data | None = None,
    *,
    preset: str = "tiny",
    recipe: str = "report",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    show: Callable[[Record], None] = lambda record: None,
) -> Trained:
    """Train a model as `trm-train` does, bit for bit; `show` is given the record of each epoch.

    Scenarios, gifts and held-out scenarios are files, or the values of their JSON (scenarios/README.md); None is the
    shipped one. `settings` are those of `--set`: {"training.epochs": 20}. Raises ConfigError, DataError and Diverged.
    """
    config = resolve(preset, (), settings, recipe)
    dataset = load_dataset(scenarios, held_out, gifts)
    history = History()

    def keep(record: Record) -> None:
        history.append(record)
        show(record)

    with TemporaryDirectory() as folder:
        summary = Run(config, dataset, seed, Path(folder)).train(show=keep)
        stored = load_model(Path(folder, BEST), trust=True)
    return Trained(Recommender(stored), history, summary)


def evaluate(model: Trained | Recommender | FilePath, held_out: Data | None = None) -> Evaluation:
    """Evaluate a model, or the file of one, on held-out scenarios, by default the shipped ones.

    Raises CheckpointError and DataError.
    """
    known = model.recommender if isinstance(model, Trained) else model
    stored = known.stored if isinstance(known, Recommender) else load_model(known)
    return Evaluation(evaluate_stored(stored, held_out))
