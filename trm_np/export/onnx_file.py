"""A model as an ONNX file (extra `[onnx]`), which is compared with our outputs in onnxruntime before it is written."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trm_np import __version__
from trm_np.autograd import no_grad
from trm_np.autograd.ops import Array, logistic
from trm_np.config import flatten
from trm_np.data.encode import GiftInputs, ProfileInputs, encode_gifts, encode_profiles
from trm_np.data.records import Profile
from trm_np.data.tables import gift_table, profile_table
from trm_np.data.vocabulary import Vocabulary
from trm_np.export.errors import ExportError
from trm_np.extras import ExtraMissing, needs_extra
from trm_np.model.trm import TRM, EncodedGifts
from trm_np.storage.checkpoint import StoredModel
from trm_np.storage.files import atomic_write

SEED = 0  # of the drawn profiles
BATCHES = (1, 24, 75)  # so many profiles at a time, of other lengths
MISSING_SHARE = 0.25  # of the fields
PICKED = 3  # gifts picked already for each profile, on average
TOLERANCE = 1e-5  # of the largest number of an output

Arrays = dict[str, Array]


def export_onnx(stored: StoredModel, path: Path) -> dict[str, Any]:
    """Write the inference graph with the stored gifts; returns how far its outputs are from ours on 100 profiles.

    Raises ExportError, and writes nothing, if that is too far; ExtraMissing, and WriteError.
    """
    try:
        import onnx
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise ExtraMissing(needs_extra("--onnx needs", "onnx")) from error
    if stored.model.experience is not None:
        raise ExportError(
            "the graph has no place for what the model learned from choices: deploy the model file"
        )
    gifts = encoded_gifts(stored)
    proto = onnx_model(stored, gifts)
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString(deterministic=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    differences = largest_differences(session, stored, gifts)
    require_close(differences)
    atomic_write(path, data)
    return {
        "profiles": sum(BATCHES),
        "gifts": len(stored.gifts),
        "tolerance": TOLERANCE,
        "differences": differences,
    }


def encoded_gifts(stored: StoredModel) -> GiftInputs:
    return encode_gifts(
        gift_table(stored.gifts, stored.vocabulary), stored.vocabulary, stored.model.gift_features
    )


def onnx_model(stored: StoredModel, gifts: GiftInputs) -> Any:
    """The ModelProto; its metadata say what the numbers stand for."""
    from trm_np.export.inference_graph import inference_graph

    vocabulary = stored.vocabulary
    someone = encode_profiles(profile_table([Profile()], vocabulary), vocabulary)
    graph, outputs = inference_graph(stored.model, someone, gifts, stored.category_share)
    properties = {
        "vocabulary": json.dumps(vocabulary.lists),
        "money": json.dumps(asdict(vocabulary.money)),
        "gifts": json.dumps([gift.id for gift in stored.gifts]),
        "config": json.dumps(flatten(stored.config)),
    }
    return graph.to_proto(outputs, properties, __version__)


def largest_differences(session: Any, stored: StoredModel, gifts: GiftInputs) -> dict[str, float]:
    """Largest difference of each output from ours, as a share of our largest number."""
    found: dict[str, list[float]] = {}
    rng = np.random.default_rng(SEED)
    with no_grad():
        encoded = stored.model.encode_gifts(gifts)
    for size in BATCHES:
        drawn = list(drawn_profiles(stored.vocabulary, size, rng))
        profiles = encode_profiles(profile_table(drawn, stored.vocabulary), stored.vocabulary)
        picked = rng.random((size, len(stored.gifts))) < PICKED / len(stored.gifts)
        ours = our_outputs(stored.model, profiles, encoded, picked)
        ours["value"] = our_value(ours, stored)
        theirs = session.run(list(ours), inputs_of(session, profiles, picked))
        for (name, expected), value in zip(ours.items(), theirs, strict=True):
            if value.shape != expected.shape:
                raise ExportError(f"its {name} have the shape {value.shape}, ours {expected.shape}")
            largest = float(np.abs(expected).max()) or 1.0
            found.setdefault(name, []).append(float(np.abs(value - expected).max()) / largest)
    return {name: float(np.max(differences)) for name, differences in found.items()}


def require_close(differences: dict[str, float]) -> None:
    for name, difference in differences.items():
        if not difference <= TOLERANCE:
            raise ExportError(
                f"as an ONNX graph it does not say the same: {name} differ by {difference:.1e} of the largest; "
                f"allowed: {TOLERANCE:g}"
            )


def inputs_of(session: Any, profiles: ProfileInputs, picked: Array) -> Arrays:
    """Inputs of the graph; the gifts are stored in it."""
    required = {each.name for each in session.get_inputs()} - {"picked"}
    return {name: getattr(profiles, name) for name in required} | {"picked": picked}


@no_grad()
def our_outputs(
    model: TRM, profiles: ProfileInputs, gifts: EncodedGifts, picked: Array | None = None
) -> Arrays:
    """Outputs of our model that a recommendation reads, and "steps" (B,), the steps until each profile halted."""
    h, steps = model.infer(profiles)
    user = model.encode_user(h, profiles)
    components, reward = model.score_gifts(model.pair_logits(user, gifts), gifts, picked)
    return {
        "category_logits": user.category_logits.data,
        "tool_logits": user.tool_logits.data,
        "components": components.data,
        "reward": reward.data,
        "steps": steps,
    }


def our_value(outputs: Arrays, stored: StoredModel) -> Array:
    """Value (B, G) by which the stored gifts are ranked, from `our_outputs`."""
    category = gift_table(stored.gifts, stored.vocabulary).category
    value: Array = (
        outputs["reward"] + stored.category_share * logistic(outputs["category_logits"])[:, category]
    )
    return value


def drawn_profiles(vocabulary: Vocabulary, count: int, rng: np.random.Generator) -> Iterator[Profile]:
    """Profiles of all kinds, evenly from the vocabulary; any field may be missing."""

    def known(value: Any) -> Any:
        return None if rng.random() < MISSING_SHARE else value

    def some(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names[index] for index in rng.permutation(len(names))[: rng.integers(1, 5)])

    for _ in range(count):
        yield Profile(
            age=known(int(rng.integers(15, 81))),
            hobbies=known(some(vocabulary.hobbies)) or (),
            relationship=known(str(rng.choice(vocabulary.relationships))),
            budget=known(float(np.exp(rng.uniform(np.log(10), np.log(500)))) * vocabulary.money.middle / 110),
            occasion=known(str(rng.choice(vocabulary.occasions))),
            preferences=known(some(vocabulary.preferences)) or (),
        )


def differences_text(found: dict[str, Any]) -> str:
    """Text on the difference of each output from ours."""
    lines = [
        f"{found['gifts']} gifts are in it, and may be replaced; its answers to {found['profiles']} profiles differ "
        "from this program's by at most, as a share of the largest:",
        *(f"  {name:<16} {difference:.1e}" for name, difference in found["differences"].items()),
    ]
    return "\n".join(lines)
