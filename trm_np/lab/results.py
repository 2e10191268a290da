"""A file of results with one row per line. Rows are appended as they arrive, so that no run is repeated."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from trm_np.lab.sweep import GIFTS, Kind, sweep
from trm_np.lab.trial import Row, Trial, identity
from trm_np.storage.files import append_line, atomic_write, cut
from trm_np.text import printable

IDENTITY = ("seed", "version", "data", "settings")


class ResultsError(ValueError):
    """Raised for a file of results that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def read_rows(path: Path) -> list[Row]:
    """Read all rows of a file; none if there is no file. Raises ResultsError and OSError.

    An incomplete last line, which a killed process may leave, is ignored.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ResultsError(f"{path}: line {number} is not a row of results ({error})") from error
        fields = row if isinstance(row, dict) else {}
        missing = next((name for name in ("name", *IDENTITY) if name not in fields), None)
        if missing:
            raise ResultsError(f"{path}: line {number} is not a row of results (it has no {missing!r})")
        rows.append(row)
    return rows


def whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def finished(
    rows: Iterable[Row], trials: Sequence[Trial[Any]], dataset: Any, kind: Kind = GIFTS
) -> list[Row | None]:
    """The newest finished row of each trial, under the trial's current name, or `None` if it has not finished."""
    data = kind.digest(dataset)
    known = {key(row): row for row in rows if "error" not in row}
    found = (known.get(key(identity(trial, data))) for trial in trials)
    return [row and {**row, "name": trial.name} for row, trial in zip(found, trials, strict=True)]


def key(row: Row) -> str:
    return json.dumps([row[name] for name in IDENTITY], sort_keys=True)


def complete(
    path: Path,
    trials: Sequence[Trial[Any]],
    dataset: Any,
    executor: Executor,
    arrived: Callable[[Row], None] = lambda row: None,
    kind: Kind = GIFTS,
) -> list[Row]:
    """Run the trials that a file of results lacks, and return the rows of all trials in their order.

    Rows are appended to the file as they arrive. In the end the file holds the rows of these trials in their order,
    followed by its other rows. Raises ResultsError and WriteError.
    """
    path = Path(os.path.realpath(path))  # the user chose this path, so links in it are followed
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
