"""`trm-train --check`: all that is wrong with the data at once, and nothing is trained or written."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.data import sample_files
from tests.data.test_bad_files import BAD, EXPECTED, KINDS, sets_of_files, without_reason, write_faulty
from tests.training.small_run import SET
from tests.waiting import HANG
from trm_np.cli.check import MOST_LINES
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.cli.train import train

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = dict(zip(KINDS, ("--scenarios", "--held-out", "--catalogue"), strict=True))


@pytest.fixture(autouse=True)
def leave_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


def check(*options: str, **files: str | Path) -> Result:
    data = [word for kind, path in files.items() for word in (OPTIONS[kind], str(path))]
    return CliRunner().invoke(train, ["--check", *data, *options])


def everything_in(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def bad_files_stay() -> Iterator[None]:
    """After all tests that read them, the bad files are as they were, and no other has joined them."""
    before = everything_in(BAD)
    yield
    assert everything_in(BAD) == before


def test_the_shipped_files_are_good() -> None:
    found = check()
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == (
        "nothing is wrong with 25 scenarios to train on, 30 to validate and 30 to test on, and 45 gifts\n"
    )
    assert check("--quiet").output == ""


def test_good_files_as_data(tmp_path: Path) -> None:
    found = check("--json", "--quiet", **write_faulty(tmp_path, {}))
    sizes = {"scenarios": 3, "validation": 1, "test": 2, "gifts": 4, "with_choices": 0}
    assert json.loads(found.stdout) == {"good": sizes, "problems": []}


@pytest.mark.usefixtures("bad_files_stay")
@pytest.mark.parametrize("about", EXPECTED)
def test_a_bad_file_exits_65_with_its_lines_and_nothing_is_written(
    about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    for files in sets_of_files(about):
        found = check(**files)
        assert (found.exit_code, found.stderr) == (65, "")
        assert [*map(without_reason, found.stdout.splitlines())] == [*map(without_reason, EXPECTED[about])]


@pytest.mark.usefixtures("bad_files_stay")
@pytest.mark.parametrize("about", [name for name in EXPECTED if name.startswith("together/")])
def test_training_refuses_with_the_first_line_and_says_what_lists_the_others(
    about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    first, *others = EXPECTED[about]
    more = f" (and {len(others)} more; trm-train --check lists them)" if others else ""
    for files in sets_of_files(about):
        options = [word for kind, path in files.items() for word in (OPTIONS[kind], path)]
        found = CliRunner().invoke(train, [*SET, *options])
        assert (found.exit_code, found.stdout) == (65, "")
        assert without_reason(found.stderr) == without_reason(f"Error: {first}{more}\n")


def test_20_lines_are_shared_out_among_the_files_and_the_rest_is_counted(tmp_path: Path) -> None:
    files = write_faulty(tmp_path, {"scenarios": 5000, "held_out": 3, "catalogue": 50})
    *lines, last = check(**files).stdout.splitlines()
    assert len(lines) == MOST_LINES == 20
    shown = [Path(line.partition(": ")[0]).stem for line in lines]
    assert shown == ["scenarios"] * 9 + ["held_out"] * 3 + ["catalogue"] * 8
    assert last == f"and {5053 - 20} more"
    twenty = write_faulty(tmp_path, {"held_out": 20, "scenarios": 0, "catalogue": 0})
    assert len(check(**twenty).stdout.splitlines()) == 20 and "more" not in check(**twenty).stdout


def test_a_shipped_file_that_does_not_fit_is_named_with_the_option_for_another(tmp_path: Path) -> None:
    training = sample_files.write(tmp_path, training=sample_files.training())["training"]
    first = check(**{KINDS[0]: training}).stdout.splitlines()[0]
    assert first.startswith("held_out_scenarios.json (shipped; yours: --held-out): validation[0].profile")


def test_json_has_all_problems_and_their_parts(tmp_path: Path) -> None:
    found = check("--json", **write_faulty(tmp_path, {"scenarios": 30, "catalogue": 1}))
    assert (found.exit_code, found.stderr) == (65, "")
    document = json.loads(found.stdout)
    assert (document["good"], len(document["problems"])) == (None, 31)
    sample_files.write(tmp_path, held_out=sample_files.held_out(), scenarios=sample_files.training())
    catalogue = sample_files.catalogue()
    catalogue["gifts"][1]["tags"] = ["gardn"]
    path = sample_files.write(tmp_path, catalogue=catalogue)["catalogue"]
    again = check("--json", **{kind: tmp_path / f"{kind}.json" for kind in KINDS})
    assert json.loads(again.stdout)["problems"] == [
        {
            "file": str(path),
            "place": "gifts[1].tags[0]",
            "found": '"gardn"',
            "allowed": "one of garden, cooking, reading, practical, luxury",
            "suggestion": "garden",
        }
    ]


def test_a_wrong_option_is_refused_before_the_data_are_looked_at() -> None:
    found = check("--preset", "tyni", scenarios="nowhere.json")
    assert (found.exit_code, found.stdout) == (2, "")


@pytest.mark.posix
def test_a_pipe_that_nobody_writes_to_does_not_hang_the_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, str(ROOT / "bin" / "trm-train"), "--check", "--scenarios", "pipe"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 65
    assert done.stdout.splitlines() == ["pipe: found a device, pipe or socket; allowed: a file"]
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_choices_are_counted(tmp_path: Path) -> None:
    documents = {"scenarios": sample_files.training(), "held_out": sample_files.held_out()}
    documents["scenarios"]["scenarios"][0]["chosen"] = ["pan"]
    documents["held_out"]["test"][1]["chosen"] = {"pan": 2, "seeds": 1}
    paths = sample_files.write(tmp_path, **documents, catalogue=sample_files.catalogue())
    assert check(**paths).stdout.endswith(" and 4 gifts; 2 of the scenarios say what was chosen\n")
    one_list = {"scenarios": documents["held_out"]["test"]}
    paths |= sample_files.write(tmp_path, held_out=one_list)
    assert json.loads(check("--json", **paths).stdout)["good"]["with_choices"] == 2
