"""`trm simulate` and `trm init` as a user meets them: new files that load and train, and nothing replaced."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import trm_np.storage.files
from tests.training.small_run import SET
from trm_np.cli import trm
from trm_np.cli.init import init
from trm_np.cli.simulate import simulate
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.data.load import Dataset, load_dataset

DATA = ("scenarios.json", "held_out_scenarios.json", "gift_catalog.json")
SMALL = ["--scenarios", "6", "--held-out", "2", "--gifts", "13"]
TOOLS = {"price_comparison", "inventory_check", "review_analysis", "trend_analysis", "budget_optimizer"}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


def run_simulate(*args: str) -> Result:
    return CliRunner().invoke(simulate, args)


def run_init(*args: str) -> Result:
    return CliRunner().invoke(init, args)


def train(folder: str, *args: str) -> Result:
    options = ("--scenarios", "--held-out", "--catalogue")
    data = [word for option, name in zip(options, DATA, strict=True) for word in (option, f"{folder}/{name}")]
    return CliRunner().invoke(trm, ["train", *data, "--epochs", "1", "--quiet", *args])


def load(folder: str) -> Dataset:
    return load_dataset(*(Path(folder, name) for name in DATA))


# ---------------------------------------------------------------------------------------- simulate


def test_simulate_writes_a_dataset_that_trains() -> None:
    result = run_simulate("new/folder", *SMALL, "--seed", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(path.name for path in Path("new/folder").iterdir()) == sorted(DATA)
    dataset = load("new/folder")
    sizes = len(dataset.train), len(dataset.validation), len(dataset.test), len(dataset.gifts)
    assert sizes == (6, 2, 2, 13)
    trained = train("new/folder", *SET)
    assert (trained.exit_code, trained.output) == (0, "")


def test_simulate_says_what_it_wrote_and_how_far_its_rules_agree() -> None:
    lines = run_simulate("here", *SMALL, "--seed", "3").stdout.splitlines()
    assert lines[0] == "here: 6 scenarios to train on, 2 to validate and 2 to test on, 13 gifts; seed 3"
    for line, name in zip(lines[1:4], DATA, strict=True):
        assert line.split() == [name, f"{Path('here', name).stat().st_size:,}", "bytes"]
    whole = "categories the same in 100.0%, mean Jaccard 1.000; tools the same in 100.0%"
    assert lines[5:] == [f"  25 base scenarios: {whole}", f"  60 held-out scenarios: {whole}"]


def test_simulate_as_one_json_document() -> None:
    result = run_simulate("here", *SMALL, "--json")
    written = json.loads(result.stdout)
    assert written["bytes"] == {name: Path("here", name).stat().st_size for name in DATA}
    assert written["agreement_with_hand_labels"]["held_out"]["scenarios"] == 60
    assert [written[key] for key in ("folder", "seed", "scenarios", "held_out", "gifts")] == [
        "here",
        0,
        6,
        2,
        13,
    ]


def test_simulate_writes_the_same_bytes_for_the_same_seed() -> None:
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run_simulate(folder, *SMALL, "--seed", seed)
    for name in DATA:
        first, again, other = (Path(folder, name).read_bytes() for folder in "abc")
        assert first == again != other


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_simulate_replaces_nothing(name: str, kind: str) -> None:
    Path("here").mkdir()
    if kind == "file":
        Path("here", name).write_text("mine")
    elif kind == "folder":
        Path("here", name).mkdir()
    else:
        Path("here", name).symlink_to("nowhere")
    result = run_simulate("here", *SMALL)
    assert (result.exit_code, result.stdout) == (73, "")
    assert result.stderr == f"Error: here/{name} exists and is left as it is\n"
    assert [path.name for path in Path("here").iterdir()] == [name]
    assert kind != "file" or Path("here", name).read_text() == "mine"


@pytest.mark.parametrize("interruption", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_simulate_writes_all_files_or_none(
    monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    """The third file fails: the first two are taken away again, what was there before is not."""
    Path("here").mkdir()
    Path("here", "notes.txt").write_text("mine")
    seen = []

    def fail_at_third(descriptor: int) -> None:
        seen.append(sorted(path.name for path in Path("here").iterdir()))
        if any("gift_catalog" in name for name in seen[-1]):
            raise interruption

    monkeypatch.setattr(trm_np.storage.files.os, "fsync", fail_at_third)
    result = run_simulate("here", *SMALL)
    if isinstance(interruption, OSError):
        assert (result.exit_code, result.stderr) == (
            73,
            "Error: here: cannot write there (No space left on device)\n",
        )
    else:
        assert result.exit_code == 130
    assert {"scenarios.json", "held_out_scenarios.json"} < set(seen[-1]), "two files were there"
    assert [path.name for path in Path("here").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["here", "--gifts", "12"], 2, "Error: Invalid value for '--gifts': 12 is not in the range 13<=x<="),
        (
            ["here", "--scenarios", "1"],
            2,
            "Error: Invalid value for '--scenarios': 1 is not in the range 2<=x<=",
        ),
        (
            ["here", "--held-out", "0"],
            2,
            "Error: Invalid value for '--held-out': 0 is not in the range 1<=x<=",
        ),
        ([""], 2, "an empty name"),
        ([], 2, "Missing argument 'FOLDER'; an example: "),
        (["file", *SMALL], 73, "Error: file: cannot write there (File exists)"),
        (["file/below", *SMALL], 73, "Error: file/below: cannot write there (Not a directory)"),
    ],
)
def test_simulate_refuses(args: list[str], code: int, said: str) -> None:
    Path("file").write_text("mine")
    result = run_simulate(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]


# -------------------------------------------------------------------------------------------- init


def test_init_writes_an_example_that_trains() -> None:
    result = run_init("mine")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "mine: wrote README.md, scenarios.json, held_out_scenarios.json, gift_catalog.json"
    )
    assert {path.name for path in Path("mine").iterdir()} == {"README.md", *DATA}
    trained = train("mine", *SET)
    assert (trained.exit_code, trained.output) == (0, "")


def test_init_replaces_nothing() -> None:
    Path("mine").mkdir()
    Path("mine", "gift_catalog.json").write_text("mine")
    result = run_init("mine")
    assert (result.exit_code, result.stdout) == (73, "")
    assert result.stderr == "Error: mine/gift_catalog.json exists and is left as it is\n"
    assert [path.name for path in Path("mine").iterdir()] == ["gift_catalog.json"]


def test_the_example_shows_what_own_data_may_be() -> None:
    """Its own names only, a part of the tools, every name in use, and a missing field."""
    run_init("mine")
    own, shipped = load("mine"), load_dataset()
    for field in ("categories", "hobbies", "relationships"):
        assert set(getattr(own.vocabulary, field)) - set(getattr(shipped.vocabulary, field)), field
    assert len(own.vocabulary.tools) == 3 and set(own.vocabulary.tools) < TOOLS
    profiles = [scenario.profile for scenario in own.train]
    assert {hobby for profile in profiles for hobby in profile.hobbies} == set(own.vocabulary.hobbies)
    assert {name for profile in profiles for name in profile.preferences} == set(own.vocabulary.preferences)
    assert {profile.relationship for profile in profiles} == set(own.vocabulary.relationships)
    assert {profile.occasion for profile in profiles} == set(own.vocabulary.occasions)
    scenarios = own.train + own.validation + own.test
    assert {name for s in own.train for name in s.expected_categories} == set(own.vocabulary.categories)
    assert {name for s in own.train for name in s.expected_tools} == set(own.vocabulary.tools)
    assert any(scenario.profile.age is None for scenario in own.train)
    for scenario in scenarios:
        affordable = {gift.category for gift in own.gifts if gift.price <= (scenario.profile.budget or 0)}
        assert set(scenario.expected_categories) <= affordable, scenario.name


def test_the_example_gifts_are_plausible() -> None:
    run_init("mine")
    gifts = load("mine").gifts
    assert len(gifts) == 9
    assert any(gift.stock == 0 for gift in gifts)
    for gift in gifts:
        mean = sum(stars * count for stars, count in enumerate(gift.reviews, start=1)) / sum(gift.reviews)
        assert gift.rating == pytest.approx(mean, abs=0.05 + 1e-9), gift.id
        assert gift.price in [offer.price for offer in gift.offers]


def test_the_page_of_the_example_explains_every_field() -> None:
    run_init("mine")
    documents = {name: json.loads(Path("mine", name).read_text(encoding="utf-8")) for name in DATA}
    scenario = documents["scenarios.json"]["scenarios"][0]
    gift = documents["gift_catalog.json"]["gifts"][0]
    fields = {*documents["scenarios.json"]["vocabulary"], *scenario, *gift, *gift["offers"][0]}
    fields |= {f"profile.{field}" for field in scenario["profile"]} | set(DATA) | TOOLS
    explained = set(re.findall(r"`([\w.]+)`", Path("mine", "README.md").read_text("utf-8")))
    assert fields - explained == set()


def test_every_command_on_the_page_of_the_example_works(monkeypatch: pytest.MonkeyPatch) -> None:
    run_init("mine")
    monkeypatch.chdir("mine")
    (block,) = re.findall(r"```sh\n(.*?)```", Path("README.md").read_text("utf-8"), re.DOTALL)
    commands = [shlex.split(line) for line in block.splitlines()]
    assert [command[:2] for command in commands] == [
        ["trm-train", "--scenarios"],
        ["trm", "evaluate"],
        ["trm", "recommend"],
    ]
    for program, *words in commands:
        args = ["train", *words, *SET, "--epochs", "1", "--quiet"] if program == "trm-train" else words
        result = CliRunner().invoke(trm, args)
        assert result.exit_code == 0, result.output


# -------------------------------------------------------------------------------- what both have in common

BOTH = pytest.mark.parametrize("command", [["init"], ["simulate", *SMALL]], ids=["init", "simulate"])


@BOTH
def test_the_name_of_the_folder_cannot_steer_the_terminal(command: list[str]) -> None:
    result = CliRunner().invoke(trm, [*command, "red\x1b[31m\nfolder"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("red\\x1b[31m\\nfolder: ")
    assert Path("red\x1b[31m\nfolder").is_dir()


@BOTH
def test_a_full_standard_output_is_one_line_and_74(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are there all the same; it is only not said."""
    echo = click.echo

    def full(message: object, err: bool = False) -> None:
        if not err:
            raise OSError(28, "No space left on device")
        echo(message, err=True)

    monkeypatch.setattr(click, "echo", full)
    result = CliRunner().invoke(trm, [*command, "here"])
    assert (result.exit_code, result.stdout) == (74, "")
    assert result.stderr == "Error: stdout: No space left on device\n"
    assert set(DATA) <= {path.name for path in Path("here").iterdir()}
