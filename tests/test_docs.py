"""Every command and every code block of README and docs does what it says: they are run here, in order."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.figures.experiments import EXPERIMENTS
from docs.notebooks.notebook import cells
from tests.lab.small_trials import made_up
from trm_np.data.load import load_dataset
from trm_np.lab.trial import data_digest

ROOT = Path(__file__).resolve().parents[1]
OF_FOLDERS = [ROOT / folder / "README.md" for folder in ("scenarios", "benchmarks")]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *OF_FOLDERS]
LESSONS = sorted((ROOT / "docs" / "lessons").glob("*.md"))
PASTED = ROOT / "tests" / "pasted.py"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


COMMANDS = [(page, line) for page, text in blocks("sh") for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after the first command, with data of their own, and runs of the ablation."""
    folder = tmp_path_factory.mktemp("reader")
    scenarios = ROOT / "scenarios"
    shutil.copy(scenarios / "realistic_user_scenarios.json", folder / "mine.json")
    shutil.copy(scenarios / "held_out_scenarios.json", folder / "my_test.json")
    shutil.copy(scenarios / "gift_catalog.json", folder / "my_gifts.json")
    for name, (_, table) in zip(("orders.csv", "items.csv", "people.csv"), blocks("csv"), strict=True):
        (folder / name).write_text(table)
    run([str(ROOT / "bin" / "trm-train"), "--epochs", "20", "--quiet"], folder)  # the epoch kept
    lab = folder / "checkpoints" / "lab"
    lab.mkdir()
    rows = made_up(EXPERIMENTS["ablation"], data_digest(load_dataset()))
    (lab / "ablation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def run(words: list[str], folder: Path, said: str = "") -> str:
    """Output of Python, where the letters of the pages are known."""
    command = [sys.executable, "-X", "utf8", *words]
    done = subprocess.run(command, cwd=folder, input=said, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", dict.fromkeys(line.partition("    #")[0] for _, line in COMMANDS if "-m venv" not in line)
)
def test_a_command_works(command: str, folder: Path) -> None:
    """It runs as written, except that training takes one epoch, of few puzzles."""
    program, *words = shlex.split(command, comments=True)
    draws = words[0] == "docs/figures"
    if draws or words[:2] == ["lab", "plot"]:
        pytest.importorskip("matplotlib", reason="needs pip install -e '.[plots]'")
    if program == ".venv/bin/python":
        trains = [] if words[0].startswith("docs/") else ["--seeds", "1", "--epochs", "1"]
        run([str(ROOT / words[0]), *words[1:], *trains], folder)
        return
    name = program.removeprefix(".venv/bin/")
    puzzles = words[:2] == ["puzzle", "train"]
    training = (name == "trm-train" or puzzles) and "--epochs" not in words
    short = [*(["--epochs", "1"] if training else []), *(["--count", "200"] if puzzles else [])]
    run([str(ROOT / "bin" / name), *words, *short], folder)


def programs() -> Iterator[tuple[str, list[str], str]]:
    """Blocks of Python on each page that has some, with the output shown below them.

    A text block right after a Python block is what that block prints.
    """
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        codes, printed, end = [], [], -1
        for block in BLOCK.finditer(text):
            kind, content = block.groups()
            if kind == "python":
                codes.append(content)
                end = block.end()
            elif kind == "text" and text[end : block.start()] == "\n\n":
                printed.append(content)
        if codes:
            yield page.name, codes, "".join(printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "codes", "printed", "pasted"),
    [
        pytest.param(*program, pasted, id=f"{program[0]}-{'pasted' if pasted else 'as a script'}")
        for program in programs()
        for pasted in (False, True)
        if pasted or program[0] not in [page.name for page in LESSONS]
    ],
)
def test_the_code_of_a_page_prints_what_stands_below_it(
    page: str, codes: list[str], printed: str, pasted: bool, folder: Path
) -> None:
    """Its blocks in order, line by line at Python's prompt, and as one program, which of a lesson is its notebook."""
    here = f"import sys; sys.path.append({str(ROOT)!r})\n"
    if pasted:
        found = run(["-W", "error", str(PASTED)], folder, said=json.dumps([here, *codes]))
    else:
        found = run(["-W", "error", "-"], folder, said=here + "\n".join(codes))
    lines = found.splitlines()
    assert [line for line in printed.splitlines() if line not in lines] == []


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("notebooks")
    written = run([str(ROOT / "docs" / "notebooks"), str(out)], ROOT).splitlines()
    assert written == [str(out / f"{page.stem}.ipynb") for page in LESSONS]
    return out


def opened(page: Path, notebooks: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((notebooks / f"{page.stem}.ipynb").read_text("utf-8"))["cells"]
    return cells


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.name)
def test_a_notebook_has_the_text_code_and_output_of_its_lesson(page: Path, notebooks: Path) -> None:
    cells = opened(page, notebooks)
    text = page.read_text(encoding="utf-8")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    if "checkpoints" in code[0]["source"] and "os.chdir" in code[0]["source"]:
        code.pop(0)
    assert [cell["source"] + "\n" for cell in code] == [
        block for kind, block in BLOCK.findall(text) if kind == "python"
    ]
    whole = LINK.sub("](", text)
    for cell in cells:
        if cell["cell_type"] == "markdown":
            assert LINK.sub("](", cell["source"]) in whole
            for target, _ in LINK.findall(BLOCK.sub("", cell["source"])):
                assert not target or (notebooks / target).exists(), target
        for output in cell.get("outputs", ()):
            assert output["text"] in text
    assert len({cell["id"] for cell in cells}) == len(cells)


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.name)
def test_a_notebook_is_one_by_the_format(page: Path, notebooks: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the extra [docs] is not installed")
    nbformat.validate(nbformat.read(notebooks / f"{page.stem}.ipynb", as_version=4))


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.name[:2] != "00" else ()) for page in LESSONS],
    ids=lambda page: page.name,
)
def test_a_notebook_prints_what_it_shows(page: Path, notebooks: Path, request: pytest.FixtureRequest) -> None:
    """Cell by cell; what depends on the machine is left out."""
    cells = [cell for cell in opened(page, notebooks) if cell["cell_type"] == "code"]
    needs_runs = any("checkpoints" in cell["source"] for cell in cells)
    folder = request.getfixturevalue("folder") if needs_runs else notebooks
    here = ["-W", "error", str(ROOT / "tests" / "notebook.py")]
    printed = json.loads(run([*here, str(notebooks / f"{page.stem}.ipynb")], folder))
    for cell, found in zip(cells, printed, strict=True):
        varies = "nbval-ignore-output" in cell["metadata"].get("tags", ())
        for output in cell["outputs"]:
            assert varies or output["text"] == found


def test_the_blocks_of_a_page_become_cells() -> None:
    shown = "```python\n1\n```\n\n```text\n2\n```\n\nthree\n\n```text\n4\n```\n\n"
    text = f"# A\n\none\n\n{shown}## B\n\n```sh\n5\n```\n"
    found = [(cell["cell_type"], cell["source"], cell.get("outputs")) for cell in cells(text)]
    assert found == [
        ("markdown", "# A\n\none", None),
        ("code", "1", [{"name": "stdout", "output_type": "stream", "text": "2\n"}]),
        ("markdown", "three\n\n```text\n4\n```", None),
        ("markdown", "## B\n\n```sh\n5\n```", None),
    ]


@pytest.mark.parametrize(
    ("block", "taken"),
    [
        ("for i in (1, 2):\n    print(i)\n\nprint(3)\n", True),
        ("for i in (1, 2):\n    print(i)\nprint(3)\n", False),
        ("class A:\n    a = 1\n\n    b = 2\n", False),
        ("lines = (\n", False),
        ("print(missing)\n", False),
    ],
    ids=[
        "a blank line after a loop",
        "none",
        "one in a class",
        "an open bracket",
        "a name that is not there",
    ],
)
def test_what_a_prompt_does_not_take_is_noticed(block: str, taken: bool) -> None:
    words = [sys.executable, str(PASTED)]
    done = subprocess.run(words, input=json.dumps([block]), capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == taken, done.stderr


def test_ci_runs_the_second_command_of_the_readme() -> None:
    setting_up = [line for page, line in COMMANDS if page == "README.md" and "-m venv" in line]
    assert len(setting_up) == 2
    assert setting_up[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_lines_of_prose_have_at_most_100_columns(page: Path) -> None:
    assert wide_lines(page.read_text(encoding="utf-8")) == []


def wide_lines(text: str) -> list[str]:
    """Lines of prose above 100 columns; blocks of code, tables and pictures keep each row on one line."""
    prose = BLOCK.sub("", text).splitlines()
    return [line for line in prose if len(line) > 100 and not line.lstrip().startswith(("|", "!["))]


def test_a_wide_line_is_noticed_outside_code_tables_and_pictures() -> None:
    wide = 101 * "a"
    assert wide_lines(f"{wide}\n- {wide[:99]}\n  {wide[:98]}\n") == [wide, f"- {wide[:99]}"]
    assert wide_lines(f"```text\n{wide}\n```\n| {wide} |\n  | {wide} |\n![{wide}](picture.svg)\n") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_to_headings_in_them(page: Path) -> None:
    for target, anchor in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), f"{target}#{anchor}"


def anchors(text: str) -> list[str]:
    """Names of a page's headings in links: lower case, hyphens for spaces, no other punctuation."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_anchors_are_those_of_a_forge() -> None:
    assert anchors("# The price of it, told\n```sh\n# no heading\n```\n## `code` & more\n") == [
        "the-price-of-it-told",
        "code--more",
    ]


def test_every_lesson_is_in_the_reading_order() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    order = re.findall(r"^\| (\w+) \| \[(.*)\]\(lessons/([^)]+)\) \| (\d+) \|$", index, re.MULTILINE)
    assert [name for _, _, name, _ in order] == [lesson.name for lesson in LESSONS]
    for number, title, name, minutes in order:
        text = (ROOT / "docs" / "lessons" / name).read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. {title}\n")
        assert f"- **Time:** about {minutes} minutes.\n" in text


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_lesson_has_the_same_parts(lesson: Path) -> None:
    """Aim, minutes and needs; then key points, with the code; then exercises with answers."""
    text = lesson.read_text(encoding="utf-8")
    _, head, *_ = text.split("\n\n")
    starts = [line for line in head.splitlines() if not line.startswith("  ")]
    wanted = ("You will be able to**", "Time:**", "You need:**")
    assert len(starts) == 3
    assert all(line.startswith(f"- **{words}") for line, words in zip(starts, wanted, strict=True))
    body, key_points = text.split("\n## Key points\n")
    key_points, exercises = key_points.split("\n## Exercises\n")
    assert "(../glossary.md#" in body
    assert code_links(key_points)
    exercises, answers = exercises.split("<summary>Answers</summary>")
    numbers = re.compile(r"^(\d+)\. ", re.MULTILINE)
    assert numbers.findall(exercises) == numbers.findall(answers) != []


def code_links(key_points: str) -> list[tuple[str, str]]:
    """Names in "In the code" and the files where they are; each is defined there."""
    text = key_points.split("- In the code: ")[1]
    found, start = [], 0
    for link in re.finditer(r"\[`([^`]+)`\]\(\.\./\.\./([^)]+)\)", text):
        assert link[1] == link[2]
        source = (ROOT / link[1]).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", text[start : link.start()]):
            assert re.search(rf"^ *(?:def|class) {name}\b|^{name}\b.* = ", source, re.MULTILINE), (
                name,
                link[1],
            )
            found.append((name, link[1]))
        start = link.end()
    return found


def test_a_name_that_is_not_in_the_linked_file_is_noticed() -> None:
    line = "- In the code: `{}` in [`autograd/graph.py`](../../autograd/graph.py)."
    assert code_links(line.format("backward_pass")) == [("backward_pass", "autograd/graph.py")]
    with pytest.raises(AssertionError):
        code_links(line.format("forward_pass"))


def test_terms_of_the_glossary_are_in_order_and_short() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = [entry.split("\n\n", 1) for entry in glossary.split("\n## ")[1:]]
    terms = [term for term, _ in entries]
    assert terms == sorted(set(terms), key=str.lower)
    assert len(terms) >= 40
    for term, text in entries:
        assert 1 <= len(re.findall(r"[.?](?:\s|$)", text)) <= 3, term


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_text_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:autograd|trm_np|scenarios|docs|tests|benchmarks|bin)/[\w/.]+)`", page.read_text("utf-8")
    )
    for path in named:
        assert (ROOT / path).exists(), path
