"""`trm export` as a user meets it: what is written and printed, and what is refused without a trace."""

import json
import os
import re
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.data import sample_files
from tests.hostile.forging import content_of, forged
from tests.recommend.stored_models import write_trained
from tests.training.small_run import SET
from trm_np.cli import trm
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.evaluation.summary import STRICT, TARGETS
from trm_np.storage.checkpoint import load_model

PRECISIONS = {"half": "float16", "int8": "int8"}


@pytest.fixture(autouse=True)
def environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trained(tmp_path_factory.mktemp("model") / "best.npz")


@pytest.fixture(scope="module")
def reduced(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model in each precision."""
    files = {form: tmp_path_factory.mktemp("reduced") / f"{form}.npz" for form in PRECISIONS}
    for form, path in files.items():
        assert run("export", model, f"--{form}", "--out", path).exit_code == 0
    return files


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(trm, [str(arg) for arg in args])


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# -------------------------------------------------------------------------------------------- in fewer bits


@pytest.mark.slow
@pytest.mark.parametrize("form", PRECISIONS)
def test_a_reduced_model_is_beside_the_model_and_works_in_every_command(model: Path, form: str) -> None:
    before = model.read_bytes()
    found = json.loads(run("export", model, f"--{form}", "--json").stdout)
    small = model.with_name(f"best-{form}.npz")
    assert (found["file"], found["form"], found["precision"]) == (str(small), form, PRECISIONS[form])
    assert found["bytes"] == {"model": len(before), "exported": small.stat().st_size}
    assert found["bytes"]["exported"] < 0.6 * found["bytes"]["model"]
    assert model.read_bytes() == before
    judged = json.loads(run("evaluate", small, "--json").stdout)
    original = json.loads(run("evaluate", model, "--json").stdout)
    inspected = json.loads(run("inspect", small, "--json").stdout)
    for split in ("validation", "test"):
        assert found["metrics"]["float32"][split] == original[split]
        assert found["metrics"][PRECISIONS[form]][split] == judged[split]
    assert inspected["metrics"] == found["metrics"][PRECISIONS[form]]
    assert run("recommend", small, "--age", "34", "-k", "1").exit_code == 0


def test_the_loss_in_every_metric_is_printed(model: Path, tmp_path: Path) -> None:
    result = run("export", model, "--int8", "--out", tmp_path / "small.npz")
    found = load_model(tmp_path / "small.npz").header["metrics"]["test"]
    assert re.search(r"small.npz: [\d,]+ bytes, made of [\d,]+$", result.stdout, re.MULTILINE)
    rows = re.findall(r"^(\w.*?)  +(\S+)  +(\S+)  +([+-]\d\.\d{3})$", result.stdout, re.MULTILINE)
    assert len(rows) == len((*TARGETS, *STRICT)) == len(found)
    for name, before, after, difference in rows:
        assert float(after) - float(before) == pytest.approx(float(difference), abs=0.0016), name
    reward = dict((row[0], row[2]) for row in rows)["average reward"]
    assert reward == f"{found['average_reward']:.3f}"


def test_a_model_of_ones_own_data_needs_its_own_scenarios(tmp_path: Path) -> None:
    files = sample_files.write(
        tmp_path,
        training=sample_files.training(),
        held_out=sample_files.held_out(),
        catalogue=sample_files.catalogue(),
    )
    data = ("--scenarios", files["training"], "--catalogue", files["catalogue"])
    held_out = ("--held-out", files["held_out"])
    run("train", *SET, "--epochs", "1", "--quiet", *data, *held_out, "--out", tmp_path / "run")
    model = tmp_path / "run" / "best.npz"
    refused = run("export", model, "--int8")
    assert refused.exit_code == 65 and "give --held-out" in refused.stderr
    assert not (tmp_path / "run" / "best-int8.npz").exists()
    assert run("export", model, "--int8", *held_out).exit_code == 0


def test_an_earlier_export_is_replaced(model: Path, tmp_path: Path) -> None:
    (tmp_path / "small.npz").write_bytes(b"an earlier one")
    assert run("export", model, "--half", "--out", tmp_path / "small.npz").exit_code == 0
    load_model(tmp_path / "small.npz")


# ------------------------------------------------------------------------------------------------ refusals


def refused(folder: Path, code: int, fragment: str, *args: str | Path) -> None:
    before = listing(folder)
    result = run("export", *args)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and fragment in line
    assert listing(folder) == before


def test_exactly_one_form_is_exported(model: Path) -> None:
    refused(model.parent, 2, "found none; allowed: one of --half, --int8", model)
    refused(model.parent, 2, "found --half and --int8; allowed: one of", model, "--half", "--int8")


def test_an_input_is_never_written_over(model: Path, tmp_path: Path) -> None:
    os.link(model, tmp_path / "hard.npz")
    (tmp_path / "soft.npz").symlink_to(model)
    for same in (model, tmp_path / "hard.npz", tmp_path / "soft.npz"):
        refused(model.parent, 73, "is an input of this command", model, "--int8", "--out", same)
    held_out = tmp_path / "held_out.json"
    held_out.write_text("{}")
    words = (model, "--int8", "--held-out", held_out, "--out", held_out)
    refused(tmp_path, 73, "is an input of this command", *words)


@pytest.mark.posix
def test_what_cannot_be_written_is_refused_before_any_work(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trm_np.export.reduced.export_reduced", None)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for out, fragment in {
        tmp_path / "folder": "folder: is not a regular file",
        tmp_path / "pipe": "pipe: is not a regular file",
        tmp_path / "missing" / "x.npz": "cannot be written (No such file or directory)",
        model / "x.npz": "cannot be written (Not a directory)",
    }.items():
        refused(tmp_path, 73, fragment, model, "--int8", "--out", out)
    refused(tmp_path, 2, "an empty name", model, "--int8", "--out", "")


@pytest.mark.posix
@pytest.mark.parametrize("form", [pytest.param("--half", marks=pytest.mark.slow), "--zipapp"])
def test_exported_again_a_file_keeps_its_permissions_and_a_link_its_target(
    form: str, model: Path, tmp_path: Path
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    assert run("export", model, form, "--out", file).exit_code == 0
    content = file.read_bytes()
    file.write_bytes(b"older")
    file.chmod(0o600)
    link.symlink_to(file)
    assert run("export", model, form, "--out", link).exit_code == 0
    assert link.is_symlink() and file.read_bytes() == content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_no_model_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(model.read_bytes()[:-1])
    for name, fragment in {"bad.npz": "not a whole .npz file", "nothing.npz": "no such file"}.items():
        refused(tmp_path, 65, fragment, tmp_path / name, "--half", "--out", tmp_path / "x.npz")


@pytest.mark.parametrize("first", PRECISIONS)
@pytest.mark.parametrize("second", PRECISIONS)
def test_what_has_lost_already_is_not_reduced_again(
    reduced: dict[str, Path], tmp_path: Path, first: str, second: str
) -> None:
    found = f"{first}.npz: its weights are {PRECISIONS[first]} already"
    refused(tmp_path, 65, found, reduced[first], f"--{second}", "--out", tmp_path / "smaller.npz")


def test_a_weight_beyond_half_precision_is_refused(model: Path, tmp_path: Path) -> None:
    header, content = content_of(model.read_bytes())
    name = "weights.core.halt_head.bias"
    large = forged(header, content | {name: np.array([0, 1e5], np.float32)})
    (tmp_path / "large.npz").write_bytes(large)
    found = "large.npz: core.halt_head.bias: found a weight of 100000; allowed in float16"
    refused(tmp_path, 65, found, tmp_path / "large.npz", "--half", "--out", tmp_path / "x.npz")


def test_a_disk_that_fills_up_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, piece: object) -> None:
        if memoryview(piece).nbytes != 4096:  # type: ignore[arg-type]  # the trial
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("trm_np.storage.files.write_all", full)
    refused(tmp_path, 74, "No space left on device", model, "--half", "--out", tmp_path / "x.npz")


# ------------------------------------------------------------------------------------------ for other programs


def test_weights_are_written_under_the_names_of_the_model(model: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip(
        "safetensors.numpy", reason="needs the safetensors extra: pip install -e '.[safetensors]'"
    )
    path, again = tmp_path / "gifts.safetensors", tmp_path / "again.safetensors"
    found = json.loads(run("export", model, "--safetensors", "--json", "--out", path).stdout)
    stored, tensors = load_model(model), safetensors.load_file(path)
    assert found["parameters"] == sum(tensor.size for tensor in tensors.values())
    state = stored.model.state_dict()
    assert tensors.keys() == state.keys()
    assert all(np.array_equal(tensor, state[name]) for name, tensor in tensors.items())
    length = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["trm_np"]) == stored.header
    run("export", model, "--safetensors", "--out", again)
    assert again.read_bytes() == path.read_bytes()


def test_an_onnx_graph_is_written_once_it_is_checked(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra: pip install -e '.[onnx]'")
    found = json.loads(run("export", model, "--onnx", "--json", "--out", tmp_path / "gifts.onnx").stdout)
    assert found["bytes"]["exported"] == (tmp_path / "gifts.onnx").stat().st_size
    assert max(found["differences"].values()) <= found["tolerance"]
    assert "reward" in run("export", model, "--onnx", "--out", tmp_path / "gifts.onnx").stdout
    refused(tmp_path, 2, "--held-out: --onnx changes no metric", model, "--onnx", "--held-out", "x.json")


def test_a_program_is_written_which_all_commands_read_as_a_model(model: Path, tmp_path: Path) -> None:
    program = tmp_path / "gifts.pyz"
    text = run("export", model, "--zipapp", "--out", program).stdout
    assert text.splitlines()[-1].endswith(f"python {program} recommend --age 34")
    assert run("inspect", program, "--json").stdout == run("inspect", model, "--json").stdout
    refused(tmp_path, 73, "is an input of this command", program, "--zipapp", "--out", program)


@pytest.mark.parametrize(
    ("form", "package"), [("onnx", "onnxruntime"), ("onnx", "onnx"), ("safetensors", "safetensors.numpy")]
)
def test_a_form_whose_extra_is_missing_is_refused(
    form: str, package: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    refused(tmp_path, 74, f"--{form} needs the extra", model, f"--{form}", "--out", tmp_path / "gifts")
