"""The commands as a user meets them: what is printed where, exit codes, one line for whatever is refused."""

import io
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import trm_np.training.run
from tests.data import sample_files
from tests.importing.sample_tables import write_tables
from tests.training.small_run import SET, records
from tests.waiting import HANG
from trm_np.cli import COMMANDS, trm
from trm_np.cli.progress import progress
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.cli.train import brief, train

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ["train", *SET, "--epochs", "1"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run where nothing is, and leave the environment as it was."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = CliRunner().invoke(trm, [*TRAIN, "--out", str(folder), "--quiet"])
    assert (result.exit_code, result.output) == (0, "")
    return folder


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(trm, [str(arg) for arg in args])


def script(name: str, *args: str, **environment: str) -> "subprocess.Popen[str]":
    """A script of bin/, or of any path, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "bin" / name), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if key not in THREAD_SETTINGS} | environment,
    )


# --------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize(
    "name",
    [
        [],
        *(pytest.param([name], marks=pytest.mark.slow if name == "gradcheck" else ()) for name in COMMANDS),
    ],
    ids=str,
)
def test_help_gives_an_example_that_works(
    name: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run(*name, "--help")
    assert shown.exit_code == 0
    (example,) = re.findall(r"^  Example: (.*)$", shown.output, re.MULTILINE)
    program, *args = shlex.split(example.replace("checkpoints/integrated_enhanced", str(trained)))
    assert program in ("trm", "trm-train")
    command = ["train", *args] if program == "trm-train" else args
    if command[0] == "train":
        command += [*SET, "--epochs", "1"]
    if command[0] == "import":
        write_tables(tmp_path)
    if command[0] == "serve":
        pytest.importorskip("waitress", reason="the extra [serve] is not installed")
        assert served_until_it_is_told_to_end(*command, "--port", "0") == 0
        return
    result = run(*command)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", [[], ["lab"]], ids=str)
def test_a_group_alone_shows_its_help_and_is_wrong_usage(name: list[str]) -> None:
    shown = run(*name)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr == run(*name, "--help").stdout
    assert "Commands:" in shown.stderr


def paths(group: click.Group) -> Iterator[tuple[str, ...]]:
    """The words that lead to the group, and to every command in it and in its groups."""
    yield ()
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        below = paths(command) if isinstance(command, click.Group) else [()]
        yield from ((name, *path) for path in below)


@pytest.mark.parametrize("path", list(paths(trm)), ids=" ".join)
def test_h_is_help(path: tuple[str, ...]) -> None:
    short, long = run(*path, "-h"), run(*path, "--help")
    assert (short.exit_code, short.output) == (0, long.output)
    assert "-h, --help" in short.output
    assert "  Example: trm" in short.output
    assert CliRunner().invoke(train, ["-h"]).exit_code == 0  # which `trm-train` is, without a group around it


@pytest.mark.parametrize("name", [[], ["lab"], ["puzzle"]], ids=str)
def test_a_group_lists_its_commands_with_whole_sentences(name: list[str]) -> None:
    _, _, listed = run(*name, "--help").output.partition("\nCommands:\n")
    assert listed.strip()
    for line in listed.splitlines():
        assert re.fullmatch(r"  [a-z]+ +[A-Z].*[^.]\.", line), line


def served_until_it_is_told_to_end(*command: str) -> int:
    """The exit code of a server that is told to end as soon as it serves."""
    process = script("trm", *command)
    assert process.stderr is not None
    while " at http://127.0.0.1:" not in (line := process.stderr.readline()):
        assert line, "it ended before it served"
    process.terminate()
    process.communicate(timeout=HANG)
    return process.returncode


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("recommend", "--top", "-k"),
        ("recommend", "--days", "--days-left"),
        ("recommend", "--catalog", "--catalogue"),
        ("serve", "--catalog", "--catalogue"),
        ("train", "--catalog", "--catalogue"),
        ("train", "--profile", "--timings"),
    ],
)
def test_an_old_spelling_works_for_one_version_with_one_line(command: str, old: str, new: str) -> None:
    value = [] if new == "--timings" else ["x"]
    if value:  # both spellings reach the same option, in both of its forms
        wrong = (
            run(command, f"{old}=", "MODEL") if new == "--catalogue" else run(command, f"{old}=x", "MODEL")
        )
        assert (wrong.exit_code, new in wrong.stderr) == (2, True), wrong.stderr
    first, *others = run(command, old, *value, "--no-such-option").stderr.splitlines()
    assert first == f"Warning: {old} is now {new}; the old spelling works until version 0.2"
    assert len(others) == 1
    assert f" {old} " not in run(command, "--help").stdout


def test_after_two_dashes_nothing_is_an_option() -> None:
    found = run("inspect", "--", "--catalog")
    assert found.exit_code == 65 and found.stderr.startswith("Error: --catalog: ")


def test_a_command_that_has_moved_says_where() -> None:
    found = run("lab", "figures", "--figures", "folder", "depth")
    assert found.exit_code == 2
    assert found.stderr == "Error: trm lab figures is now: python docs/figures, in a checkout\n"
    assert "figures" not in run("lab", "--help").stdout


def test_the_profile_of_recommend_is_no_old_spelling(trained: Path) -> None:
    Path("profile.json").write_text('{"age": 34}')
    result = run("recommend", trained / "best.npz", "--profile", "profile.json", "--top", "2", "--json")
    assert len(json.loads(result.stdout)["gifts"]) <= 2
    assert result.stderr.splitlines()[0].startswith("Warning: --top is now -k")


def test_the_version_alone_is_one_line_and_verbose_says_what_it_runs_on() -> None:
    plain = run("--version")
    assert re.fullmatch(r"trm, version \d+\.\d+\.\d+\n", plain.stdout) and plain.exit_code == 0
    for order in (("--version", "--verbose"), ("--verbose", "--version")):
        first, *others = run(*order).stdout.splitlines()
        assert f"{first}\n" == plain.stdout
        names = [line.partition(":")[0] for line in others]
        assert names == ["machine", "instructions", "python", "numpy", "blas", "kernel", "threads", "ranks"]
    alone = run("--verbose")
    assert (alone.exit_code, alone.stderr) == (2, "Error: --verbose: only with --version\n")


def test_python_m_runs_the_command() -> None:
    command = [sys.executable, "-m", "trm_np", "recomend"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == "Error: no command named 'recomend'; did you mean recommend?\n"


def test_help_does_not_import_numpy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from trm_np.cli import COMMANDS, trm\n"
        "for args in (['--version'], ['--help'], *([name, '--help'] for name in COMMANDS)):\n"
        "    assert CliRunner().invoke(trm, args).exit_code == 0\n"
        "print(sorted({'numpy', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------- train


def test_train_prints_targets_beside_held_out_figures_and_baselines(tmp_path: Path) -> None:
    result = run(*TRAIN, "--out", tmp_path / "out")
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    assert first.startswith(
        "tiny, recipe report, seed 0, OPENBLAS_NUM_THREADS=1 as set, at most 1 epoch, into "
    )
    assert second.startswith("epoch   1 ")
    row = r"^category match rate +≥ 0\.80 +\d\.\d{3} +(met|missed) +\d"
    assert re.search(row, result.stdout, re.MULTILINE)
    assert "popular" in result.stdout
    assert all(len(line) < 100 for line in result.stdout.splitlines())
    drawn = "curves.svg"  # where matplotlib is: tests/lab/test_plots.py
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != drawn)
    assert names == [".lock", "best.npz", "last.npz", "metrics.jsonl", "summary.json", "times.jsonl"]


def test_lines_are_printed_at_evaluations_only(tmp_path: Path) -> None:
    result = run(*TRAIN, "--epochs", "5", "--set", "training.evaluate_every=2", "--out", tmp_path)
    assert re.findall(r"^epoch +(\d+)", result.stderr, re.MULTILINE) == ["2", "4", "5"]


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    clock = itertools.count(step=10.0)
    monkeypatch.setattr("time.time", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("training", 3, brief) as show:
        show({"epoch": 2})
        show({"epoch": 3, "validation": {"recommendation_quality": 0.75}})
    text = terminal.getvalue()
    assert re.search(r"training.* 0%", text)
    assert re.search(r" 66%  00:00:30  recommendation_quality 0\.750", text)


def test_json_is_one_document_the_same_as_summary_json(tmp_path: Path) -> None:
    result = run(*TRAIN, "--json", "--out", tmp_path)
    document = json.loads(result.stdout)
    assert document.pop("seconds") > 0
    assert document == json.loads((tmp_path / "summary.json").read_text())
    assert "epoch   1" in result.stderr
    assert run(*TRAIN, "--json", "--quiet", "--out", tmp_path).stderr == ""


@pytest.mark.parametrize(
    ("options", "off"),
    [
        ([], set()),
        (["--without", "dropout", "--without", "lr_scheduler"], {"dropout", "lr_scheduler"}),
        (
            ["--only", "dropout", "--only", "loss_weights"],
            {
                *("data_diversity", "learning_rates", "lr_scheduler"),
                *("early_stopping", "frequent_evaluation", "data_augmentation"),
            },
        ),
    ],
)
def test_switches_are_turned_off_by_name(options: list[str], off: set[str]) -> None:
    found = json.loads(run("inspect", *options, "--json").stdout)
    assert {name for name, on in found["switches"].items() if not on} == off


def test_own_files_with_their_own_vocabulary(tmp_path: Path) -> None:
    files = sample_files.write(
        tmp_path,
        training=sample_files.training(),
        held_out={"scenarios": sample_files.held_out()["test"]},
        catalogue=sample_files.catalogue(),
    )
    data = [
        "--scenarios",
        files["training"],
        "--catalogue",
        files["catalogue"],
        "--held-out",
        files["held_out"],
    ]
    result = run(*TRAIN, *data, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "serves as validation and as test" in result.stderr
    assert "replaces" not in result.stderr and "have the profile of a training scenario" not in result.stderr
    model = tmp_path / "out" / "best.npz"
    judged = run("evaluate", model, "--held-out", files["held_out"], "--json")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert json.loads(judged.stdout)["test"] == summary["test"]
    assert "library" in run("inspect", model).stdout


def test_a_run_that_replaces_a_model_or_is_tested_on_its_training_says_so(tmp_path: Path) -> None:
    training = sample_files.training()
    files = sample_files.write(
        tmp_path,
        training=training,
        held_out={"scenarios": training["scenarios"][:2]},
        catalogue=sample_files.catalogue(),
    )
    names = {"--scenarios": "training", "--catalogue": "catalogue", "--held-out": "held_out"}
    data = [word for option, name in names.items() for word in (option, files[name])]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "best.npz").write_bytes(b"of an earlier run")
    result = run(*TRAIN, *data, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"this run replaces the model in {tmp_path / 'out'}; --out FOLDER keeps it\n" in result.stderr
    assert "Warning: 2 of 2 test scenarios have the profile of a training scenario\n" in result.stderr


def test_threads_are_set_by_preset_unless_the_user_has() -> None:
    code = (
        "import sys, os; from trm_np.cli.threads import use_threads; print(use_threads(sys.argv[1] == 'all'))"
    )

    def said(which: str, **environment: str) -> str:
        clean = {key: value for key, value in os.environ.items() if key not in THREAD_SETTINGS}
        ran = subprocess.run(
            [sys.executable, "-c", code, which],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=clean | environment,
            check=True,
        )
        return ran.stdout.strip()

    cores = os.cpu_count() or 1
    assert said("one") == "1 thread"
    assert said("all") == ("1 thread" if cores == 1 else f"{cores} threads")
    assert said("all", OMP_NUM_THREADS="3") == "OMP_NUM_THREADS=3 as set"


# ------------------------------------------------------------------------------------ interruption


@pytest.mark.skipif(os.name != "posix", reason="signals are sent with os.kill")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_saves_the_run_which_then_goes_on(tmp_path: Path, number: int, code: int) -> None:
    options = [*SET, "--epochs", "3", "--set", "training.evaluate_every=1"]
    held, train = str(ROOT / "tests" / "reliability" / "held.py"), str(ROOT / "bin" / "trm-train")
    process = script(held, train, *options, "--out", str(tmp_path / "out"))
    assert process.stderr is not None
    assert "1 thread" in process.stderr.readline()
    assert process.stderr.readline().startswith("epoch   1 ")
    process.send_signal(number)
    out, error = process.communicate(timeout=HANG)
    assert (process.returncode, out) == (code, "")
    last = error.splitlines()[-1]
    assert last.startswith("Error: interrupted; go on with: ") and last.endswith("--resume")
    assert len(records(tmp_path / "out")) == 1

    resumed = run("train", *options, "--out", tmp_path / "out", "--resume", "--json", "--quiet")
    assert json.loads(resumed.stdout)["stopped_by"] == "epochs"
    assert len(records(tmp_path / "out")) == 3


# ------------------------------------------------------------------------------ evaluate and inspect


def test_evaluate_gives_the_figures_of_the_summary(trained: Path) -> None:
    judged = json.loads(run("evaluate", trained / "best.npz", "--json").stdout)
    summary = json.loads((trained / "summary.json").read_text())
    for key in ("preset", "validation", "test", "baselines"):
        assert judged[key] == summary[key]
    text = run("evaluate", trained / "best.npz").stdout
    assert f"{summary['test']['category_recall_at_3']:.3f}" in text


def test_inspect_shows_the_parts_of_the_report() -> None:
    text = run("inspect", "--preset", "report").stdout
    for part, parameters in {
        "recursive core": "7,709,698",
        "state and decision heads": "1,416,757",
        "1 user profiling": "110,240",
        "2 category matching": "158,337",
        "3 tool selection": "181,893",
        "4 reward prediction": "91,301",
        "gift catalogue": "112,128",
        "5 cross-modal fusion": "4,675,890",
        "in all": "14,456,244",
    }.items():
        assert re.search(rf"^{part} +{parameters}$", text, re.MULTILINE), part
    assert all(len(line) < 100 for line in text.splitlines())


def test_inspect_shows_the_coverage_of_the_data() -> None:
    found = json.loads(run("inspect", "--json").stdout)["coverage"]
    assert (found["scenarios"], found["gifts"]) == (25, 45)
    assert (found["ages"], found["budgets"]) == ([19, 68], [45, 250])
    sizes = {
        **{"age groups": 5, "budget tiers": 3, "relationships": 9, "occasions": 9},
        **{"categories": 13, "tools": 5, "hobbies": 18, "preferences": 20, "gifts by category": 13},
    }
    for name, size in sizes.items():
        assert len(found[name]) == size and all(found[name].values()), name
    assert sum(found["age groups"].values()) == sum(found["budget tiers"].values()) == 25


@pytest.mark.parametrize("preset", ["tiny", "report"])
def test_inspect_counts_every_parameter_once(preset: str) -> None:
    found = json.loads(run("inspect", "--preset", preset, "--json").stdout)
    for table in ("parts", "groups"):
        assert sum(row["parameters"] for row in found[table]) == found["parameters"]
    rates = {group["component"]: group["learning_rate"] for group in found["groups"]}
    settings = found["settings"]
    assert rates == {name: settings[f"learning_rate.{name}"] for name in rates} and len(rates) == 8
    decays = {group["weight_decay"] for group in found["groups"]}
    assert decays == {0.0, found["settings"]["training.weight_decay"]}


def test_inspect_of_a_model_shows_its_own_settings_and_metrics(trained: Path) -> None:
    found = json.loads(run("inspect", trained / "best.npz", "--json").stdout)
    assert found["settings"]["model.core_width"] == 8
    summary = json.loads((trained / "summary.json").read_text())
    assert found["metrics"] == {"validation": summary["validation"], "test": summary["test"]}
    assert "Metrics on the test scenarios" in run("inspect", trained / "best.npz").stdout


def test_a_console_without_the_signs_shows_something_else() -> None:
    command = [sys.executable, str(ROOT / "bin" / "trm"), "inspect"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert "64\\u2192192" in done.stdout.decode("cp1252")


# --------------------------------------------------------------------------------------- refusals

BAD_OPTIONS: list[tuple[str, int, str]] = [
    ("train --out ''", 2, "an empty name"),
    ("train --scenarios ''", 2, "an empty name"),
    ("evaluate ''", 2, "an empty name"),
    ("train --set training.clip_norm=0", 2, "training.clip_norm=0: must be positive"),
    ("trane", 2, "no command named 'trane'; did you mean train?"),
    ("xyz", 2, "no command named 'xyz'; allowed: evaluate, export, gradcheck, "),
    ("lab swep", 2, "no command named 'swep'; did you mean sweep?"),
    ("train --epoch 3", 2, "--epochs"),
    ("--versoin", 2, "--version"),
    ("train --epochs 0", 2, "--epochs"),
    ("train --epochs many", 2, "many"),
    ("train --seed -1", 2, "--seed"),
    ("train --seed 1.5", 2, "1.5"),
    ("train extra", 2, "extra"),
    ("train --preset tyni", 2, "did you mean tiny"),
    ("train --without dropuot", 2, "did you mean dropout"),
    ("train --only early_stoping", 2, "did you mean early_stopping"),
    ("train --only dropout --without dropout", 2, "not both"),
    ("train --set loss.tol=1", 2, "did you mean loss.tool"),
    ("train --set loss.tool", 2, "key=value"),
    ("train --set loss.tool=much", 2, "loss.tool=much"),
    ("train --set loss.tool=nan", 2, "loss.tool=nan"),
    ("train --set loss.tool=-1", 2, "loss.tool=-1"),
    ("train --set training.batch_size=0", 2, "training.batch_size=0"),
    ("train --set training.augment=maybe", 2, "training.augment=maybe"),
    ("train --set model.core_heads=7", 2, "model.core_width"),
    ("train --set model.gift_features=1000000000000", 2, "model.gift_features=1000000000000: must be from 1"),
    ("train --set training.patience=None", 2, "training.patience=None: must be an integer or none"),
    ("train --set model.user_width=48", 2, "model.user_width=48: must divide model.core_width"),
    ("train --set dropout.gift_encoder=1", 2, "dropout.gift_encoder"),
    ("train --scenarios nothing.json", 65, "nothing.json: found no such file"),
    ("train --held-out .", 65, "found a folder"),
    ("train --catalogue ../bad.json", 65, "bad.json: gifts"),
    ("train --resume", 65, "last.npz: no such file"),
    ("train --out ../bad.json", 73, "bad.json: cannot write there"),
    ("evaluate", 2, "MODEL"),
    ("evaluate nothing.npz", 65, "nothing.npz: no such file"),
    (f"evaluate {'a' * 300}", 65, "cannot be read (File name too long)"),
    ("evaluate ../bad.json", 65, "bad.json: not a whole .npz file"),
    ("evaluate {model} --held-out nothing.json", 65, "nothing.json: found no such file"),
    ("evaluate {model} --held-out ../bad.json", 65, "bad.json: "),
    ("inspect nothing.npz", 65, "nothing.npz: no such file"),
    ("inspect {model} --preset report", 2, "--preset: a stored MODEL has its own settings"),
    ("inspect --set model.user_width=5", 2, "model.user_width=5"),
    ("gradcheck --seed x", 2, "--seed"),
]


@pytest.mark.parametrize(("command", "code", "fragment"), BAD_OPTIONS, ids=[row[0] for row in BAD_OPTIONS])
def test_bad_input_gets_one_line_and_writes_nothing(
    command: str, code: int, fragment: str, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text('{"gifts": []}')
    before = (tmp_path / "bad.json").read_bytes()
    result = run(*shlex.split(command.format(model=trained / "best.npz")))
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")
    assert fragment in result.stderr
    assert list(Path.cwd().iterdir()) == []
    assert (tmp_path / "bad.json").read_bytes() == before


def test_a_refused_resume_changes_nothing(tmp_path: Path) -> None:
    run(*TRAIN, "--out", tmp_path / "out", "--quiet")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    result = run(*TRAIN, "--out", tmp_path / "out", "--resume", "--seed", "7", "--set", "loss.tool=1")
    assert result.exit_code == 65
    assert "seed is 0, not 7; loss.tool is 0.25, not 1.0" in result.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_divergence_exits_3(tmp_path: Path) -> None:
    result = run(*TRAIN, "--epochs", "9", "--set", "learning_rate.user_profiling=1e30", "--out", tmp_path)
    assert result.exit_code == 3
    assert re.fullmatch(
        r"Error: training diverged: .* is (nan|-?inf) in epoch \d, step \d+",
        result.stderr.splitlines()[-1],
    )
    assert not (tmp_path / "summary.json").exists()


def test_a_disk_that_fills_up_exits_74(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "best.npz"))

    monkeypatch.setattr(trm_np.training.run, "save_checkpoint", full)
    result = run(*TRAIN, "--out", tmp_path, "--quiet")
    assert (result.exit_code, len(result.stderr.splitlines())) == (74, 1)
    assert "No space left on device" in result.stderr


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("trm_np.evaluation.inspection.inspect_new", broken)
    assert isinstance(run("inspect").exception, ZeroDivisionError)


def test_gradcheck_exits_1_and_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [("good", 1e-9, ""), ("bad", float("nan"), "the gradient is wrong")]
    monkeypatch.setattr("trm_np.lab.gradient_checks.run_checks", lambda seed: iter(checks))
    result = run("gradcheck")
    assert result.exit_code == 1
    assert re.search(r"^good +1\.0e-09  ok$", result.stdout, re.MULTILINE)
    assert re.search(r"^bad +the gradient is wrong$", result.stdout, re.MULTILINE)
