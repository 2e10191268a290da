"""Every way in which a file can be wrong is refused with its exact place, and the file is left as it was."""

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data import sample_files
from trm_np.data import strict_json
from trm_np.data.load import load_catalogue, load_held_out, load_scenarios
from trm_np.data.problems import DataError

VOCABULARY = sample_files.VOCABULARY
ABSENT = object()

DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "scenarios": sample_files.training,
    "held_out": sample_files.held_out,
    "catalogue": sample_files.catalogue,
}
LOADERS: dict[str, Callable[[Path], object]] = {
    "scenarios": load_scenarios,
    "held_out": lambda path: load_held_out(path, VOCABULARY),
    "catalogue": lambda path: load_catalogue(path, VOCABULARY),
}

# the place, the value put there, what the message says
VALUES = [
    ("scenarios", {}, "found {}; allowed: a list of at least 2"),
    ("scenarios", [sample_files.scenario("alone")], "found a list of 1; allowed: a list of"),
    ("scenarios[1]", "friend", 'found "friend"; allowed: an object with name, profile'),
    ("scenarios[1].name", "", 'found ""; allowed: text'),
    ("scenarios[1].name", " \t", 'found " \\t"; allowed: text'),
    ("scenarios[1].name", 7, "found 7; allowed: text"),
    ("scenarios[1].name", "a\x1b[2Jb", 'found "a\\u001b[2Jb"; allowed: text on one'),
    ("scenarios[1].name", "\ud800", 'found "\\ud800"; allowed: text'),
    ("scenarios[1].name", "mother in the garden",
     "again; allowed: a value not used before; scenarios[0].name has it"),
    ("scenarios[1].profile", None, "found null; allowed: an object with age"),
    ("scenarios[0].profile.age", "abc", 'found "abc"; allowed: a number from 0 to 120'),
    ("scenarios[0].profile.age", True, "found true; allowed: a number"),
    ("scenarios[0].profile.age", -1, "found -1"),
    ("scenarios[0].profile.age", 120.5, "found 120.5"),
    ("scenarios[0].profile.age", [34], "found [34]"),
    ("scenarios[0].profile.age", math.nan, "found NaN; allowed: a number"),
    ("scenarios[0].profile.budget", -math.inf, "found -Infinity"),
    ("scenarios[0].profile.budget", 0, "found 0; allowed: a number above 0, at most 1000000"),
    ("scenarios[0].profile.budget", 1000001, "found 1000001"),
    ("scenarios[0].profile.budget", "$50", 'found "$50"'),
    ("scenarios[0].profile.budget", False, "found false"),
    ("scenarios[0].profile.hobbies", "garden", "allowed: a list"),
    ("scenarios[0].profile.hobbies[1]", "Gardn",
     'found "Gardn"; allowed: one of garden, cooking, reading; did you mean "garden"?'),
    ("scenarios[0].profile.hobbies[1]", "garden",
     '"garden" again; allowed: a value not used before; scenarios[0].profile.hobbies[0] has it'),
    ("scenarios[0].profile.hobbies[1]", None, "found null; allowed: one of"),
    ("scenarios[0].profile.preferences[0]", "luxurious", 'did you mean "luxury"?'),
    ("scenarios[0].profile.relationship", "xyz", "allowed: one of mother, friend"),
    ("scenarios[0].profile.occasion", ["wedding"], 'found ["wedding"]'),
    ("scenarios[2].expected_categories", [], "allowed: a list of at least 1"),
    ("scenarios[2].expected_categories[1]", "garden", "again"),
    ("scenarios[2].expected_categories[1]", "cellar", "allowed: one of garden, kitchen, library"),
    ("scenarios[2].expected_tools", [], "found a list of 0"),
    ("scenarios[2].expected_tools[0]", "Reviews", 'mean "review"?'),
    ("vocabulary", None, "found null; allowed: an object with categories"),
    ("vocabulary.tools[1]", "compare", '"compare" again'),
    ("vocabulary.tools[1]", 3, "found 3; allowed: text"),
    ("test", [], "found a list of 0; allowed: a list of at least 1"),
    ("test[1].name", "mother who reads", "validation[0].name has it"),
    ("test[1].profile.age", "old", 'found "old"'),
    ("gifts", [], "found a list of 0; allowed: a list of at least 3"),
    ("gifts[1].id", "trowel", '"trowel" again; allowed: a value not used before; gifts[0].id'),
    ("gifts[1].id", 12, "found 12; allowed: text"),
    ("gifts[1].category", "kitchens", 'did you mean "kitchen"?'),
    ("gifts[1].price", 0, "found 0; allowed: a number above 0"),
    ("gifts[1].rating", 5.1, "found 5.1; allowed: a number from 1 to 5"),
    ("gifts[1].rating", None, "found null"),
    ("gifts[1].tags[0]", "birthday", "allowed: one of garden, cooking, reading, practical, luxury"),
    ("gifts[1].age_range", [30, 20], "found [30, 20]; allowed: the youngest age first"),
    ("gifts[1].age_range", [30], "found a list of 1; allowed: a list of 2"),
    ("gifts[1].age_range[1]", 40.5, "found 40.5; allowed: an integer from 0 to 120"),
    ("gifts[1].occasions[0]", "birthdays", 'did you mean "birthday"?'),
    ("gifts[1].offers", [], "allowed: a list of at least 1"),
    ("gifts[1].offers[0].price", -3, "found -3"),
    ("gifts[1].offers[0].shipping_days", 1.5, "found 1.5; allowed: an int"),
    ("gifts[1].offers[0].shipping_days", -1, "found -1"),
    ("gifts[1].offers[0].seller", "", "allowed: text"),
    ("gifts[1].stock", -1, "found -1; allowed: an integer from 0 to 1000000000"),
    ("gifts[1].stock", 3.0, "found 3.0; allowed: an integer"),
    ("gifts[1].stock", True, "found true"),
    ("gifts[1].stock", 10**300, "found 1000"),
    ("gifts[1].reviews", [1, 2, 3, 4], "found a list of 4; allowed: a list of 5"),
    ("gifts[1].reviews[2]", -2, "found -2"),
    ("gifts[1].weekly_sales", [1] * 13, "found a list of 13; allowed: a list of 12"),
    ("gifts[1].weekly_sales[11]", "9", 'found "9"'),
]  # fmt: skip

# file, a key, its value (ABSENT takes the key away), what the message says; the place is the object around it
KEYS = [
    ("scenarios", "scenarios", ABSENT, 'found no key "scenarios"'),
    ("scenarios", "scenarois", [],
     'unknown key "scenarois"; allowed: vocabulary, scenarios; did you mean "scenarios"?'),
    ("scenarios", "scenarios[1].name", ABSENT, 'found no key "name"'),
    ("scenarios", "scenarios[0].profile.ege", 61, 'preferences; did you mean "age"?'),
    ("scenarios", "scenarios[2].expected_tools", ABSENT, 'found no key "expected_tools"'),
    ("scenarios", "vocabulary.hobby", [], 'unknown key "hobby"'),
    ("held_out", "test", ABSENT, 'found no key "test"'),
    ("held_out", "vocabulary", {}, 'unknown key "vocabulary"; allowed: validation, test'),
    ("catalogue", "gifts[1].price", ABSENT, 'found no key "price"'),
    ("catalogue", "gifts[1].prise", 3, 'unknown key "prise"'),
]  # fmt: skip

# file, the text replaced, its replacement, the place named, what the message says
TEXTS = [
    ("scenarios", '"age": 61', '"age": 1e999', "scenarios[0].profile.age", "found Infinity"),
    ("scenarios", "61", "9" * 5000, "scenarios[0].profile.age", "found Infinity"),
    ("scenarios", "61", '61, "age": 62', "scenarios[0].profile", 'the key "age" more than once'),
    ("scenarios", '"age": 61', '"\\ud800": 61', "scenarios[0].profile", 'the unknown key "\\ud800"'),
    ("scenarios", '"age": 61', '"age": 61,', "line 1 column ", "text that is not JSON"),
    ("scenarios", '"age": 61', "'age': 61", "line 1 column ", "text that is not JSON"),
    ("catalogue", '"price": 25', '"price": 1e-999', "gifts[0].price", "found 0.0"),
    ("catalogue", '"stock": 3', '"stock": -Infinity', "gifts[0].stock", "found -Infinity"),
]

RAW = [
    (b"", "", "an empty file"),
    (b" \r\n\t", "", "an empty file"),
    (b"\xef\xbb\xbf", "", "an empty file"),
    (b'{"scenarios": "caf\xe9"}', "byte 18", "text that is not UTF-8"),
    ('{"scenarios": []}'.encode("utf-16"), "byte 0", "text that is not UTF-8"),
    (b'{"scenarios": [', "line 1 column 16", "text that is not JSON"),
    (b"{}\n{}", "line 2 column 1", "text that is not JSON"),
    (b"\x00", "line 1 column 1", "text that is not JSON"),
    (b'"scenarios"', "", 'found "scenarios"; allowed: an object'),
    (b"[]", "", "found []; allowed: an object"),
    (b"null", "", "found null; allowed: an object"),
    (b"17", "", "found 17; allowed: an object"),
    pytest.param(b"[" * 200_000 + b"]" * 200_000, "", "nested too deeply", id="deep"),
]


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[[str, bytes], DataError]]:
    """Load these bytes as such a file, and return the error; in the end the folder must hold them alone."""
    written: dict[Path, bytes] = {}

    def load(kind: str, data: bytes) -> DataError:
        path = tmp_path / "mine.json"
        path.write_bytes(data)
        written[path] = data
        with pytest.raises(DataError) as caught:
            LOADERS[kind](path)
        return caught.value

    yield load
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == written


def put(document: dict[str, Any], where: str, value: object) -> bytes:
    """The document as JSON, with the value at a place such as `gifts[1].price`."""
    *parents, last = (int(key) if key.isdigit() else key for key in re.findall(r"\w+", where))
    target: Any = document
    for key in parents:
        target = target[key]
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(("where", "value", "says"), VALUES)
def test_a_wrong_value_is_one_problem_at_its_place(
    refused: Callable[[str, bytes], DataError], where: str, value: object, says: str
) -> None:
    kind = next(kind for kind, document in DOCUMENTS.items() if re.split(r"\W", where)[0] in document())
    error = refused(kind, put(DOCUMENTS[kind](), where, value))
    assert error.problems[0].place == where
    assert says in str(error.problems[0])
    assert str(error).isprintable()
    # Only a name taken from the vocabulary is also missed wherever it was used.
    assert len(error.problems) == 1 or where.startswith("vocabulary")


@pytest.mark.parametrize(("kind", "where", "value", "says"), KEYS)
def test_a_wrong_key_is_one_problem_in_the_object_around_it(
    refused: Callable[[str, bytes], DataError], kind: str, where: str, value: object, says: str
) -> None:
    error = refused(kind, put(DOCUMENTS[kind](), where, value))
    assert [problem.place for problem in error.problems] == [where.rpartition(".")[0]]
    assert says in str(error)


@pytest.mark.parametrize(("kind", "old", "new", "place", "says"), TEXTS)
def test_what_python_forgives_in_json_is_refused(
    refused: Callable[[str, bytes], DataError], kind: str, old: str, new: str, place: str, says: str
) -> None:
    text = json.dumps(DOCUMENTS[kind]())
    assert old in text
    error = refused(kind, text.replace(old, new, 1).encode())
    assert error.problems[0].place.startswith(place)
    assert says in str(error)


@pytest.mark.parametrize("kind", sorted(LOADERS))
@pytest.mark.parametrize(("data", "place", "says"), RAW)
def test_a_file_that_is_not_an_object_in_json_is_refused(
    refused: Callable[[str, bytes], DataError], kind: str, data: bytes, place: str, says: str
) -> None:
    error = refused(kind, data)
    assert error.problems[0].place == place
    assert says in str(error)


def test_all_problems_are_reported_in_file_order(refused: Callable[[str, bytes], DataError]) -> None:
    document = sample_files.training()
    document["vocabulary"]["tools"].append("trend")
    document["scenarios"][0]["profile"] |= {"age": 400, "occasion": "birthdya"}
    document["scenarios"][1]["expected_tools"] = ["revew"]
    document["scenarios"][2]["name"] = "friend at the stove"
    error = refused("scenarios", json.dumps(document).encode())
    assert [problem.place for problem in error.problems] == [
        "vocabulary.tools[3]",
        "scenarios[0].profile.age",
        "scenarios[0].profile.occasion",
        "scenarios[1].expected_tools[0]",
        "scenarios[2].name",
    ]
    assert str(error) == f"{error.problems[0]} (and 4 more)"


@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_a_missing_file_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: found no such file; allowed: a file that exists$"):
        LOADERS[kind](tmp_path / "nowhere.json")


@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_a_folder_is_not_a_file(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found a folder; allowed: a file$"):
        LOADERS[kind](tmp_path)


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"found a file that cannot be read \(Permission denied\)"):
        strict_json.read_json(tmp_path / "locked.json")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_BYTES", 100)
    path = tmp_path / "large.json"
    path.write_bytes(b'"' + b"x" * 98 + b'"')
    assert strict_json.read_json(path) == "x" * 98
    path.write_bytes(b'"' + b"x" * 99 + b'"')
    with pytest.raises(DataError, match="found more than 64 MB"):
        strict_json.read_json(path)


def test_a_value_as_deep_as_python_can_read_is_still_shown(
    refused: Callable[[str, bytes], DataError],
) -> None:
    depth = sys.getrecursionlimit() // 2
    age = b"[" * depth + b"]" * depth
    data = json.dumps(sample_files.training()).encode().replace(b'"age": 61', b'"age": ' + age)
    error = refused("scenarios", data)
    assert error.problems[0].found == "[" * 57 + "..."
