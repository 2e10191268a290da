"""Answers to lines of JSON, here or wherever an executor works."""

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from trm_np.data.json_lines import Line, in_portions_of, parse_line
from trm_np.data.lenient import CheckedProfile
from trm_np.data.problems import DataError
from trm_np.recommend.recommender import Recommender
from trm_np.recommend.terms import Terms

SPREAD_LINES = 2**12  # at a time
AHEAD = 4  # portions that are given to the executor before the first of them is answered


class Answered(NamedTuple):
    """The answers to a portion of lines, a line of JSON each, and how many of them are errors."""

    text: str
    bad: int


def answer_lines(
    recommender: Recommender, lines: list[Line], terms: Terms, strict: bool, source: str
) -> Answered:
    """Answer each line by `recommend`, or by its error."""
    found = [read_line(recommender, line, strict, source) for line in lines]
    answers = iter(recommender.answer([each for each in found if isinstance(each, CheckedProfile)], terms))
    replies: list[dict[str, Any]] = [
        {"line": number} | (next(answers).to_dict() if isinstance(each, CheckedProfile) else {"error": each})
        for (number, _), each in zip(lines, found, strict=True)
    ]
    text = "".join(f"{json.dumps(reply)}\n" for reply in replies)
    return Answered(text, sum("error" in reply for reply in replies))


def read_line(recommender: Recommender, line: Line, strict: bool, source: str) -> CheckedProfile | str:
    """The checked profile on a line, or its problems."""
    try:
        return recommender.check(parse_line(line, source), strict, f"{source} line {line[0]}")
    except DataError as error:
        return str(error)


def spread(
    executor: Executor, recommender: Recommender, portions: Iterator[list[Line]], *question: Any
) -> Iterator[Answered]:
    """`answer_lines` in order, for SPREAD_LINES at a time, wherever the executor runs it.

    So few portions are under way at once that memory does not grow.
    """
    running: deque[Future[Answered]] = deque()
    try:
        for portion in in_portions_of(SPREAD_LINES, portions):
            running.append(executor.submit(answer_lines, recommender, portion, *question))
            if len(running) == AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
