"""A user's text comes back as it was written, whatever it is written in, and wherever the program runs."""

import ast
import json
import os
import shlex
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.data import sample_files
from tests.hostile.forging import content_of, forged, smallest
from tests.some_quick import some_quick
from tests.training.small_run import SET
from tests.waiting import HANG
from trm_np.cli import trm as trm_group
from trm_np.cli.train import train as trm_train
from trm_np.data.load import load_dataset
from trm_np.data.words import Words
from trm_np.storage.checkpoint import load_model
from trm_np.text import printable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = 'it\'s a "földer" 🎁'
NAMES = (
    "ığdır",  # Turkish, with dotless and dotted i
    "İzmir",
    "Iğdır",
    "caf\u00e9",  # composed
    "cafe\u0301 noir",  # decomposed
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Korean, decomposed
    "שלום עולם",
    "مرحبا\u200f",  # with a mark of direction
    "می\u200cخواهم",  # Persian, with a letter that does not join
    "👨\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e007f",
    "キムチ\u3000鍋",
    "a\u00a0b",
    "q\"\\'{}%s",
)
LISTS = ("categories", "hobbies", "preferences", "relationships", "occasions")
PLACES: dict[str, dict[str, str]] = {
    "UTF-8": {"LANG": "C.UTF-8"},
    "C": {"LANG": "C", "LC_ALL": "C"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def documents() -> dict[str, Any]:
    """Every name of every list is one of these texts, and so are the names of scenarios, gifts and sellers."""
    vocabulary = {kind: [f"{name} {kind[:3]}" for name in NAMES] for kind in LISTS}
    scenarios = [
        {
            "name": f"scenario {name}",
            "profile": {
                "age": 40,
                "hobbies": [vocabulary["hobbies"][place]],
                "relationship": vocabulary["relationships"][place],
                "budget": 50,
                "occasion": vocabulary["occasions"][place],
                "preferences": [vocabulary["preferences"][place]],
            },
            "expected_categories": [vocabulary["categories"][place]],
            "expected_tools": ["price_comparison", "review_analysis"],
        }
        for place, name in enumerate(NAMES)
    ]
    gifts = [
        sample_files.gift(f"id {name}", vocabulary["categories"][place], 20, [vocabulary["hobbies"][place]])
        | {
            "name": f"gift {name}",
            "occasions": [vocabulary["occasions"][place]],
            "offers": [{"seller": f"by {name}", "price": 20, "shipping_days": 1}],
        }
        for place, name in enumerate(NAMES)
    ]
    vocabulary["tools"] = ["price_comparison", "review_analysis", f"tool {NAMES[0]}"]
    return {
        "scenarios": {"vocabulary": vocabulary, "scenarios": scenarios},
        "held_out": {"scenarios": scenarios},
        "catalogue": {"gifts": gifts},
    }


def as_windows_writes_it(value: object) -> bytes:
    return b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\r\n").encode()


def trm(
    folder: Path, *args: str, place: str = "UTF-8", text: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """The command in a process of its own, in the folder, at a place that writes in its own way."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    command = [sys.executable, str(ROOT / "bin" / "trm"), *args]
    return subprocess.run(
        command, cwd=folder, env=kept | PLACES[place], input=text, capture_output=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained for a moment in LANG=C, on files with a byte order mark and carriage returns."""
    try:
        os.fsencode(FOLDER)
    except UnicodeEncodeError:
        pytest.skip("the tests themselves run where no such folder can be named")
    folder = tmp_path_factory.mktemp("text") / FOLDER
    folder.mkdir()
    for name, document in documents().items():
        (folder / f"{name}.json").write_bytes(as_windows_writes_it(document))
    data = shlex.split("--scenarios scenarios.json --held-out held_out.json --catalogue catalogue.json")
    done = trm(folder, "train", *SET, "--epochs", "1", *data, "--out", "rün 'x'", "--quiet", place="C")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return folder


MODEL = "rün 'x'/best.npz"


def test_what_is_stored_is_what_was_written(folder: Path) -> None:
    stored = load_model(folder / MODEL)
    written = documents()
    assert {kind: list(names) for kind, names in stored.vocabulary.lists.items()} == (
        written["scenarios"]["vocabulary"]
    )
    loaded = load_dataset(*(folder / f"{kind}.json" for kind in ("scenarios", "held_out", "catalogue")))
    assert (stored.scenarios, stored.gifts) == (loaded.train, loaded.gifts)
    for gift, given in zip(stored.gifts, written["catalogue"]["gifts"], strict=True):
        assert (gift.id, gift.name, list(gift.tags)) == (given["id"], given["name"], given["tags"])
        assert gift.offers[0].seller == given["offers"][0]["seller"]
    assert [scenario.name for scenario in stored.scenarios] == [f"scenario {name}" for name in NAMES]


# Each place starts processes; the quick tests try the one that can write least.
@pytest.mark.parametrize("place", some_quick(PLACES, "ASCII".__eq__))
def test_json_gives_names_back_wherever_it_runs_and_however_they_are_given(folder: Path, place: str) -> None:
    vocabulary = documents()["scenarios"]["vocabulary"]
    profile = {
        "hobbies": vocabulary["hobbies"],
        "preferences": vocabulary["preferences"],
        "relationship": vocabulary["relationships"][0],
        "occasion": vocabulary["occasions"][4],
    }
    (folder / "who.json").write_bytes(as_windows_writes_it(profile))
    options = [f"--{key}={profile[key]}" for key in ("relationship", "occasion")]
    options += [f"--hobby={name}" for name in profile["hobbies"]]
    options += [f"--preference={name}" for name in profile["preferences"]]
    asked = [
        trm(folder, "recommend", MODEL, "--json", "-k", "100", *way, place=place, text=text)
        for way, text in (
            (options, b""),
            (["--profile", "who.json"], b""),
            (["--profile", "-"], as_windows_writes_it(profile)),
        )
    ]
    for done in asked:
        found = json.loads(done.stdout)
        assert done.returncode == 0 and b"is not known" not in done.stderr
        assert {key: found["profile"][key] for key in profile} == profile
        assert {gift["name"] for gift in found["gifts"]} == {f"gift {name}" for name in NAMES}
        assert {gift["id"] for gift in found["gifts"]} == {f"id {name}" for name in NAMES}
        assert set(found["categories"]) == set(vocabulary["categories"])
        assert set(found["tool_probabilities"]) == set(vocabulary["tools"])
    assert len({done.stdout for done in asked}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_the_table_gives_names_back_wherever_it_runs(folder: Path, place: str) -> None:
    vocabulary = documents()["scenarios"]["vocabulary"]
    hobby = vocabulary["hobbies"][0]
    done = trm(folder, "recommend", MODEL, "--hobby", hobby, "-k", "100", place=place)
    assert done.returncode == 0
    rows = done.stdout.decode().split("\n")
    for name, category in zip(NAMES, vocabulary["categories"], strict=True):
        assert sum(f"  gift {name}  " in row and f"  {category}  " in row for row in rows) == 1
    assert f"for their {hobby}" in done.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_what_a_model_knows_is_shown_as_it_was_written(folder: Path, place: str) -> None:
    vocabulary = documents()["scenarios"]["vocabulary"]
    found = trm(folder, "inspect", MODEL, "--json", place=place)
    coverage = json.loads(found.stdout)["coverage"]
    assert {kind: list(coverage[kind]) for kind in vocabulary} == vocabulary
    text = trm(folder, "inspect", MODEL, place=place).stdout.decode()
    assert all(name.split(" ")[0] in text for name in NAMES)


def test_a_name_in_another_unicode_form_or_in_capitals_is_known_and_comes_back_as_in_the_vocabulary(
    folder: Path,
) -> None:
    hobbies = documents()["scenarios"]["vocabulary"]["hobbies"]
    for form in ("NFC", "NFD"):
        given = [unicodedata.normalize(form, name) for name in hobbies]
        assert given != hobbies
        done = trm(folder, "recommend", MODEL, "--json", *(f"--hobby={name}" for name in given))
        assert json.loads(done.stdout)["profile"]["hobbies"] == hobbies


@pytest.mark.parametrize(
    ("given", "names", "known"),
    [
        ("İZMİR", ("izmir",), "izmir"),
        ("IĞDIR", ("ığdır",), "ığdır"),
        ("izmir", ("İZMİR",), "İZMİR"),
        ("ilik", ("ılık",), "ılık"),
        ("ILIK", ("ılık", "ilik"), None),  # two words: the one that is meant cannot be told
        ("ilik", ("ılık", "ilik"), "ilik"),
        ("z\u0307", ("z",), None),  # a dot that is another letter
    ],
)
def test_turkish_letters_are_known_in_either_case(
    given: str, names: tuple[str, ...], known: str | None
) -> None:
    assert Words(names, {}).meaning(given).name == known


def test_a_terminal_is_given_text_and_no_commands() -> None:
    for name in NAMES:
        assert printable(name) == name
    assert printable("\x1b[2J\x9b\r\n\u2028\ud800") == r"\x1b[2J\x9b\r\n\u2028\ud800"
    assert printable("\u202aa\u202eb\u2066c\u2069") == r"\u202aa\u202eb\u2066c\u2069"


@pytest.mark.slow
def test_a_model_is_judged_where_no_letters_beyond_ascii_are_known(folder: Path) -> None:
    done = trm(folder, "evaluate", MODEL, "--held-out", "held_out.json", place="ASCII")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "ığdır cat" in done.stdout.decode()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are sent with os.kill")
def test_the_command_to_go_on_works_in_a_folder_with_spaces_and_quotes(folder: Path) -> None:
    data = shlex.split("--scenarios scenarios.json --held-out held_out.json --catalogue catalogue.json")
    options = [*SET, "--epochs", "4", "--set", "training.evaluate_every=1", *data]
    command = [str(ROOT / "bin" / "trm-train"), *options, "--out", 'it\'s "another" rün']
    held = [sys.executable, str(ROOT / "tests" / "reliability" / "held.py"), *command]
    with subprocess.Popen(held, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        while not (line := run.stderr.readline()).startswith("epoch   1 "):
            assert line
        run.send_signal(signal.SIGTERM)
        last = run.communicate(timeout=HANG)[1].splitlines()[-1]
    assert run.returncode == 143
    again = shlex.split(last.partition("go on with: ")[2])
    assert again[:-1] == command and again[-1] == "--resume"
    done = subprocess.run([sys.executable, *again], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def is_safe(shown: ast.expr) -> bool:
    """Whether what is shown is written in the source, or JSON, or has gone through `printable`."""
    if isinstance(shown, ast.IfExp):
        return is_safe(shown.body) and is_safe(shown.orelse)
    if isinstance(shown, ast.Call):
        return ast.unparse(shown.func) in ("json.dumps", "printable", "printable_lines")
    return isinstance(shown, ast.Constant)


OF_THE_PROGRAM = {
    "click.echo(ctx.get_help(), err=True)",
    "click.echo(replies.text, nl=False)",  # JSON
}


@pytest.mark.parametrize("path", sorted((ROOT / "trm_np" / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_what_comes_from_a_file_is_shown_by_the_one_function_that_shows_text(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.echo"
    ]
    raw = [ast.unparse(call) for call in calls if call.args and not is_safe(call.args[0])]
    assert set(raw) <= OF_THE_PROGRAM


ESCAPE = "\x1b[31m"


def with_escapes(value: Any) -> Any:
    """The same JSON with an escape sequence in every text and every key."""
    if isinstance(value, dict):
        return {f"{key}{ESCAPE}": with_escapes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_escapes(item) for item in value]
    return f"{value}{ESCAPE}" if isinstance(value, str) else value


def test_no_text_of_a_model_file_commands_the_terminal(tmp_path: Path) -> None:
    header, content = content_of(smallest())
    free = {"metrics": with_escapes(header["metrics"]), "note": ESCAPE}
    config = header["config"] | {"preset": ESCAPE, "recipe": ESCAPE}
    spoilt = [{name: with_escapes(header[name])} for name in header] + [{**free, "config": config}]
    for number, changed in enumerate(spoilt):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(forged(header | changed, content))
        for command in (["inspect", str(path)], ["recommend", str(path), "--age", "30"]):
            found = CliRunner().invoke(trm_group, command)
            assert "\x1b" not in found.stdout + found.stderr
            assert found.exit_code in (0, 65)


def test_no_text_of_a_training_file_commands_the_terminal(tmp_path: Path) -> None:
    options = ["--epochs", "1", "--out", str(tmp_path), *SET]
    assert CliRunner().invoke(trm_train, options).exit_code == 0
    last = tmp_path / "last.npz"
    header, content = content_of(last.read_bytes())
    conditions = with_escapes(header["conditions"])
    spoilt = {name: value for name, value in zip(header["conditions"], conditions.values(), strict=True)}
    last.write_bytes(forged(header | {"conditions": spoilt}, content))
    found = CliRunner().invoke(trm_train, [*options, "--resume"])
    assert "Warning: the bits may differ" in found.stderr and "\\x1b[31m" in found.stderr
    assert "\x1b" not in found.stdout + found.stderr
