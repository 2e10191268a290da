"""The page of a full ablation: its figures, its refusals, and that it is one safe file."""

import json
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.lab.documents import embedded
from tests.lab.full_grid import full_grid
from trm_np.cli import trm
from trm_np.config import SWITCHES, flatten, resolve
from trm_np.lab.grid import only, without
from trm_np.lab.page import METRICS, as_script, page
from trm_np.lab.results import ResultsError
from trm_np.lab.trial import Row

LARGEST = 1_500_000  # bytes


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return full_grid(seeds=3)


@pytest.fixture(scope="module")
def document(rows: list[Row]) -> str:
    return page(rows)


@pytest.fixture(scope="module")
def one_seed() -> list[Row]:
    """Shorter runs, for what holds at any length."""
    return full_grid(epochs=20)


@pytest.fixture(scope="module")
def small(one_seed: list[Row]) -> str:
    return page(one_seed)


def of(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row["name"] == name]


# -------------------------------------------------------------------------------------- the figures


def test_the_page_has_every_combination_with_every_seed(document: str) -> None:
    data = embedded(document)
    assert data["seeds"] == [0, 1, 2]
    assert data["switches"] == list(SWITCHES)
    assert len(data["combinations"]) == 256
    assert all(len(one["kept"]) == 3 for one in data["combinations"].values())


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("all on", []),
        ("all off", list(SWITCHES)),
        (without("dropout"), ["dropout"]),
        (only("dropout"), [name for name in SWITCHES if name != "dropout"]),
        ("without dropout, early_stopping", ["dropout", "early_stopping"]),
    ],
)
def test_the_page_has_the_figures_of_the_rows(
    name: str, off: list[str], rows: list[Row], document: str
) -> None:
    shown, runs = embedded(document)["combinations"][",".join(off)], of(rows, name)
    assert shown["kept"] == [run["best_epoch"] for run in runs]
    assert shown["ended"] == [run["epochs_run"] for run in runs]
    for metric in METRICS:
        found = [run["test"][metric] for run in runs]
        assert shown["test"][metric] == pytest.approx([mean(found), min(found), max(found)], abs=6e-4)
    for place, epoch in enumerate(shown["epochs"]):
        records = [record for run in runs for record in run["curve"] if record["epoch"] == epoch]
        for curve, values in {
            "quality": [record["validation"]["recommendation_quality"] for record in records],
            "training": [record["total"] for record in records],
            "validation": [record["validation"]["losses"]["total"] for record in records],
            "gap": [record["validation"]["generalization_gap"] for record in records],
            "rate": [record["learning_rate"]["category_matching"] * 1e4 for record in records],
        }.items():
            assert shown[curve][place] == pytest.approx([mean(values), min(values), max(values)], abs=6e-4), (
                curve,
                epoch,
            )


def test_curves_end_with_the_shortest_run(rows: list[Row], document: str) -> None:
    """Every mean covers all seeds."""
    ended = {run["epochs_run"] for run in of(rows, "all on")}
    assert len(ended) > 1
    assert embedded(document)["combinations"][""]["epochs"] == list(range(5, min(ended) + 1, 5))


def test_names_of_rows_do_not_matter(one_seed: list[Row], small: str) -> None:
    assert page([{**row, "name": f"run {place}"} for place, row in enumerate(one_seed)]) == small


def test_the_newest_of_repeated_runs_counts(one_seed: list[Row]) -> None:
    (old,) = of(one_seed, "all on")
    new = {**old, "best_epoch": 35}
    assert embedded(page([*one_seed, new]))["combinations"][""]["kept"] == [35]
    assert embedded(page([new, *one_seed]))["combinations"][""]["kept"] == [old["best_epoch"]]


def test_a_seed_counts_only_if_all_combinations_have_finished_with_it(rows: list[Row]) -> None:
    lost = next(row for row in rows if row["seed"] == 1 and row["name"] == "without dropout, early_stopping")
    assert embedded(page([row for row in rows if row is not lost]))["seeds"] == [0, 2]
    failed = {name: lost[name] for name in ("name", "seed", "version", "data", "settings")}
    rest = [{**failed, "error": "Diverged"} if row is lost else row for row in rows]
    assert embedded(page(rest))["seeds"] == [0, 2]


@pytest.mark.parametrize(
    "other",
    [{"version": "0.0.9"}, {"data": "another"}, {"settings": {"training.epochs": 20}}],
    ids=["version", "data", "a setting"],
)
def test_runs_under_other_conditions_are_not_mixed_in(
    other: dict[str, Any], one_seed: list[Row], small: str
) -> None:
    (first, *_) = one_seed
    changed = {**first, **other, "settings": {**first["settings"], **other.get("settings", {})}}
    assert page([*one_seed, {**changed, "best_epoch": 77}]) == small


# -------------------------------------------------------------------------------------- the refusals


def test_missing_runs_are_counted_with_the_command_that_makes_them(rows: list[Row]) -> None:
    with pytest.raises(ResultsError) as nothing:
        page([])
    assert str(nothing.value) == (
        "256 of the 256 combinations are missing for seed 0; make them with: trm lab ablate --full --seeds 1"
    )
    with pytest.raises(ResultsError) as some:
        page([row for row in rows if row["seed"] == 2][:-3] + [row for row in rows if row["seed"] == 0][:18])
    assert str(some.value) == (
        "3 of the 256 combinations are missing for seed 2; make them with: trm lab ablate --full --seeds 3"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"settings": {"preset": "tiny"}}, "KeyError: 'training.scenario_limit'"),
        ({"settings": {**flatten(resolve("tiny")), "preset": "large"}}, "no preset named 'large'"),
        ({"test": {}}, "KeyError"),
        ({"curve": [{"epoch": 5}]}, "KeyError: 'validation'"),
    ],
)
def test_a_row_that_is_not_from_an_ablation_is_reported(
    change: dict[str, Any], problem: str, one_seed: list[Row]
) -> None:
    (first, *rest) = one_seed
    with pytest.raises(ResultsError, match=r"^the row of 'all on', seed 0, is not from an ablation") as error:
        page([{**first, **change}, *rest])
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


# -------------------------------------------------------------------------------------- the document


def test_the_document_is_small_enough_to_send(document: str) -> None:
    assert len(document.encode()) < LARGEST


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--<script>", "{{results}}"])
def test_text_of_the_rows_cannot_break_out_of_the_script(text: str, one_seed: list[Row], small: str) -> None:
    spoilt = page([{**row, "version": text, "data": text} for row in one_seed])
    data = embedded(spoilt)
    assert (data["version"], data["data"]) == (text, text)
    scripts = re.compile(r"<script|</script|<!--", re.IGNORECASE)
    assert scripts.findall(spoilt) == scripts.findall(small)


def test_the_document_loads_nothing(document: str) -> None:
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', document)
    assert policy.startswith("default-src 'none'; ")
    sources = {source for rule in policy.split(";") for source in rule.split()[1:]}
    assert sources == {"'none'", "'unsafe-inline'", "data:"}
    outside = re.findall(r"https?://[^\"' ]+|@import|url\(|\bsrc=", document)
    assert outside == ["http://www.w3.org/2000/svg"]  # a name, of the kind of element


def test_there_is_a_box_and_a_reason_for_each_switch(document: str) -> None:
    assert re.findall(r'<input type="checkbox" value="(\w+)"', document) == list(SWITCHES)
    (reasons,) = re.findall(r"^const WHY = \{\n(.*?)^\};", document, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^  (\w+):", reasons, re.MULTILINE) == list(SWITCHES)


def test_each_switch_has_a_link_to_the_lesson_about_it(document: str) -> None:
    """Links are relative to docs/, and the linked lesson mentions the switch."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    links = re.findall(r'value="(\w+)"(?:(?!value=).)*?<a href="([^"]+)"', document, re.DOTALL)
    assert [name for name, _ in links] == list(SWITCHES)
    assert len({target for _, target in links}) == len(SWITCHES)
    for name, target in links:
        title = (docs / target).read_text(encoding="utf-8").splitlines()[0].lower()
        words = {
            "lr_scheduler": "plateau",
            "frequent_evaluation": "evaluate",
            "data_augmentation": "augmentation",
        }
        assert words.get(name, name.replace("_", " ")) in title


def test_a_line_explains_each_metric(document: str) -> None:
    (lines,) = re.findall(r"^const MEANS = \{\n(.*?)^\};", document, re.DOTALL | re.MULTILINE)
    assert re.findall(r'^  (\w+): "[^"]+\.",$', lines, re.MULTILINE) == list(METRICS)


def test_the_page_in_the_docs_is_up_to_date_with_its_template(document: str) -> None:
    stored = (Path(__file__).resolve().parents[2] / "docs" / "ablation.html").read_text(encoding="utf-8")
    data = embedded(stored)
    assert stored.replace(as_script(data), "") == document.replace(as_script(embedded(document)), "")
    for off, one in data["combinations"].items():
        assert one["epochs"][-1] == min(one["ended"]), off


# -------------------------------------------------------------------------------------- the command


def run(*args: str) -> Result:
    return CliRunner().invoke(trm, ["lab", "page", *args])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_command_writes_the_page_and_prints_its_path(
    folder: Path, one_seed: list[Row], small: str
) -> None:
    write(folder / "checkpoints" / "lab" / "ablation.jsonl", one_seed)
    result = run()
    size = len(small.encode())
    assert (result.exit_code, result.output) == (0, f"ablation.html: {size:,} bytes\n")
    assert (folder / "ablation.html").read_text(encoding="utf-8") == small


def test_the_command_refuses_incomplete_or_invalid_results(folder: Path, rows: list[Row]) -> None:
    write(folder / "some.jsonl", rows[:18])
    result = run("--results", "some.jsonl")
    assert (result.exit_code, result.stderr) == (
        65,
        "Error: some.jsonl: 238 of the 256 combinations are missing for seed 0; make them with: "
        "trm lab ablate --full --seeds 1\n",
    )
    (folder / "text.jsonl").write_text("text\n")
    result = run("--results", "text.jsonl")
    assert result.exit_code == 65
    assert result.stderr.startswith("Error: text.jsonl: line 1 is not a row of results (")
    assert sorted(path.name for path in folder.iterdir()) == ["some.jsonl", "text.jsonl"]


def test_the_command_does_not_write_over_the_results(folder: Path, one_seed: list[Row]) -> None:
    write(folder / "some.jsonl", one_seed)
    before = (folder / "some.jsonl").read_bytes()
    result = run("--results", "some.jsonl", "--out", "./some.jsonl")
    assert result.exit_code == 73
    reason = "is an input of this command, which is left as it is"
    assert result.stderr == f"Error: some.jsonl: {reason}; choose another --out\n"
    assert (folder / "some.jsonl").read_bytes() == before


def test_a_place_that_cannot_be_written_is_one_line(folder: Path, one_seed: list[Row]) -> None:
    write(folder / "some.jsonl", one_seed)
    result = run("--results", "some.jsonl", "--out", "nowhere/page.html")
    assert result.exit_code == 73
    assert re.fullmatch(
        r"Error: nowhere/page\.html: cannot be written \(.*\); choose another --out\n", result.stderr
    )
