"""A model file as small as they come, and files like it that are made without this project's writer.

`archive` is `numpy.savez` for entries of any bytes. `forged` also states the digest that the content has, so that a
file is wrong in nothing but what it was made to be wrong in.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.world.small_world import VOCABULARY, gift
from trm_np.autograd.ops import Array
from trm_np.config import Config, flatten, from_flat
from trm_np.data.records import Gift, Profile, Scenario
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.build import build_model
from trm_np.storage.checkpoint import Checkpoint, save_checkpoint

Header = dict[str, Any]
Content = dict[str, Array | bytes]  # arrays by name, or the whole .npy of one


def smallest_config() -> Config:
    """Every width and depth is 1, but the core is 2 wide, since positions turn pairs of numbers."""
    settings = flatten(Config())
    sizes = {
        key
        for key, value in settings.items()
        if key.startswith("model.") and isinstance(value, int) and value  # 0 is set by the data
    }
    return from_flat(settings | dict.fromkeys(sizes, 1) | {"preset": "tiny", "model.core_width": 2})


@cache
def smallest(vocabulary: Vocabulary = VOCABULARY) -> bytes:
    return untrained(smallest_config(), vocabulary, [gift(id=f"gift{index}") for index in range(3)])


def untrained(config: Config, vocabulary: Vocabulary, gifts: Sequence[Gift]) -> bytes:
    """A model file with one scenario."""
    rng = np.random.default_rng(0)
    model = build_model(config, vocabulary, rng, rng)
    scenarios = [Scenario("first", Profile(), (gifts[0].category,), vocabulary.tools[:1])]
    extra = {"seed": 0, "best_epoch": 1, "metrics": {"validation": {"quality": 0.5}}}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "best.npz"
        save_checkpoint(path, "model", Checkpoint(model, config, vocabulary, gifts, scenarios), extra)
        return path.read_bytes()


@cache
def content_of(data: bytes) -> tuple[Header, Content]:
    """Header, without its digest, and arrays of a model file, as NumPy reads them; not to be changed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays: Content = {name: stored[name] for name in stored.files}
    text = arrays.pop("header")
    header: Header = json.loads(bytes(text))
    del header["sha256"]
    return header, arrays


def forged(header: Mapping[str, Any] | bytes, content: Mapping[str, Array | bytes]) -> bytes:
    """The file of this header, to which the digest is added, or of this text, and of this content."""
    entries = [
        (name + ".npy", data if isinstance(data, bytes) else npy(data)) for name, data in content.items()
    ]
    if not isinstance(header, bytes):
        summed = hashlib.sha256(text_of(header))
        for name, data in entries:
            summed.update(name.removesuffix(".npy").encode() + b"\0" + data)
        header = text_of({"sha256": summed.hexdigest(), **header})
    return archive([("header.npy", npy(text(header))), *entries])


@contextmanager
def large_sizes() -> Iterator[None]:
    """Any size is one for ZIP64; less work than a patch of unittest.mock for each of ten thousand entries."""
    limit = zipfile.ZIP64_LIMIT  # type: ignore[attr-defined]
    zipfile.ZIP64_LIMIT = -1  # type: ignore[attr-defined]
    try:
        yield
    finally:
        zipfile.ZIP64_LIMIT = limit  # type: ignore[attr-defined]


class Entry(zipfile.ZipInfo):
    """An entry in the form of ZIP64, which zipfile before Python 3.11.4 gives to none of less than 4 GB."""

    def FileHeader(self, zip64: bool | None = None) -> bytes:
        with large_sizes():
            return super().FileHeader(zip64)


def archive(entries: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as zipped:
        for name, data in entries:
            info = Entry(name)
            info.compress_type = compression
            info.create_system = 3  # as on POSIX, also where zipfile would write another
            info.external_attr = 0o600 << 16
            # Python 3.10 writes large sizes for large sizes only, even if it is forced to.
            with large_sizes(), zipped.open(info, "w", force_zip64=True) as entry:
                entry.write(data)
    return file.getvalue()


def npy(array: Array, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def npy_saying(dtype: str, shape: str, data: bytes = b"", fortran_order: str = "False") -> bytes:
    """A .npy whose head says what it likes."""
    head = f"{{'descr': {dtype}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}"
    head = f"{head:<117}\n"
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head.encode() + data


def text(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8)


def text_of(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, ensure_ascii=False).encode(errors="surrogatepass")
