"""No damage to a file loads: samples of what tests/campaign.py does without an end, and all of a file of 1 kB."""

from collections.abc import Callable, Iterable
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.damage import EDITS, REFUSED, Edit, edits, flips, outcomes, truncations
from tests.hostile.forging import smallest, text
from trm_np.storage.npz import Npz, NpzError, npz_pieces

FILE = b"".join(
    npz_pieces({"a": 1}, {"t": text(b"one\ntwo\n"), "x": np.arange(6, dtype=np.float32).reshape(2, 3)})
)


def read(data: bytes) -> tuple[bytes, list[bytes]]:
    place = np.empty((2, 3), np.float32)
    file = Npz(BufferedReader(BytesIO(data)))  # type: ignore[arg-type]
    file.read({"x": place}, ["t"])
    return place.tobytes(), list(file.lines("t"))


def test_the_small_file_is_read() -> None:
    assert read(FILE) == (np.arange(6, dtype=np.float32).tobytes(), [b"one\n", b"two\n"])


def test_a_place_that_is_not_in_one_piece_is_not_taken_for_filled() -> None:
    file = Npz(BufferedReader(BytesIO(FILE)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="C-contiguous"):
        file.read({"x": np.empty((3, 2), np.float32).T}, ["t"])


@pytest.mark.parametrize(
    "damaged",
    [
        lambda: flips(FILE, range(8 * len(FILE))),
        lambda: truncations(FILE, range(len(FILE))),
        lambda: (FILE[:place] + FILE[place + 1 :] for place in range(len(FILE))),
        lambda: (FILE[:place] + b"\0" + FILE[place:] for place in range(len(FILE) + 1)),
    ],
    ids=["every bit turned over", "every length", "every byte left out", "a zero at every place"],
)
def test_all_damage_to_a_small_file_is_refused(damaged: Callable[[], Iterable[bytes]]) -> None:
    for data in damaged():
        with pytest.raises(NpzError):
            read(data)


@pytest.mark.slow
def test_a_sample_of_damage_to_a_model_is_refused(tmp_path: Path) -> None:
    model, rng = smallest(), np.random.default_rng(0)
    some = [
        *flips(model, rng.integers(8 * len(model), size=400)),
        *truncations(model, rng.integers(len(model), size=100)),
    ]
    found = outcomes(tmp_path, model, [*some, *edits(model, 300, rng)])
    assert set(found) == {REFUSED}
    assert found.total() >= 750


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_one(edit: Edit) -> None:
    rng = np.random.default_rng(0)
    data = rng.bytes(10_000)
    assert sum(edit(data, rng) != data for _ in range(100)) >= 95
    lengths = {len(edit(data, rng)) - len(data) for _ in range(20)}
    assert (min(lengths) < 0, max(lengths) > 0) == (
        edit.__name__ == "delete",
        edit.__name__ in ("insert", "duplicate"),
    )
