"""Many trials at once, wherever an executor runs them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed

from trm_np.data.load import Dataset
from trm_np.lab.together import groups, run_together
from trm_np.lab.trial import Row, Trial, data_digest, failed


def sweep(
    trials: Sequence[Trial],
    dataset: Dataset,
    executor: Executor,
    arrived: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """The rows of all trials in their order; `arrived` is given each as it comes, in whatever order that is.

    A trial that fails, or whose worker is lost, is a row with its "error". Whatever else ends it, no further trial is
    begun. Trials that go through the same epochs are trained together (together.py).
    """
    data = data_digest(dataset)
    running = {
        executor.submit(run_together, [trials[place] for place in places], dataset): places
        for places in groups(trials)
    }
    rows: dict[int, Row] = {}
    try:
        for future in as_completed(running):
            places = running[future]
            try:
                found = future.result()
            except Exception as error:  # of the executor
                found = [failed(trials[place], data, error) for place in places]
            for place, row in zip(places, found, strict=True):
                rows[place] = row
                arrived(row)
    finally:
        for future in running:
            future.cancel()
    return [rows[place] for place in range(len(trials))]
