"""`trm train --check`: all problems of the data files, or the number of records in them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from trm_np.cli.errors import DATA_REFUSED

if TYPE_CHECKING:
    from trm_np.cli.options import DataFiles
    from trm_np.data.load import Dataset
    from trm_np.data.problems import Problem

MOST_LINES = 20


def check_data(files: "DataFiles", as_json: bool) -> tuple[str, int]:
    """Check the data files; return the text to print and the exit code."""
    from trm_np.data.load import load_dataset
    from trm_np.data.problems import DataError

    try:
        sizes = sizes_of(load_dataset(*files))
    except DataError as error:
        return problems_json(error.problems) if as_json else problem_lines(error.problems), DATA_REFUSED
    return json.dumps({"good": sizes, "problems": []}, indent=2) if as_json else good_line(sizes), 0


def problem_lines(problems: "Sequence[Problem]") -> str:
    """A line for each problem if there are few, else for the first ones of every file, and how many more there are."""
    seen: Counter[str] = Counter()
    turns = []
    for problem in problems:
        turns.append(seen[problem.file])
        seen[problem.file] += 1
    in_turn = sorted(range(len(problems)), key=turns.__getitem__)
    lines = [str(problems[index]) for index in sorted(in_turn[:MOST_LINES])]
    if len(problems) > MOST_LINES:
        lines.append(f"and {len(problems) - MOST_LINES} more")
    return "\n".join(lines)


def good_line(sizes: Mapping[str, int]) -> str:
    return (
        f"nothing is wrong with {sizes['scenarios']} scenarios to train on, {sizes['validation']} to validate and "
        f"{sizes['test']} to test on, and {sizes['gifts']} gifts"
        + (f"; {sizes['with_choices']} of the scenarios say what was chosen" if sizes["with_choices"] else "")
    )


def problems_json(problems: "Sequence[Problem]") -> str:
    fields = ("file", "place", "found", "allowed", "suggestion")
    found = [{field: getattr(problem, field) for field in fields} for problem in problems]
    return json.dumps({"good": None, "problems": found}, indent=2)


def sizes_of(data: "Dataset") -> dict[str, int]:
    held_out = (data.validation,) if data.shares_held_out else (data.validation, data.test)
    return {
        "scenarios": len(data.train),
        "validation": len(data.validation),
        "test": len(data.test),
        "gifts": len(data.gifts),
        "with_choices": sum(bool(each.chosen) for each in chain(data.train, *held_out)),
    }
