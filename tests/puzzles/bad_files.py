"""Files of puzzles with a fault each, by name: what they hold, and `bad_files.txt` what is said of them.

`python -m tests.puzzles.bad_files` writes the list anew; read what has changed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trm_np.data.problems import DataError
from trm_np.puzzles.files import read_puzzles
from trm_np.puzzles.sudoku import SUDOKU_6

EXPECTED = Path(__file__).with_name("bad_files.txt")


def good() -> tuple[str, str]:
    """A puzzle of 6 × 6 and its answer."""
    question, answer = SUDOKU_6.generate(np.random.default_rng(0))
    return SUDOKU_6.text(question), SUDOKU_6.text(answer)


def with_at(text: str, cell: int, symbol: str) -> str:
    return text[:cell] + symbol + text[cell + 1 :]


def bad_files() -> Iterator[tuple[str, bytes]]:
    """Name and content."""
    q, a = good()
    first, blank = next(cell for cell, symbol in enumerate(q) if symbol != "."), q.index(".")
    text = {
        "empty": "",
        "only blank lines": "\n\n  \n",
        "one character too few": q[:-1],
        "one character too many": q + ".",
        "half a board": q[:18],
        "a board of 9 x 9": "." * 81,
        "two boards on a line": q + q,
        "a board over six lines": "\n".join(q[row : row + 6] for row in range(0, 36, 6)),
        "spaces within": " ".join(q),
        "the second line is short": f"{q}\n{q[:-3]}",
        "blank lines are counted": f"{q}\n\n\n{q[:-3]}",
        "two short lines": f"{q}\n{q[:-3]}\n{q[:-2]}",
        "a 7": with_at(q, blank, "7"),
        "a letter": with_at(q, blank, "x"),
        "a dash for a blank": q.replace(".", "-"),
        "an underscore in the last cell": q[:-1] + "_",
        "a full-width digit": with_at(q, blank, "\uff11"),
        "an emoji": with_at(q, blank, "\U0001f600"),
        "a control character": with_at(q, blank, "\x07"),
        "a tab": with_at(q, blank, "\t"),
        "twice in a row": with_at(with_at("." * 36, 0, "1"), 5, "1"),
        "twice in a column": with_at(with_at("." * 36, 2, "4"), 32, "4"),
        "twice in a box": with_at(with_at("." * 36, 0, "6"), 8, "6"),
        "no solution": "12345." + "." * 11 + "6" + "." * 18,
        "two solutions": "." * 36,
        "the third has two solutions": f"{q}\n{q}\n{with_at(q, first, '.')}",
        "a comment": f"# puzzles\n{q}",
        "JSON": '{"puzzle": "' + q + '"}',
        "a header of nothing known": f"quiz,truth\n{q},{a}",
        "no header": f"{q},{a}",
        "a header without an answer": f"puzzle,rating\n{q},3",
        "a header without a question": f"solution,rating\n{a},3",
        "question twice": f"puzzle,puzzle,solution\n{q},{q},{a}",
        "puzzle and answer": f"puzzle,answer\n{q},{a}",
        "a semicolon between": f"puzzle;solution\n{q};{a}",
        "a tab between": f"puzzle\tsolution\n{q}\t{a}",
        "a header alone": "puzzle,solution\n",
        "a header of the published form alone": "source,question,answer,rating\n\n",
        "a cell too few": f"puzzle,solution\n{q}",
        "a cell too many": f"puzzle,solution\n{q},{a},5",
        "a cell too few on line 3": f"source,question,answer,rating\nx,{q},{a},0\nx,{q},{a}",
        "an empty question": f"puzzle,solution\n,{a}",
        "an empty answer": f"puzzle,solution\n{q},",
        "a short answer": f"puzzle,solution\n{q},{a[:-1]}",
        "an answer with a blank": f"puzzle,solution\n{q},{with_at(a, blank, '.')}",
        "an answer with a nought": f"puzzle,solution\n{q},{with_at(a, 35, '0')}",
        "an answer with a letter": f"puzzle,solution\n{q},{with_at(a, 7, 'A')}",
        "an answer that is the question": f"puzzle,solution\n{q},{q}",
        "an answer that breaks a rule": f"puzzle,solution\n{'.' * 36},{'123456' * 6}",
        "an answer of another puzzle": f"puzzle,solution\n{with_at('.' * 36, 0, str(int(a[0]) % 6 + 1))},{a}",
        "question and answer swapped": f"puzzle,solution\n{a},{q}",
        "a question that breaks a rule": f"puzzle,solution\n{'11' + '.' * 34},{a}",
        "quoted, with a letter": f'puzzle,solution\n"{with_at(q, blank, "?")}","{a}"',
        "a quote that is not closed": f'puzzle,solution\n"{q},{a}',
        "the published form, with a wrong rating column": f"source,question,rating\nx,{q},3",
        "the published form, with a bad question": f"source,question,answer,rating\nx,{q[:-1]}7,{a},3",
        "a line without an end": "." * 10_000,
    }
    for name, content in text.items():
        yield name, content.encode()
    yield "not UTF-8", q.encode() + b"\n\xff\xfe" + q[2:].encode()
    yield "UTF-16", q.encode("utf-16")
    yield "a nought byte", with_at(q, blank, "\0").encode()
    yield "a nought byte in CSV", f"puzzle,solution\n{with_at(q, blank, chr(0))},{a}".encode()


def said_of(path: Path) -> str:
    """The message, from the file name on."""
    try:
        read_puzzles(path, SUDOKU_6)
    except DataError as error:
        return str(error).replace(str(path), "FILE")
    return "nothing"


def listing(folder: Path) -> str:
    """Every file name with its message."""
    lines = []
    for name, content in bad_files():
        path = folder / "puzzles.csv"
        path.write_bytes(content)
        lines.append(f"{name}\n  {said_of(path)}\n")
    return "".join(lines)


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as made:
        EXPECTED.write_text(listing(Path(made)), encoding="utf-8")
