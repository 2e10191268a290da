"""`trm puzzle`: output, exit codes and one-line refusals."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.puzzles.test_sudoku import keeps_rules
from trm_np.cli import trm
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.puzzles import sets
from trm_np.puzzles.evaluating import evaluate
from trm_np.puzzles.files import read_puzzles
from trm_np.puzzles.sets import Puzzles, make_puzzles
from trm_np.puzzles.solving import fault_of, solve
from trm_np.puzzles.stored import load_puzzle_model
from trm_np.puzzles.sudoku import SUDOKU_6

QUESTION = "......5.....1..3.6.4..2...4..2..3..5"
ANSWER = "461253532614125346346521654132213465"
SMALL = [
    word
    for key, value in {
        "model.core_width": 16,
        "model.core_blocks": 1,
        "model.core_hidden": 12,
        "model.supervision_steps": 3,
        "model.answer_steps": 3,
        "training.epochs": 2,
        "training.updates": 6,
        "training.evaluate_every": 1,
    }.items()
    for word in ("--set", f"{key}={value}")
]
TRAIN = ["train", *SMALL, "--count", "30"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in an empty folder, with few held-out puzzles, and restore the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sets, "TEST", 20)
    monkeypatch.setattr(sets, "VALIDATION", 10)
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model after little training."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "TEST", 20)
        patch.setattr(sets, "VALIDATION", 10)
        done = CliRunner().invoke(trm, ["puzzle", *TRAIN, "--quiet", "--out", str(folder)])
    assert (done.exit_code, done.output) == (0, "")
    return folder / "best.npz"


def run(*args: str | Path, said: str = "") -> Result:
    return CliRunner().invoke(trm, ["puzzle", *map(str, args)], input=said)


@pytest.mark.parametrize("name", ["make", "train", "solve", "evaluate"])
def test_help_gives_an_example_that_works(name: str, model: Path) -> None:
    (example,) = re.findall(r"^  Example: trm puzzle (.*)$", run(name, "--help").stdout, re.MULTILINE)
    words = (
        example.replace("checkpoints/sudoku6/best.npz", str(model)).replace("--steps 16", "--steps 6").split()
    )
    done = run(*words, *(TRAIN[1:] if name == "train" else ()))
    assert done.exit_code == 0, done.output


# ------------------------------------------------------------------------------------------------- to make


def test_puzzles_are_written_only_to_a_new_file() -> None:
    made = json.loads(run("make", "--count", "7", "--seed", "3", "--json").stdout)
    expected = make_puzzles(SUDOKU_6, 7, np.random.default_rng(3))
    found = read_puzzles("puzzles.csv", SUDOKU_6)
    assert np.array_equal(found.questions, expected.questions)
    assert made["puzzles"] == sum(made["rounds"].values()) == 7
    again = run("make", "--count", "7")
    assert (again.exit_code, again.stderr) == (73, "Error: puzzles.csv exists and is left as it is\n")


def test_mazes_can_be_generated_trained_solved_and_evaluated() -> None:
    made = run("make", "maze5", "--count", "3", "--out", "three.csv")
    assert made.exit_code == 0
    assert made.stdout.endswith(" steps of the way\n")
    done = run(*TRAIN[:1], "maze5", *TRAIN[1:], "--out", "maze")
    assert done.exit_code == 0, done.output
    judged = run("evaluate", "maze/best.npz", "--puzzles", "three.csv")
    assert " steps of the way" in judged.stdout
    assert "singles" not in made.stdout + done.stdout + judged.stdout
    question, answer = Path("three.csv").read_text().splitlines()[1].split(",")
    found = json.loads(run("solve", "maze/best.npz", question, "--json").stdout)
    assert (found["puzzle"], found["question"], len(found["answer"])) == ("maze5", question, len(answer))
    two = run("solve", "maze/best.npz", question.replace("G", "S"))
    assert (two.exit_code, two.stderr.split(";")[0]) == (65, "Error: BOARD: found 2 cells are the start")


# ------------------------------------------------------------------------------------------------ to train


def test_training_prints_its_results() -> None:
    done = run(*TRAIN, "--json")
    found = json.loads(done.stdout)
    assert {"parameters", "seconds", "solved", "solved_by_steps", "solved_by_difficulty"} <= found.keys()
    assert found["puzzles"] == 20
    assert len(found["solved_by_steps"]) == 3
    assert "compared" not in found
    assert {path.name for path in Path("checkpoints/sudoku6").iterdir()} >= {
        "best.npz",
        "last.npz",
        "summary.json",
    }
    assert len([line for line in done.stderr.splitlines() if line.startswith("epoch")]) == 2


def test_rivals_are_trained_with_compare() -> None:
    compared = json.loads(run(*TRAIN, "--compare", "--json").stdout)["compared"]
    assert [rival["name"] for rival in compared] == [
        "the same, N_sup = 1",
        "12 blocks of their own, no recursion",
    ]
    same, deep = compared
    assert same["updates"] == 12  # as many
    assert deep["updates"] == 6  # of six times the work each, and at least one epoch
    assert deep["parameters"] > 5 * same["parameters"]
    assert same["solved_by_steps"].keys() == deep["solved_by_steps"].keys() == {"1", "2", "3"}


def test_own_files_can_be_used_for_training_and_tests(tmp_path: Path) -> None:
    run("make", "--count", "12", "--out", "all.csv")
    run("make", "--count", "5", "--out", "test.csv")  # the first of the same
    found = json.loads(run(*TRAIN, "--puzzles", "all.csv", "--held-out", "test.csv", "--json").stdout)
    assert found["puzzles"] == 4  # one in five validates
    Path("one.csv").write_text(f"{QUESTION}\n")
    too_few = run(*TRAIN, "--quiet", "--held-out", "one.csv")
    assert too_few.stderr == "Error: sudoku6: found 1 puzzle to hold out; needed: at least 2\n"
    refused = run(*TRAIN, "--puzzles", "test.csv", "--held-out", "all.csv")
    assert refused.exit_code == 65
    assert refused.stderr.endswith(
        "Error: test.csv: all its puzzles are twins of held-out ones; give others to train on\n"
    )


def test_training_contains_no_symmetric_copy_of_a_held_out_puzzle() -> None:
    apart = sets.make_held_out(SUDOKU_6, 0, 0)
    puzzles = make_puzzles(SUDOKU_6, 8, np.random.default_rng(1))
    dressed = SUDOKU_6.draw_symmetries(np.random.default_rng(2), 20)
    twins = Puzzles.of(
        SUDOKU_6, *(dressed.applied(x).astype(np.uint8) for x in (apart.test.questions, apart.test.answers))
    )
    both = Puzzles.of(
        SUDOKU_6,
        np.concatenate([twins.questions, puzzles.questions]),
        np.concatenate([twins.answers, puzzles.answers]),
    )
    kept = sets.without_twins(SUDOKU_6, both, apart.known)
    assert np.array_equal(kept.questions, puzzles.questions)
    assert len(apart.known) == 30


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sudoku7"], 2, "no puzzle named 'sudoku7'; did you mean sudoku9 or sudoku6?"),
        (["--set", "model.core_heads=2"], 2, "model.core_heads=2: sudoku6 has masks for 4"),
        (["--set", "training.epoch=2"], 2, "no setting named 'training.epoch'; did you mean training.epochs"),
        (["--puzzles", "none.csv"], 65, "none.csv: found no such file; allowed: a file that exists"),
        (["--resume"], 65, "checkpoints/sudoku6/last.npz: no such file; start without --resume"),
    ],
)
def test_invalid_options_of_training_are_refused_in_one_line(
    words: list[str], code: int, message: str
) -> None:
    done = run(*TRAIN, "--quiet", *words)
    assert done.exit_code == code
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {message}")
    assert done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------ to solve


def test_a_board_is_shown_after_every_step(model: Path) -> None:
    found = json.loads(run("solve", model, QUESTION, "--json").stdout)
    shown = run("solve", model, QUESTION).stdout
    assert [thought["step"] for thought in found["thoughts"]] == [1, 2, 3]
    assert (found["question"], found["answer"]) == (QUESTION, found["thoughts"][-1]["board"])
    before = QUESTION
    for thought in found["thoughts"]:
        cells = [cell for cell in range(36) if thought["board"][cell] != before[cell]]
        assert thought["changed"] == cells
        before = thought["board"]
    marked = [line.count("*") for line in shown.splitlines()]
    assert sum(marked) == sum(len(thought["changed"]) for thought in found["thoughts"])
    assert f"not sure after 3 steps; wrong: {found['fault']}" in shown


def test_boards_of_a_stream_are_solved_line_by_line(model: Path) -> None:
    said = f"{QUESTION}\n\nabc\n{QUESTION.replace('.', '0')}\n66{QUESTION[2:]}\n"
    done = run("solve", model, "--json", said=said)
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 65
    assert [line.get("error") for line in lines] == [
        None,
        "stdin: line 3: found a board of 3 characters; allowed: 36",
        None,
        "stdin: line 5: found two 6 in row 1: row 1 column 1 and row 1 column 2; "
        "allowed: each digit once in every row, column and box",
    ]
    assert lines[0] == lines[2]
    alone = json.loads(run("solve", model, QUESTION, "--json").stdout)
    assert lines[0]["answer"] == alone["answer"]
    text = run("solve", model, "-", said=f"{QUESTION}\n")
    assert text.stdout == f"{alone['answer']} not sure after 3 steps; wrong: {alone['fault']}\n"


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (QUESTION[:-1], "found a board of 35 characters; allowed: 36"),
        (f"x{QUESTION[1:]}", 'found "x" at row 1 column 1; allowed: 1 2 3 4 5 6, and . or 0 for a blank'),
        (
            f"5{QUESTION[1:]}",
            "found two 5 in column 1: row 1 column 1 and row 2 column 1; allowed: each digit once",
        ),
    ],
)
def test_a_bad_board_is_refused_with_the_place_of_its_fault(model: Path, board: str, message: str) -> None:
    done = run("solve", model, board)
    assert done.exit_code == 65
    assert done.stderr.startswith(f"Error: BOARD: {message}")
    assert done.stderr.count("\n") == 1


def test_thinking_takes_four_times_as_long_at_most(model: Path) -> None:
    assert json.loads(run("solve", model, QUESTION, "--steps", "12", "--json").stdout)["steps"] == 12
    done = run("solve", model, QUESTION, "--steps", "13")
    assert (done.exit_code, done.stderr) == (2, "Error: --steps 13: at most 12, 4 times those of training\n")


def test_an_answer_is_checked_by_the_rules(model: Path) -> None:
    question, answer = (
        np.array([int(c) if c != "." else 0 for c in text], np.uint8) for text in (QUESTION, ANSWER)
    )
    assert keeps_rules(SUDOKU_6, answer)
    assert fault_of(SUDOKU_6, question, answer) == ""
    other, blank, swapped = answer.copy(), answer.copy(), answer.copy()
    other[6] = 1
    blank[3] = 0
    swapped[[0, 1]] = swapped[[1, 0]]
    assert fault_of(SUDOKU_6, question, other) == "another symbol than the one given at row 2 column 1"
    assert fault_of(SUDOKU_6, question, blank) == "a blank at row 1 column 4"
    assert fault_of(SUDOKU_6, question, swapped).startswith("two ")
    stored = load_puzzle_model(model)
    head = stored.model.core.halt_head
    head.weight.data[...] = 0
    head.bias.data[...] = -5, 5  # type: ignore[union-attr]  # sure at once
    found = solve(stored.model, question, 3)
    assert (found["steps"], found["halted"]) == (1, True)


# --------------------------------------------------------------------------------------------- to evaluate


def test_an_evaluation_is_that_of_the_training(model: Path) -> None:
    summary = json.loads((model.parent / "summary.json").read_text())
    found = json.loads(run("evaluate", model, "--count", "20", "--json").stdout)
    assert found == {key: summary[key] for key in found}


def test_a_file_can_be_evaluated(model: Path) -> None:
    run("make", "--count", "9", "--seed", "5")
    found = json.loads(run("evaluate", model, "--puzzles", "puzzles.csv", "--json").stdout)
    stored = load_puzzle_model(model)
    assert found == json.loads(json.dumps(evaluate(stored.model, read_puzzles("puzzles.csv", SUDOKU_6), 3)))
    shown = run("evaluate", model, "--puzzles", "puzzles.csv", "--count", "4").stdout
    assert re.search(r"^all +4 ", shown, re.MULTILINE)


@pytest.mark.parametrize("command", ["solve", "evaluate"])
def test_a_file_that_is_not_a_puzzle_model_is_refused(command: str) -> None:
    Path("puzzles.csv").write_text("1,2")
    done = run(command, "puzzles.csv")
    assert done.exit_code == 65
    assert done.stderr.startswith("Error: puzzles.csv: not a whole .npz file")
    assert (
        run(command, "none.npz").stderr
        == "Error: none.npz: no such file; trm puzzle train makes one, best.npz in its --out folder\n"
    )
