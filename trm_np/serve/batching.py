"""Requests that wait for the model at the same time are answered together, several times as fast as one by one.

There is no thread for it: whichever request gets hold of the model answers the one that has waited longest, and with
it those behind that ask the same of the same model; then it lets go. So each is answered in its turn, whoever does it.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice

from trm_np.answers import Recommendation
from trm_np.data.lenient import Asked
from trm_np.recommend import Recommender
from trm_np.serve.forking import after_fork
from trm_np.terms import Terms

PORTION = 64  # profiles that are answered together at most


class TooLate(Exception):
    """It was not this request's turn in time."""


@dataclass(eq=False)
class Waiting:
    """Profiles, what is asked of them (model, terms), and in the end their answers, or what went wrong."""

    asked: list[Asked]
    question: tuple[Recommender, Terms]
    outcome: list[Recommendation] | Exception | None = None
    given_up: bool = False


class Batches:
    """A model that one thread at a time holds, and those that wait for it, in order."""

    def __init__(self) -> None:
        self.begin()
        after_fork(self.begin)

    def begin(self) -> None:
        """Nobody holds the model, and nobody waits."""
        self.model = threading.Lock()
        self.waiting: deque[Waiting] = deque()  # any thread appends; the one that holds the model takes out

    def answer(
        self, recommender: Recommender, asked: list[Asked], terms: Terms, deadline: float
    ) -> list[Recommendation]:
        """`recommender.answer` for at most PORTION profiles, maybe in one batch with others.

        Raises TooLate if its turn has not come by `deadline`, of `time.monotonic`.
        """
        own = Waiting(asked, (recommender, terms))
        self.waiting.append(own)
        while own.outcome is None:
            if not self.model.acquire(timeout=max(0.0, deadline - time.monotonic())):
                own.given_up = True
                raise TooLate
            try:
                if own.outcome is None:
                    answer_together(self._next_batch())
            finally:
                self.model.release()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        return own.outcome

    def _next_batch(self) -> list[Waiting]:
        """Take out the first that waits, and those behind it that can be answered with it."""
        batch: list[Waiting] = []
        others: list[Waiting] = []
        profiles = 0
        for each in [self.waiting.popleft() for _ in range(len(self.waiting))]:
            fits = not batch or (each.question == batch[0].question and profiles + len(each.asked) <= PORTION)
            if fits and not each.given_up:
                batch.append(each)
                profiles += len(each.asked)
            elif not each.given_up:
                others.append(each)
        self.waiting.extendleft(reversed(others))
        return batch


def answer_together(batch: list[Waiting]) -> None:
    """Answer all of a batch; if that fails, each alone, so that it fails for none but the one it is due to."""
    recommender, terms = batch[0].question
    try:
        answers = iter(recommender.answer([asked for each in batch for asked in each.asked], terms))
        for each in batch:
            each.outcome = list(islice(answers, len(each.asked)))
    except Exception as error:
        if len(batch) == 1:
            batch[0].outcome = error
        else:
            for each in batch:
                answer_together([each])
