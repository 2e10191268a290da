"""Model files: a `.npz` of plain arrays with a JSON header, read without pickle and checked in full.

The weights are the entries "weights.<dotted name>". The entries "catalogue" and "scenarios" hold one JSON object per
line, and the header holds all else that a recommendation needs. A training file has more entries, those of
`Trainer.state`. A model file may hold its weights in fewer bits (precision.py); its header then names the precision.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from trm_np.autograd import nn
from trm_np.autograd.ops import Array
from trm_np.autograd.optim import BETAS
from trm_np.config import Config, ConfigError, completed, flatten, from_flat
from trm_np.data import schema
from trm_np.data.load import as_json, gift_from, scenario_from, stock_of
from trm_np.data.money import DOLLARS, Money
from trm_np.data.problems import Place, Problem
from trm_np.data.records import Gift, Scenario
from trm_np.data.strict_json import parse_json
from trm_np.data.vocabulary import Vocabulary
from trm_np.model.build import build_model
from trm_np.model.core import halves_to_neighbours
from trm_np.model.cost import CostError, cost_of, require_modest
from trm_np.model.trm import TRM
from trm_np.storage.files import atomic_write
from trm_np.storage.npz import LONGEST_LINE, Npz, NpzError, npz_pieces, open_npz, to_json
from trm_np.storage.precision import FULL, REDUCED, as_stored, restore, to_read
from trm_np.text import printable, shown

FORMAT, OLDER = 3, 2
WEIGHTS = "weights."
CATALOGUE, SCENARIOS = "catalogue", "scenarios"
CATEGORY_SHARE = "category_share"
BEST, MOMENTS = "best.", ("first_moment.", "second_moment.")  # of each weight, in a training file
PAIRED = re.compile(r"core\.blocks\.[0-9]+\.attention\.in_proj_weight$")
LONGEST_REASON = 300  # characters
DAMAGED = "restore it from a copy, or train again"
# The kinds of files, and the commands that read them.
KINDS = {
    "model": "it recommends gifts: trm recommend reads it",
    "training": "it is the training of a model that recommends gifts: trm-train --resume reads it",
    "puzzle model": "it solves puzzles: trm puzzle solve reads it",
    "puzzle training": "it is the training of a model that solves puzzles: trm puzzle train --resume reads it",
}
TRUST = "use a smaller model, or --trust (trust=True) if you know where the file comes from"


class CheckpointError(ValueError):
    """Refusal of a model file: its path, the reason, and what to do."""

    def __init__(self, path: str | PathLike[str], reason: str, advice: str = DAMAGED) -> None:
        if len(reason) > LONGEST_REASON:
            reason = reason[: LONGEST_REASON - 3] + "..."
        super().__init__(printable(f"{path}: {reason}; {advice}"))
        self.path = path
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model, its configuration, the data that a recommendation needs, and the scenarios it was trained on."""

    model: TRM
    config: Config
    vocabulary: Vocabulary
    gifts: tuple[Gift, ...]
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True, eq=False)
class StoredModel(Checkpoint):
    """A checkpoint as it was read, its model in evaluation mode; `arrays` are the further entries of a training file.

    The weights are float32, whatever the `precision` of the file. `experience` maps the id of each gift with learned
    choices to its row. `sha256` is the digest of the content, which the file states.
    """

    header: dict[str, Any]
    arrays: dict[str, Array]
    experience: Mapping[str, int] = field(default_factory=dict)
    sha256: str = ""

    @property
    def precision(self) -> str:
        return str(self.header.get("precision", FULL))

    @property
    def category_share(self) -> float:
        """Weight of the category's probability beside the predicted reward (ranking.py)."""
        return float(self.header.get(CATEGORY_SHARE, 0.0))


def save_checkpoint(
    path: Path,
    kind: str,
    content: Checkpoint,
    extra: Mapping[str, Any],
    arrays: Mapping[str, Array] | None = None,
    precision: str = FULL,
) -> None:
    """Write a model file, or a training file with further entries in `extra`, for the header, and in `arrays`.

    Equal content gives equal bytes. Raises WriteError, NpzError for more than a file may hold, and ValueError for a
    weight that the precision cannot hold.
    """
    config, vocabulary = content.config, content.vocabulary
    catalogue = lines_of(content.gifts)
    header = {
        "format": FORMAT,
        "kind": kind,
        "preset": config.preset,
        "config": flatten(config),
        "vocabulary": vocabulary.lists,
        **({"synonyms": vocabulary.synonyms} if any(vocabulary.synonyms.values()) else {}),
        **({"money": asdict(vocabulary.money)} if vocabulary.money != DOLLARS else {}),
        "catalogue_digest": hashlib.sha256(catalogue).hexdigest(),
        **({} if precision == FULL else {"precision": precision}),
        **extra,
    }
    weights = as_stored(entries_of(content.model), precision)
    texts = {CATALOGUE: catalogue, SCENARIOS: lines_of(content.scenarios)}
    as_arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    atomic_write(path, *npz_pieces(header, {**as_arrays, **weights, **(arrays or {})}))


def load_model(path: str | PathLike[str], kind: str = "model", trust: bool = False) -> StoredModel:
    """Read a file that `save_checkpoint` wrote; raises CheckpointError for anything wrong with it.

    A model whose recommendations cost more than cost.py allows is refused too, unless `trust` is set.
    """
    with refusing(path, "trm-train makes one, best.npz in its --out folder"), open_npz(path) as file:
        header = read_header(path, file.header, kind)
        config = read_config(header)
        vocabulary = read_vocabulary(header)
        require_parts(config.model, len(file.forms))
        model = build_model(config, vocabulary)
        weights = entries_of(model)
        arrays: dict[str, Array] = {}
        if kind == "training":
            prefixes = (*MOMENTS, BEST) if any(name.startswith(BEST) for name in file.forms) else MOMENTS
            arrays = beside(weights, prefixes)
        stored = to_read(weights, read_precision(header))
        sha256 = file.read(stored | arrays, (CATALOGUE, SCENARIOS))
        require_finite(stored | arrays)
        restore(weights, stored)
        if header["format"] == OLDER:
            convert(weights | arrays, config.model.core_heads, BETAS)
            header["format"] = FORMAT
        require_finite(weights | arrays)
        gifts = read_catalogue(file, header, vocabulary)
        if kind == "model" and not trust:
            require_modest(cost_of(config.model, vocabulary, len(gifts)), file.size)
        scenarios = read_scenarios(file, gifts, vocabulary)
    model.eval()
    experienced = config.model.experienced_gifts
    if model.experience is not None and experienced != len(gifts):
        raise CheckpointError(path, f"it knows choices of {experienced} gifts, and has {len(gifts)}")
    known = {} if model.experience is None else {gift.id: row for row, gift in enumerate(gifts)}
    return StoredModel(model, config, vocabulary, gifts, scenarios, header, arrays, known, sha256)


@contextmanager
def refusing(path: str | PathLike[str], maker: str) -> Iterator[None]:
    """Turn any error of reading a file into a CheckpointError; `maker` names the command that makes such a file."""
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(path, "no such file", maker) from None
    except OSError as error:
        if os.path.isdir(path):
            best = os.path.join(path, "best.npz")
            advice = f"give the model file in it: {best}" if os.path.isfile(best) else "give a model file"
            raise CheckpointError(path, "is a folder", advice) from None
        reason = f"cannot be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "see that it is a file, and its permissions") from error
    except CheckpointError:
        raise
    except CostError as error:
        raise CheckpointError(path, str(error), TRUST) from error
    except (ValueError, MemoryError) as error:
        raise CheckpointError(path, str(error)) from error


def digest(value: object) -> str:
    """The SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------------------------- its content


def entries_of(model: nn.Module) -> dict[str, Array]:
    """The weights by the name of their entry."""
    return {WEIGHTS + name: parameter.data for name, parameter in model.named_parameters()}


def beside(weights: Mapping[str, Array], prefixes: Iterable[str]) -> dict[str, Array]:
    """Empty arrays as large as each weight, once for each prefix, by name."""
    return {
        prefix + name.removeprefix(WEIGHTS): np.empty_like(weight)
        for prefix in prefixes
        for name, weight in weights.items()
    }


def convert(arrays: Mapping[str, Array], heads: int, betas: tuple[float, float]) -> None:
    """Convert from the older format, in place: its moments were means, and its rotary pairs were half a head apart."""
    for name, array in arrays.items():
        for moment, beta in zip(MOMENTS, betas, strict=True):
            if name.startswith(moment):
                with np.errstate(over="ignore"):  # of damaged moments, which the reader refuses
                    array /= 1 - beta
        if PAIRED.search(name):
            halves_to_neighbours(array, heads)


def lines_of(records: Iterable[Gift] | Iterable[Scenario]) -> bytes:
    lines = [to_json(as_json(record)) + b"\n" for record in records]
    for line in lines:
        if len(line) > LONGEST_LINE:
            raise NpzError(f"too long for a model file: {line[:60]!r}...; allowed: {LONGEST_LINE:,} bytes")
    return b"".join(lines)


def read_header(path: str | PathLike[str], header: dict[str, Any], kind: str) -> dict[str, Any]:
    """Check what every header must have."""
    if header.get("format") not in (OLDER, FORMAT):
        reason = f"found format {shown(header.get('format'))}; this program reads {OLDER} and {FORMAT}"
        raise CheckpointError(path, reason, "use the version that wrote it, or train again")
    if header.get("kind") != kind:
        reason = f"found kind {shown(header.get('kind'))}; needed here: {shown(kind)}"
        raise CheckpointError(path, reason, advice_on(header.get("kind"), kind))
    for key, needed in (("seed", int), ("config", dict)):
        if type(header.get(key)) is not needed:
            raise ValueError(f"header: {key} is missing or not what it should be")
    if header["seed"] < 0:
        raise ValueError(f"header: found seed {header['seed']}; allowed: 0 or more")
    if kind.endswith("model"):
        check_metrics(header.get("metrics"))
        share = header.get(CATEGORY_SHARE, 0.0)
        if type(share) is not float or not 0 <= share <= 1:
            raise ValueError(f"header: found {CATEGORY_SHARE} {shown(share)}; allowed: 0.0 to 1.0")
    return header


def advice_on(found: object, kind: str) -> str:
    """Advice on what to do with a file of another kind."""
    other = next((about for name, about in KINDS.items() if name == found), "")
    if other and str(found).startswith("puzzle") != kind.startswith("puzzle"):
        return other
    return "best.npz holds a model, last.npz is there to --resume"


def check_metrics(metrics: object) -> None:
    """Raise ValueError unless the metrics are numbers by name for each split."""
    splits = list(metrics.values()) if isinstance(metrics, dict) else [None]
    for split in splits:
        if not isinstance(split, dict) or not all(isinstance(figure, float) for figure in split.values()):
            raise ValueError("header: metrics is missing or not what it should be")


def read_precision(header: Mapping[str, Any]) -> str:
    """Precision of the stored weights; the header of a model names it unless it is float32."""
    precision = header.get("precision", FULL)
    if "precision" in header and (precision not in REDUCED or header["kind"] != "model"):
        allowed = " or ".join(REDUCED)
        raise ValueError(f"header: found precision {shown(precision)}; allowed: {allowed}, in a model file")
    return str(precision)


def read_config(header: Mapping[str, Any]) -> Config:
    settings = completed(header["config"])
    for key in sorted(settings.keys() ^ flatten(Config()).keys()):
        raise ValueError(f"header: config {'has the unknown' if key in settings else 'lacks'} {shown(key)}")
    try:
        return from_flat(settings)
    except ConfigError as error:
        raise ValueError(f"header: config: {error}") from error


def read_vocabulary(header: Mapping[str, Any]) -> Vocabulary:
    lists = schema.vocabulary_lists()
    refuse(schema.record(lists)(header.get("vocabulary"), Place("header", "vocabulary")))
    names = {name: tuple(header["vocabulary"][name]) for name in lists}
    # Not among the lists, so that a version without synonyms can read the model.
    synonyms = header.get("synonyms", {})
    refuse(
        schema.synonyms(Vocabulary(**names, synonyms={}, money=DOLLARS))(
            synonyms, Place("header", "synonyms")
        )
    )
    return Vocabulary(**names, synonyms=synonyms, money=read_money(header))


def read_money(header: Mapping[str, Any]) -> Money:
    """Currency and budget tiers; a header without them has those of the shipped data."""
    if "money" not in header:
        return DOLLARS
    found = header["money"]
    refuse(schema.money_scale(found, Place("header", "money")))
    lower, upper = map(float, found["tiers"])
    return Money(found["currency"], (lower, upper), float(found["middle"]))


def read_catalogue(file: Npz, header: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Gift, ...]:
    summed = hashlib.sha256()
    for line in file.lines(CATALOGUE):
        summed.update(line)
    if summed.hexdigest() != header.get("catalogue_digest"):
        raise ValueError("header: the catalogue is not the one that catalogue_digest was made of")
    gifts = tuple(map(gift_from, checked_values(file.lines(CATALOGUE), schema.gift(vocabulary), "gifts")))
    if len(gifts) < schema.FEWEST_GIFTS:
        raise ValueError(f"found {len(gifts)} gifts; allowed: at least {schema.FEWEST_GIFTS}")
    return gifts


def read_scenarios(file: Npz, gifts: Sequence[Gift], vocabulary: Vocabulary) -> tuple[Scenario, ...]:
    check = schema.scenario(vocabulary, stock_of(gifts))
    scenarios = tuple(map(scenario_from, checked_values(file.lines(SCENARIOS), check, SCENARIOS)))
    if not scenarios:
        raise ValueError("found no scenarios; allowed: at least 1")
    return scenarios


def checked_values(lines: Iterable[bytes], check: schema.Check, name: str) -> Iterator[Any]:
    """Yield the value of each line, checked before the next line is read."""
    for index, line in enumerate(lines):
        at = Place("content", f"{name}[{index}]")
        value = parse_json(line, f"{at.file}: {at.path}")
        refuse(check(value, at))
        yield value


def require_parts(settings: object, entries: int) -> None:
    """Raise ValueError if the settings ask for more modules of a kind than the file has arrays."""
    for name in ("core_blocks", "fusion_layers"):
        if getattr(settings, name, 0) > entries:
            raise ValueError(f"not the arrays that its settings need: model.{name} is more than {entries}")


def refuse(problems: Iterable[Problem]) -> None:
    for problem in problems:
        raise ValueError(str(problem))


def require_finite(arrays: Mapping[str, Array]) -> None:
    for name, value in arrays.items():
        # Minimum and maximum: NaN is in both, and no array of the same size is allocated.
        if not np.isfinite([value.min(), value.max()]).all():
            raise ValueError(f"{name} holds a number that is not finite")
