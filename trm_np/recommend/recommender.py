"""Recommend gifts for profiles with a stored model.

    recommender = Recommender.load("best.npz")
    recommender.recommend({"age": 34, "hobbies": ["cooking"], "budget": 120}, k=3)

The model scores every gift (outputs.py), the tools that it selects look at the best of them, and it picks the gifts
one by one (selection.py). Nothing of training is imported here, and no package but NumPy.
"""

import gc
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from trm_np.autograd import no_grad
from trm_np.data.lenient import CheckedProfile, json_value, read_profile
from trm_np.data.load import FilePath, gifts_from_json, load_catalogue
from trm_np.data.money import in_words
from trm_np.data.records import Gift, Profile
from trm_np.data.tables import portions
from trm_np.model.cost import CostError, cost_of, require_modest
from trm_np.recommend.catalogue import prepared
from trm_np.recommend.outputs import CELLS, outputs_for
from trm_np.recommend.recommendation import (
    Explanation,
    Recommendation,
    Recommendations,
    few_gifts,
    recommended,
    selected_tool,
    too_dear,
    unknown_gifts,
    unknown_tools,
)
from trm_np.recommend.selection import consult, pick
from trm_np.recommend.terms import Terms
from trm_np.storage.checkpoint import TRUST, CheckpointError, StoredModel, load_model

QUIETLY: Any = {"over": "ignore", "invalid": "ignore"}  # require_numbers looks at the result


class Recommender:
    """A stored model and the gifts of a catalogue, encoded once.

    Of gifts that differ only in their id, the first is kept. It may be shared by threads.
    """

    def __init__(
        self, stored: StoredModel, gifts: Sequence[Gift] | Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """`gifts`, in place of those stored, are records or the values of their JSON; raises `DataError`."""
        if gifts is not None:
            stored = replace(stored, gifts=gifts_from_json(json_value(gifts), stored.vocabulary, "gifts"))
        self.stored = stored
        stored.model.core.lay_out_for_inference()
        with np.errstate(**QUIETLY):
            self.catalogue = prepared(stored)
        self.gifts = self.catalogue.gifts
        trained_on = [scenario.profile for scenario in stored.scenarios]
        self.learned_from = {
            "age": span_of(profile.age for profile in trained_on),
            "budget": span_of(profile.budget for profile in trained_on),
        }

    @classmethod
    def load(cls, path: FilePath, catalogue: FilePath | None = None, trust: bool = False) -> "Recommender":
        """Read a model file, and a catalogue file in place of the gifts that it stores.

        Raises `CheckpointError` and `DataError`. Files by which a recommendation would cost too much are
        refused (model/cost.py), unless they are to `trust`.
        """
        with uncollected():
            stored = load_model(path, trust=trust)
            if catalogue is not None:
                gifts, currency = load_catalogue(catalogue, stored.vocabulary)
                if not trust:
                    require_affordable(stored, len(gifts), path, catalogue)
                stored = replace(stored, gifts=gifts, vocabulary=stored.vocabulary.with_currency(currency))
            return cls(stored)

    def recommend(
        self,
        profile: Profile | Mapping[str, Any],
        k: int = 3,
        days_left: float | None = None,
        tools: Sequence[str] | None = None,
        strict: bool = False,
        source: str = "profile",
        *,
        allow: Sequence[str] = (),
        any_age: bool = False,
        exclude: Sequence[str] = (),
    ) -> Recommendation:
        """The k gifts to give, best first, for a profile as a record or as the value of its JSON: fewer, or none, if no
        others may be given (trm_np/recommend/common_sense.py), with a warning that says why.

        Sequences and arrays are lists of that JSON, NumPy's numbers are numbers. `days_left` is until the gift is
        needed, if that is known; `tools` are run in place of the two that the model selects. `allow` lifts rules:
        sold_out, late, over_budget; `any_age` that of the ages a gift is meant for; gifts to `exclude` are given by id,
        and those of the profile's history are excluded. A synonym counts as its name, with a note; an unknown name as
        missing, with a warning, or it is an error if `strict`. Raises `DataError`, in which `source` names the profile,
        `ModelError`, and `ValueError` for another argument.
        """
        terms = Terms(k, days_left, tools, allow, any_age, exclude)
        (found,) = self.recommend_checked([self.check(json_value(profile), strict, source)], terms)
        return found

    def recommend_many(
        self,
        profiles: Sequence[Profile | Mapping[str, Any]],
        k: int = 3,
        days_left: float | None = None,
        tools: Sequence[str] | None = None,
        strict: bool = False,
        source: str = "profiles",
        *,
        allow: Sequence[str] = (),
        any_age: bool = False,
        exclude: Sequence[str] = (),
    ) -> Recommendations:
        """`recommend` for each, in order: the same but for the last digits of a float32, several times as fast.

        A profile that is refused, named as `[3]`, refuses all.
        """
        values = map(json_value, profiles)
        checked = [self.check(value, strict, source, f"[{index}]") for index, value in enumerate(values)]
        return Recommendations(
            self.recommend_checked(checked, Terms(k, days_left, tools, allow, any_age, exclude))
        )

    @no_grad()
    def explain(
        self,
        profile: Profile | Mapping[str, Any],
        gift: str,
        days_left: float | None = None,
        strict: bool = False,
        source: str = "profile",
        *,
        allow: Sequence[str] = (),
        any_age: bool = False,
        exclude: Sequence[str] = (),
    ) -> Explanation:
        """Explain the gift with this id alone: reasons for and against it, and the rules that keep it out.

        Arguments as in `recommend`. Raises `DataError`, `ModelError`, and `ValueError` if no gift has this id.
        """
        from trm_np.recommend.explanation import explained

        terms = Terms(1, days_left, (), allow, any_age, exclude).checked()
        checked = self.check(json_value(profile), strict, source)
        return explained(self.stored, self.catalogue, checked, gift, terms)

    def check(
        self, value: object, strict: bool = False, source: str = "profile", place: str = ""
    ) -> CheckedProfile:
        """A profile of a JSON value, for `recommend_checked`; in a `DataError`, `source` and `place` name it."""
        known_ids = self.catalogue.known_ids
        profile, warnings, notes = read_profile(
            value, self.stored.vocabulary, source, place, strict, known_ids
        )
        return CheckedProfile(profile, (*warnings, *self._unlike_training(profile)), notes)

    @no_grad()
    def recommend_checked(self, checked: Sequence[CheckedProfile], terms: Terms) -> list[Recommendation]:
        """The recommendations for profiles that have been checked.

        Raises `ValueError` for terms that make no sense, `ModelError`, and `TooLate` at a deadline.
        """
        terms = terms.checked()
        with np.errstate(**QUIETLY):
            return [
                found
                for rows in portions(len(checked), self.catalogue.cells, CELLS)
                for found in self._recommend(checked[rows], terms)
            ]

    def try_out(self) -> None:
        """Recommend for an empty profile; raises `ModelError`."""
        self.recommend_checked([CheckedProfile(Profile())], Terms())

    def _recommend(self, checked: Sequence[CheckedProfile], terms: Terms) -> Iterator[Recommendation]:
        """The recommendations for a few profiles at once."""
        outputs = outputs_for(self.stored, self.catalogue, [each.profile for each in checked])
        consulted = [
            consult(self.catalogue, each.profile, value, breaker, tools, terms)
            for each, value, breaker, tools in zip(
                checked, outputs.value, outputs.tie_breakers, outputs.tools, strict=True
            )
        ]
        picked = pick(self.stored, self.catalogue, outputs, consulted, terms.k)
        currency = self.stored.vocabulary.money.currency
        for row, ((profile, warnings, notes), consultation, picks) in enumerate(
            zip(checked, consulted, picked, strict=True)
        ):
            findings, probabilities = consultation.findings, outputs.tools[row]
            gifts = [self.gifts[index] for index in consultation.shortlist]
            yield Recommendation(
                profile=profile,
                currency=currency,
                gifts=tuple(
                    recommended(gifts[each.place], each, profile, findings, terms.days_left, currency)
                    for each in picks
                ),
                categories=outputs.categories[row],
                tools=tuple(
                    selected_tool(name, probabilities, findings[name], gifts, picks, currency)
                    for name in consultation.selected
                    if name in findings
                ),
                tool_probabilities=probabilities,
                steps=int(outputs.steps[row]),
                most_steps=self.stored.model.config.supervision_steps,
                warnings=(
                    *warnings,
                    *unknown_tools(consultation.selected),
                    *unknown_gifts(terms.exclude, self.catalogue.place),
                    *few_gifts(terms.k, len(picks), consultation.possible, profile),
                    *too_dear(consultation.possible, profile, currency),
                ),
                notes=notes,
            )

    def _unlike_training(self, profile: Profile) -> Iterator[str]:
        """A warning for a number beyond those that the model has learned from."""
        money = partial(in_words, currency=self.stored.vocabulary.money.currency)
        for field, given, written in (
            ("age", profile.age, "{:g}".format),
            ("budget", profile.budget, money),
        ):
            least, most = self.learned_from[field]
            if given is not None and not least <= given <= most:
                span = f"{written(least)} to {written(most)}"
                yield f"{field} {written(given)}: the model has learned from {span}, and can only guess beyond"


@contextmanager
def uncollected() -> Iterator[None]:
    """Do not look for reference cycles: the search takes a fifth of reading many gifts, which have none.

    A thread beside the main one leaves the search on, for the others and for processes that are forked meanwhile.
    """
    enabled = gc.isenabled() and threading.current_thread() is threading.main_thread()
    if not enabled:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def require_affordable(stored: StoredModel, gifts: int, *paths: FilePath) -> None:
    """Raise CheckpointError if a recommendation from so many gifts costs more than files of this size may."""
    try:
        cost = cost_of(stored.config.model, stored.vocabulary, gifts)
        require_modest(cost, sum(os.path.getsize(path) for path in paths))
    except CostError as error:
        raise CheckpointError(paths[-1], str(error), TRUST) from error


def span_of(numbers: Iterable[float | None]) -> tuple[float, float]:
    """The minimum and maximum of the known numbers; -inf and inf if none is known."""
    known = [number for number in numbers if number is not None]
    return (min(known), max(known)) if known else (-np.inf, np.inf)
