"""Many trials at once, wherever an executor runs them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed

from trm_np.data.load import Dataset
from trm_np.lab.trial import Row, Trial, data_digest, failed, run_or_fail


def sweep(
    trials: Sequence[Trial],
    dataset: Dataset,
    executor: Executor,
    arrived: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """The rows of all trials in their order; `arrived` is given each as it comes, in whatever order that is.

    A trial that fails, or whose worker is lost, is a row with its "error". Whatever else ends it, no further trial is
    begun.
    """
    data = data_digest(dataset)
    running = {executor.submit(run_or_fail, trial, dataset): place for place, trial in enumerate(trials)}
    rows: dict[int, Row] = {}
    try:
        for future in as_completed(running):
            place = running[future]
            try:
                row = future.result()
            except Exception as error:  # of the executor
                row = failed(trials[place], data, error)
            rows[place] = row
            arrived(row)
    finally:
        for future in running:
            future.cancel()
    return [rows[place] for place in range(len(trials))]
