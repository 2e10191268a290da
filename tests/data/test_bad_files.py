"""Every fault of a file is refused with its exact place, and the file is not changed.

`tests/bad` holds bad files. In `scenarios`, `held_out` and `catalogue`, a file replaces the valid file of that name; in
`any`, each of the three; in a folder of `together`, several. `expected.txt` holds the messages, line by line.
"""

import json
import os
import re
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data import sample_files
from trm_np.data import load, strict_json
from trm_np.data.load import load_catalogue, load_dataset, load_held_out, load_scenarios
from trm_np.data.problems import DataError

BAD = Path(__file__).resolve().parents[1] / "bad"
KINDS = ("scenarios", "held_out", "catalogue")
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # by a terminal
LOADERS = {
    "scenarios": load_scenarios,
    "held_out": lambda path: load_held_out(path, sample_files.VOCABULARY),
    "catalogue": lambda path: load_catalogue(path, sample_files.VOCABULARY),
}


def expected() -> dict[str, list[str]]:
    """The messages by the bad file, or by the folder of several that are read together."""
    lines: dict[str, list[str]] = defaultdict(list)
    for line in (BAD / "expected.txt").read_text(encoding="utf-8").splitlines():
        file = line.partition(": ")[0]
        lines[os.path.dirname(file) if file.startswith("together/") else file].append(line)
    return lines


EXPECTED = expected()


def sets_of_files(about: str) -> Iterator[dict[str, str]]:
    """The files to load: the bad ones, and valid ones for the rest. A file of `any` replaces each kind in turn."""
    good = {kind: f"good/{kind}.json" for kind in KINDS}
    folder = about.partition("/")[0]
    if folder == "together":
        yield good | {path.stem: f"{about}/{path.name}" for path in (BAD / about).iterdir()}
    else:
        for kind in KINDS if folder == "any" else (folder,):
            yield good | {kind: about}


def without_reason(line: str) -> str:
    """Remove the reason in brackets why text is not JSON, whose words depend on the version of Python."""
    return re.sub(r"not JSON \(.*\)", "not JSON", line)


def problems(**files: str | Path) -> list[str]:
    """Problems that loading three files reports; none if they are good."""
    try:
        load_dataset(*(files[kind] for kind in KINDS))
    except DataError as error:
        return [str(problem) for problem in error.problems]
    return []


# ------------------------------------------------------------------------------------------ bad files


def test_the_table_has_at_least_110_bad_files_with_distinct_messages() -> None:
    kept = {path.relative_to(BAD).as_posix() for path in BAD.glob("[!gt]*/*.json")}
    kept |= {path.relative_to(BAD).as_posix() for path in BAD.glob("together/*")}
    assert kept == set(EXPECTED) and len(kept) >= 110
    said = {tuple(line.partition(": ")[2] for line in lines) for lines in EXPECTED.values()}
    assert len(said) >= 110


def test_the_files_used_beside_bad_ones_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    assert problems(**{kind: f"good/{kind}.json" for kind in KINDS}) == []


@pytest.mark.parametrize("about", EXPECTED)
def test_a_bad_file_has_exactly_the_problems_in_the_table(
    about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    for files in sets_of_files(about):
        found = problems(**files)
        assert list(map(without_reason, found)) == list(map(without_reason, EXPECTED[about]))
        assert all(OBEYED.search(line) is None for line in found)


# ------------------------------------------------------------------- what is not kept: large, deep, or no file


def test_an_extra_comma_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"gifts": [],\n}')
    with pytest.raises(DataError, match=r"line [12] column \d+: found text that is not JSON"):
        load_catalogue(tmp_path / "mine.json", sample_files.VOCABULARY)


@pytest.mark.parametrize("depth", [1_001, 100_000, 2_000_000])
@pytest.mark.parametrize("brackets", [b"[]", b'{"a":}'])
def test_deep_nesting_is_refused_at_any_depth(depth: int, brackets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    opening, closing = brackets[:-1], brackets[-1:]
    path.write_bytes(b'{"gifts": ' + opening * depth + b"0" + closing * depth + b"}")
    with pytest.raises(DataError) as refused:
        load_catalogue(path, sample_files.VOCABULARY)
    # From Python 3.13 on the reader goes deeper, to what the schema refuses.
    problems = refused.value.problems
    assert "nested too deeply" in problems[0].found or all(
        each.place.startswith("gifts") for each in problems
    )


def test_a_value_nested_as_deep_as_python_reads_can_be_shown(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() // 2
    age = b"[" * depth + b"]" * depth
    document = json.dumps(sample_files.training()).encode()
    (tmp_path / "deep.json").write_bytes(document.replace(b'"age": 61', b'"age": ' + age))
    with pytest.raises(DataError) as refused:
        load_scenarios(tmp_path / "deep.json")
    assert refused.value.problems[0].found == "[" * 57 + "..."


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_reported_by_name(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: found no such file; allowed: a file that exists$"):
        LOADERS[kind](tmp_path / "nowhere.json")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found a folder; allowed: a file$"):
        LOADERS[kind](tmp_path)


@pytest.mark.posix
@pytest.mark.parametrize("kind", KINDS)
def test_pipes_and_devices_are_not_opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("it was opened"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "link", "socket", "/dev/zero", "/dev/null"):
            with pytest.raises(DataError, match=f"^{name}: found a device, pipe or socket; allowed: a file$"):
                LOADERS[kind](Path(name))


def test_the_reason_is_reported_if_a_file_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked.json").touch()
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"found a file that cannot be read \(Permission denied\)"):
        strict_json.read_json(tmp_path / "locked.json")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_FILE_BYTES", 100)
    path = tmp_path / "large.json"
    path.write_bytes(b'"' + b"x" * 98 + b'"')
    assert strict_json.read_json(path) == "x" * 98
    path.write_bytes(b'"' + b"x" * 99 + b'"')
    with pytest.raises(DataError, match="found more than 256 MB"):
        strict_json.read_json(path)


def test_control_characters_in_a_file_name_are_escaped(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load_catalogue(tmp_path / "\x1b[2J\u202e\nmine.json", sample_files.VOCABULARY)
    assert str(refused.value).endswith(
        "\\x1b[2J\\u202e\\nmine.json: found no such file; allowed: a file that exists"
    )


# ------------------------------------------------------------------------------------ many problems at once


def write_faulty(folder: Path, faults: dict[str, int]) -> dict[str, Path]:
    """Write the three files with this number of faults in each."""
    documents = {
        "scenarios": sample_files.training(),
        "held_out": sample_files.held_out(),
        "catalogue": sample_files.catalogue(),
    }
    for kind, count in faults.items():
        documents[kind] |= {f"fault {number}": 0 for number in range(count)}
    return sample_files.write(folder, **documents)


def test_an_error_shows_the_first_problem_and_names_the_command_that_lists_all(tmp_path: Path) -> None:
    files = write_faulty(tmp_path, {"scenarios": 2, "catalogue": 3})
    with pytest.raises(DataError) as refused:
        load_dataset(**files)
    assert [Path(problem.file).stem for problem in refused.value.problems] == ["scenarios"] * 2 + [
        "catalogue"
    ] * 3
    first = refused.value.problems[0]
    assert first.found == 'the unknown key "fault 0"'
    assert str(refused.value) == f"{first} (and 4 more; trm-train --check lists them)"
    with pytest.raises(DataError) as refused:
        load_dataset(**write_faulty(tmp_path, {"held_out": 1}))
    assert str(refused.value) == str(refused.value.problems[0])


@pytest.mark.parametrize(
    "values", [("scenarios",), ("held_out",), ("scenarios", "held_out", "catalogue")], ids=str
)
def test_an_error_of_values_names_no_command_which_could_not_read_them(
    values: tuple[str, ...], tmp_path: Path
) -> None:
    files: dict[str, Any] = dict(write_faulty(tmp_path, {"scenarios": 2, "catalogue": 3}))
    given = files | {kind: json.loads(Path(files[kind]).read_bytes()) for kind in values}
    with pytest.raises(DataError) as refused:
        load_dataset(**given)
    assert len(refused.value.problems) == 5
    assert (
        str(refused.value) == f"{refused.value.problems[0]} (and 4 more; `problems` of this error lists them)"
    )


def test_the_number_of_listed_problems_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST_PROBLEMS", 7)
    found = problems(**write_faulty(tmp_path, {"scenarios": 7, "held_out": 8, "catalogue": 2000}))
    assert len(found) == 7 + 8 + 8
    last = "found more than 7 problems; allowed: fewer; the rest is not checked"
    assert [line.endswith(last) for line in found] == [False] * 14 + [True] + [False] * 7 + [True]


def test_suggestions_are_computed_only_when_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr("trm_np.data.problems.closest", lambda name, _: searched.append(name) or "")
    with pytest.raises(DataError):
        load_dataset(**write_faulty(tmp_path, {"catalogue": 2000}))
    assert searched == ["fault 0"]
