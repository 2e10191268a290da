"""Valid files are spoilt at random. Exactly the spoilt places are reported."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data import sample_files
from tests.data.test_bad_files import OBEYED
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.data.records import Gift, Profile

Way = tuple[str | int, ...]  # the keys and indices that lead to a value
Documents = dict[str, Any]
Where = tuple[str, Way]  # the file, and the way in it

SPARE = "used nowhere"  # the last name of each list of the vocabulary: nothing else is wrong without it
WRONG_ANYWHERE = (True, False, math.nan, math.inf, -math.inf, "", " ", "\ud800", "a\nb", {"?": 0})
LISTS_OF_NAMES = {
    "hobbies": ("hobbies",),
    "preferences": ("preferences",),
    "tags": ("hobbies", "preferences"),
    "occasions": ("occasions",),
    "expected_categories": ("categories",),
    "expected_tools": ("tools",),
}
SINGLE_NAMES = {"relationship": ("relationships",), "occasion": ("occasions",), "category": ("categories",)}
LISTS_OF_IDS = ("rejected", "history")
MAY_BE_EMPTY = {"hobbies", "preferences", "tags", "occasions", *LISTS_OF_IDS}
MAY_BE_ABSENT = {
    *("vocabulary", "expected_categories", "expected_tools", "chosen", "rejected"),
    *(field.name for record in (Profile, Gift) for field in fields(record)),
} - {"id", "name", "category"}
# All examples share a folder, since each rewrites its files.
in_one_folder = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


class Again(str):
    """A key that a dictionary holds beside an equal one. JSON writes both."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Spoil(NamedTuple):
    """Damage to a holder at a key or index, and the place of the problem; a name's only where names are known."""

    do: Callable[[Any, Any], None]
    at: Way
    is_name: bool = False


def good() -> Documents:
    documents = {
        "scenarios": sample_files.training(),
        "held_out": sample_files.held_out(),
        "catalogue": sample_files.catalogue(),
    }
    for names in documents["scenarios"]["vocabulary"].values():
        names.append(SPARE)
    first, second, *_ = documents["scenarios"]["scenarios"]
    first["chosen"], first["rejected"] = ["seeds", "trowel"], ["pan"]
    second["chosen"], second["profile"]["history"] = {"pan": 2.5}, ["first_edition"]
    return documents


def values(value: Any, path: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Yield every value within a value, outermost first, with the path to it."""
    yield path, value
    steps: Any = (
        enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    )
    for step, item in steps:
        yield from values(item, (*path, step))


def at(value: Any, path: Way) -> Any:
    for step in path:
        value = value[step]
    return value


def place(path: Way) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def names_of(path: Way) -> tuple[str, ...]:
    """The vocabulary lists that the value at a path may be a name of; none if it is not a name."""
    if path[0] == "vocabulary":
        return ()
    key = path[-2] if isinstance(path[-1], int) else path[-1]
    return (LISTS_OF_NAMES if isinstance(path[-1], int) else SINGLE_NAMES).get(str(key), ())


def is_id(path: Way) -> bool:
    """Whether the value at the end of a path, or its key, is the id of a gift elsewhere."""
    return path[-2:-1] == ("chosen",) or (isinstance(path[-1], int) and path[-2] in LISTS_OF_IDS)


def put(new: object, holder: Any, step: Any) -> None:
    holder[step] = new


def rename(holder: Any, step: Any) -> None:
    holder["of no meaning"] = holder.pop(step)


def repeat(holder: Any, step: Any) -> None:
    holder[Again(step)] = holder[step]


def remove(holder: Any, step: Any) -> None:
    del holder[step]


def spoils(path: Way, value: Any) -> Iterator[Spoil]:
    """Kinds of damage that can be done to the value at the end of a path."""
    names = path[0] == "vocabulary"
    for wrong in WRONG_ANYWHERE:
        if path[-1] != "chosen" or not isinstance(wrong, dict):  # which may be weights
            yield Spoil(partial(put, wrong), path)
    if isinstance(path[-1], str):
        yield from (Spoil(do, path[:-1], do is rename and is_id(path)) for do in (rename, repeat))
        if not (names or path[-1] in MAY_BE_ABSENT):
            yield Spoil(remove, path[:-1])
    if isinstance(value, list) and (names or path[-1] not in MAY_BE_EMPTY):
        yield Spoil(partial(put, []), path)
    if isinstance(value, int | float):
        yield from (Spoil(partial(put, wrong), path) for wrong in (-1, 1e15, 10**300, str(value)))
    if path[-1] == "age_range":
        yield Spoil(partial(put, value[::-1]), path)
    if names_of(path) or (is_id(path) and isinstance(value, str)):
        yield from (Spoil(partial(put, wrong), path, True) for wrong in ("no such name", f"{value}s"))


ALL: list[tuple[Where, Spoil]] = [
    ((kind, path), spoil)
    for kind, document in good().items()
    for path, value in values(document)
    if path and not (path[0] == "vocabulary" and len(path) == 3 and value != SPARE)
    for spoil in spoils(path, value)
]


def apart(chosen: list[tuple[Where, Spoil]]) -> list[tuple[Where, Spoil]]:
    """Those of the chosen damages that do not interfere: none lies within another."""
    kept: list[tuple[Where, Spoil]] = []
    for (kind, path), spoil in chosen:
        touches = any(
            kind == other and (path[: len(way)] == way or way[: len(path)] == path)
            for (other, way), _ in kept
        )
        if not touches:
            kept.append(((kind, path), spoil))
    hides_names = any(
        kind == "scenarios" and path[0] == "vocabulary" and len(path) < 3 for (kind, path), _ in kept
    )
    hides_ids = any(kind == "catalogue" and (len(path) < 3 or path[-1] == "id") for (kind, path), _ in kept)
    return [(where, spoil) for where, spoil in kept if not ((hides_names or hides_ids) and spoil.is_name)]


def reported(folder: Path, documents: Documents) -> set[tuple[str, str]]:
    """The files and places that a refusal names; each of its lines is one line and no command."""
    for kind, document in documents.items():
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (folder / kind).write_bytes(data)
    try:
        load_dataset(*(folder / kind for kind in documents))
    except DataError as error:
        assert all(OBEYED.search(str(problem)) is None for problem in error.problems)
        return {(Path(problem.file).name, problem.place) for problem in error.problems}
    return set()


def test_the_original_files_are_valid(tmp_path: Path) -> None:
    assert reported(tmp_path, good()) == set()


@settings(in_one_folder, max_examples=4 * settings().max_examples)
@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=6))
def test_exactly_the_spoilt_places_are_reported(tmp_path: Path, chosen: list[tuple[Where, Spoil]]) -> None:
    documents = good()
    expected = set()
    for (kind, path), spoil in apart(chosen):
        spoil.do(at(documents[kind], path[:-1]), path[-1])
        expected.add((kind, place(spoil.at)))
    assert reported(tmp_path, documents) == expected


NAMES = [(kind, name) for kind, names in good()["scenarios"]["vocabulary"].items() for name in names]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_a_name_removed_from_the_vocabulary_is_reported_wherever_it_is_used(
    kind: str, name: str, tmp_path: Path
) -> None:
    documents = good()
    vocabulary = documents["scenarios"]["vocabulary"]
    vocabulary[kind].remove(name)
    used = {
        (file, place(path))
        for file, document in documents.items()
        for path, value in values(document)
        if path and value == name and kind in names_of(path)
        if not any(name in vocabulary[other] for other in names_of(path))
    }
    assert reported(tmp_path, documents) == used
    assert used or name in (SPARE, "trend", "wedding")


@pytest.mark.parametrize("category", sample_files.VOCABULARY.categories)
def test_a_category_without_a_gift_is_reported_wherever_it_is_expected(category: str, tmp_path: Path) -> None:
    documents = good()
    documents["scenarios"]["scenarios"][1]["expected_categories"].append("kitchen")
    other = next(name for name in sample_files.VOCABULARY.categories if name != category)
    for gift in documents["catalogue"]["gifts"]:
        gift["category"] = other if gift["category"] == category else gift["category"]
    used = {
        (kind, place(path))
        for kind, document in documents.items()
        for path, value in values(document)
        if path[-2:-1] == ("expected_categories",) and value == category
    }
    assert reported(tmp_path, documents) == used != set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WAYS = [(kind, path) for kind, document in good().items() for path, _ in values(document)]


@in_one_folder
@given(st.sampled_from(WAYS), JSON)
def test_any_value_in_any_place_is_accepted_or_refused(tmp_path: Path, where: Where, value: object) -> None:
    kind, path = where
    documents = good()
    if path:
        at(documents[kind], path[:-1])[path[-1]] = value
    else:
        documents[kind] = value
    reported(tmp_path, documents)


@in_one_folder
@given(st.sampled_from(sorted(good())), st.data())
def test_any_bytes_in_any_place_are_accepted_or_refused(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    documents = good()
    text = json.dumps(documents[kind]).encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))) | st.just(len(text)))
    documents[kind] = text[:start] + data.draw(st.binary(max_size=4)) + text[end:]
    reported(tmp_path, documents)
