"""Model files: round trips, and refusals in one line with the reason and a remedy."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.forging import (
    Content,
    Header,
    content_of,
    forged,
    smallest_config,
    text,
    text_of,
    untrained,
)
from tests.training.small_run import SMALL, dataset, new_run, small
from tests.training.small_run import trainer as small_trainer
from tests.world.small_world import VOCABULARY, gift
from trm_np import Recommender
from trm_np.autograd.ops import Array
from trm_np.config import ADDED, flatten
from trm_np.storage.checkpoint import Checkpoint, CheckpointError, StoredModel, load_model, save_checkpoint
from trm_np.storage.npz import LARGEST_HEADER, LONGEST_LINE, MOST_MEMBERS, NpzError, npz_pieces

OLD = Path(__file__).with_name("format_2")
KINDS = {"best.npz": "model", "last.npz": "training"}
SQUARE = "weights.tool_selection.attention.out_proj.weight"
A_WEIGHT, A_MOMENT = "weights.tool_selection.score.bias", "first_moment.tool_selection.score.bias"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    new_run(folder, small(training__epochs=1)).train()
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> bytes:
    return (folder / "best.npz").read_bytes()


@pytest.fixture(scope="module")
def training(folder: Path) -> bytes:
    return (folder / "last.npz").read_bytes()


def refused(path: Path, data: bytes, kind: str = "model") -> CheckpointError:
    """The error for these bytes."""
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load_model(path, kind)
    error = caught.value
    assert str(error) == f"{path}: {error.reason}; {error.advice}"
    assert error.advice
    assert str(error).isprintable()
    return error


# Contents


def test_a_model_survives_a_round_trip(folder: Path, model: bytes) -> None:
    stored = load_model(folder / "best.npz")
    data = dataset()
    assert flatten(stored.config) == flatten(small(training__epochs=1))
    assert (stored.vocabulary, stored.gifts, stored.scenarios) == (data.vocabulary, data.gifts, data.train)
    weights = {name: value for name, value in content_of(model)[1].items() if name.startswith("weights.")}
    state = stored.model.state_dict()
    assert sorted(weights) == sorted("weights." + name for name in state)
    assert all(np.array_equal(value, weights["weights." + name]) for name, value in state.items())
    assert not any(module.training for module in stored.model.modules())
    assert stored.header["format"] == 3
    assert sorted(stored.header["metrics"]) == ["test", "validation"]


@pytest.mark.parametrize("name", KINDS)
def test_synonyms_are_stored_and_a_file_without_any_is_the_same_model(
    folder: Path, name: str, tmp_path: Path
) -> None:
    whole = load_model(folder / name, KINDS[name])
    assert whole.vocabulary.synonyms == dataset().vocabulary.synonyms != {}
    header, content = content_of((folder / name).read_bytes())
    (tmp_path / name).write_bytes(forged({k: v for k, v in header.items() if k != "synonyms"}, content))
    before = load_model(tmp_path / name, KINDS[name])
    assert before.vocabulary == whole.vocabulary and before.vocabulary.synonyms == {}
    assert before.header == {key: value for key, value in whole.header.items() if key != "synonyms"}
    assert header["vocabulary"].keys() == whole.vocabulary.lists.keys()  # as where synonyms are unknown


def test_synonyms_invalid_in_a_scenario_file_are_invalid_in_a_model(model: bytes, tmp_path: Path) -> None:
    header, content = content_of(model)
    for found, said in (
        ([], "header: synonyms: found []; allowed: an object with hobbies"),
        (
            {"hobbies": {"dog": "cats"}},
            'header: synonyms.hobbies.dog: found "cats"; allowed: one of gardening',
        ),
        (
            {"hobbies": {"Cooking": "art"}},
            'header: synonyms.hobbies: found the synonym "Cooking"; allowed: a word',
        ),
    ):
        error = refused(tmp_path / "bad.npz", forged(header | {"synonyms": found}, content))
        assert error.reason.startswith(said)


def test_a_file_without_a_newer_setting_gets_its_former_value(model: bytes, tmp_path: Path) -> None:
    header, content = content_of(model)
    settings = {key: value for key, value in header["config"].items() if key not in ADDED}
    (tmp_path / "old.npz").write_bytes(forged(header | {"config": settings}, content))
    assert flatten(load_model(tmp_path / "old.npz").config) == {**flatten(small(training__epochs=1)), **ADDED}


@pytest.mark.parametrize("name", KINDS)
def test_the_bytes_are_those_of_zipfile_and_numpy(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    assert forged(*content_of(data)) == data


@pytest.mark.parametrize("name", KINDS)
def test_equal_content_gives_equal_bytes(folder: Path, name: str, tmp_path: Path) -> None:
    stored = load_model(folder / name, KINDS[name])
    known = ("format", "kind", "preset", "config", "vocabulary", "catalogue_digest")
    extra = {key: value for key, value in stored.header.items() if key not in known}
    in_order = content_of((folder / name).read_bytes())[1]
    arrays = {array: stored.arrays[array] for array in in_order if array in stored.arrays}
    save_checkpoint(tmp_path / name, KINDS[name], stored, extra, arrays)
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_memory_order_does_not_change_the_file() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert written({}, {"a": np.asfortranarray(values)}) == written({}, {"a": values})


def written(header: Header, arrays: dict[str, Array]) -> bytes:
    return b"".join(npz_pieces(header, arrays))


@pytest.mark.parametrize(
    ("header", "arrays", "fragment"),
    [
        ({"long": "x" * LARGEST_HEADER}, {}, "bytes of header; allowed: 1,048,576"),
        ({"many": [[]] * 10_000}, {}, "10,002 lists in the header; allowed: 10,000"),
        ({}, {f"x{index}": text(b"") for index in range(MOST_MEMBERS)}, "10,001 arrays; allowed: 10,000"),
    ],
)
def test_a_model_that_could_not_be_loaded_is_not_written(
    header: Header, arrays: dict[str, Array], fragment: str
) -> None:
    with pytest.raises(NpzError, match="too large for a model file: ") as error:
        npz_pieces(header, arrays)
    assert fragment in str(error.value)


def test_a_scenario_that_could_not_be_loaded_is_not_written(folder: Path, tmp_path: Path) -> None:
    stored = load_model(folder / "best.npz")
    longest = replace(stored.scenarios[0], name="x" * LONGEST_LINE)
    content = Checkpoint(stored.model, stored.config, stored.vocabulary, stored.gifts, [longest])
    with pytest.raises(NpzError, match=f"allowed: {LONGEST_LINE:,} bytes"):
        save_checkpoint(tmp_path / "best.npz", "model", content, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        npz_pieces({"number": number}, {})


# Damage: changed bytes


@pytest.mark.parametrize("name", ["header", "catalogue", "scenarios", A_WEIGHT])
@pytest.mark.parametrize("part", ["head", "first byte", "last byte"])
def test_a_damaged_entry_is_named(model: bytes, tmp_path: Path, name: str, part: str) -> None:
    local = model.index(name.encode() + b".npy")
    start = local + len(name) + 4 + 20 + 128
    length = npy_length(model, name)
    place = {"head": local - 4, "first byte": start, "last byte": start + length - 1}[part]
    data = bytearray(model)
    data[place] ^= 1
    assert refused(tmp_path / "damaged.npz", data).reason.startswith(f"{name} is damaged: ")


def npy_length(data: bytes, name: str) -> int:
    with np.load(io.BytesIO(data)) as stored:
        return int(stored[name].nbytes)


@pytest.mark.parametrize(
    ("signature", "field", "reason"),
    [
        (b"PK\1\2", 38, "its directory is not as this program writes it"),
        (b"PK\5\6", 8, "not a whole .npz file"),
    ],
)
def test_a_damaged_directory_is_named(
    model: bytes, tmp_path: Path, signature: bytes, field: int, reason: str
) -> None:
    data = bytearray(model)
    data[data.rindex(signature) + field] ^= 1
    assert reason in refused(tmp_path / "damaged.npz", data).reason


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(model: bytes, tmp_path: Path, share: float) -> None:
    error = refused(tmp_path / "cut.npz", model[: int(share * len(model))])
    assert "not a whole .npz file" in error.reason
    assert error.advice == "restore it from a copy, or train again"


def swapped(content: Content) -> Content:
    """Swap the names of two arrays of one shape."""
    one, other = SQUARE, "weights.tool_selection.encoder.0.weight"
    return content | {one: content[other], other: content[one]}


MENDED: dict[str, Callable[[Header, Content], tuple[Header, Content]]] = {
    "a weight": lambda h, c: (h, c | {A_WEIGHT: c[A_WEIGHT] + np.float32(1)}),  # type: ignore[operator]
    "a text": lambda h, c: (
        h,
        c | {"scenarios": text(bytes(memoryview(c["scenarios"])).replace(b"19.0", b"20.0"))},
    ),
    "a header": lambda h, c: (h | {"seed": 7}, c),
    "a square weight, transposed": lambda h, c: (h, c | {SQUARE: np.ascontiguousarray(c[SQUARE].T)}),  # type: ignore[union-attr]
    "names": lambda h, c: (h, swapped(c)),
}


@pytest.mark.parametrize("name", MENDED)
def test_changes_without_a_new_digest_are_refused(model: bytes, tmp_path: Path, name: str) -> None:
    header, content = content_of(model)
    stale = json.loads(bytes(np.load(io.BytesIO(model))["header"]))["sha256"]
    changed, arrays = MENDED[name](header, content)
    assert forged(changed, arrays) != model
    data = forged(text_of({"sha256": stale, **changed}), arrays)
    assert "does not match the sha256" in refused(tmp_path / "altered.npz", data).reason


# Content: files with valid checksums whose content is not a model

Spoil = Callable[[Header, Content], tuple[Header, Content]]


def header_with(**values: Any) -> Spoil:
    return lambda header, content: (header | values, content)


def header_without(key: str) -> Spoil:
    return lambda header, content: ({k: v for k, v in header.items() if k != key}, content)


def changed(key: str, change: Callable[[Any], Any]) -> Spoil:
    return lambda header, content: (header | {key: change(header[key])}, content)


def array(name: str, change: Callable[[Any], Any]) -> Spoil:
    return lambda header, content: (header, content | {name: change(content.get(name))})


def without(name: str) -> Spoil:
    return lambda header, content: (header, {k: v for k, v in content.items() if k != name})


def renamed(old: str, new: str) -> Spoil:
    return lambda header, content: (header, {new if k == old else k: v for k, v in content.items()})


def two_gifts(header: Header, content: Content) -> tuple[Header, Content]:
    data = b"\n".join(lines(content, "catalogue")[:2]) + b"\n"
    return header | {"catalogue_digest": sha256(data).hexdigest()}, content | {"catalogue": text(data)}


def first_record(name: str, **fields: Any) -> Spoil:
    """Change fields of the first gift or scenario, and update the digest of the catalogue."""

    def spoil(header: Header, content: Content) -> tuple[Header, Content]:
        first, *rest = bytes(memoryview(content[name])).splitlines(keepends=True)
        data = text_of(json.loads(first) | fields) + b"\n" + b"".join(rest)
        known = {"catalogue_digest": sha256(data).hexdigest()} if name == "catalogue" else {}
        return header | known, content | {name: text(data)}

    return spoil


def of(number: float) -> Callable[[Array], Array]:
    """The array with one number replaced."""

    def change(value: Array) -> Array:
        value = value.copy()
        value.flat[-1] = number
        return value

    return change


WIDE = "weights.tool_selection.score.weight"
OLDER = "use the version that wrote it, or train again"
OTHER_KIND = "best.npz holds a model, last.npz is there to --resume"
DAMAGED = "restore it from a copy, or train again"

SPOILT: dict[str, tuple[Spoil, str, str]] = {
    "an older format": (header_with(format=1), "found format 1; this program reads 2 and 3", OLDER),
    "a format to come": (header_with(format=4), "found format 4; this program reads 2 and 3", OLDER),
    "no format": (header_without("format"), "found format null", OLDER),
    "another kind": (header_with(kind="training"), 'found kind "training"; needed here: "model"', OTHER_KIND),
    "setting missing": (
        changed("config", lambda c: {k: v for k, v in c.items() if k != "loss.tool"}),
        'config lacks "loss.tool"',
        DAMAGED,
    ),
    "setting unknown": (
        changed("config", lambda c: c | {"loss.tol": 1.0}),
        'has the unknown "loss.tol"',
        DAMAGED,
    ),
    "setting of another type": (
        changed("config", lambda c: c | {"loss.tool": "much"}),
        "loss.tool='much'",
        DAMAGED,
    ),
    "settings that fit no model": (
        changed("config", lambda c: c | {"model.core_width": 2_000_000_000}),
        "model.core_width=2000000000: must be from 1 to 100000",
        DAMAGED,
    ),
    "settings of another model": (
        changed("config", lambda c: c | {"model.tool_width": 2 * c["model.tool_width"]}),
        "weights.tool_selection.encoder.0.weight: found float32 of shape",
        DAMAGED,
    ),
    "settings of a deeper model": (
        changed("config", lambda c: c | {"model.core_blocks": 2}),
        "it lacks weights.core.blocks.1.",
        DAMAGED,
    ),
    "no settings": (header_without("config"), "header: config is missing", DAMAGED),
    "seed missing": (header_without("seed"), "header: seed is missing", DAMAGED),
    "seed below zero": (header_with(seed=-1), "header: found seed -1; allowed: 0 or more", DAMAGED),
    "seed that is true": (header_with(seed=True), "header: seed is missing or not", DAMAGED),
    "vocabulary missing": (header_without("vocabulary"), "header: vocabulary", DAMAGED),
    "vocabulary with a list less": (
        changed("vocabulary", lambda v: {k: v[k] for k in list(v)[1:]}),
        "categories",
        DAMAGED,
    ),
    "vocabulary with other names": (
        changed("vocabulary", lambda v: v | {"tools": [*v["tools"][1:], "guess"]}),
        "content: scenarios[1].expected_tools",
        DAMAGED,
    ),
    "catalogue missing": (without("catalogue"), "it lacks catalogue", DAMAGED),
    "scenarios missing": (without("scenarios"), "it lacks scenarios", DAMAGED),
    "catalogue of another digest": (header_with(catalogue_digest="0" * 64), "catalogue_digest", DAMAGED),
    "two gifts": (two_gifts, "found 2 gifts; allowed: at least 3", DAMAGED),
    "gift of no category": (
        first_record("catalogue", category="cars"),
        'content: gifts[0].category: found "cars',
        DAMAGED,
    ),
    "gift for nothing": (first_record("catalogue", price=0.0), "gifts[0].price: found 0.0", DAMAGED),
    "gift of an id that is in use": (
        lambda h, c: first_record("catalogue", id=json.loads(lines(c, "catalogue")[1])["id"])(h, c),
        "gifts[1].id: found ",
        DAMAGED,
    ),
    "scenario without labels": (
        first_record("scenarios", expected_tools=[]),
        "content: scenarios[0].expected_tools",
        DAMAGED,
    ),
    "hobbies of a scenario that are no list": (
        first_record("scenarios", profile={"hobbies": 3}),
        "content: scenarios[0].profile.hobbies: found 3",
        DAMAGED,
    ),
    "no scenario": (
        array("scenarios", lambda _: text(b"")),
        "found no scenarios; allowed: at least 1",
        DAMAGED,
    ),
    "metrics missing": (header_without("metrics"), "metrics is missing", DAMAGED),
    "metrics in words": (header_with(metrics={"test": {"quality": "good"}}), "metrics is missing", DAMAGED),
    "weight missing": (without(A_WEIGHT), f"it lacks {A_WEIGHT}", DAMAGED),
    "weight unexpected": (
        array("weights.tail", lambda _: np.zeros(3, np.float32)),
        "it has weights.tail",
        DAMAGED,
    ),
    "weight renamed": (renamed(A_WEIGHT, A_WEIGHT + "es"), f"it lacks {A_WEIGHT}", DAMAGED),
    "weight of another shape": (
        array(A_WEIGHT, lambda w: w[1:]),
        "found float32 of shape (4,); needed: float32 of shape (5,)",
        DAMAGED,
    ),
    "weight transposed": (
        array(WIDE, lambda w: np.ascontiguousarray(w.T)),
        f"{WIDE}: found float32 of shape",
        DAMAGED,
    ),
    "weight flattened": (array(WIDE, lambda w: w.reshape(-1)), f"{WIDE}: found float32 of shape", DAMAGED),
    "weight in Fortran order": (array(WIDE, np.asfortranarray), f"{WIDE} is not an array of", DAMAGED),
    "weight of another precision": (
        array(A_WEIGHT, lambda w: w.astype("f8")),
        f"{A_WEIGHT} is not an array",
        DAMAGED,
    ),
    "weight of bytes": (
        array(A_WEIGHT, lambda w: w.astype("u1")),
        f"{A_WEIGHT}: found uint8 of shape",
        DAMAGED,
    ),
    "weight that is not a number": (
        array(A_WEIGHT, of(np.nan)),
        f"{A_WEIGHT} holds a number that is not",
        DAMAGED,
    ),
    "weight that is infinite": (
        array(WIDE, of(np.inf)),
        f"{WIDE} holds a number that is not finite",
        DAMAGED,
    ),
    "weight that is infinite below": (
        array(WIDE, of(-np.inf)),
        f"{WIDE} holds a number that is not",
        DAMAGED,
    ),
}


def lines(content: Content, name: str) -> list[bytes]:
    return bytes(memoryview(content[name])).splitlines()


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_model_is_refused(model: bytes, tmp_path: Path, name: str) -> None:
    spoil, fragment, advice = SPOILT[name]
    error = refused(tmp_path / "spoilt.npz", forged(*spoil(*content_of(model))))
    assert fragment in error.reason
    assert error.advice == advice


def test_a_weight_may_be_any_finite_number(model: bytes, tmp_path: Path) -> None:
    largest = float(np.finfo(np.float32).max)
    header, content = content_of(model)
    path = tmp_path / "large.npz"
    path.write_bytes(forged(header, content | {WIDE: np.full_like(content[WIDE], largest)}))  # type: ignore[call-overload]
    weight = load_model(path).model.tool_selection.score.weight.data
    assert (weight == np.float32(largest)).all()


SPOILT_TRAINING: dict[str, tuple[Spoil, str]] = {
    "another kind": (header_with(kind="model"), 'found kind "model"; needed here: "training"'),
    "moment missing": (without(A_MOMENT), f"it lacks {A_MOMENT}"),
    "moment of another shape": (array(A_MOMENT, lambda m: m[1:]), f"{A_MOMENT}: found float32 of shape (4,)"),
    "moment of another precision": (array(A_MOMENT, lambda m: m.astype("f8")), f"{A_MOMENT} is not an array"),
    "moment that is not a number": (
        array(A_MOMENT, of(np.nan)),
        f"{A_MOMENT} holds a number that is not finite",
    ),
    "moment that is infinite": (
        array("second" + A_MOMENT[5:], of(np.inf)),
        "holds a number that is not finite",
    ),
    "moment unexpected": (
        array("third" + A_MOMENT[5:], lambda _: np.zeros(6, np.float32)),
        "it has third_moment.",
    ),
    "best weight missing": (without("best" + A_WEIGHT[7:]), "it lacks best.tool_selection.score.bias"),
    "best weight that is not a number": (
        array("best" + A_WEIGHT[7:], of(np.nan)),
        "score.bias holds a number that",
    ),
}


@pytest.mark.parametrize("name", SPOILT_TRAINING)
def test_a_spoilt_training_file_is_refused(training: bytes, tmp_path: Path, name: str) -> None:
    spoil, fragment = SPOILT_TRAINING[name]
    data = forged(*spoil(*content_of(training)))
    assert fragment in refused(tmp_path / "spoilt.npz", data, kind="training").reason


@pytest.mark.parametrize("spoil", ["progress missing", "order of other scenarios"])
def test_a_damaged_training_state_is_refused(
    training: bytes, folder: Path, tmp_path: Path, spoil: str
) -> None:
    header, content = content_of(training)
    state = json.loads(json.dumps(header["training"]))
    if spoil == "progress missing":
        del state["progress"]
    else:
        state["progress"]["order"] = [1, 2, 3]
    (tmp_path / "last.npz").write_bytes(forged(header | {"training": state}, content))
    (tmp_path / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes())
    with pytest.raises(CheckpointError, match="training state is damaged"):
        new_run(tmp_path, small(training__epochs=1), resume=True)


WRONG: tuple[Any, ...] = (None, "x", -1, 1.5, True, [], {}, [None], ["x"], {"x": "x"}, 10**400)
REFUSALS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)  # as `Run.resume` knows them


def places_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in nested objects, and of the first in each list."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield (*place, key)
        yield from places_in(item, (*place, key))


def test_a_field_of_a_training_state_that_is_of_another_kind_is_refused(training: bytes) -> None:
    state = content_of(training)[0]["training"]
    arrays = {name: array for name, array in content_of(training)[1].items() if not isinstance(array, bytes)}
    trainer = small_trainer(small(training__epochs=1))
    taken = []
    generators = state["generators"]  # all alike: one stands for them
    state["generators"] = dict(list(generators.items())[:1])
    places = [*places_in(state)]
    state["generators"] = generators
    for place in places:
        for wrong in WRONG:
            spoilt: Any = json.loads(json.dumps(state))
            into = spoilt
            for key in place[:-1]:
                into = into[key]
            before, into[place[-1]] = into[place[-1]], wrong
            try:
                trainer.load_state(spoilt, arrays)
            except REFUSALS:
                continue
            taken.append((place, before, wrong))
    of_another_kind = [
        (place, before, wrong)
        for place, before, wrong in taken
        if place[0] != "generators"
        and not (type(wrong) is type(before) or (type(before), type(wrong)) == (float, int))
    ]
    assert of_another_kind == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_length", "12"),
        ("log_length", 1.5),
        ("best_metrics", []),
        ("best_metrics", {"quality": "high"}),
        ("conditions", None),
        ("conditions", {"python": 3}),
    ],
)
def test_the_header_of_a_training_state_is_checked_too(
    training: bytes, folder: Path, tmp_path: Path, name: str, value: Any
) -> None:
    header, content = content_of(training)
    (tmp_path / "last.npz").write_bytes(forged(header | {name: value}, content))
    (tmp_path / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes())
    with pytest.raises(CheckpointError, match=f"training state is damaged .*{name} is "):
        new_run(tmp_path, small(training__epochs=1), resume=True)


# Format 2


def test_a_file_of_format_2_gives_the_same_recommendations(tmp_path: Path) -> None:
    """The file and the recommendations come from a version with that format."""
    path = tmp_path / "best.npz"
    path.write_bytes(gzip.decompress((OLD / "best.npz.gz").read_bytes()))
    said = json.loads((OLD / "recommendation.json").read_text(encoding="utf-8"))
    for load in (load_model, stored_again):
        answer = Recommender(load(path)).recommend(said["profile"])
        assert {gift.id: gift.predicted_reward for gift in answer.gifts} == pytest.approx(
            said["rewards"], rel=1e-6
        )
        assert dict(answer.categories) == pytest.approx(said["categories"], rel=1e-6)
        assert {tool.name: tool.probability for tool in answer.tools} == pytest.approx(
            said["tools"], rel=1e-6
        )


def stored_again(path: Path) -> StoredModel:
    """Load a file, store it in the current format, and load it again. It is converted once."""
    old = load_model(path)
    save_checkpoint(path, "model", old, extra=old.header)
    assert b'"format": 3' in path.read_bytes()
    return load_model(path)


def test_training_of_format_2_resumes(folder: Path, training: bytes, tmp_path: Path) -> None:
    header, content = content_of(training)
    path = tmp_path / "last.npz"
    old = {
        name: value if isinstance(value, bytes) else as_format_2(name, value)
        for name, value in content.items()
    }
    path.write_bytes(forged(header | {"format": 2}, old))
    loaded, expected = (load_model(each, "training") for each in (path, folder / "last.npz"))
    assert_close(loaded.model.state_dict(), expected.model.state_dict(), rtol=0)
    assert_close(loaded.arrays, expected.arrays, rtol=1e-6)
    assert loaded.header == expected.header


def as_format_2(name: str, value: Array) -> Array:
    """Convert an array to format 2: moments are means, and heads of queries and keys have first even, then odd rows."""
    if name.startswith("first_moment."):
        value = value * np.float32(1 - 0.9)
    if name.startswith("second_moment."):
        value = value * np.float32(1 - 0.999)
    if name.endswith("core.blocks.0.attention.in_proj_weight"):
        heads, width = int(SMALL["model.core_heads"]), value.shape[1]
        of_heads = np.arange(2 * width).reshape(2 * heads, -1)
        order = np.concatenate([of_heads[:, ::2], of_heads[:, 1::2]], axis=1)
        assert not np.array_equal(order.reshape(-1), np.arange(2 * width))
        value = np.concatenate([value[order.reshape(-1)], value[2 * width :]])
    return value


def assert_close(found: Mapping[str, Array], expected: Mapping[str, Array], rtol: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol, err_msg=name)


# Other files


def test_a_model_of_format_1_is_refused_by_name(model: bytes, tmp_path: Path) -> None:
    """Files of that format have no digest, and the catalogue in the header."""
    header, content = content_of(model)
    older = header | {"format": 1, "catalogue": [json.loads(line) for line in lines(content, "catalogue")]}
    weights = {name: value for name, value in content.items() if name.startswith("weights.")}
    error = refused(tmp_path / "older.npz", forged(text_of(older), weights))
    assert (error.reason, error.advice) == ("found format 1; this program reads 2 and 3", OLDER)


def test_anything_but_a_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; trm-train makes one"):
        load_model(tmp_path / "nothing.npz")
    with pytest.raises(CheckpointError, match=r"is a folder; give a model file$"):
        load_model(tmp_path)
    for name in ("best-half.npz", "best.npz"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"is a folder; give the model file in it: .*best\.npz$"):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(tmp_path / ("x" * 300))


@pytest.mark.slow
def test_loading_takes_little_memory_besides_the_model(tmp_path: Path) -> None:
    """The model has two weights of 26 MB and a catalogue of 3 MB. Loading holds no copies of them."""
    sizes = smallest_config()
    config = replace(sizes, model=replace(sizes.model, core_tokens=100_000, core_width=64))
    gifts = [gift(id=f"gift{index}", name="x" * 200_000) for index in range(15)]
    (tmp_path / "large.npz").write_bytes(untrained(config, VOCABULARY, gifts))
    tracemalloc.start()
    stored = load_model(tmp_path / "large.npz")
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after > sum(weight.nbytes for weight in stored.model.state_dict().values()) > 50e6
    assert peak - after < 2e6


def test_too_little_memory_is_a_refusal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(_: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr("trm_np.storage.checkpoint.require_finite", run_out)
    with pytest.raises(CheckpointError, match="Unable to allocate 9 GiB; "):
        load_model(folder / "best.npz")


def test_a_long_reason_is_cut() -> None:
    error = CheckpointError("best.npz", "x" * 1000)
    assert error.reason == "x" * 297 + "..."
