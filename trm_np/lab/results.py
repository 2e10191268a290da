"""A file of results: a row on each line, appended as it comes, so that what was run once is not run again."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from trm_np.lab.sweep import GIFTS, Kind, sweep
from trm_np.lab.trial import AnyTrial, Row, identity
from trm_np.storage.files import append_line, atomic_write, cut
from trm_np.text import printable

IDENTITY = ("seed", "version", "data", "settings")


class ResultsError(ValueError):
    """A file of results that cannot be read."""


def read_rows(path: Path) -> list[Row]:
    """Every whole row of the file, none where there is no file; raises ResultsError, OSError.

    What a killed process left of a last line is not counted.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ResultsError(printable(f"{path}: line {number} is no row of results ({error})")) from error
        fields = row if isinstance(row, dict) else {}
        missing = next((name for name in ("name", *IDENTITY) if name not in fields), None)
        if missing:
            raise ResultsError(
                printable(f"{path}: line {number} is no row of results (it has no {missing!r})")
            )
        rows.append(row)
    return rows


def whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def finished(
    rows: Iterable[Row], trials: Sequence[AnyTrial], dataset: Any, kind: Kind = GIFTS
) -> list[Row | None]:
    """For each trial the newest row that tells how it ended, under the name it has now; None if it has not."""
    data = kind.digest(dataset)
    known = {key(row): row for row in rows if "error" not in row}
    found = (known.get(key(identity(trial, data))) for trial in trials)
    return [row and {**row, "name": trial.name} for row, trial in zip(found, trials, strict=True)]


def key(row: Row) -> str:
    return json.dumps([row[name] for name in IDENTITY], sort_keys=True)


def complete(
    path: Path,
    trials: Sequence[AnyTrial],
    dataset: Any,
    executor: Executor,
    arrived: Callable[[Row], None] = lambda row: None,
    kind: Kind = GIFTS,
) -> list[Row]:
    """The rows of all trials in their order; those that the file lacks are run, and appended as they come.

    In the end the file has these rows in this order, whatever the order they came in, and after them what else was
    there. Raises ResultsError, WriteError.
    """
    path = Path(os.path.realpath(path))  # one that the user named, and not of a folder that may be another's
    before = read_rows(path)
    cut(path, sum(len(line) + 1 for line in whole_lines(path)) if path.exists() else 0)

    def keep(row: Row) -> None:
        append_line(path, json.dumps(row))
        arrived(row)

    done = finished(before, trials, dataset, kind)
    missing = [trial for trial, row in zip(trials, done, strict=True) if row is None]
    new = iter(sweep(missing, dataset, executor, keep, kind) if missing else [])
    rows = [row or next(new) for row in done]
    ours = set(map(key, rows))
    others = [row for row in before if key(row) not in ours]
    atomic_write(path, *(json.dumps(row).encode() + b"\n" for row in (*rows, *others)))
    return rows
