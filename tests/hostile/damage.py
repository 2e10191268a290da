"""Damage to bytes, and the result of loading them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trm_np.storage.checkpoint import CheckpointError, StoredModel, load_model

REFUSED, WRONG, OTHER_BYTES = "refused", "wrong loads", "right loads of other bytes"


def all_of(stored: StoredModel) -> tuple[Any, ...]:
    """Everything that a model file says, to be compared."""
    weights = {name: value.tobytes() for name, value in stored.model.state_dict().items()}
    arrays = {name: value.tobytes() for name, value in stored.arrays.items()}
    return (
        weights,
        arrays,
        stored.header,
        asdict(stored.config),
        stored.vocabulary,
        stored.gifts,
        stored.scenarios,
    )


def outcome(path: Path, right: tuple[Any, ...]) -> str:
    """Result of loading a damaged file: refused, loaded wrong or right, or another exception."""
    try:
        stored = load_model(path)
    except CheckpointError:
        return REFUSED
    except BaseException as error:
        return f"foreign exceptions ({error!r})"
    return OTHER_BYTES if all_of(stored) == right else WRONG


def outcomes(folder: Path, data: bytes, damaged: Iterable[bytes]) -> Counter[str]:
    """Number of each result, for damage that changes the bytes of the file."""
    path = folder / "damaged.npz"
    path.write_bytes(data)
    right = all_of(load_model(path))
    found: Counter[str] = Counter()
    for other in damaged:
        if other != data:
            path.write_bytes(other)
            found[outcome(path, right)] += 1
    return found


def flips(data: bytes, bits: Iterable[int]) -> Iterator[bytes]:
    """The bytes, each time with another bit turned over."""
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def truncations(data: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    return (data[:length] for length in lengths)


def edits(data: bytes, count: int, rng: np.random.Generator) -> Iterator[bytes]:
    for _ in range(count):
        edit = EDITS[rng.integers(len(EDITS))]
        yield edit(data, rng)


Edit = Callable[[bytes, np.random.Generator], bytes]
LONGEST_BLOCK = 4096


def block(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Start and end of some bytes; small blocks are as likely as large ones."""
    length = int(2 ** rng.uniform(0, np.log2(LONGEST_BLOCK)))
    start = int(rng.integers(len(data)))
    return start, min(start + length, len(data))


def change_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 8 of them, anywhere or beside each other."""
    changed, count = bytearray(data), int(rng.integers(1, 9))
    near = int(rng.integers(len(data))) + np.arange(count)
    for place in near if rng.random() < 0.5 else rng.integers(len(data), size=count):
        changed[place % len(data)] = rng.integers(256)
    return bytes(changed)


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = block(data, rng)
    return data[:start] + rng.bytes(end - start) + data[start:]


def delete(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = block(data, rng)
    return data[:start] + data[end:]


def zero(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = block(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def duplicate(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = block(data, rng)
    return data[:end] + data[start:]


def copy_over(data: bytes, rng: np.random.Generator) -> bytes:
    """A block written over another of its length."""
    start, end = block(data, rng)
    place = int(rng.integers(len(data) - (end - start) + 1))
    return data[:place] + data[start:end] + data[place + end - start :]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Two blocks of one length that do not overlap."""
    length = int(2 ** rng.uniform(0, np.log2(LONGEST_BLOCK)))
    first = int(rng.integers(len(data) - 2 * length + 1))
    second = int(rng.integers(first + length, len(data) - length + 1))
    middle = data[first + length : second]
    ends = data[second : second + length], data[first : first + length]
    return data[:first] + ends[0] + middle + ends[1] + data[second + length :]


EDITS: tuple[Edit, ...] = (change_bytes, insert, delete, zero, duplicate, copy_over, swap)
