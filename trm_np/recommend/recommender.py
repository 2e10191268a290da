"""Recommend gifts: the model answers, the two tools it selects look at the best gifts, it looks again.

    recommender = Recommender.load("best.npz")
    recommender.recommend({"age": 34, "hobbies": ["cooking"], "budget": 120}, k=3)

Nothing of training is imported here, and nothing but NumPy.
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from trm_np.autograd import functional as F
from trm_np.autograd import no_grad
from trm_np.data.encode import PAD, Floats32, encode_gifts, encode_profiles
from trm_np.data.lenient import Asked, json_value, read_profile
from trm_np.data.load import FilePath, gifts_from_json, load_priced
from trm_np.data.money import in_words
from trm_np.data.records import Gift, Profile
from trm_np.data.spelling import closest
from trm_np.data.tables import (
    MISSING,
    Bools,
    Floats,
    GiftTable,
    Ints,
    ProfileTable,
    gift_table,
    implied_categories,
    portions,
    profile_table,
)
from trm_np.deadline import require_time
from trm_np.model.cost import CostError, cost_of, require_modest
from trm_np.model.experience import Shares
from trm_np.model.trm import EncodedGifts, EncodedUser
from trm_np.recommend.common_sense import Possible, facts, kept_out, looks_of, possible, without_near_doubles
from trm_np.recommend.reasons import reasons
from trm_np.recommend.recommendation import (
    Explanation,
    Pick,
    Recommendation,
    few_gifts,
    recommended,
    selected_tool,
    too_dear,
    unknown_gifts,
    unknown_tools,
)
from trm_np.recommend.terms import Terms
from trm_np.storage.checkpoint import TRUST, CheckpointError, StoredModel, load_model
from trm_np.text import shown
from trm_np.world.reward import COMPONENTS, components_in_turn
from trm_np.world.tools import (
    TOOLS,
    BudgetOptimizer,
    Effect,
    Finding,
    catalogue_star_shares,
    combined,
    price_that_counts,
    run_tools,
)

SHORTLIST = 64  # gifts that the tools look at: those that the model ranks first
LOOKS = 100  # the first gifts, before each of which the model runs again; later ones change little
SELECTED_TOOLS = 2
EQUAL = 0.08  # of reward: without hobbies, gifts that differ by less are equal
TURN = 1e-3  # of reward: too little to matter, added to put equals in order
APART = 4.0  # more than any reward and bonus, to put dearer gifts behind all cheaper ones
QUIETLY: Any = {"over": "ignore", "invalid": "ignore"}  # require_numbers looks at the result
CELLS = 2**12  # profiles × gifts that the model reads together, where nothing is larger than the gifts
BYTES_OF_A_CELL = 2**15  # so that they take 128 MB at most


class ModelError(ValueError):
    """The outputs of a model are not finite numbers."""


class Thought(NamedTuple):
    """Outputs of the model for B people: the value (B, G) of each gift, and more for each person.

    For each person these are probabilities by name, the highest first, the supervision steps taken, and the order
    of gifts of equal value. The value is `liking` (B, G) plus the share of the predicted reward that `shares`
    says. `liking` is learned from choices; without choices it is a share of the probability of the gift's category,
    and the reward counts in full.
    """

    table: ProfileTable
    user: EncodedUser
    reward: Floats
    liking: Floats
    shares: Shares
    categories: list[dict[str, float]]
    tools: list[dict[str, float]]
    steps: Ints
    equals: list["Equals"]

    @property
    def value(self) -> Floats:
        return self.shares.value(self.liking, self.reward)


class Equals(NamedTuple):
    """Largest difference of value between equals, and their order: numbers (G,) from 0 to 1, the greatest first."""

    margin: float
    turns: Floats

    def decided(self, value: Floats, places: Ints) -> Floats:
        """Values (L,) of the gifts at `places` (L,); those equal to the best become nearly the same."""
        best = value.max(initial=-np.inf)
        return np.where(value >= best - self.margin, best + TURN * self.turns[places], value)


class Consultation(NamedTuple):
    """Results of the tools for one person: which were selected, what they found, and what they change.

    They look at a shortlist of the gifts that the rules of common sense leave `possible`.
    """

    budget: float | None
    selected: list[str]
    possible: Possible
    shortlist: Ints
    findings: dict[str, Finding]
    effect: Effect


class Seen(NamedTuple):
    """The gifts (L,) of a shortlist by place in the catalogue, as the tools say they are; `free` ones may be given.

    Gifts of a lower `tier` come before the others at any prediction.
    """

    place: Ints
    price: Floats
    rating: Floats
    bonus: Floats
    free: Bools
    tier: Ints


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
        kept = first_of_doubles(stored.gifts)
        self.gifts = tuple(dict.fromkeys(kept.values()))
        self.known_ids = {id: gift.id for id, gift in kept.items()}
        places = {gift.id: place for place, gift in enumerate(self.gifts)}
        self.place = {id: places[known] for id, known in self.known_ids.items()}
        self.table = gift_table(self.gifts, stored.vocabulary)
        self.star_shares = catalogue_star_shares(self.gifts)
        self.facts = facts(self.gifts)
        self.looks = list(map(looks_of, self.gifts))
        self.implied = implied_categories(self.table, stored.vocabulary)
        with np.errstate(**QUIETLY):
            self.encoded = self._encode(self.table)
        self.rows = np.array([stored.experience.get(gift.id, MISSING) for gift in self.gifts])
        each = cost_of(stored.config.model, stored.vocabulary, len(self.gifts)).each
        self.cells_each = max(len(self.gifts), each // BYTES_OF_A_CELL)
        trained_on = [scenario.profile for scenario in stored.scenarios]
        self.learned_from = {
            "age": span_of(profile.age for profile in trained_on),
            "budget": span_of(profile.budget for profile in trained_on),
        }

    @classmethod
    def load(cls, path: FilePath, catalogue: FilePath | None = None, trust: bool = False) -> "Recommender":
        """Read a model file, and a catalogue file in place of the gifts that it stores.

        Raises `CheckpointError` and `DataError`. Files by which an answer would cost too much (model/cost.py) are
        refused, unless they are to `trust`.
        """
        stored = load_model(path, trust=trust)
        if catalogue is not None:
            gifts, currency = load_priced(catalogue, stored.vocabulary)
            if not trust:
                require_affordable(stored, len(gifts), path, catalogue)
            stored = replace(stored, gifts=gifts, vocabulary=stored.vocabulary.shown_in(currency))
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
        (answer,) = self.answer([self.check(profile, strict, source)], terms)
        return answer

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
    ) -> list[Recommendation]:
        """`recommend` for each, in order: the same answers but for the last digits of a float32, several times as fast.

        A profile that is refused, named as `[3]`, refuses all.
        """
        asked = [self.check(profile, strict, source, f"[{index}]") for index, profile in enumerate(profiles)]
        return self.answer(asked, Terms(k, days_left, tools, allow, any_age, exclude))

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
        if gift not in self.table.ids:
            close = closest(gift, self.table.ids)
            raise ValueError(
                f"no gift has the id {shown(gift)}{f'; did you mean {shown(close)}?' if close else ''}"
            )
        terms = Terms(1, days_left, (), allow, any_age, exclude).checked()
        place = self.table.ids.index(gift)
        person, warnings, notes = self.check(profile, strict, source)
        kept = kept_out(self.facts, person, self.facts.paid, self._excluded(person, terms), terms)
        if possible(kept).nothing_fits:
            del kept["over_budget"]
        thought = self._think([person])
        value = float(thought.reward[0, place])
        said = dict(less_one_thing(person))
        others = list(said.values())
        otherwise = [
            other
            for rows in portions(len(others), self.cells_each, CELLS)
            for other in self._think(others[rows]).reward[:, place].tolist()
        ]
        influence = {name: value - other for name, other in zip(said, otherwise, strict=True)}
        components = by_component(
            components_in_turn(thought.table, self.table.take([place]), self.implied)[0]
        )
        currency = self.stored.vocabulary.money.currency
        return Explanation(
            profile=person,
            currency=currency,
            gift=self.gifts[place],
            predicted_reward=value,
            rank=1 + int((thought.value[0] > thought.value[0, place]).sum()),
            components=components,
            influence=dict(sorted(influence.items(), key=lambda pair: -pair[1])),
            reasons=reasons(self.gifts[place], person, components, {}, 0, terms.days_left, currency),
            kept_out_by=tuple(rule for rule, marks in kept.items() if marks[place]),
            warnings=(*warnings, *self._unlike_training(person)),
            notes=notes,
        )

    def check(self, profile: object, strict: bool = False, source: str = "profile", place: str = "") -> Asked:
        """A profile, as `recommend` takes it, for `answer`; raises `DataError`, whose `source` and `place` name it."""
        value = json_value(profile)
        return read_profile(value, self.stored.vocabulary, source, place, strict, self.known_ids)

    @no_grad()
    def answer(self, asked: Sequence[Asked], terms: Terms) -> list[Recommendation]:
        """The answers to profiles that have been checked.

        Raises `ValueError` for terms that make no sense, `ModelError`, and `TooLate` at a deadline.
        """
        terms = terms.checked()
        with np.errstate(**QUIETLY):
            return [
                answer
                for rows in portions(len(asked), self.cells_each, CELLS)
                for answer in self._answer(asked[rows], terms)
            ]

    def try_out(self) -> None:
        """Answer a question of which nothing is known; raises `ModelError`."""
        self.answer([Asked(Profile())], Terms())

    def _answer(self, asked: Sequence[Asked], terms: Terms) -> Iterator[Recommendation]:
        """The answers to a few profiles at once."""
        thought = self._think([each.profile for each in asked])
        consulted = [
            self._consult(each.profile, value, equals, names, terms)
            for each, value, equals, names in zip(
                asked, thought.value, thought.equals, thought.tools, strict=True
            )
        ]
        picked = self._pick(thought, consulted, terms.k)
        currency = self.stored.vocabulary.money.currency
        for row, ((profile, warnings, notes), consultation, picks) in enumerate(
            zip(asked, consulted, picked, strict=True)
        ):
            findings, probabilities = consultation.findings, thought.tools[row]
            gifts = [self.gifts[index] for index in consultation.shortlist]
            yield Recommendation(
                profile=profile,
                currency=currency,
                gifts=tuple(
                    recommended(gifts[pick.place], pick, profile, findings, terms.days_left, currency)
                    for pick in picks
                ),
                categories=thought.categories[row],
                tools=tuple(
                    selected_tool(name, probabilities, findings[name], gifts, picks, currency)
                    for name in consultation.selected
                    if name in findings
                ),
                tool_probabilities=probabilities,
                steps=int(thought.steps[row]),
                most_steps=self.stored.model.config.supervision_steps,
                warnings=(
                    *warnings,
                    *self._unlike_training(profile),
                    *unknown_tools(consultation.selected),
                    *unknown_gifts(terms.exclude, self.place),
                    *few_gifts(terms.k, len(picks), consultation.possible, profile),
                    *too_dear(consultation.possible, profile, currency),
                ),
                notes=notes,
            )

    def _think(self, people: Sequence[Profile]) -> Thought:
        """Run the model on the people, and on every gift for them."""
        model, vocabulary = self.stored.model, self.stored.vocabulary
        table = profile_table(people, vocabulary)
        inputs = encode_profiles(table, vocabulary, history=self._histories(people))
        h, steps = model.infer(inputs)
        user = model.encode_user(h, inputs)
        likely = F.softmax if model.config.tool_head == "softmax" else F.sigmoid
        _, reward = model.score_gifts(model.pair_logits(user, self.encoded), self.encoded)
        if model.experience is None:
            shares = Shares()
            liking = self.stored.category_share * user.category_probability(self.table.category)
        else:
            experience, content = model.choice_logits(user, inputs, self.encoded, self.rows)
            shares = model.experience.fitted_shares()
            liking = shares.liking(experience.data.astype(np.float64), content.data.astype(np.float64))
        categories, tools = user.category_logits.sigmoid().data, likely(user.tool_logits).data
        require_numbers(reward=reward.data, choice=liking, category=categories, tool=tools)
        return Thought(
            table,
            user,
            reward.data.astype(np.float64),
            liking,
            shares,
            [by_name(vocabulary.categories, row) for row in categories],
            [by_name(vocabulary.tools, row) for row in tools],
            steps,
            [
                self._equals(hobbies, tokens)
                for hobbies, tokens in zip(table.hobbies, inputs.tokens.tolist(), strict=True)
            ],
        )

    def _histories(self, people: Sequence[Profile]) -> Ints | None:
        """Histories of the people (B, H) by row of the experience, the latest last; None if the model has none."""
        known = self.stored.experience
        if not known:
            return None
        rows = [[known[gift] for gift in person.history if gift in known] for person in people]
        width = max(map(len, rows))
        return np.array([[MISSING] * (width - len(row)) + row for row in rows], np.int64).reshape(
            len(rows), width
        )

    def _encode(self, table: GiftTable) -> EncodedGifts:
        model = self.stored.model
        with no_grad():
            return model.encode_gifts(encode_gifts(table, self.stored.vocabulary, model.gift_features))

    def _consult(
        self,
        profile: Profile,
        value: Floats,
        equals: Equals,
        probabilities: Mapping[str, float],
        terms: Terms,
    ) -> Consultation:
        """Run the tools, by default those held to be most helpful, on the best by value (G,) that may be given."""
        tools = terms.tools
        selected = list(probabilities)[:SELECTED_TOOLS] if tools is None else list(dict.fromkeys(tools))
        names = [name for name in selected if tools is not None or name in TOOLS]
        compared = "price_comparison" in names
        paid = self.facts.best_price(terms.days_left) if compared else self.facts.paid
        left = possible(kept_out(self.facts, profile, paid, self._excluded(profile, terms), terms))
        order = np.lexsort((-value, paid if left.nothing_fits else np.zeros(len(paid))))
        distinct = without_near_doubles(order[left.marks[order]].tolist(), self.looks)
        shortlist = np.array(list(islice(distinct, max(SHORTLIST, terms.k))), np.int64)
        gifts = [self.gifts[index] for index in shortlist]
        decided = equals.decided(value[shortlist], shortlist)
        findings = run_tools(names, gifts, decided, profile.budget, terms.days_left, self.star_shares)
        if isinstance(found := findings.get("budget_optimizer"), BudgetOptimizer):
            worth = float(value[shortlist[list(found.bundle)]].sum())
            findings["budget_optimizer"] = replace(found, value=worth)
        effect = combined(finding.effect() for finding in findings.values())
        return Consultation(profile.budget, selected, left, shortlist, findings, effect)

    def _excluded(self, profile: Profile, terms: Terms) -> list[int]:
        """Places of the gifts that are never recommended to this person."""
        return [self.place[gift] for gift in (*terms.exclude, *profile.history) if gift in self.place]

    def _pick(self, thought: Thought, consulted: Sequence[Consultation], k: int) -> list[list[Pick]]:
        """The gifts of each shortlist, chosen one by one, each judged given those before it, as the tools say it is."""
        model, longest = self.stored.model, max(len(each.shortlist) for each in consulted)
        if not longest:
            return [[] for _ in consulted]
        seen = [self._as_seen(each, longest) for each in consulted]
        bonus, free = np.stack([each.bonus for each in seen]), np.stack([each.free for each in seen])
        gifts = self.table.take(np.concatenate([each.place for each in seen]))
        price, rating = (
            np.concatenate([getattr(each, name) for each in seen]) for name in ("price", "rating")
        )
        gifts = replace(gifts, price=price, rating=rating)
        encoded = self._encode(gifts).for_each_of(len(seen))

        pairs = model.pair_logits(thought.user, encoded)
        picked = np.zeros(free.shape, np.bool_)
        liking = np.take_along_axis(thought.liking, np.stack([each.place for each in seen]), axis=1)
        alone = model.score_gifts(pairs, encoded)[1].data.astype(np.float64)
        require_numbers(reward=alone)
        reward = alone
        for turn in range(min(k, longest)):
            require_time()
            if 0 < turn < LOOKS:
                reward = model.score_gifts(pairs, encoded, picked)[1].data
            worth = np.where(free & ~picked, thought.shares.value(liking, reward) + bonus, -np.inf)
            rows = zip(thought.equals, worth, seen, strict=True)
            best = np.array([equals.decided(row, each.place).argmax() for equals, row, each in rows])
            more = np.flatnonzero((free & ~picked).any(axis=1))
            picked[more, best[more]] = True
        return [
            self._in_order(
                thought.table.take([row]),
                gifts.take(slice(row * longest, (row + 1) * longest)),
                picked[row],
                alone[row],
                thought.shares.value(liking[row], alone[row]),
                each.tier,
            )
            for row, each in enumerate(seen)
        ]

    def _equals(self, hobbies: Ints, tokens: Sequence[int]) -> Equals:
        """Which gifts count as equal for a person of these hobbies (H,) and tokens, and which of them comes first.

        If the hobbies are known, only gifts of the same value are equal, and the first one is taken. Without hobbies
        the model knows too little to tell the best from the next best, and the same few gifts for everybody would help
        nobody. So the order of equals is drawn at random, the same for all people with these tokens. The dearer of two
        gifts comes first more often, because a cheap one fits every budget and would be in too many lists.
        """
        size = len(self.gifts)
        if hobbies[0] != MISSING or self.stored.model.experience is not None:
            return Equals(0.0, np.zeros(size))
        known = sorted(token for token in tokens if token != PAD)
        rng = np.random.default_rng(zlib.crc32(repr(known).encode()))
        usual = self.stored.vocabulary.money.middle
        wait = rng.exponential(size=size) * np.sqrt(usual / np.nan_to_num(self.table.price, nan=usual))
        return Equals(EQUAL, 1 / (1 + wait))  # the shortest wait comes first: chances grow as √price

    def _in_order(
        self,
        person: ProfileTable,
        gifts: GiftTable,
        picked: Bools,
        alone: Floats,
        value: Floats,
        tier: Ints,
    ) -> list[Pick]:
        """The picked ones of some gifts, best first: by tier, then by the value of each alone.

        The predicted reward of none counts for more than that of one before it.
        """
        places = np.flatnonzero(picked)
        places = places[np.lexsort((-value[places], tier[places]))]
        reward = np.minimum.accumulate(alone[places])
        components = components_in_turn(person, gifts.take(places), self.implied)
        return [
            Pick(place, value, by_component(row))
            for place, value, row in zip(places.tolist(), reward.tolist(), components, strict=True)
        ]

    def _as_seen(self, consultation: Consultation, length: int) -> Seen:
        """The shortlist as the tools say it is, filled up to a length with gifts that cannot be picked."""
        budget, _, left, shortlist, findings, effect = consultation
        size = len(shortlist)
        place, tier = np.zeros((2, length), np.int64)
        place[:size] = shortlist
        price, rating, bonus = self.table.price[place], self.table.rating[place], np.zeros(length)
        paid = self.facts.paid[shortlist] if effect.price is None else effect.price
        price[:size] = price_that_counts(price[:size], paid, np.nan if budget is None else budget)
        if effect.rating is not None:
            rating[:size] = effect.rating
        if effect.bonus is not None:
            bonus[:size] = effect.bonus
        if isinstance(bundle := findings.get("budget_optimizer"), BudgetOptimizer):
            tier[:size] -= bundle.marks
        if left.nothing_fits:
            tier[:size] = np.unique(paid, return_inverse=True)[1]
        return Seen(place, price, rating, bonus - APART * tier, np.arange(length) < size, tier)

    def _unlike_training(self, person: Profile) -> Iterator[str]:
        """A warning for a number beyond those that the model has learned from."""
        money = partial(in_words, currency=self.stored.vocabulary.money.currency)
        for field, given, written in (("age", person.age, "{:g}".format), ("budget", person.budget, money)):
            least, most = self.learned_from[field]
            if given is not None and not least <= given <= most:
                span = f"{written(least)} to {written(most)}"
                yield f"{field} {written(given)}: the model has learned from {span}, and can only guess beyond"


def require_numbers(**outputs: Floats | Floats32) -> None:
    """Raise ModelError for an output that is not finite, and name it."""
    for name, values in outputs.items():
        if not np.isfinite([values.min(), values.max()]).all():
            raise ModelError(
                f"the model's {name} is not a finite number: its weights are of no use; train again"
            )


def require_affordable(stored: StoredModel, gifts: int, *paths: FilePath) -> None:
    """Raise CheckpointError if an answer from so many gifts costs more than files of this size may ask for."""
    try:
        cost = cost_of(stored.config.model, stored.vocabulary, gifts)
        require_modest(cost, sum(os.path.getsize(path) for path in paths))
    except CostError as error:
        raise CheckpointError(paths[-1], str(error), TRUST) from error


def first_of_doubles(gifts: Sequence[Gift]) -> dict[str, Gift]:
    """For each id, in order, the first gift that equals that gift in everything but the id."""
    first: dict[Gift, Gift] = {}
    return {gift.id: first.setdefault(replace(gift, id=""), gift) for gift in gifts}


def span_of(numbers: Iterable[float | None]) -> tuple[float, float]:
    """The least and the greatest of those known; anything if none is."""
    known = [number for number in numbers if number is not None]
    return (min(known), max(known)) if known else (-np.inf, np.inf)


def less_one_thing(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """Each thing that is said of a person, as `budget: 120` or `hobbies: art`, and the profile without it."""
    for field, value in vars(
        replace(profile, history=())
    ).items():  # the history has no part in the prediction
        given = value if isinstance(value, tuple) else () if value is None else (value,)
        for item in given:
            rest: Any = tuple(other for other in given if other != item) if isinstance(value, tuple) else None
            said = f"{item:g}" if isinstance(item, float) else item
            yield f"{field}: {said}", replace(profile, **{field: rest})


def by_component(values: Floats) -> dict[str, float]:
    """The seven components (7,) of a reward by name."""
    return dict(zip(COMPONENTS, values.tolist(), strict=True))


def by_name(names: Sequence[str], probabilities: Floats32) -> dict[str, float]:
    """Probabilities (n,) by name, the highest first."""
    named = zip(names, probabilities.tolist(), strict=True)
    return dict(sorted(named, key=lambda pair: -pair[1]))
