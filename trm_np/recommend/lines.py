"""Recommendations for lines of JSON, made here or wherever an executor works."""

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
AHEAD = 4  # portions that the executor has at a time


class Replies(NamedTuple):
    """The replies to a portion of lines, each a line of JSON, and how many of them are errors."""

    text: str
    bad: int


def recommend_lines(
    recommender: Recommender, lines: list[Line], terms: Terms, strict: bool, source: str
) -> Replies:
    """Reply to each line with its recommendation, or with its error."""
    found = [read_line(recommender, line, strict, source) for line in lines]
    checked = [each for each in found if isinstance(each, CheckedProfile)]
    recommendations = iter(recommender.recommend_checked(checked, terms))
    replies: list[dict[str, Any]] = [
        {"line": number} | ({"error": each} if isinstance(each, str) else next(recommendations).to_dict())
        for (number, _), each in zip(lines, found, strict=True)
    ]
    text = "".join(f"{json.dumps(reply)}\n" for reply in replies)
    return Replies(text, len(found) - len(checked))


def read_line(recommender: Recommender, line: Line, strict: bool, source: str) -> CheckedProfile | str:
    """The checked profile on a line, or its problems."""
    try:
        return recommender.check(parse_line(line, source), strict, f"{source} line {line[0]}")
    except DataError as error:
        return str(error)


def spread(
    executor: Executor, recommender: Recommender, portions: Iterator[list[Line]], *options: Any
) -> Iterator[Replies]:
    """`recommend_lines` for SPREAD_LINES at a time, in order, wherever the executor runs it.

    So few portions are under way at once that memory does not grow.
    """
    running: deque[Future[Replies]] = deque()
    try:
        for portion in in_portions_of(SPREAD_LINES, portions):
            running.append(executor.submit(recommend_lines, recommender, portion, *options))
            if len(running) == AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
