"""A model file with fewer bits for each weight, and its metrics on held-out scenarios."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trm_np.data.task import task_from
from trm_np.evaluation.compare import stored_dataset
from trm_np.evaluation.predict import evaluate_model
from trm_np.evaluation.summary import STRICT, TARGETS, figure, table, title
from trm_np.export.errors import ExportError
from trm_np.model.build import build_model
from trm_np.model.trm import TRM
from trm_np.storage.checkpoint import StoredModel, save_checkpoint
from trm_np.storage.precision import FULL, as_stored, restore


def export_reduced(stored: StoredModel, path: Path, precision: str, held_out: str | None) -> dict[str, Any]:
    """Write the model in this precision; returns the metrics of both, split by split, on the held-out scenarios.

    The header of the file states its own metrics. `held_out` is a file, the shipped one if None. Raises ExportError,
    DataError and WriteError.
    """
    if stored.precision != FULL:
        reason = f"its weights are {stored.precision} already, and have lost by it"
        raise ExportError(f"{reason}: export the {FULL} model that it was made of")
    task = task_from(stored_dataset(stored, held_out), stored.config.model.gift_features)
    reduced = reduced_model(stored, precision)
    splits = {"validation": task.validation, "test": task.test}
    before, after = (
        {name: evaluate_model(model, split, task, stored.config.loss)[0] for name, split in splits.items()}
        for model in (stored.model, reduced)
    )
    if not all(after.values()):
        raise ExportError(f"in {precision} its answers are not finite")
    header = {**stored.header, "metrics": after}
    save_checkpoint(path, "model", stored, header, precision=precision)
    return {"precision": precision, "metrics": {FULL: before, precision: after}}


def reduced_model(stored: StoredModel, precision: str) -> TRM:
    """The model as it will be when it is loaded from a file of this precision; raises ExportError."""
    reduced = build_model(stored.config, stored.vocabulary)
    weights, places = (
        {name: parameter.data for name, parameter in model.named_parameters()}
        for model in (stored.model, reduced)
    )
    try:
        restore(places, as_stored(weights, precision))
    except ValueError as error:
        raise ExportError(str(error)) from error
    reduced.eval()
    return reduced


def losses_text(found: Mapping[str, Any]) -> str:
    """The metrics on the test scenarios, as they were and as they are, and what was lost or won."""
    precision, metrics = found["precision"], found["metrics"]
    before, after = metrics[FULL]["test"], metrics[precision]["test"]
    rows = [("held-out scenarios", FULL, precision, "difference")]
    for name in (*TARGETS, *STRICT):
        difference = f"{after[name] - before[name]:+.3f}" if name in before else "-"
        rows.append((title(name), figure(before, name), figure(after, name), difference))
    return table(rows)
