"""Draw all pictures of a run, and read the effects for the picture of an ablation."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from trm_np.data.load import Dataset
from trm_np.data.task import task_from
from trm_np.evaluation.metrics import scenario_values
from trm_np.evaluation.predict import predict
from trm_np.lab.effects import Effect, effects
from trm_np.lab.grid import first_grid
from trm_np.lab.plots.confusion import draw_confusion
from trm_np.lab.plots.curves import draw_curves
from trm_np.lab.plots.recursion import draw_recursion, trace_recursion
from trm_np.lab.plots.rewards import draw_rewards
from trm_np.lab.results import ResultsError, read_rows
from trm_np.storage.checkpoint import StoredModel
from trm_np.training.trainer import Record
from trm_np.world.reward import reward


def draw_run(
    records: Sequence[Record], stored: StoredModel, dataset: Dataset, scenario: int, out: Path
) -> Iterator[Path]:
    """Draw the curves of a run and the test results of its best model. Yields each file once it is written.

    `scenario` is the index of the test scenario whose recursion is drawn. Raises ExtraMissing and WriteError.
    """
    yield from draw_curves(records, stored.header["best_epoch"], out / "curves")

    task = task_from(dataset, stored.config.model.gift_features)
    test, vocabulary = task.test, stored.vocabulary
    outputs = predict(stored.model, test.profiles, task)
    expected = test.labels.categories
    yield from draw_confusion(outputs.category_scores, expected, vocabulary.categories, out / "confusion")

    correlation = scenario_values(outputs, test, task)["reward_spearman"]
    true = reward(test.profiles, task.gifts, task.implied)
    yield from draw_rewards(
        outputs.predicted_reward, true, outputs.choices[:, 0], correlation, out / "rewards"
    )

    shown = dataset.test[scenario]
    trace = trace_recursion(stored, shown.profile)
    yield from draw_recursion(trace, shown, vocabulary.categories, vocabulary.tools, out / "recursion")


def read_effects(results: Path) -> list[Effect]:
    """The effects of the first grid in a file of results. Raises ResultsError if there are none, and OSError."""
    found = effects(first_grid(read_rows(results)))
    if not found:
        raise ResultsError(
            f"{results}: no pair of runs with an optimization on and off; trm lab ablate makes them"
        )
    return found
