"""Run many trials at once on an executor."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from typing import Any

from trm_np.lab.together import groups, run_together
from trm_np.lab.trial import Row, Trial, data_digest, failed


@dataclass
class Kind:
    """A kind of trials: functions for the digest of their data, the groups that run together, and their rows."""

    digest: Callable[[Any], str]
    groups: Callable[[Any], list[list[int]]]
    run: Callable[[Any, Any], list[Row]]


GIFTS = Kind(data_digest, groups, run_together)


def sweep(
    trials: Sequence[Trial[Any]],
    dataset: Any,
    executor: Executor,
    arrived: Callable[[Row], None] = lambda row: None,
    kind: Kind = GIFTS,
) -> list[Row]:
    """Run all trials and return their rows in order. `arrived` is called with each row as it arrives.

    A trial that fails, or whose worker is lost, gives a row with an "error". If the sweep is interrupted, no further
    trials start. Trials with the same epochs are trained together (together.py).
    """
    data = kind.digest(dataset)
    running = {
        executor.submit(kind.run, [trials[place] for place in places], dataset): places
        for places in kind.groups(trials)
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
