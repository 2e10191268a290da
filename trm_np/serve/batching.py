"""Requests that wait for the model at the same time are answered together, several times as fast as one by one.

There is no separate thread. The request that holds the model handles the one that has waited longest, together with
later ones for the same model and terms, and then releases the model. Requests are therefore handled in order, by any
thread.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from trm_np.data.lenient import CheckedProfile
from trm_np.deadline import TooLate, until
from trm_np.recommend.recommendation import Recommendation
from trm_np.recommend.recommender import Recommender
from trm_np.recommend.terms import Terms
from trm_np.serve.forking import after_fork

PORTION = 64  # profiles that are answered together at most
MANY = 16  # from so many on, answers tell how fast they are under load
SHARE_OF_NEW = 0.2  # of the newest measure in the pace
MOST_SECONDS = 6.0  # of work that is taken on at a time


class Overloaded(Exception):
    """The work already accepted leaves no time for more."""


@dataclass(eq=False)
class Waiting:
    """A waiting request: profiles, model and terms, the deadline, and later its recommendations or error."""

    profiles: list[CheckedProfile]
    question: tuple[Recommender, Terms]
    deadline: float
    outcome: list[Recommendation] | Exception | None = None
    given_up: bool = False


class Batches:
    """A model that one thread at a time holds, and those that wait for it, in order.

    `admitted` profiles are taken on, each of which takes `pace` seconds among many; 0 before any were answered.
    `failures` counts the latest requests in a row that ended with an error, or too late.
    """

    def __init__(self) -> None:
        self.begin()
        after_fork(self.begin)

    def begin(self) -> None:
        """Reset locks, queue and counters."""
        self.failures = 0
        self.lock, self.admitted, self.pace = threading.Lock(), 0, 0.0
        self.model = threading.Lock()
        self.waiting: deque[Waiting] = deque()  # any thread appends; the one that holds the model takes out

    @contextmanager
    def admit(self, profiles: int) -> Iterator[None]:
        """Take so many profiles on; raises Overloaded if those taken on already leave no time for them.

        Work that is begun and not finished in time would cost all others. With no other work, none is refused.
        """
        with self.lock:
            if self.admitted and (self.admitted + profiles) * self.pace > MOST_SECONDS:
                raise Overloaded
            self.admitted += profiles
        try:
            yield
        finally:
            with self.lock:
                self.admitted -= profiles

    def recommend(
        self, recommender: Recommender, profiles: list[CheckedProfile], terms: Terms, deadline: float
    ) -> list[Recommendation]:
        """`recommender.recommend_checked` for at most PORTION profiles, maybe in one batch with others.

        Raises TooLate if they are not answered by `deadline`, of `time.monotonic`.
        """
        own = Waiting(profiles, (recommender, terms), deadline)
        self.waiting.append(own)
        while own.outcome is None:
            if not self.model.acquire(timeout=max(0.0, deadline - time.monotonic())):
                own.given_up = True
                raise TooLate
            try:
                if own.outcome is None:
                    self._recommend_together(self._next_batch())
            finally:
                self.model.release()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        return own.outcome

    def _next_batch(self) -> list[Waiting]:
        """Take out the first that waits, and those behind it that can be answered with it."""
        batch: list[Waiting] = []
        others: list[Waiting] = []
        count = 0
        for each in [self.waiting.popleft() for _ in range(len(self.waiting))]:
            fits = not batch or (each.question == batch[0].question and count + len(each.profiles) <= PORTION)
            if fits and not each.given_up:
                batch.append(each)
                count += len(each.profiles)
            elif not each.given_up:
                others.append(each)
        self.waiting.extendleft(reversed(others))
        return batch

    def _recommend_together(self, batch: list[Waiting]) -> None:
        """Handle a batch of requests. If that fails, handle each alone, so that only the faulty one fails.

        Requests that are out of time leave the batch, and the others begin again.
        """
        recommender, terms = batch[0].question
        profiles = [profile for each in batch for profile in each.profiles]
        first = min(each.deadline for each in batch)
        try:
            began = time.monotonic()
            with until(first):
                recommendations = iter(recommender.recommend_checked(profiles, terms))
            if len(profiles) >= MANY:
                now = (time.monotonic() - began) / len(profiles)
                self.pace += (SHARE_OF_NEW if self.pace else 1.0) * (now - self.pace)
            self.failures = 0
            for each in batch:
                each.outcome = list(islice(recommendations, len(each.profiles)))
        except Exception as error:
            late = [each for each in batch if each.deadline <= first] if isinstance(error, TooLate) else []
            left = [each for each in batch if each not in late]
            for each in late or (batch if len(batch) == 1 else []):
                each.outcome = error
                self.failures += 1
            if late and left:
                self._recommend_together(left)
            elif len(batch) > 1:
                for each in left:
                    self._recommend_together([each])
