"""The page about own orders: its tables give the output it shows, and a model trains on them."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.importing.sample_tables import write_tables
from tests.training.small_run import SET
from trm_np.cli import trm
from trm_np.cli.progress import progress
from trm_np.importing.columns import FIELDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")

COMMAND = [
    "import",
    "--orders",
    "orders.csv",
    "--items",
    "items.csv",
    "--people",
    "people.csv",
    "--out",
    "shop",
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_prints_the_output_in_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, table in zip(("orders.csv", "items.csv", "people.csv"), blocks("csv"), strict=True):
        Path(name).write_text(table)
    (command,) = blocks("sh")
    result = CliRunner().invoke(trm, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    (printed,) = blocks("text")
    sizes = re.compile(r"^  shop/\w+\.json: [\d,]+ bytes\n", re.MULTILINE)
    assert sizes.sub("", result.stdout) == printed
    files = ["--scenarios", "shop/scenarios.json", "--held-out", "shop/held_out_scenarios.json"]
    learning = [*files, "--catalogue", "shop/gift_catalog.json", *SET, "--epochs", "1", "--quiet"]
    trained = CliRunner().invoke(trm, ["train", *learning])
    assert trained.exit_code == 0, trained.output


def test_docs_and_help_name_every_field() -> None:
    shown = CliRunner().invoke(trm, ["import", "--help"]).output
    for field in FIELDS:
        assert f"`{field}`" in PAGE, field
        assert re.search(rf"\b{re.escape(field)}\b", shown), field


def test_the_command_replaces_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    said = CliRunner().invoke(trm, [*COMMAND, "--json"])
    report = json.loads(said.stdout)
    assert list(report) == ["folder", "bytes", "used", "assumed", "dropped", "made"]
    before = {path.name: path.read_bytes() for path in Path("shop").iterdir()}
    assert {name: len(content) for name, content in before.items()} == report["bytes"]
    again = CliRunner().invoke(trm, COMMAND)
    assert (again.exit_code, again.stderr) == (73, "Error: shop/scenarios.json exists and is left as it is\n")
    assert {path.name: path.read_bytes() for path in Path("shop").iterdir()} == before


def test_a_terminal_shows_the_number_of_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("rows read") as advance:
        advance(steps=20_000)
        advance(steps=20_000)
    assert re.findall(r"rows read: (\d+)", capsys.readouterr().err)[-1] == "40000"
