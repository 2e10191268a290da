"""Model files: a `.npz` of plain arrays with a JSON header, read without pickle, refused at the first doubt.

The entry "header" is UTF-8 JSON as bytes (uint8). It says everything but the weights, which are the entries
"weights.<dotted name>": a model file is all that a recommendation needs. A training file has more entries,
those of `Trainer.state`.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trm_np.autograd.ops import Array
from trm_np.config import Config, ConfigError, flatten, from_flat
from trm_np.data import schema
from trm_np.data.load import gift_from, scenarios_from
from trm_np.data.problems import Place, Problem, printable
from trm_np.data.records import Gift, Scenario
from trm_np.data.vocabulary import Vocabulary
from trm_np.files import write_whole
from trm_np.model.trm import TRM

FORMAT = 1
WEIGHTS = "weights."
DTYPES = (np.dtype(np.float32), np.dtype(np.uint8))


class CheckpointError(ValueError):
    """A model file is refused: which, and why."""

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(printable(f"{path}: {reason}"))
        self.path = path
        self.reason = reason


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model as it was stored, in evaluation mode; `scenarios` it was trained on, `arrays` are the rest."""

    model: TRM
    config: Config
    vocabulary: Vocabulary
    gifts: tuple[Gift, ...]
    scenarios: tuple[Scenario, ...]
    header: dict[str, Any]
    arrays: dict[str, Array]


def build_model(
    config: Config,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None = None,
    dropout_rng: np.random.Generator | None = None,
) -> TRM:
    """A model before training, by default one to fill or to look at; raises ConfigError if none can be."""
    unused = np.random.default_rng(0)
    try:
        return TRM(config, vocabulary, rng or unused, dropout_rng or unused)
    except (ValueError, MemoryError) as error:
        raise ConfigError(f"no model can be built with these settings: {error}") from error


def save_checkpoint(
    path: Path,
    kind: str,
    model: TRM,
    config: Config,
    vocabulary: Vocabulary,
    gifts: Iterable[Gift],
    scenarios: Iterable[Scenario],
    extra: Mapping[str, Any],
    arrays: Mapping[str, Array] | None = None,
) -> None:
    """Write a model file, or with further entries in header and arrays a training file; raises OSError.

    Equal content gives equal bytes.
    """
    catalogue = [asdict(gift) for gift in gifts]
    header = {
        "format": FORMAT,
        "kind": kind,
        "preset": config.preset,
        "config": flatten(config),
        "vocabulary": asdict(vocabulary),
        "catalogue": catalogue,
        "catalogue_digest": digest(catalogue),
        "scenarios": [asdict(scenario) for scenario in scenarios],
        **extra,
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    weights = {WEIGHTS + name: value for name, value in model.state_dict().items()}
    entries = {"header": np.frombuffer(text, np.uint8), **weights, **(arrays or {})}
    write_whole(path, lambda file: write_entries(file, entries))


def load_model(path: str | PathLike[str], kind: str = "model") -> StoredModel:
    """Read a file that `save_checkpoint` wrote; raises CheckpointError for anything wrong with it."""
    try:
        entries = read_entries(path)
        header = read_header(entries, kind)
        config = read_config(header)
        vocabulary = read_vocabulary(header)
        gifts = read_catalogue(header, vocabulary)
        scenarios = read_scenarios(header, vocabulary)
        model = build_model(config, vocabulary)
        weights = {
            name.removeprefix(WEIGHTS): entries.pop(name)
            for name in list(entries)
            if name.startswith(WEIGHTS)
        }
        model.load_state_dict(checked_weights(weights))
    except FileNotFoundError:
        raise CheckpointError(path, "no such file") from None
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise CheckpointError(path, str(error)) from error
    model.eval()
    return StoredModel(model, config, vocabulary, gifts, scenarios, header, entries)


def digest(value: object) -> str:
    """The SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------------------------ the archive


def write_entries(file: BinaryIO, entries: Mapping[str, Array]) -> None:
    """An `.npz` as np.savez writes it, but without the time of day."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in entries.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)


def read_entries(path: str | PathLike[str]) -> dict[str, Array]:
    """Every array of an uncompressed `.npz`; raises ValueError or OSError."""
    entries: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name in entries:
                    raise ValueError(f"two entries named {name}")
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"entry {name} is compressed")
                entries[name] = read_array(archive.read(info), name)
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a whole .npz file ({error})") from error
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"an .npz file that cannot be read ({error})") from error
    return entries


def read_array(data: bytes, name: str) -> Array:
    """One `.npy` entry, of a dtype and size that are checked before anything is made of it."""
    stream = BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"entry {name} is not in version 1.0 of the .npy format")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype not in DTYPES or fortran_order:
        raise ValueError(f"entry {name} holds {dtype}; allowed: float32, and uint8 for the header")
    count = int(np.prod(shape, dtype=object))
    if count * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"entry {name} is not as long as its shape {shape} says")
    array: Array = np.frombuffer(data, dtype, count, stream.tell()).reshape(shape).copy()
    return array


# ------------------------------------------------------------------------------------------- its content


def read_header(entries: dict[str, Array], kind: str) -> dict[str, Any]:
    """Take the header out of the entries and check what every header must have."""
    if "header" not in entries:
        raise ValueError("no header: not a model file of this program")
    try:
        header = json.loads(entries.pop("header").tobytes().decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise ValueError(f"header: found format {found!r}; this program reads format {FORMAT}")
    if header.get("kind") != kind:
        raise ValueError(f"header: found kind {header.get('kind')!r}; needed here: {kind!r}")
    for key, needed in (("seed", int), ("config", dict), ("catalogue", list), ("scenarios", list)):
        if not isinstance(header.get(key), needed):
            raise ValueError(f"header: {key} is missing or not what it should be")
    if header["seed"] < 0:
        raise ValueError(f"header: found seed {header['seed']}; allowed: 0 or more")
    if kind == "model":
        check_metrics(header.get("metrics"))
    return header


def check_metrics(metrics: object) -> None:
    """Figures by name for each split that the model was judged on; raises ValueError."""
    splits = list(metrics.values()) if isinstance(metrics, dict) else [None]
    for split in splits:
        if not isinstance(split, dict) or not all(isinstance(figure, float) for figure in split.values()):
            raise ValueError("header: metrics is missing or not what it should be")


def read_config(header: Mapping[str, Any]) -> Config:
    settings = header["config"]
    missing = [key for key in flatten(Config()) if key not in settings]
    if missing:
        raise ValueError(f"header: config lacks {', '.join(missing[:3])}")
    try:
        return from_flat(settings)
    except ConfigError as error:
        raise ValueError(f"header: config: {error}") from error


def read_vocabulary(header: Mapping[str, Any]) -> Vocabulary:
    names = {field.name: schema.list_of(schema.text, 1, unique=True) for field in fields(Vocabulary)}
    refuse(schema.record(names)(header.get("vocabulary"), Place("header", "vocabulary")))
    return Vocabulary(**{name: tuple(header["vocabulary"][name]) for name in names})


def read_catalogue(header: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Gift, ...]:
    records = header["catalogue"]
    refuse(schema.catalogue_file(vocabulary)({"gifts": records}, Place("header")))
    if digest(records) != header.get("catalogue_digest"):
        raise ValueError("header: the catalogue is not the one that catalogue_digest was made of")
    return tuple(map(gift_from, records))


def read_scenarios(header: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Scenario, ...]:
    records = header["scenarios"]
    stocked = {record["category"] for record in header["catalogue"]}
    refuse(schema.list_of(schema.scenario(vocabulary, stocked), 1)(records, Place("header", "scenarios")))
    return scenarios_from(records)


def refuse(problems: Iterable[Problem]) -> None:
    for problem in problems:
        raise ValueError(str(problem))


def checked_weights(weights: dict[str, Array]) -> dict[str, Array]:
    for name, value in weights.items():
        if value.dtype != np.float32:
            raise ValueError(f"weight {name} holds {value.dtype}; allowed: float32")
        if not np.isfinite(value).all():
            raise ValueError(f"weight {name} holds a number that is not finite")
    return weights
