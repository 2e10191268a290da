"""Requests that are answered together: each gets its own answers, or its own error, in its turn."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.serve.asking import model_file
from tests.waiting import HANG, wait_until
from trm_np.deadline import TooLate
from trm_np.recommend.recommender import Recommender
from trm_np.recommend.terms import Terms
from trm_np.serve.batching import PORTION, Batches, Overloaded

FOREVER = 1e9
PAST = 0.0  # of time.monotonic, as 1e9 is far ahead


class Answering:
    """Stand-in for a recommender: it notes each batch, and holds it until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.began, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def recommend_checked(self, asked: list[Any], terms: Terms) -> list[Any]:
        self.batches.append(list(asked))
        self.began.release()
        self.go_on.acquire()
        if "bad" in asked:
            raise ZeroDivisionError("bad")
        return [(profile, terms.k) for profile in asked]

    def let_all_go_on(self) -> None:
        self.go_on.release(1000)


class Request(threading.Thread):
    def __init__(
        self, batches: Batches, model: Any, *asked: Any, k: int = 3, deadline: float = FOREVER
    ) -> None:
        super().__init__(daemon=True)
        self.outcome: Any = None
        self.call = lambda: batches.recommend(model, list(asked), Terms(k), deadline)
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.call()
        except Exception as error:
            self.outcome = error

    def ended(self) -> Any:
        self.join(HANG)
        assert not self.is_alive(), "it still waits"
        return self.outcome


def while_the_model_is_held(
    model: Answering, batches: Batches, *asked: list[Any], **rest: Any
) -> list[Request]:
    """A request that holds the model, and others, which wait in this order; the first is answered "first"."""
    requests = [Request(batches, model, "first")]
    assert model.began.acquire(timeout=HANG)
    for number, each in enumerate(asked, 1):
        requests.append(Request(batches, model, *each, **rest))
        wait_until(lambda number=number: len(batches.waiting) >= number)
    return requests


def test_those_that_wait_are_answered_together_and_each_gets_its_own() -> None:
    model, batches = Answering(), Batches()
    requests = while_the_model_is_held(model, batches, ["a"], ["b", "c"], ["d"])
    model.let_all_go_on()
    assert [request.ended() for request in requests] == [
        [("first", 3)],
        [("a", 3)],
        [("b", 3), ("c", 3)],
        [("d", 3)],
    ]
    assert model.batches == [["first"], ["a", "b", "c", "d"]]


def test_another_question_or_another_model_is_another_batch_and_comes_in_its_turn() -> None:
    model, other, batches = Answering(), Answering(), Batches()
    requests = while_the_model_is_held(model, batches, ["a"])
    for number, (asked, whose, k) in enumerate(
        [("five", model, 5), ("other", other, 3), ("seven", model, 7), ("b", model, 3)], 2
    ):
        requests.append(Request(batches, whose, asked, k=k))
        wait_until(lambda number=number: len(batches.waiting) >= number)
    other.let_all_go_on()
    model.let_all_go_on()
    outcomes = [request.ended() for request in requests[1:]]
    assert outcomes == [[("a", 3)], [("five", 5)], [("other", 3)], [("seven", 7)], [("b", 3)]]
    assert model.batches == [["first"], ["a", "b"], ["five"], ["seven"]]
    assert other.batches == [["other"]]


def test_a_batch_is_never_larger_than_a_portion_and_whoever_came_first_is_answered_first() -> None:
    model, batches = Answering(), Batches()
    most = ["long"] * PORTION
    requests = while_the_model_is_held(model, batches, ["a"], most, ["b"], most, ["c"])
    model.let_all_go_on()
    assert [len(request.ended()) for request in requests] == [1, 1, PORTION, 1, PORTION, 1]
    assert model.batches == [["first"], ["a", "b", "c"], most, most]


def test_what_fails_fails_for_the_one_it_is_due_to_alone() -> None:
    model, batches = Answering(), Batches()
    requests = while_the_model_is_held(model, batches, ["a"], ["bad"], ["b"])
    model.let_all_go_on()
    outcomes = [request.ended() for request in requests]
    assert outcomes[:2] + outcomes[3:] == [[("first", 3)], [("a", 3)], [("b", 3)]]
    assert isinstance(outcomes[2], ZeroDivisionError)
    assert Request(batches, model, "after").ended() == [("after", 3)]


def test_whoever_gives_up_waiting_is_not_answered_and_holds_up_none() -> None:
    model, batches = Answering(), Batches()
    (first, late) = while_the_model_is_held(model, batches, ["late"], deadline=PAST)
    assert isinstance(late.ended(), TooLate)
    after = Request(batches, model, "after")
    model.let_all_go_on()
    assert (first.ended(), after.ended()) == ([("first", 3)], [("after", 3)])
    assert model.batches == [["first"], ["after"]]
    assert not batches.waiting


def test_many_threads_at_once_lose_nothing_and_mix_nothing_up() -> None:
    recommender, batches = Recommender.load(model_file()), Batches()

    def ask(age: int) -> tuple[float | None, int]:
        asked = [recommender.check({"age": age}), recommender.check({"age": age})]
        answers = batches.recommend(recommender, asked, Terms(1 + age % 2, any_age=True), FOREVER)
        assert len(answers) == 2 and answers[0].profile == answers[1].profile
        return answers[0].profile.age, len(answers[0].gifts)

    ages = list(range(20, 100))
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, ages)) == [(age, 1 + age % 2) for age in ages]
    assert not batches.waiting


def test_those_out_of_time_leave_the_batch_and_the_others_are_answered_together() -> None:
    class Slow(Answering):
        def recommend_checked(self, asked: list[Any], terms: Terms) -> list[Any]:
            found = super().recommend_checked(asked, terms)
            if "late" in asked:
                raise TooLate
            return found

    model, batches = Slow(), Batches()
    requests = while_the_model_is_held(model, batches, ["a"], ["b"])
    requests.append(Request(batches, model, "late", deadline=FOREVER - 1))
    wait_until(lambda: len(batches.waiting) >= 3)
    model.let_all_go_on()
    assert [request.ended() for request in requests[1:3]] == [[("a", 3)], [("b", 3)]]
    assert isinstance(requests[3].ended(), TooLate)
    assert model.batches == [["first"], ["a", "b", "late"], ["a", "b"]]


def test_what_cannot_be_done_in_time_is_refused_at_once_and_the_rest_taken_on() -> None:
    batches = Batches()
    with batches.admit(1000), batches.admit(1000):
        assert batches.admitted == 2000  # nothing is known of how long it takes
    batches.pace = 0.01
    with batches.admit(1000):  # 10 seconds: alone it is never refused
        with pytest.raises(Overloaded), batches.admit(1):
            pass
        assert batches.admitted == 1000
    with batches.admit(300), batches.admit(300), pytest.raises(Overloaded), batches.admit(1):
        pass
    assert batches.admitted == 0


def test_the_pace_is_that_of_many_profiles() -> None:
    class Quick:
        def recommend_checked(self, asked: list[Any], terms: Terms) -> list[Any]:
            return asked

    batches, model = Batches(), Quick()
    batches.pace = 1.0
    batches.recommend(model, ["one"], Terms(), FOREVER)  # type: ignore[arg-type, list-item]
    assert batches.pace == 1.0
    batches.recommend(model, ["many"] * 16, Terms(), FOREVER)  # type: ignore[arg-type, list-item]
    assert 0.8 <= batches.pace < 1.0
