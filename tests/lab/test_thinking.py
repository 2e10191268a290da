"""The page of thinking steps: its figures are those of the model and of the rows."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.lab.documents import embedded
from tests.lab.recursion_rows import made_up
from tests.puzzles.small_puzzles import TASK, new_run, small
from trm_np.cli import trm
from trm_np.lab.page import as_script
from trm_np.lab.recursion import DEEPEST, SHIPPED, STEPS, summarize
from trm_np.lab.results import ResultsError
from trm_np.lab.thinking import CURVES, page
from trm_np.puzzles.model import predictions
from trm_np.puzzles.sets import make_test
from trm_np.puzzles.stored import StoredPuzzleModel, load_puzzle_model

LARGEST = 300_000  # bytes


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredPuzzleModel:
    folder = tmp_path_factory.mktemp("run")
    new_run(folder, small()).train()
    return load_puzzle_model(folder / "best.npz", tasks={TASK.name: TASK})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trm_np.puzzles.sets.TEST", 20)


def test_the_page_has_a_puzzle_of_each_difficulty_and_an_unsolved_one(stored: StoredPuzzleModel) -> None:
    shown, test = embedded(page(stored, made_up(1)))["puzzles"], make_test(TASK, 0, 0)
    rounds = [each["rounds"] for each in shown]
    assert sorted(set(rounds)) == np.unique(test.rounds).tolist()
    for each in shown:
        place = [*map(TASK.text, test.questions)].index(each["question"])
        assert each["answer"] == TASK.text(test.answers[place])
        assert not any(test.rounds[:place] == each["rounds"]) or each is shown[-1]
    last = [
        list(predictions(stored.model, test.questions[[place]], STEPS))[-1].boards[0]
        for place in ([*map(TASK.text, test.questions)].index(each["question"]) for each in shown)
    ]
    assert any(TASK.text(board) != each["answer"] for board, each in zip(last, shown, strict=True))


def test_the_probabilities_are_those_of_the_model(stored: StoredPuzzleModel) -> None:
    (first, *_) = embedded(page(stored, made_up(1)))["puzzles"]
    question = np.array([[TASK.symbols.index(symbol) for symbol in first["question"]]], np.uint8)
    for step, prediction in enumerate(predictions(stored.model, question, STEPS)):
        digits = np.array(re.findall("..", first["steps"][step]), int).reshape(16, 4)
        assert np.abs(digits / 100 - prediction.probabilities[0, :, 1:]).max() <= 0.0101
        assert first["right"][step] == pytest.approx(prediction.right[0], abs=6e-4)


def test_the_curves_are_those_of_the_rows_clipped_to_shares(stored: StoredPuzzleModel) -> None:
    rows = made_up(3)
    shown, found = embedded(page(stored, rows))["curves"], {each["name"]: each for each in summarize(rows)}
    assert [each["name"] for each in shown] == list(CURVES.values())
    for each, name in zip(shown, CURVES, strict=True):
        means = [found[name]["solved_by_steps"][str(step + 1)]["mean"] for step in range(STEPS)]
        assert [mean for mean, _, _ in each["solved"]] == pytest.approx(means, abs=6e-4)
        assert all(0 <= low <= mean <= high <= 1 for mean, low, high in each["solved"])


def test_missing_rows_are_reported_with_the_command_that_makes_them(stored: StoredPuzzleModel) -> None:
    rows = [row for row in made_up(1) if row["name"] != DEEPEST]
    with pytest.raises(
        ResultsError, match=f"^no finished run of '{DEEPEST}'; make them with: trm lab recurs"
    ):
        page(stored, rows)


def test_the_document_is_small_and_loads_nothing(stored: StoredPuzzleModel) -> None:
    document = page(stored, made_up(1))
    assert len(document.encode()) < LARGEST
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', document)
    assert policy.startswith("default-src 'none'; ")
    assert re.findall(r"https?://[^\"' ]+|@import|url\(|\bsrc=", document) == ["http://www.w3.org/2000/svg"]
    assert "{{" not in document


def test_text_of_the_rows_cannot_break_out_of_the_script(
    stored: StoredPuzzleModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = page(stored, made_up(1))
    monkeypatch.setitem(CURVES, SHIPPED, "</script><script>alert(1)</script>")
    scripts = re.compile(r"<script|</script|<!--", re.IGNORECASE)
    assert scripts.findall(page(stored, made_up(1))) == scripts.findall(plain)


def test_the_page_in_the_docs_is_up_to_date_with_its_template(stored: StoredPuzzleModel) -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "thinking.html").read_text(encoding="utf-8")
    made = page(stored, made_up(1))
    assert docs.replace(as_script(embedded(docs)), "") == made.replace(as_script(embedded(made)), "")
    assert len(docs.encode()) < LARGEST


def run(*args: str) -> Result:
    return CliRunner().invoke(trm, ["lab", "thinking", *args])


def test_the_command_refuses_unusable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 65
    assert result.stderr.startswith("Error: checkpoints/sudoku6/best.npz: no such file")
    Path("model.npz").write_bytes(b"")
    result = run("model.npz", "--out", "./model.npz")
    assert result.exit_code == 73
    assert result.stderr.startswith("Error: model.npz: is an input of this command")


def test_the_command_writes_the_page(
    tmp_path: Path, stored: StoredPuzzleModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trm_np.puzzles.stored.load_puzzle_model", lambda path: stored)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up(1)))
    result = run("--results", "rows.jsonl")
    document = page(stored, made_up(1))
    assert (result.exit_code, result.output) == (0, f"thinking.html: {len(document.encode()):,} bytes\n")
    assert Path("thinking.html").read_text(encoding="utf-8") == document


def test_the_picture_shows_each_probable_digit(
    tmp_path: Path, stored: StoredPuzzleModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="needs pip install -e '.[plots]'")
    from trm_np.lab.plots import thinking
    from trm_np.lab.thinking import picture

    drawn: list[tuple[str, float, str]] = []
    put = thinking.put

    def noted(
        axes: Any, x: float, y: float, symbol: str, size: float, color: str, weight: str = "normal"
    ) -> None:
        drawn.append((symbol, size, weight))
        put(axes, x, y, symbol, size, color, weight)

    monkeypatch.setattr(thinking, "put", noted)
    written = picture(stored, tmp_path / "solving")
    assert [path.name for path in written] == ["solving.svg", "solving.png"]
    shown = embedded(page(stored, made_up(1)))["puzzles"]
    chosen = shown[(len(shown) - 1) // 2]
    halted = next((step for step, right in enumerate(chosen["right"], 1) if right >= 0.9), STEPS)
    steps = sorted({max(round(part * halted), 1) for part in (0.2, 0.4, 0.7, 1)})
    givens = sum(symbol != "." for symbol in chosen["question"])
    assert sum(weight == "bold" for *_, weight in drawn) == givens * (len(steps) + 1)
    likely = [
        int(digits) / 100
        for step in steps
        for cell, each in enumerate(re.findall("." * 8, chosen["steps"][step - 1]))
        for digits in re.findall("..", each)
        if chosen["question"][cell] == "."
    ]
    sizes = sorted(size for _, size, weight in drawn if weight == "normal")
    low, high = thinking.SMALLEST, thinking.LARGEST
    expected = sorted(low + (high - low) * share for share in likely if share > 0.03)
    np.testing.assert_allclose(sizes[-len(expected) :], expected, atol=0.2)
