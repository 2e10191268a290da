"""Model files: a `.npz` of plain arrays with a JSON header, read without pickle, refused at the first doubt.

The header says everything but the weights, which are the entries "weights.<dotted name>", and the gifts and scenarios,
which are the entries "catalogue" and "scenarios", one JSON object on each line: a model file is all that a
recommendation needs. A training file has more entries, those of `Trainer.state`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from trm_np.autograd.init import Blank
from trm_np.autograd.ops import Array
from trm_np.config import Config, ConfigError, flatten, from_flat
from trm_np.data import schema
from trm_np.data.load import gift_from, scenario_from
from trm_np.data.problems import Place, Problem, printable
from trm_np.data.records import Gift, Scenario
from trm_np.data.strict_json import parse_json
from trm_np.data.vocabulary import Vocabulary
from trm_np.files import atomic_write
from trm_np.model.trm import TRM
from trm_np.npz import Npz, npz_pieces, open_npz

FORMAT = 2
WEIGHTS = "weights."
CATALOGUE, SCENARIOS = "catalogue", "scenarios"
BEST, MOMENTS = "best.", ("first_moment.", "second_moment.")  # of each weight, in a training file
LONGEST_LINE = 2**20  # bytes of one gift or scenario
DAMAGED = "restore it from a copy, or train again"


class CheckpointError(ValueError):
    """A model file is refused: which, why, and what to do."""

    def __init__(self, path: str | PathLike[str], reason: str, advice: str = DAMAGED) -> None:
        super().__init__(printable(f"{path}: {reason}; {advice}"))
        self.path = path
        self.reason = reason
        self.advice = advice


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
    """A model before training, by default a blank one to fill; raises ConfigError if none can be."""
    blank = Blank()
    try:
        return TRM(config, vocabulary, rng or blank, dropout_rng or blank)
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
    """Write a model file, or with further entries in header and arrays a training file; raises WriteError.

    Equal content gives equal bytes.
    """
    catalogue = lines_of(gifts)
    header = {
        "format": FORMAT,
        "kind": kind,
        "preset": config.preset,
        "config": flatten(config),
        "vocabulary": asdict(vocabulary),
        "catalogue_digest": hashlib.sha256(catalogue).hexdigest(),
        **extra,
    }
    weights = {WEIGHTS + name: parameter.data for name, parameter in model.named_parameters()}
    texts = {CATALOGUE: as_bytes(catalogue), SCENARIOS: as_bytes(lines_of(scenarios))}
    atomic_write(path, *npz_pieces(header, {**texts, **weights, **(arrays or {})}))


def load_model(path: str | PathLike[str], kind: str = "model") -> StoredModel:
    """Read a file that `save_checkpoint` wrote; raises CheckpointError for anything wrong with it."""
    try:
        with open_npz(path) as file:
            header = read_header(path, file.header, kind)
            config = read_config(header)
            vocabulary = read_vocabulary(header)
            require_parts(config, len(file.forms))
            model = build_model(config, vocabulary)
            weights = {name: parameter.data for name, parameter in model.named_parameters()}
            texts, arrays = {name: place_for(file, name) for name in (CATALOGUE, SCENARIOS)}, {}
            if kind == "training":
                prefixes = (*MOMENTS, BEST) if any(name.startswith(BEST) for name in file.forms) else MOMENTS
                arrays = {prefix + name: np.empty_like(w) for prefix in prefixes for name, w in weights.items()}
            file.read({**texts, **{WEIGHTS + name: w for name, w in weights.items()}, **arrays})
        require_finite({**weights, **arrays})
        gifts = read_catalogue(texts[CATALOGUE], header, vocabulary)
        scenarios = read_scenarios(texts[SCENARIOS], gifts, vocabulary)
    except FileNotFoundError:
        raise CheckpointError(path, "no such file", "trm-train makes one, best.npz in its --out folder") from None
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "see that it is a file, and its permissions") from error
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(path, str(error)) from error
    model.eval()
    return StoredModel(model, config, vocabulary, gifts, scenarios, header, arrays)


def digest(value: object) -> str:
    """The SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------------------------- its content


def lines_of(records: Iterable[Gift] | Iterable[Scenario]) -> bytes:
    return b"".join(json.dumps(asdict(record), ensure_ascii=False).encode() + b"\n" for record in records)


def as_bytes(text: bytes) -> Array:
    return np.frombuffer(text, np.uint8)


def place_for(file: Npz, name: str) -> Array:
    """Memory for the bytes of a text that the file has; it is as long as the file says, and the file is that long."""
    if name not in file.forms:
        raise ValueError(f"it has no {name}")
    shape = file.forms[name][1]
    return np.empty(shape, np.uint8)


def read_header(path: str | PathLike[str], header: dict[str, Any], kind: str) -> dict[str, Any]:
    """Check what every header must have."""
    if header.get("format") != FORMAT:
        reason = f"found format {header.get('format')!r}; this program reads format {FORMAT}"
        raise CheckpointError(path, reason, "use the version that wrote it, or train again")
    if header.get("kind") != kind:
        reason = f"found kind {header.get('kind')!r}; needed here: {kind!r}"
        raise CheckpointError(path, reason, "best.npz holds a model, last.npz is there to --resume")
    for key, needed in (("seed", int), ("config", dict)):
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


def read_catalogue(text: Array, header: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Gift, ...]:
    if hashlib.sha256(text).hexdigest() != header.get("catalogue_digest"):
        raise ValueError("header: the catalogue is not the one that catalogue_digest was made of")
    gifts = tuple(map(gift_from, checked_lines(text, schema.gift(vocabulary), "gifts")))
    if len(gifts) < schema.FEWEST_GIFTS:
        raise ValueError(f"found {len(gifts)} gifts; allowed: at least {schema.FEWEST_GIFTS}")
    return gifts


def read_scenarios(text: Array, gifts: Iterable[Gift], vocabulary: Vocabulary) -> tuple[Scenario, ...]:
    check = schema.scenario(vocabulary, {gift.category for gift in gifts})
    scenarios = tuple(map(scenario_from, checked_lines(text, check, SCENARIOS)))
    if not scenarios:
        raise ValueError("found no scenarios; allowed: at least 1")
    return scenarios


def checked_lines(text: Array, check: schema.Check, name: str) -> Iterator[Any]:
    """The values, one on each line, each checked before the next is read."""
    lines = BytesIO(text)
    for index, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b"")):
        value = parse_json(line, f"{name}[{index}]")
        refuse(check(value, Place(f"{name}[{index}]")))
        yield value


def require_parts(config: Config, entries: int) -> None:
    """Raise ValueError for settings that ask for more modules in a row than the file has arrays."""
    for name in ("core_blocks", "fusion_layers"):
        if getattr(config.model, name) > entries:
            raise ValueError(f"not the arrays that its settings need: model.{name} is more than {entries}")


def refuse(problems: Iterable[Problem]) -> None:
    for problem in problems:
        raise ValueError(str(problem))


def require_finite(arrays: Mapping[str, Array]) -> None:
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds a number that is not finite")
