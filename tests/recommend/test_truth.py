"""Truth of answers: rewards never rise down the list, every reason is a fact, and no number contradicts a reason."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recommend.stored_models import trained, untrained
from tests.world.small_world import GIFTS, PROFILES
from trm_np import Recommender
from trm_np.data.load import load_scenarios
from trm_np.data.records import Gift, Offer, Profile
from trm_np.data.tables import implied_categories, profile_table
from trm_np.recommend.recommendation import Recommendation, RecommendedGift
from trm_np.recommend.terms import ALLOWABLE
from trm_np.world.reward import COMPONENTS, reward_components
from trm_np.world.tools import TOOLS

VOCABULARY, _ = load_scenarios()
ANYTHING: dict[str, Any] = {"allow": ALLOWABLE, "any_age": True}
AGES = st.none() | st.integers(0, 1200).map(lambda tenths: tenths / 10)
QUESTIONS: dict[str, st.SearchStrategy[Any]] = {
    "k": st.integers(1, 12),
    "days_left": st.none() | st.integers(0, 15),
    "allow": st.lists(st.sampled_from(ALLOWABLE), unique=True),
    "any_age": st.booleans(),
    "tools": st.none() | st.lists(st.sampled_from(TOOLS), unique=True),
}
PEOPLE = st.builds(
    Profile,
    age=AGES,
    hobbies=st.lists(st.sampled_from(VOCABULARY.hobbies), unique=True, max_size=4).map(tuple),
    relationship=st.none() | st.sampled_from(VOCABULARY.relationships),
    budget=st.none() | st.floats(0.01, 400) | st.sampled_from((1.0, 20.0, 45.0, 100.0)),
    occasion=st.none() | st.sampled_from(VOCABULARY.occasions),
    preferences=st.lists(st.sampled_from(VOCABULARY.preferences), unique=True, max_size=4).map(tuple),
)
OFFERS = st.lists(
    st.builds(Offer, st.sampled_from(("Near", "Far")), st.floats(0.01, 1000), st.integers(0, 20)),
    min_size=1,
    max_size=3,
).map(tuple)
ODD_GIFTS = st.lists(
    st.builds(
        replace,
        GIFTS,
        offers=OFFERS,
        stock=st.integers(0, 7),
        reviews=st.tuples(*[st.integers(0, 9)] * 5),
        weekly_sales=st.tuples(*[st.integers(0, 9)] * 12),
    ),
    min_size=1,
    max_size=8,
).map(lambda gifts: [replace(gift, id=str(i), name=f"Gift {i}") for i, gift in enumerate(gifts)])


class Said(NamedTuple):
    """A reason, what it says of what in words, and all that it may be true of."""

    words: re.Match[str]
    gift: Gift
    shown: RecommendedGift
    answer: Recommendation
    days_left: float | None

    @property
    def last_day(self) -> float:
        return np.inf if self.days_left is None else self.days_left

    def found(self, tool: str) -> dict[str, Any]:
        """Finding of a tool on the gift; {} if the tool did not run."""
        data = {each.name: each.data for each in self.answer.tools}.get(tool, {})
        of_gift: dict[str, Any] = data if "bundle" in data else data.get(self.gift.id, {})
        return of_gift

    @property
    def delivery(self) -> int:
        """The days until the offer named has come, or the first at a fair price."""
        fair = [offer for offer in self.gift.offers if offer.price <= self.gift.price] or self.gift.offers
        return min(offer.shipping_days for offer in ([self.shown.offer] if self.shown.offer else fair))


def among(words: str, tags: set[str]) -> bool:
    """Whether a list in words is that of these tags."""
    return set(re.split(", | and ", words)) == {tag.replace("_", " ") for tag in tags}


def dollars(words: str) -> float:
    return float(words.replace(",", ""))


def whose(said: Said) -> bool:
    """Whether her, his or their is right."""
    pronouns = {"mother": "her", "sister": "her", "father": "his", "brother": "his"}
    return said.words["whose"] == pronouns.get(said.answer.profile.relationship or "", "their")


WHOSE = r"(?P<whose>her|his|their)"
MONEY = r"\$(?P<money>[\d,.]+)"
# Each reason that there is: when it is a fact, and what the true components beside it must be at least or at most.
FACTS: dict[str, tuple[Callable[[Said], bool], dict[str, tuple[float, float]]]] = {
    rf"for {WHOSE} (?P<hobbies>.*)": (
        lambda s: whose(s) and among(s.words["hobbies"], set(s.gift.tags) & set(s.answer.profile.hobbies)),
        {"hobby": (0.5, 1)},
    ),
    r"from (?P<category>.*), a category that suits": (
        lambda s: (
            s.words["category"] == s.gift.category.replace("_", " ")
            and bool(s.answer.profile.hobbies)
            and not set(s.gift.tags) & set(s.answer.profile.hobbies)
        ),
        {"category": (1, 1)},
    ),
    r"(?P<wishes>.*), as wished": (
        lambda s: among(s.words["wishes"], set(s.gift.tags) & set(s.answer.profile.preferences)),
        {"category": (0.4, 1)},
    ),
    rf"suits {WHOSE} age": (
        lambda s: whose(s) and s.gift.age_range[0] <= (s.answer.profile.age or 0) <= s.gift.age_range[1],
        {"age": (1, 1)},
    ),
    r"meant for ages (?P<young>\d+) to (?P<old>\d+)": (
        lambda s: (
            s.gift.age_range == (int(s.words["young"]), int(s.words["old"]))
            and s.answer.profile.age is not None
            and not s.gift.age_range[0] <= s.answer.profile.age <= s.gift.age_range[1]
        ),
        {"age": (0, 0.999)},
    ),
    r"suits (?P<occasion>(?!her age|his age|their age).*)": (
        lambda s: (
            s.answer.profile.occasion in s.gift.occasions
            and s.words["occasion"].removeprefix("the ").replace("'", "").replace(" ", "_")
            == s.answer.profile.occasion
        ),
        {"occasion": (1, 1)},
    ),
    r"fits the budget": (lambda s: s.shown.paid <= (s.answer.profile.budget or 0), {"budget": (0.6, 1)}),
    rf"{MONEY} over the budget": (
        lambda s: (
            abs(s.shown.paid - (s.answer.profile.budget or np.nan) - dollars(s.words["money"])) < 0.0051
        ),
        {},
    ),
    rf"{MONEY} cheaper at (?P<seller>.*)": (
        lambda s: (
            s.shown.offer in s.gift.offers
            and s.shown.offer is not None
            and s.shown.offer.seller == s.words["seller"]
            and abs(s.gift.price - s.shown.paid - dollars(s.words["money"])) < 0.0051
        ),
        {},
    ),
    r"sold out": (lambda s: s.gift.stock == 0, {}),
    r"only (?P<left>\d+) left": (lambda s: 0 < s.gift.stock == int(s.words["left"]) <= 5, {}),
    r"arrives in (?P<days>\d+) days? from (?P<seller>.*)": (
        lambda s: (
            s.delivery == int(s.words["days"]) <= s.last_day
            and s.found("inventory_check")["in_time"]
            and any(
                (each.seller, each.shipping_days) == (s.words["seller"], s.delivery) for each in s.gift.offers
            )
        ),
        {},
    ),
    r"arrives in (?P<days>\d+) days?, too late": (
        lambda s: s.delivery == int(s.words["days"]) > s.last_day,
        {},
    ),
    r"no reviews yet": (lambda s: sum(s.gift.reviews) == 0 == s.found("review_analysis")["reviews"], {}),
    r"(?P<stars>\d\.\d) stars with its (?P<count>\d+) reviews? weighed": (
        lambda s: (
            sum(s.gift.reviews) == int(s.words["count"])
            and s.words["stars"] == f"{s.found('review_analysis')['rating']:.1f}"
        ),
        {},
    ),
    r"(?P<stars>\d\.\d) stars": (
        lambda s: s.words["stars"] == f"{s.gift.rating:.1f}" and not s.found("review_analysis"),
        {"quality": (0.6, 1)},
    ),
    r"sales rising": (lambda s: s.found("trend_analysis")["slope"] > 0, {}),
    r"sales falling": (lambda s: s.found("trend_analysis")["slope"] < 0, {}),
    rf"one of (?P<count>\d) that cost {MONEY} together": (
        lambda s: (
            s.gift.id in s.found("budget_optimizer")["bundle"]
            and len(s.found("budget_optimizer")["bundle"]) == int(s.words["count"])
            and abs(s.found("budget_optimizer")["price"] - dollars(s.words["money"])) < 0.0051
        ),
        {},
    ),
    r"nothing in particular stands out": (lambda s: len(s.shown.reasons) == 1, {}),
}


@cache
def shipped() -> Recommender:
    return Recommender(trained())


def require_truth(recommender: Recommender, person: Profile, question: dict[str, Any]) -> None:
    """Require that the parts of an answer agree with one another."""
    answer = recommender.recommend(person, **question)
    require_rewards_in_order(answer)
    gifts = {gift.id: gift for gift in recommender.gifts}
    for shown in answer.gifts:
        assert list(shown.components) == list(COMPONENTS)
        for reason in shown.reasons:
            meant = [(re.fullmatch(words, reason), *rest) for words, rest in FACTS.items()]
            ((words, is_fact, bounds),) = [(found, *rest) for found, *rest in meant if found]
            said = Said(words, gifts[shown.id], shown, answer, question["days_left"])
            assert is_fact(said), (reason, said)
            for name, (least, most) in bounds.items():
                assert least <= shown.components[name] <= most, (reason, shown.components)
    require_true_components(recommender, answer)


def require_rewards_in_order(answer: Recommendation) -> None:
    """No gift is shown with more than the one before it."""
    rewards = [gift.predicted_reward for gift in answer.gifts]
    assert rewards == sorted(rewards, reverse=True)


def require_true_components(recommender: Recommender, answer: Recommendation) -> None:
    """Those of the world's reward for the gifts as they stand, at the prices paid and with the ratings believed."""
    budget = answer.profile.budget or np.inf
    stars = next((tool.data for tool in answer.tools if tool.name == "review_analysis"), {})
    table = recommender.catalogue.table.take(
        [recommender.catalogue.table.ids.index(gift.id) for gift in answer.gifts]
    )
    seen = replace(
        table,
        price=np.array([max(gift.paid, min(gift.price, budget)) for gift in answer.gifts]),
        rating=np.array([stars[gift.id]["rating"] for gift in answer.gifts]) if stars else table.rating,
    )
    vocabulary = recommender.stored.vocabulary
    world = (
        profile_table([answer.profile], vocabulary),
        seen,
        implied_categories(recommender.catalogue.table, vocabulary),
    )
    for place, gift in enumerate(answer.gifts):
        before = np.arange(len(answer.gifts))[None] < place
        true = reward_components(*world, before)[0, place].tolist()
        assert list(gift.components.values()) == pytest.approx(true, abs=1e-12)


@given(PEOPLE, st.fixed_dictionaries(QUESTIONS))
def test_of_the_shipped_gifts(person: Profile, question: dict[str, Any]) -> None:
    require_truth(shipped(), person, question)


@given(PROFILES, AGES, st.fixed_dictionaries(QUESTIONS), ODD_GIFTS)
def test_of_gifts_with_odd_offers_stock_and_reviews(
    person: Profile, age: float | None, question: dict[str, Any], gifts: list[Gift]
) -> None:
    """Every seller may ask more than the list price, and an untrained model guess anything."""
    require_truth(Recommender(untrained(), gifts), replace(person, age=age), question)


@given(PEOPLE, st.integers(0, 15))
def test_an_explanation_says_what_the_answer_says_before_any_tool(person: Profile, days_left: int) -> None:
    answer = shipped().recommend(person, 2, days_left, tools=(), **ANYTHING)
    for place, gift in enumerate(answer.gifts):
        explained = shipped().explain(person, gift.id, days_left)
        assert explained.reasons == gift.reasons
        assert explained.components == pytest.approx(gift.components | {"diversity": 1.0})
        if place == 0 and person.hobbies:
            assert explained.predicted_reward == pytest.approx(gift.predicted_reward, abs=1e-5)


@given(PEOPLE, st.integers(1, 8), st.integers(1, 8))
def test_the_longer_list_holds_the_shorter_in_its_order(person: Profile, some: int, more: int) -> None:
    short, long = (
        [
            (gift.id, gift.predicted_reward, gift.reasons)
            for gift in shipped().recommend(person, k, tools=(), **ANYTHING).gifts
        ]
        for k in (some, some + more)
    )
    assert short == [each for each in long if each in short]


def test_the_bundle_leads_without_a_number_that_belies_it() -> None:
    """The bundle is first by rule, at any predicted reward."""
    person = Profile(hobbies=("cooking",), budget=80.0)
    answer = shipped().recommend(person, k=40, tools=["budget_optimizer"])
    bundle = answer.tools[0].data["bundle"]
    assert {gift.id for gift in answer.gifts[: len(bundle)]} == set(bundle)
    require_capped(answer)


def test_the_nearest_prices_lead_if_nothing_fits_without_a_number_that_belies_it() -> None:
    answer = shipped().recommend(Profile(hobbies=("travel", "music"), budget=5.0), k=40, tools=())
    paid = [gift.paid for gift in answer.gifts]
    assert paid == sorted(paid) and len(paid) == 40
    require_capped(answer)


def require_capped(answer: Recommendation) -> None:
    """Rewards that would rise down the list do not."""
    alone = [shipped().explain(answer.profile, gift.id).predicted_reward for gift in answer.gifts]
    assert alone != sorted(alone, reverse=True)
    require_rewards_in_order(answer)
    np.testing.assert_allclose(
        [gift.predicted_reward for gift in answer.gifts], np.minimum.accumulate(alone), rtol=1e-5
    )
