"""Each check takes the solution, and says of the empty file and of three faults each what is wrong."""

import ast
import shlex
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.waiting import HANG
from trm_np.cli import trm
from trm_np.exercises import LESSONS, running
from trm_np.exercises.exercise import same, shown
from trm_np.exercises.running import check_file, exercises_of, file_name, start_of, stem

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "docs" / "lessons" / "solutions"

# Faults planted in the solutions: what is replaced by what, and what the check says of it.
FAULTS = {
    "0.1": (
        ("-g * a / b**2", "g * a / b**2", "its sign is wrong: when b grows, the quotient falls"),
        ("-g * a / b**2", "-g * a / b", "one division by b is missing"),
        ("(g / b,", "(1 / b,", "the cotangent g is not used"),
    ),
    "0.2": (
        ("cotangents.get(place, 0) + g", "g", "x is used twice, so its two contributions must be added"),
        ("reversed(tape)", "tape", "walk through the tape from its end"),
        ("if result in cotangents", "if True", "stopped with KeyError: 6 at lesson_00.py, line 12"),
    ),
    "0b.1": (
        (" / np.sqrt(width // heads)", "", "the scores are not divided by the root of the width of a head"),
        (
            "np.sqrt(width // heads)",
            "np.sqrt(width)",
            "divide by the root of the width of a head, not by that of D",
        ),
        (" @ w_out.T", "", "the last matrix, w_out, is missing"),
    ),
    "0b.2": (
        ("(gate / (1 + np.exp(-gate)) * up)", "(gate * up)", "the gate goes through silu first"),
        ("gate, up = ", "up, gate = ", "the first rows of w_gate_up are those of the gate"),
        (" * up)", ")", "up is not used"),
    ),
    "1.1": (
        ("/ len(expected)", "/ k", "divide by the number of expected places, not by k"),
        ("np.argsort(-scores)", "np.argsort(scores)", "these are the lowest scores"),
        (
            "sum(place in first for place in expected) / len(expected)",
            "float(expected[0] in first)",
            "expected 0.5",
        ),
    ),
    "1.2": (
        (
            "return np.exp(low + share * (high - low))",
            "return np.exp(low) + share * (np.exp(high) - np.exp(low))",
            "against the logarithm of the size, not against the size",
        ),
        ("share = (gaps", "share = 1 + 0 * (gaps", "this is the next size that was measured"),
        ("return None", "return sizes[-1]", "returned 1000; expected None: the gap never falls so low"),
    ),
    "2.1": (
        (
            "abs(1 - rate * curvature)",
            "1 - rate * curvature",
            "math domain error at lesson_02.py, line 12: return math.ceil(",
        ),
        ("math.ceil", "math.floor", "returned 458; expected 459: one update less is not enough"),
        (">= 1", "> 5", "w grows without bound"),
    ),
    "2.2": (
        (' and "embedding" not in name', "", "an embedding does not decay"),
        (".append(name)", ".extend([name] * len(shape))", "core.token_embedding.weight is in 2 groups"),
        ("in shapes.items():", "in list(shapes.items())[:-1]:", "is in no group, so it would never learn"),
    ),
    "3.1": (
        ("bad > patience", "bad >= patience", "patience bad evaluations are allowed, and the next one acts"),
        ("* (1 - 0.0001)", "", "lower by less than a part in 10,000 is bad"),
        ("rate, bad = max(rate * factor, lowest), 0", "rate *= factor", "the count begins again at zero"),
    ),
    "3.2": (
        (
            "any(new[group] < old[group] for group in new)",
            'new["core"] < old["core"]',
            "the rate of one group falls",
        ),
        ("new[group] < old[group]", "new[group] != old[group]", "a rate that rises is no reduction"),
        ('now["epoch"]', 'before["epoch"]', "returned [2, 4]; expected [3, 5]"),
    ),
    "4.1": (
        (" / tools", "", "the loss is a mean: divide by the number of tools"),
        ("right * np.log(right) / tools", "2 * np.log(2) / 5", "this is the bound for 2 of 5 tools"),
        ("right * np.log(right) / tools", "np.log(right)", "the bound of categorical cross-entropy"),
    ),
    "4.2": (
        (" + np.log(1 - p[:, right:]).sum(axis=1)", "", "of the wrong tools is missing"),
        ("loss.min()", "loss.mean()", "take the lowest of all draws, not their mean"),
        (
            "rng.dirichlet([0.2] * tools, size=draws)",
            "rng.random((draws, tools))",
            "do the probabilities sum to one?",
        ),
    ),
    "5.1": (
        (" / (1 - p)", "", "1 times x; expected 1 / (1 − p)"),
        (">= p", "< p", "p is the probability to drop, not to keep"),
        ("rng.random(x.shape)", "rng.random((len(x), 1))", "whole rows are zero"),
    ),
    "5.2": (
        ("(g * factor,)", "(g / (1 - p),)", "was dropped has no effect on the output, so its gradient is 0"),
        ("(g * factor,)", "(g * keep,)", "was divided by 1 − p, and so is its gradient"),
        (
            "return x * factor, lambda g: (g * factor,)",
            "return x * factor",
            "expected two things: the value, and",
        ),
    ),
    "6.1": (
        ("bad > patience", "bad >= patience", "patience bad evaluations are allowed, and the next one stops"),
        ("quality > best", "quality >= best", "a tie is not better"),
        (
            "best, kept, bad = quality, epoch, 0",
            "best, kept = quality, epoch",
            "sets the count of bad ones to zero",
        ),
    ),
    "6.2": (
        (" / len(rises) ** 0.5", "", "the error of a mean is s / √N, not s"),
        ("ddof=1", "ddof=0", "has N − 1 below the sum of squares"),
        ("rises.mean() >", "abs(rises.mean()) >", "the mean falls"),
    ),
    "7.1": (
        ("range(every,", "range(1,", "epochs 5, 10, 15, … are evaluated"),
        ("bad += 1", "bad += every", "patience counts evaluations, not epochs"),
        (
            "return kept, len(curve), evaluations",
            "return kept, epoch, evaluations",
            "goes on to the end of the curve",
        ),
    ),
    "7.2": (
        (".max(axis=1)", ".max(axis=0)", "take the best of each run, and then the mean over the runs"),
        (".max(axis=1)", "", "take the best of each run, not the mean of all evaluations"),
        (".max(axis=1).mean()", ".max(axis=1)", "expected one number"),
    ),
    "8.1": (
        ("max(low, bottom)", "low", "the part below the tier is not counted"),
        ("return 1 - ", "return ", "this is the probability to stay"),
        ("min(high, top)", "high", "the part above the tier is not counted"),
    ),
    "8.2": (
        ("rng.uniform(max(low, bottom), min(high, top))", "rng.uniform(low, high)", "are in another tier"),
        (
            "rng.uniform(max(low, bottom), min(high, top))",
            "min(max(rng.uniform(low, high), bottom + 1e-6), top)",
            "clipping is no draw",
        ),
        ("max(low, bottom), min(high, top)", "bottom, min(top, 900)", "draws are further away than 15%"),
    ),
    "9.1": (
        ("return f(y + z), z", "return f(x + y + z), z", "without x and with the new z"),
        ("return f(y + z), z", "return z, f(y + z)", "the answer y comes first, then z"),
        ("range(n)", "range(n - 1)", "called f 1 times; expected 1 times for z and once for y"),
    ),
    "9.2": (
        ("with no_grad():", "if True:", "all of the latent recursions were recorded, not the last alone"),
        ("range(T - 1)", "range(T)", "called f 12 times; expected T · (n + 1) = 9"),
        (
            "T - 1):\n            y, z = latent_recursion(f, x, y, z, n)\n    return",
            "T - 1):\n            y, z = latent_recursion(f, x, y, z, n)\n        return",
            "the result has no gradient",
        ),
    ),
    "10.1": (
        ("if w.ndim == 2:", "if True:", "only arrays with two axes decay"),
        ("(1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t))", "1 / (np.sqrt(v)", "m and v start at zero, which"),
        ("state[name] if state else (0, 0)", "(0, 0)", "m and v must be kept from one update to the next"),
    ),
    "10.2": (
        ("if length <= largest:\n        return gradients\n    ", "", "nothing is scaled up"),
        (
            "np.sqrt(sum((g**2).sum() for g in gradients))",
            "max(abs(g).max() for g in gradients)",
            "not the largest",
        ),
        (
            "g * (largest / length)",
            "g * (largest / np.sqrt((g**2).sum()))",
            "all arrays have one length together",
        ),
    ),
    "11.1": (
        ("stats.t.ppf(0.975, n - 1)", "1.96", "ten need Student's t"),
        (" / n**0.5", "", "the error of a mean is s / √N"),
        ("ddof=1", "ddof=0", "has N − 1 below the sum: ddof=1"),
    ),
    "11.2": (
        ("for names in train for", "for names in test for", "those of test are not known yet"),
        ("any(name in best for name in names)", "all(name in names for name in best)", "not all of them"),
        ("(-counts[name], name)", "(counts[name], name)", "these are the rarest categories"),
    ),
    "12.1": (
        ("if len(places) == 1:", "if False:", "no other cell of a row, column or box can have it"),
        ("found = {cell: min(digits) for", "found = {} and {cell: min(digits) for", "is missing"),
        ("== 1}", "<= 2}", "is no single of this board"),
    ),
    "12.2": (
        (
            "count = board.copy(), 0",
            "count = board.copy(), 1",
            "returned 1; expected 0: a full board needs no round",
        ),
        ("return None", "return count", "expected None"),
        ("count += 1", "count += len(found)", "returned"),
    ),
    "13.1": (
        (
            "scores.max(axis=1).mean(), again.mean()",
            "again.mean(), again.mean()",
            "the highest of the ten scores",
        ),
        ("again.mean()", "scores.max(axis=1).mean()", "the new measurement has new noise, and no luck"),
        ("qualities[best]", "qualities.mean()", "measure the one that was chosen, not any"),
    ),
    "13.2": (
        (" + equal / 2", "", "a tie counts half"),
        (
            "first[:, None] > second,",
            "first[:, None] < second,",
            "this is the share in which the second is larger",
        ),
        ("first[:, None] > second", "first[:, None] >= second", "a tie counts half"),
    ),
}


def checked(lesson: str, text: str, folder: Path) -> dict[str, str]:
    path = folder / file_name(lesson)
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a wrong solution
        return {name.split()[0]: said for name, said in check_file(lesson, path)}


def solution(lesson: str) -> str:
    return (SOLUTIONS / file_name(lesson)).read_text(encoding="utf-8")


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_solution_is_right(lesson: str) -> None:
    assert [said for _, said in check_file(lesson, SOLUTIONS / file_name(lesson))] == ["", ""]


@pytest.mark.parametrize("lesson", LESSONS)
def test_of_the_file_to_fill_in_nothing_is_written_yet(lesson: str, tmp_path: Path) -> None:
    found = checked(lesson, start_of(lesson).decode(), tmp_path)
    assert found == {f"{lesson}.{place}": "is not written yet" for place in (1, 2)}


@pytest.mark.parametrize(
    ("number", "old", "new", "said"),
    [(number, *fault) for number, faults in FAULTS.items() for fault in faults],
)
def test_a_wrong_solution_is_told_its_fault(
    number: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    lesson = number.split(".")[0]
    right = solution(lesson)
    name = exercises_of(lesson)[int(number.split(".")[1]) - 1].name
    start = right.index(f"def {name}(")
    assert old in right[start:], "the fault cannot be planted"
    found = checked(lesson, right[:start] + right[start:].replace(old, new, 1), tmp_path)
    assert said in found[number]
    assert "\n" not in found[number]


def test_each_exercise_has_three_faults_and_hints() -> None:
    numbers = [f"{lesson}.{place}" for lesson in LESSONS for place in (1, 2)]
    assert list(FAULTS) == numbers
    assert all(len(faults) == 3 for faults in FAULTS.values())
    assert all(len(each.hints) == 3 for lesson in LESSONS for each in exercises_of(lesson))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_file_to_fill_in_has_the_functions_that_are_checked(lesson: str) -> None:
    text = start_of(lesson).decode()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == [each.name for each in exercises_of(lesson)]
    assert all(ast.get_docstring(function) for function in functions)
    assert all(len(line) <= 120 for line in text.splitlines())
    assert f"Check with: trm lesson check {lesson}" in text.splitlines()[0]


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_lesson_names_its_command_and_its_solutions(lesson: str) -> None:
    (page,) = (ROOT / "docs" / "lessons").glob(f"{stem(lesson).removeprefix('lesson_')}-*.md")
    text = page.read_text(encoding="utf-8")
    assert f"trm lesson start {lesson}" in text and f"trm lesson check {lesson}" in text
    assert f"(solutions/{file_name(lesson)})" in text
    for exercise in exercises_of(lesson):
        assert f"`{exercise.name}`" in text


# ------------------------------------------------------------------------------------- the learner's file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def lowest_loss(right, tools):\n    return right * log(right) / tools\n",
            "name 'log' is not defined",
        ),
        ("def lowest_loss(right, tools):\n    return right / 0\n", "ZeroDivisionError: division by zero"),
        ("def lowest_loss(right, tools):\n    raise SystemExit('bye')\n", "SystemExit: bye"),
        ("def lowest_loss(right, tools):\n    return lowest_loss(right, tools)\n", "RecursionError"),
        ("def lowest_loss(right):\n    return 1\n", "takes 1 positional argument but 2 were given"),
        (
            "def lowest_loss(right, tools):\n    right\n",
            "returned None (is there a `return`?); expected 0.277259",
        ),
        ("def lowest_loss(right, tools):\n    return 'low'\n", "returned 'low'; expected 0.277259"),
        ("def lowest_loss(right, tools):\n    return [1, [2]]\n", "returned [1, [2]]; expected 0.277259"),
        ("lowest_loss = 3\n", "lesson_04.py has no function lowest_loss"),
        (
            "def lowest_loss(right, tools):\n    raise ValueError('a\\nb\\n c')\n",
            "stopped with ValueError: a b c at lesson_04.py",
        ),
    ],
)
def test_what_goes_wrong_in_a_function_is_said_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    found = checked("4", text, tmp_path)["4.1"]
    assert said in found and "\n" not in found
    if "takes 1" in found:
        assert found.endswith("in lowest_loss(2, 5)")
    elif "stopped" in found:
        assert "lesson_04.py, line 2: " in found
        assert "in lowest_loss(2, 5): each right tool gets the probability 1/2" in found


# Results of a kind that no check expects: the body of the function, and what is said of it.
UNFORESEEN = {
    "0.1": (
        ("return a / b, lambda g: (g[:, 0], g[0])", "] where central differences give [["),
        ("return a / b, lambda g: (None, 'g')", "None where central differences give [["),
    ),
    "0.2": (("return {place: 'a' for place in range(9)}", "the cotangent of place 0 returned 'a'"),),
    "0b.1": (("return [[1, 2], [3]]", "returned [[1, 2], [3]]; expected [["),),
    "1.1": (("return 10**400", "expected 0.5"),),
    "2.2": (
        ("return {name: 1 for name in shapes}", "expected a dict of groups, which are lists of names"),
        ("return {name: None for name in shapes}", "expected a dict of groups, which are lists of names"),
    ),
    "3.1": (("return Odd()", "cannot be compared: Odd (OSError: no repr at lesson_03.py, line 9: raise"),),
    "4.1": (("return {'a': 10**400}", "returned {'a': 1000000"),),
    "5.1": (
        ("return Odd()", "cannot be compared: Odd (OSError: no array at lesson_05.py, line 6: raise"),
        ("return [[1, 2], [3]]", "cannot be compared: list (ValueError: "),
    ),
    "5.2": (
        ("return x * keep / (1 - p), lambda g: (Odd(),)", "cannot be compared: tuple (OSError: no repr"),
    ),
    "6.1": (("return {'a': 'b'}", "returned {'a': 'b'}; expected (3, 3)"),),
    "7.2": (("return 1j", "returned 1j; expected one number"),),
    "8.1": (("return [10**400, {}]", "expected 0"),),
    "9.1": (
        ("return [f(np.concatenate([x, y, z])) for _ in range(n + 1)]", "call 1 of f: got ["),
        ("return [f(0) for _ in range(n + 1)]", "call 1 of f: got 0; expected x + y + z = ["),
    ),
    "9.2": (("return f, f", "called f 0 times"),),
    "10.1": (("return {'matrix': Odd()}, None", "returned something that cannot be compared: tuple"),),
    "11.1": (("return SystemExit", "returned SystemExit; expected ("),),
    "12.1": (
        ("return {(r, c): board for r in range(6) for c in range(6)}", " is [["),
        ("return {'a\\nb': 1}", "is missing; it must be"),
    ),
    "13.1": (
        ("return None, None", "returned (None, None); expected two numbers"),
        ("raise Mute", "stopped with Mute: its message cannot be shown at lesson_13.py, line 16: raise Mute"),
        ("return 10**400, 1", "cannot be compared: tuple (OverflowError: "),
    ),
}
ODD = """import numpy as np

class Odd:
    def __array__(self, *arguments, **settings):
        # The array and the repr of an object may fail.
        raise OSError("no array")

    def __repr__(self):
        raise OSError("no\\nrepr")

class Mute(Exception):
    def __str__(self):
        raise OSError("no message")

"""


@pytest.mark.parametrize(
    ("number", "body", "said"), [(number, *case) for number, cases in UNFORESEEN.items() for case in cases]
)
def test_a_result_of_any_kind_is_told_in_one_line(number: str, body: str, said: str, tmp_path: Path) -> None:
    lesson, place = number.split(".")
    name = exercises_of(lesson)[int(place) - 1].name
    (function,) = (node for node in ast.parse(solution(lesson)).body if getattr(node, "name", "") == name)
    assert isinstance(function, ast.FunctionDef)
    text = f"{ODD}def {name}({ast.unparse(function.args)}):\n    {body}\n"
    found = checked(lesson, text, tmp_path)[number]
    assert said in found
    assert "\n" not in found


def test_each_lesson_is_checked_with_an_unforeseen_result() -> None:
    assert {number.split(".")[0] for number in UNFORESEEN} == set(LESSONS)


def run(*words: str) -> Result:
    return CliRunner().invoke(trm, ["lesson", *words])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_starts_checks_and_hints(here: Path) -> None:
    started = run("start", "4")
    assert started.stdout == "lesson_04.py: fill in the functions, then run: trm lesson check 4\n"
    assert (here / "lesson_04.py").read_bytes() == start_of("4")
    checked = run("check", "4")
    assert checked.stdout == "4.1 lowest_loss: is not written yet\n4.2 search: is not written yet\n"
    advice = "Error: not solved: 4.1 and 4.2; `trm lesson hint 4.1` has hints\n"
    assert (checked.exit_code, checked.stderr) == (1, advice)
    half = solution("4").replace("def search", "def searched")
    (here / "lesson_04.py").write_text(half, encoding="utf-8")
    assert run("check", "4").stderr == "Error: not solved: 4.2; `trm lesson hint 4.2` has hints\n"
    hints = [run("hint", "4.1", "-n", str(number)).stdout.splitlines() for number in (1, 2, 3)]
    assert [lines[0] for lines in hints] == list(exercises_of("4")[0].hints)
    assert [len(lines) for lines in hints] == [2, 2, 1]
    (here / "lesson_04.py").write_text(solution("4"), encoding="utf-8")
    solved = run("check", "4")
    assert (solved.exit_code, solved.stdout) == (0, "4.1 lowest_loss: right\n4.2 search: right\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "4"], 74, "lesson_04.py: no such file in this folder; `trm lesson start 4` writes one"),
        (["check", "4", "mine.py"], 74, "mine.py: no such file"),
        (["check", "4", "."], 74, ".: a folder, not a file"),
        (["check", "04"], 74, "lesson_04.py: no such file in this folder"),
        (["check", "lesson_00b.py"], 74, "lesson_00b.py: no such file in this folder"),
        (["check", "14"], 2, "no lesson named '14'; did you mean 4"),
        (["start", "4", "--out", ""], 2, "an empty name"),
        (["hint", "4.3"], 2, "no exercise named '4.3'; did you mean 4.2 or 4.1?"),
        (["hint", "4.1", "-n", "4"], 2, "exercise 4.1 has 3 hints"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], code: int, said: str, here: Path) -> None:
    result = run(*words)
    assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1)
    assert said in result.stderr


@pytest.mark.parametrize("folder", ["a b", "new", "it's"])
def test_the_command_that_is_printed_can_be_pasted(folder: str, here: Path) -> None:
    printed = run("start", "4", "--out", folder).stdout.partition("then run: ")[2]
    command = shlex.split(printed)
    assert command == ["trm", "lesson", "check", "4", f"{folder}/lesson_04.py"]
    assert "is not written yet" in run(*command[2:]).stdout


def test_a_file_that_is_there_is_not_replaced(here: Path) -> None:
    (here / "lesson_04.py").write_text("mine")
    assert "exists and is left as it is" in run("start", "4").stderr
    assert (here / "lesson_04.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"def lowest_loss(right, tools)\n", "lesson_04.py, line 1: expected ':'"),
        (
            b"import numpy\n1 / 0\n",
            "stopped with ZeroDivisionError: division by zero at lesson_04.py, line 2: 1 / 0",
        ),
        (b"import nowhere\n", "No module named 'nowhere' at lesson_04.py, line 1: import nowhere"),
        (b"raise SystemExit(3)\n", "stopped with SystemExit: 3 at lesson_04.py, line 1"),
        (b"raise ValueError('a\\nb')\n", "stopped with ValueError: a b at lesson_04.py, line 1"),
        (
            b"class Mute(ValueError):\n    def __str__(self):\n        raise SystemExit(3)\n\nraise Mute\n",
            "stopped with Mute: its message cannot be shown at lesson_04.py, line 5: raise Mute",
        ),
        (b"a = '\xff'\n", "codec can't decode byte 0xff"),
        (b"\x00", "null bytes"),
    ],
)
def test_a_file_that_cannot_be_run_is_one_line(content: bytes, said: str, here: Path) -> None:
    (here / "lesson_04.py").write_bytes(content)
    result = run("check", "4")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert said in result.stderr


def test_what_a_learner_prints_is_seen_and_their_main_is_left_out(here: Path) -> None:
    text = "def lowest_loss(right, tools):\n    print('called')\n\nif __name__ == '__main__':\n    print('main')\n"
    (here / "lesson_04.py").write_text(text)
    result = run("check", "4")
    assert "called\n" in result.stdout and "main" not in result.stdout


@pytest.mark.posix
@pytest.mark.parametrize(
    ("where", "interrupted"),
    [("def lowest_loss(right, tools):", "lowest_loss"), ("if True:", "lesson_04.py")],
)
def test_an_endless_loop_is_stopped_by_ctrl_c_and_its_line_is_said(
    where: str, interrupted: str, here: Path
) -> None:
    text = f"{where}\n    print('begun', flush=True)\n    tools = 0\n    while True:\n        tools += 1\n"
    (here / "lesson_04.py").write_text(text)
    command = [sys.executable, str(ROOT / "bin" / "trm"), "lesson", "check", "4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANG)
    assert process.returncode == 130
    first, last = filter(None, said.splitlines())
    assert first.startswith(f"{interrupted} was interrupted at lesson_04.py, line ")
    assert last == "Error: interrupted"


def test_ctrl_c_outside_of_the_file_adds_no_blank_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(lesson: str) -> None:
        raise KeyboardInterrupt

    (here / "lesson_04.py").write_text("")
    monkeypatch.setattr(running, "exercises_of", interrupted)
    result = run("check", "4")
    assert (result.exit_code, result.stderr) == (130, "\nError: interrupted\n")


# --------------------------------------------------------------------------------------- comparing and showing


@pytest.mark.parametrize(
    ("found", "expected", "agree"),
    [
        (1.0 + 1e-9, 1.0, True),
        (1.001, 1.0, False),
        ([1.0, 2.0], np.array([1.0, 2.0]), True),
        (np.array([1.0]), 1.0, False),
        ((1, 2), [1, 2], True),
        ((1, 2, 3), (1, 2), False),
        (np.bool_(True), True, True),
        (None, 0.0, False),
        (0.0, None, False),
        (None, None, True),
        ({"a": [1.0]}, {"a": np.array([1.0])}, True),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}, False),
        (float("inf"), float("inf"), True),
        ("a", "a", True),
        ([np.zeros(2), np.ones(3)], [np.zeros(2), np.ones(3)], True),
        (object(), 1.0, False),
    ],
)
def test_results_agree_up_to_rounding(found: object, expected: object, agree: bool) -> None:
    assert same(found, expected) == agree


def test_values_are_shown_as_they_could_be_typed() -> None:
    value = {"a": [np.float64(0.1), None], "b": (True,), "c": np.array([[1.0, 2.5]])}
    assert shown(value) == "{'a': [0.1, None], 'b': (True,), 'c': [[1. , 2.5]]}"
    assert len(shown(list(range(1000)))) == 300
