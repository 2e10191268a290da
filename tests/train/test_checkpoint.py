"""Model files: what goes in comes out, and anything else is refused in one line."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.small_run import dataset, new_run, small
from trm_np.autograd.ops import Array
from trm_np.checkpoint import CheckpointError, load_model
from trm_np.config import flatten


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    new_run(folder, small(training__epochs=1)).train()
    return folder


def read(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def header(entries: dict[str, Array]) -> dict[str, Any]:
    return json.loads(entries["header"].tobytes())  # type: ignore[no-any-return]


def with_header(entries: dict[str, Array], **changes: Any) -> dict[str, Array]:
    text = json.dumps(header(entries) | changes)
    return {**entries, "header": np.frombuffer(text.encode(), np.uint8)}


def test_a_model_comes_back_as_it_was_stored(folder: Path) -> None:
    stored = load_model(folder / "best.npz")
    data = dataset()
    assert flatten(stored.config) == flatten(small(training__epochs=1))
    assert (stored.vocabulary, stored.gifts, stored.scenarios) == (data.vocabulary, data.gifts, data.train)
    weights = {name: value for name, value in read(folder / "best.npz").items() if name != "header"}
    state = stored.model.state_dict()
    assert sorted(weights) == sorted("weights." + name for name in state)
    assert all(value.tobytes() == weights["weights." + name].tobytes() for name, value in state.items())
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}
    assert not any(module.training for module in stored.model.modules())
    assert stored.header["format"] == 1
    assert sorted(stored.header["metrics"]) == ["test", "validation"]


def test_numpy_reads_and_writes_the_format(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rewritten.npz"
    np.savez(path, **read(folder / "best.npz"))  # type: ignore[arg-type]
    assert load_model(path).header == load_model(folder / "best.npz").header


Spoil = Callable[[dict[str, Array]], dict[str, Array]]
A_WEIGHT = "weights.tool_selection.score.bias"


def with_weight(value: Callable[[Array], Array]) -> Spoil:
    return lambda entries: {**entries, A_WEIGHT: value(entries[A_WEIGHT])}


def without(name: str) -> Spoil:
    return lambda entries: {key: value for key, value in entries.items() if key != name}


def changed(key: str, change: Callable[[Any], Any]) -> Spoil:
    return lambda entries: with_header(entries, **{key: change(header(entries)[key])})


def one_gift(**fields: Any) -> Callable[[Any], Any]:
    return lambda gifts: [gifts[0] | fields, *gifts[1:]]


SPOILT: dict[str, tuple[Spoil, str]] = {
    "no header": (without("header"), "no header"),
    "header that is not JSON": (
        lambda entries: {**entries, "header": np.frombuffer(b"{no", np.uint8)},
        "the header is not JSON",
    ),
    "header that is not UTF-8": (
        lambda entries: {**entries, "header": np.frombuffer(b"\xff\xfe", np.uint8)},
        "the header is not JSON",
    ),
    "header that is a list": (
        lambda entries: {**entries, "header": np.frombuffer(b"[]", np.uint8)},
        "found format []; this program reads format 1",
    ),
    "another format": (changed("format", lambda _: 2), "found format 2"),
    "another kind": (changed("kind", lambda _: "training"), "found kind 'training'"),
    "setting missing": (
        changed("config", lambda c: {k: v for k, v in c.items() if k != "loss.tool"}),
        "config lacks loss.tool",
    ),
    "setting unknown": (changed("config", lambda c: c | {"loss.tol": 1.0}), "did you mean loss.tool"),
    "setting of another type": (changed("config", lambda c: c | {"loss.tool": "much"}), "loss.tool='much'"),
    "settings that fit no model": (
        changed("config", lambda c: c | {"model.core_width": 2_000_000_000}),
        "model.core_width=2000000000: must be from 1 to 100000",
    ),
    "seed missing": (changed("seed", lambda _: None), "header: seed is missing"),
    "seed below zero": (changed("seed", lambda _: -1), "header: found seed -1; allowed: 0 or more"),
    "hobbies of a scenario that are no list": (
        changed("scenarios", lambda s: [s[0] | {"profile": s[0]["profile"] | {"hobbies": 3}}, *s[1:]]),
        "header: scenarios[0].profile.hobbies: found 3",
    ),
    "vocabulary missing": (changed("vocabulary", lambda _: None), "header: vocabulary"),
    "vocabulary with a list less": (
        changed("vocabulary", lambda v: {k: v[k] for k in list(v)[1:]}),
        "categories",
    ),
    "vocabulary with a name less": (
        changed("vocabulary", lambda v: v | {"tools": v["tools"][1:]}),
        "allowed: one of inventory_check",
    ),
    "catalogue missing": (changed("catalogue", lambda _: None), "catalogue is missing"),
    "gift of no category": (
        changed("catalogue", one_gift(category="cars")),
        'gifts[0].category: found "cars',
    ),
    "gift for nothing": (changed("catalogue", one_gift(price=0.0)), "gifts[0].price: found 0.0"),
    "catalogue altered": (changed("catalogue", one_gift(price=12.5)), "catalogue_digest"),
    "scenario without labels": (
        changed("scenarios", lambda s: [s[0] | {"expected_tools": []}, *s[1:]]),
        "scenarios[0].expected_tools",
    ),
    "metrics missing": (changed("metrics", lambda _: None), "metrics is missing"),
    "metrics in words": (changed("metrics", lambda _: {"test": {"quality": "good"}}), "metrics is missing"),
    "weight missing": (without(A_WEIGHT), "missing tool_selection.score.bias"),
    "weight unexpected": (
        lambda entries: {**entries, "weights.tail": np.zeros(3, np.float32)},
        "unexpected tail",
    ),
    "weight of another shape": (with_weight(lambda w: w[1:]), "tool_selection.score.bias has shape (4,)"),
    "weight of another precision": (with_weight(lambda w: w.astype(np.float64)), "holds float64"),
    "weight of bytes": (with_weight(lambda w: w.astype(np.uint8)), "holds uint8"),
    "weight that is not finite": (with_weight(lambda w: w * np.inf), "not finite"),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_model_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    spoil, fragment = SPOILT[name]
    path = tmp_path / "spoilt.npz"
    np.savez(path, **spoil(read(folder / "best.npz")))  # type: ignore[arg-type]
    refused(path, fragment)


def refused(path: Path, fragment: str) -> None:
    with pytest.raises(CheckpointError) as error:
        load_model(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert fragment in message
    assert "\n" not in message


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def zipped(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


class Tripwire:
    """Unpickling this fails the test."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a whole .npz file"),
    "text": (b"hello", "not a whole .npz file"),
    "a single array": (npy(np.zeros(3, np.float32)), "not a whole .npz file"),
    "a pickle": (pickle.dumps(Tripwire()), "not a whole .npz file"),
    "an empty archive": (zipped([]), "no header"),
    "an archive of text": (zipped([("readme.txt", b"hello there")]), "magic string"),
    "an empty entry": (zipped([("header.npy", b"")]), "magic string"),
    "compressed": (zipped([("header.npy", npy(np.zeros(9, np.uint8)))], zipfile.ZIP_DEFLATED), "compressed"),
    "shorter than its shape": (zipped([("header.npy", npy(np.zeros(99, np.uint8))[:-1])]), "as long as"),
    "longer than its shape": (zipped([("header.npy", npy(np.zeros(99, np.uint8)) + b"x")]), "as long as"),
    "a pickled object": (
        zipped([("header.npy", npy(np.array([Tripwire()], dtype=object)))]),
        "holds object",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    data, fragment = FILES[name]
    path = tmp_path / "model.npz"
    path.write_bytes(data)
    refused(path, fragment)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.npz"
    path.write_bytes(zipped([("header.npy", npy(np.zeros(3, np.uint8)))] * 2))
    refused(path, "two entries named header")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(folder: Path, tmp_path: Path, share: float) -> None:
    data = (folder / "best.npz").read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "not a whole .npz file")


def test_a_flipped_bit_in_a_weight_is_noticed(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "best.npz").read_bytes())
    weight = load_model(folder / "best.npz").model.tool_selection.score.bias
    assert weight is not None
    data[data.index(weight.data.tobytes())] ^= 1
    path = tmp_path / "flipped.npz"
    path.write_bytes(data)
    refused(path, "not a whole .npz file")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.npz", "no such file")
    refused(tmp_path, "directory")


@pytest.mark.parametrize("spoil", ["moment", "progress", "order"])
def test_a_damaged_training_state_is_refused(tmp_path: Path, spoil: str) -> None:
    config = small(training__epochs=1)
    new_run(tmp_path, config).train()
    entries = read(tmp_path / "last.npz")
    training = header(entries)["training"]
    if spoil == "moment":
        entries["first_moment.tool_selection.score.bias"] = np.zeros(1, np.float32)
    elif spoil == "progress":
        del training["progress"]
    else:
        training["progress"]["order"] = [1, 2, 3]
    np.savez(tmp_path / "last.npz", **with_header(entries, training=training))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="training state is damaged"):
        new_run(tmp_path, config, resume=True)
