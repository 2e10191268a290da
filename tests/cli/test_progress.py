"""Commands that may take longer than two seconds say how far they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.puzzles.test_commands import TRAIN, in_an_empty_folder
from trm_np.cli import trm

__all__ = ["in_an_empty_folder"]  # a fixture

ORDERS = "user_id,product_id\n" + "".join(f"{person},{item}\n" for person in range(8) for item in "abcd")
ITEMS = "product_id,name,category,price\n" + "".join(f"{item},{item},{item},5\n" for item in "abcd")


class Shown:
    """Label, length and number of steps of each display."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int | None, int]] = []

    @contextmanager
    def progress(
        self, label: str, length: int | None = None, *_: Any, **__: Any
    ) -> Iterator[Callable[..., None]]:
        counts: list[int] = []

        def advance(item: object = None, steps: int = 1) -> None:
            counts.append(steps)

        yield advance
        self.found.append((label, length, sum(counts)))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    shown = Shown()
    for module in ("puzzle", "puzzle_train", "simulate", "import_"):
        monkeypatch.setattr(f"trm_np.cli.{module}.progress", shown.progress)
    return shown


def run(*words: str) -> None:
    done = CliRunner().invoke(trm, words)
    assert done.exit_code == 0, done.output


def test_puzzles_are_counted_as_they_are_made_and_solved(shown: Shown) -> None:
    run("puzzle", "make", "--count", "7")
    run("puzzle", TRAIN[0], "sudoku6", *TRAIN[1:], "--compare", "--quiet")
    made, trained, compared = shown.found
    assert made == ("puzzles made", 7, 7)
    assert trained == ("training", 2, 2)
    assert compared[0] == "comparing" and compared[1] == compared[2] > 2
    shown.found.clear()
    run("puzzle", "evaluate", "checkpoints/sudoku6/best.npz", "--count", "5")
    run("puzzle", "evaluate", "checkpoints/sudoku6/best.npz", "--puzzles", "puzzles.csv")
    assert shown.found == [("puzzles made", 5, 5), ("puzzles solved", 5, 5), ("puzzles solved", 7, 7)]


def test_simulated_records_are_counted_as_they_are_drawn_and_written(shown: Shown) -> None:
    run("simulate", "made", "--scenarios", "5", "--held-out", "2", "--gifts", "13")
    assert shown.found == [("records", 2 * (5 + 2 * 2 + 13), 2 * (5 + 2 * 2 + 13))]


def test_the_rows_to_import_are_known_before_they_are_read(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.importing.reading.ROWS_PER_CALL", 1)
    Path("orders.csv").write_text(ORDERS)
    Path("items.csv").write_text(ITEMS)
    run("import", "--orders", "orders.csv", "--items", "items.csv", "--out", "shop")
    assert shown.found == [("rows read", 33 + 5, 32 + 4)]  # lines, with the two of the headers
