"""`trm recommend` as a user meets it: the table, JSON, batches answered line by line, and what is refused."""

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.recommend.stored_models import trained, write_trained
from tests.recommend.test_alone_and_in_batch import nearly
from tests.recommend.test_recommender import perfect_for
from tests.waiting import HANG
from trm_np.cli.recommend import WIDTH, recommend
from trm_np.data.records import Profile
from trm_np.recommend.recommender import Recommender
from trm_np.recommend.terms import Terms

ROOT = Path(__file__).resolve().parents[2]
PERSON = shlex.split(
    "--age 58 --budget 120 --hobby cooking --hobby gardening --relationship mother --occasion birthday"
)
CHRISTMAS = shlex.split("--occasion christmas --preference natural --preference sustainable")
PROFILE = {
    "age": 58,
    "budget": 120,
    "hobbies": ["cooking", "gardening"],
    "relationship": "mother",
    "occasion": "birthday",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_trained(tmp_path_factory.mktemp("model") / "best.npz"))


def run(*args: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(recommend, [str(arg) for arg in args], input=text)


def process(*args: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, which hears Ctrl-C even where the tests run in the background."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from trm_np.cli.recommend import recommend; recommend()"
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code, *args], text=True, cwd=ROOT, **pipes)


def catalogue(path: Path, *gifts: Any) -> Path:
    path.write_text(json.dumps({"gifts": [asdict(gift) for gift in gifts]}), encoding="utf-8")
    return path


# What `trm recommend` loads besides NumPy, click and what these two load: rooms of this project, and packages of the
# standard library. Each has its price: `logging` or `numpy.random` is a twentieth of the time to the first answer.
ROOMS = {
    *("autograd", "cli", "config", "data", "deadline", "model", "process", "recommend"),
    *("start", "storage", "systems", "text", "world"),
}
STANDARD = {
    *(
        "atexit",
        "copy",
        "dataclasses",
        "gc",
        "hashlib",
        "heapq",
        "json",
        "pathlib",
        "pkgutil",
        "unicodedata",
        "zlib",
    ),
    *(
        "encodings",
        "fcntl",
        "fnmatch",
        "glob",
        "grp",
        "importlib",
        "ipaddress",
        "locale",
        "ntpath",
        "pwd",
        "urllib",
    ),
    "signal",
}
OF_NUMPY = {"numpy.typing", "numpy._typing._add_docstring"}
LOADING = """
import json, sys
import click, numpy
before = set(sys.modules)
from trm_np.start import trm
try:
    trm()
finally:
    print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.skipif(os.name != "posix", reason="Python loads other modules of its own elsewhere")
def test_the_way_to_the_first_answer_loads_little(model: str) -> None:
    command = [sys.executable, "-c", LOADING, "recommend", model, *PERSON]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANG)
    loaded = {name for name in json.loads(done.stdout.splitlines()[-1]) if not name.startswith("_")}
    ours = {name for name in loaded if name.startswith("trm_np")}
    assert {name.split(".")[1] for name in ours - {"trm_np"}} == ROOMS
    others = loaded - ours - OF_NUMPY
    assert {name if name.startswith("numpy") else name.split(".")[0] for name in others} <= STANDARD


# ---------------------------------------------------------------------------------------- one person


def test_a_person_gets_a_table_with_reasons_and_what_stands_behind_it(model: str) -> None:
    result = run(model, *PERSON)
    assert (result.exit_code, result.stderr) == (0, "")
    found = Recommender.load(model).recommend(PROFILE)
    lines = result.stdout.splitlines()
    assert re.fullmatch(r" +gift +category +price +reward", lines[0])
    rows = [line for line in lines if re.match(r" +\d  ", line)]
    for rank, (row, gift) in enumerate(zip(rows, found.gifts, strict=True), 1):
        assert row.startswith(f"{rank:>3}  {gift.name}") and row.endswith(f" {gift.predicted_reward:.2f}")
        assert f" {gift.category} " in row
    text = " ".join(result.stdout.split())
    for gift in found.gifts:
        assert "; ".join(gift.reasons) in text
    for tool in found.tools:
        assert f"{tool.name} {tool.probability:.2f}: {tool.found}" in text
    likely = ", ".join(f"{name} {value:.2f}" for name, value in list(found.categories.items())[:3])
    assert f"categories: {likely} tools: " in text
    assert lines[-1] == f"steps: {found.steps} of {found.most_steps}"


def test_json_is_the_answer_of_the_recommender(model: str, tmp_path: Path) -> None:
    expected = json.loads(json.dumps(Recommender.load(model).recommend(PROFILE, k=5, days_left=2).to_dict()))
    (tmp_path / "who.json").write_text(json.dumps(PROFILE, indent=2))
    for way in (PERSON, ["--profile", tmp_path / "who.json"]):
        result = run(model, *way, "-k", "5", "--days-left", "2", "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        assert json.loads(result.stdout) == expected


def test_options_and_the_recommender_agree_on_what_nobody_says(model: str) -> None:
    arguments = inspect.signature(Recommender.recommend).parameters
    assert all(arguments[name].default == value for name, value in Terms()._asdict().items())
    said = json.loads(run(model, *PERSON, "--json").stdout)
    assert said == json.loads(json.dumps(Recommender.load(model).recommend(PROFILE).to_dict()))


def test_the_price_is_the_best_offer_if_prices_were_compared(model: str) -> None:
    rows = 0
    for person in (["--preference", "affordable"], ["--preference", "quality", "--preference", "luxury"]):
        found = json.loads(run(model, *person, "--json").stdout)
        text = run(model, *person).stdout
        compared = any(tool["name"] == "price_comparison" for tool in found["tools"])
        for gift in found["gifts"]:
            offer = gift["offer"]
            assert (offer is not None) == compared
            assert (f" at {offer['seller']}" if offer else f"${gift['price']:g} ") in text
            rows += 1
    assert rows == 6


def test_a_gift_added_after_training_reaches_the_top_three(model: str, tmp_path: Path) -> None:
    profile = Profile(30.0, ("photography", "travel"), "sister", 200.0, "birthday", ("practical",))
    new = perfect_for(profile, "technology")
    path = catalogue(tmp_path / "more.json", *trained().gifts, new)
    person = "--age 30 --budget 200 --hobby photography --hobby travel --preference practical"
    options = [*person.split(), "--relationship", "sister", "--occasion", "birthday"]
    assert "Brand-New Gift" not in run(model, *options).stdout
    assert "Brand-New Gift" in run(model, *options, "--catalogue", path).stdout


def test_long_names_are_cut_and_long_reasons_wrapped(model: str, tmp_path: Path) -> None:
    gifts = [
        replace(
            gift,
            name=f"{number} {'very ' * 40}long",
            offers=tuple(replace(offer, seller="Seller " * 30) for offer in gift.offers),
        )
        for number, gift in enumerate(trained().gifts)
    ]
    path = catalogue(tmp_path / "long.json", *gifts)
    result = run(model, *PERSON, "--preference", "affordable", "--catalogue", path, "-k", "12", "--any-age")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= WIDTH
    assert len([line for line in result.stdout.splitlines() if re.match(r" +\d+  \d+ very ", line)]) == 12


def test_a_name_cannot_command_the_terminal(model: str, tmp_path: Path) -> None:
    gifts = [replace(gift, name=f"a\u202eb{number}") for number, gift in enumerate(trained().gifts)]
    result = run(model, *PERSON, "--catalogue", catalogue(tmp_path / "odd.json", *gifts))
    assert "\\u202e" in result.stdout and "\u202e" not in result.stdout


def test_warnings_go_to_stderr_and_into_the_document(model: str) -> None:
    odd = ["--hobby", "cookin", "--age", "70", "--budget", "120"]
    result = run(model, *odd)
    assert result.exit_code == 0 and "Warning" not in result.stdout
    first, second = result.stderr.splitlines()
    assert first == (
        'Warning: options: "cookin" is not known and counts as missing; the closest known: cooking'
    )
    assert second.startswith("Warning: age 70: the model has learned from 19 to 68")
    document = run(model, *odd, "--json")
    assert [f"Warning: {each}" for each in json.loads(document.stdout)["warnings"]] == [first, second]


def test_more_than_there_is(model: str) -> None:
    everything = ["-k", "100", "--any-age", "--allow", "sold_out,late", "--allow", "over_budget"]
    result = run(model, *PERSON, *everything, "--exclude", "pocket_poetry, olive_oil_pair", "--json")
    shown = {gift["id"] for gift in json.loads(result.stdout)["gifts"]}
    assert shown == {gift.id for gift in trained().gifts} - {"pocket_poetry", "olive_oil_pair"}
    assert result.stderr == "Warning: 43 gifts, not 100: of 45, 2 excluded\n"


def test_what_a_person_has_is_not_recommended_again(model: str) -> None:
    """As `history` in a profile is not; without anything else said of the person it will do."""
    had = ["pocket_poetry", "olive_oil_pair"]
    for said in (["--history", ", ".join(had)], ["--history", had[0], "--history", had[1]]):
        found = json.loads(run(model, *PERSON, *said, "-k", "45", "--json").stdout)
        assert found["profile"]["history"] == had
        assert found == asked(model, {**PROFILE, "history": had}, k=45)
        assert not set(had) & {gift["id"] for gift in found["gifts"]}
    assert run(model, "--history", had[0]).exit_code == 0


def test_a_history_of_what_no_gift_is(model: str) -> None:
    result = run(model, *PERSON, "--history", "pocket_poetri,olive_oil_pair")
    assert result.exit_code == 0
    assert result.stderr == (
        'Note: left out of the history, since the catalogue does not have it: "pocket_poetri"\n'
    )
    strict = run(model, *PERSON, "--history", "pocket_poetri", "--strict")
    assert (
        strict.exit_code == 2 and "options: history[0]" in strict.stderr and "pocket_poetry" in strict.stderr
    )
    both = run(model, "--profile", "-", "--history", "pocket_poetry", text="{}")
    assert both.exit_code == 2 and "--profile holds the whole profile" in both.stderr


def asked(model: str, profile: dict[str, Any], k: int) -> Any:
    return json.loads(json.dumps(Recommender.load(model).recommend(profile, k).to_dict()))


def test_all_gifts_sold_out(model: str, tmp_path: Path) -> None:
    path = catalogue(tmp_path / "empty_shelves.json", *(replace(gift, stock=0) for gift in trained().gifts))
    bare = run(model, *CHRISTMAS, "--catalogue", path)
    assert bare.exit_code == 0 and bare.stdout.startswith("no gift\n")
    assert bare.stderr.startswith("Warning: no gifts, not 3: of 45, ")
    found = json.loads(run(model, *CHRISTMAS, "--catalogue", path, "--allow", "sold_out", "--json").stdout)
    assert all("sold out" in gift["reasons"] for gift in found["gifts"]) and len(found["gifts"]) == 3


def test_days_are_those_until_the_gift_is_needed(model: str) -> None:
    christmas = [*CHRISTMAS, "-k", "45", "--any-age", "--allow", "over_budget,sold_out", "--json"]
    assert json.loads(run(model, *christmas).stdout)["warnings"] == []
    hurried = json.loads(run(model, *christmas, "--days-left", "0").stdout)
    at_once = {gift.id for gift in trained().gifts if min(offer.shipping_days for offer in gift.offers) == 0}
    assert {gift["id"] for gift in hurried["gifts"]} == at_once
    late = 45 - len(at_once)
    assert hurried["warnings"] == [
        f"{len(at_once)} gifts, not 45: of 45, {late} too late; --allow late shows more"
    ]


# ------------------------------------------------------------------------------------------- batches

LINES = '{"age": 30}\n\n{"age": 300}\nnonsense\n{"hobbies": ["cookin"]}\n{}\n'


def test_each_line_has_its_answer_or_its_error(model: str, tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text(LINES)
    for source, name, text in (("-", "stdin", LINES), (str(tmp_path / "people.jsonl"), None, None)):
        result = run(model, "--profile", source, "-k", "1", text=text)
        assert result.exit_code == 65
        name = name or source
        assert (
            result.stderr == f"Error: {name}: 2 of the lines have no recommendation, but an error instead\n"
        )
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        assert [answer["line"] for answer in answers] == [1, 3, 4, 5, 6]
        assert answers[1] == {
            "line": 3,
            "error": f"{name} line 3: age: found 300; allowed: a number from 0 to 120",
        }
        assert answers[2]["error"].startswith(f"{name} line 4: line 1 column 1: found text that is not JSON")
        assert "cooking" in answers[3]["warnings"][0]
        nobody = Recommender.load(model).recommend({}, k=1).to_dict()
        assert answers[4] == {"line": 6, **nearly(json.loads(json.dumps(nobody)))}


def test_a_batch_without_a_bad_line_exits_0_and_strict_makes_names_errors(model: str) -> None:
    text = '{"age": 30}\n{"hobbies": ["cookin"]}\n'
    assert run(model, "--profile", "-", text=text).exit_code == 0
    result = run(model, "--profile", "-", "--strict", text=text)
    assert result.exit_code == 65
    assert [list(json.loads(line))[1] for line in result.stdout.splitlines()] == ["profile", "error"]


def test_each_answer_is_written_before_the_next_line_is_read(model: str) -> None:
    with process(model, "--profile", "-", "-k", "1") as running:
        assert running.stdin and running.stdout
        for number, line in enumerate(['{"age": 30}', "nonsense", "{}"], 1):
            running.stdin.write(f"{line}\n")
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["line"] == number
        running.stdin.close()
        assert running.stdout.read() == ""
        assert running.wait() == 65


@pytest.mark.slow
def test_lines_may_be_answered_in_other_processes(model: str, tmp_path: Path) -> None:
    """The same answers in the same order, bad lines among them."""
    people = [{"age": 20 + i % 40, "hobbies": ["cooking"]} if i % 7 else {"age": 300} for i in range(30)]
    (tmp_path / "people.jsonl").write_text("".join(f"{json.dumps(person)}\n" for person in people))
    code = "import trm_np.recommend.lines as lines; lines.SPREAD_LINES = 8; "
    code += "from trm_np.cli.recommend import recommend; recommend()"
    found = [
        subprocess.run(
            [sys.executable, "-c", code, model, "--profile", str(tmp_path / "people.jsonl"), *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        for options in ([], ["--processes", "2"])
    ]
    here, there = ([json.loads(line) for line in each.stdout.splitlines()] for each in found)
    assert [each.returncode for each in found] == [65, 65] and found[0].stderr == found[1].stderr
    assert len(here) == 30 and there == nearly(here)


def test_a_profile_over_several_lines_on_stdin_is_one_person(model: str) -> None:
    text = json.dumps(PROFILE, indent=2)
    assert run(model, "--profile", "-", text=text).stdout == run(model, *PERSON).stdout


def test_a_reader_that_goes_away_ends_it_quietly(model: str) -> None:
    with process(model, "--profile", "-") as running:
        assert running.stdin and running.stdout and running.stderr
        running.stdin.write("{}\n")
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        running.stdin.write("{}\n" * 3)
        running.stdin.close()
        assert running.stderr.read() == ""
        assert running.wait() != 0


@pytest.mark.skipif(os.name != "posix", reason="signals as a terminal sends them")
def test_ctrl_c_exits_130_with_one_line(model: str) -> None:
    with process(model, "--profile", "-") as running:
        assert running.stdin and running.stdout and running.stderr
        running.stdin.write("{}\n")
        running.stdin.flush()
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert running.stderr.read().strip() == "Error: interrupted"


# ------------------------------------------------------------------------------------------ refusals

BAD: list[tuple[list[str], int, str]] = [
    ([], 2, "the profile is empty: give --age, --budget, --hobby"),
    (["-k", "3", "--strict"], 2, "the profile is empty"),
    (["--age", "30", "--profile", "-"], 2, "--profile holds the whole profile"),
    (["--age", "30", "--processes", "2"], 2, "--processes and --dask: only with --profile"),
    (
        ["--profile", "-", "--processes", "2", "--dask", "tcp://127.0.0.1:1"],
        2,
        "a Dask cluster has workers of its own",
    ),
    (["--age", "thirty"], 2, "'--age': found 'thirty'; allowed: a number, such as 12.5"),
    (["--age", "200"], 2, "options: age: found 200.0; allowed: a number from 0 to 120"),
    (["--age", "nan"], 2, "options: age: found NaN"),
    (["--budget", "-5"], 2, "options: budget: found -5.0"),
    (["--hobby", "cooking", "--hobby", "cooking"], 2, 'hobbies[1]: found "cooking" again'),
    (["--hobby", "cookin", "--strict"], 2, 'did you mean "cooking"?'),
    (["--age", "30", "-k", "0"], 2, "-k"),
    (["--age", "30", "--allow", "late,age"], 2, "age is not one of sold_out, late, over_budget"),
    (["--age", "30", "--days-left", "-1"], 2, "--days-left"),
    (["--age", "30", "--catalogue", ""], 2, "an empty name"),
    (["--age", "30", "--catalogue", "nothing.json"], 65, "nothing.json: found no such file"),
    (["--profile", "nothing.json"], 65, "nothing.json: found a file that cannot be read (No such file"),
    (["--profile", "{folder}"], 65, "cannot be read (Is a directory)"),
    (["--profile", "{folder}/empty.json"], 65, "found an empty file"),
    (["--profile", "{folder}/bad.json"], 65, "bad.json: age: found 300; allowed: a number from 0 to 120"),
    (["--profile", "{folder}/broken.json"], 65, "broken.json: line 2 column 10: found text that is not JSON"),
    (["--profile", "{folder}/odd.json", "--strict"], 65, 'odd.json: hobbies[0]: found "cookin"'),
]


@pytest.mark.parametrize(("options", "code", "fragment"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_what_is_refused_gets_one_line(
    options: list[str], code: int, fragment: str, model: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.json").write_text("\n")
    (tmp_path / "bad.json").write_text('{"age": 300}')
    (tmp_path / "broken.json").write_text('{"age": 30,\n"budget" 3}')
    (tmp_path / "odd.json").write_text('{"hobbies": ["cookin"]}')
    result = run(model, *(option.format(folder=tmp_path) for option in options))
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("Error: ")
    assert fragment in result.stderr


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path / "none.npz", "--age", "30")
    assert (result.exit_code, result.stdout) == (65, "")
    assert "none.npz: no such file" in result.stderr
