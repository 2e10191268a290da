"""Practice: imagined profiles, with their true rewards and the probabilities of their labels.

The reward of a gift is known for any profile, so that rewards can be learnt from more people than were written down.
Their labels are not known; what the votes of the labelled scenarios make likely stands in for them. The labelled
scenarios themselves are then told with such labels too: a probability says how well a label is understood, while
learning one that is not understood would be learning by heart.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trm_np.data.encode import encode_profiles, profile_words
from trm_np.data.sizes import are_few
from trm_np.data.tables import (
    AGE_GROUPS,
    BUDGET_TIERS,
    MISSING,
    Bools,
    Floats,
    Ints,
    LabelTable,
    ProfileTable,
)
from trm_np.data.task import Split, Task
from trm_np.data.vocabulary import Vocabulary
from trm_np.world.votes import Votes, infer_votes

# Prior probability that a word votes for no label. Relationships hardly ever decide. Hobbies decide the gift, but not
# the tools.
RARELY, MAYBE = 0.95, 0.5
IMPLIED, MOST_IMPLIED = 2.0, 3.0  # score of a category that a hobby implies, and the most that several add
TOO_DEAR = -3.0  # the score of a category in which nothing fits the budget
SHARPNESSES = np.exp(np.linspace(0, np.log(4), 29))  # among which the best is looked for


def is_practice_needed(task: Task) -> bool:
    """Whether there are so few scenarios that imagined ones help."""
    return are_few(len(task.train), len(kinds_of_words(task.vocabulary)))


class Practice:
    """Imagined profiles for a task. The probabilities of their labels are inferred from its training scenarios."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task = task
        member = task.gifts.category[:, None] == np.arange(len(task.vocabulary.categories))
        self.cheapest = np.where(member, np.nan_to_num(task.gifts.price)[:, None], np.inf).min(axis=0)
        kinds = kinds_of_words(task.vocabulary)
        labels = task.train.labels
        self.categories, self.usual_categories = self.learn(
            labels.categories, self.known(task.train.profiles), kinds == "relationship", rng
        )
        nothing = np.zeros_like(labels.tools)
        rare = (kinds == "relationship") | (kinds == "hobby")
        self.tools, self.usual_tools = self.learn(labels.tools, nothing, rare, rng)
        self.sharpness = {"categories": 1.0, "tools": 1.0}
        said, labels = self.likely(task.validation.profiles), task.validation.labels
        self.sharpness = {
            kind: fit_sharpness(getattr(said, kind), getattr(labels, kind)) for kind in self.sharpness
        }
        self.train = replace(task.train, labels=self.likely(task.train.profiles))

    def learn(
        self, labels: Floats, known: Floats, rare: Bools, rng: np.random.Generator
    ) -> tuple[Votes, int]:
        """The votes of the words for these labels, and how many a scenario usually names; 0 where none names any."""
        given = labels.any(axis=1)
        words = profile_words(encode_profiles(self.task.train.profiles, self.task.vocabulary))
        votes = infer_votes(words[given], labels[given], known[given], np.where(rare, RARELY, MAYBE), rng)
        return votes, round(labels[given].sum(axis=1).mean()) if given.any() else 0

    def mixed(self, told: Split, share: float, rng: np.random.Generator) -> Split:
        """The scenarios as they are told, each replaced by an imagined one with this probability."""
        drawn = self.draw(len(told), rng)
        places = np.where(rng.random(len(told)) < share, len(told), 0) + np.arange(len(told))
        return told.join(drawn).take(places)

    def draw(self, count: int, rng: np.random.Generator) -> Split:
        """Draw `count` imagined profiles with their likely labels; they have no choices."""
        from scipy.sparse import csr_array  # type: ignore[import-untyped]  # late, as wherever choices are read

        profiles = imagine(self.task.train.profiles, self.task.vocabulary, count, rng)
        nothing = csr_array((count, len(self.task.gifts)))
        return Split(profiles, self.likely(profiles), nothing, nothing, nothing)

    def likely(self, profiles: ProfileTable) -> LabelTable:
        """Probability of each label, by the votes of the words."""
        words = profile_words(encode_profiles(profiles, self.task.vocabulary))
        known = self.known(profiles)
        categories = self.categories.probabilities(words, known, self.usual_categories)
        tools = self.tools.probabilities(
            words, np.zeros(self.task.train.labels.tools.shape[1]), self.usual_tools
        )
        return LabelTable(
            sharpened(categories, self.sharpness["categories"]), sharpened(tools, self.sharpness["tools"])
        )

    def known(self, profiles: ProfileTable) -> Floats:
        """Scores (N, C) of categories by the catalogue: high if the hobbies imply one, low if it is too dear."""
        implied = self.task.implied.astype(np.float64)
        hobbies = (profiles.hobbies[:, :, None] == np.arange(len(implied))).any(axis=1)
        named = np.minimum(IMPLIED * (hobbies @ implied), MOST_IMPLIED)
        return np.where(self.cheapest > profiles.budget[:, None], TOO_DEAR, named)


def fit_sharpness(likely: Floats, labels: Floats) -> float:
    """Factor of the log-odds of probabilities (N, K) with which they predict labels best.

    Temperature scaling (Guo et al., "On calibration of modern neural networks", 2017). Without it the
    probabilities are too even, because the votes are inferred from few scenarios.
    """
    given = labels.any(axis=1)
    said, true = likely[given], labels[given]
    return float(min(SHARPNESSES, key=lambda sharpness: log_loss(sharpened(said, sharpness), true)))


def sharpened(likely: Floats, sharpness: float) -> Floats:
    """Probabilities with their log-odds multiplied; what is certain, such as a label that nobody gives, stays so."""
    p = np.clip(likely, 1e-9, 1 - 1e-9)
    return np.where((likely > 0) & (likely < 1), 1 / (1 + ((1 - p) / p) ** sharpness), likely)


def log_loss(likely: Floats, labels: Floats) -> float:
    p = np.clip(np.where(labels > 0, likely, 1 - likely), 1e-9, 1)
    return float(-np.log(p).mean()) if labels.size else 0.0


def kinds_of_words(vocabulary: Vocabulary) -> NDArray[np.str_]:
    """Kind of word of each column of `profile_words`."""
    sizes = {
        "age": len(AGE_GROUPS),
        "budget": len(BUDGET_TIERS),
        "relationship": len(vocabulary.relationships),
        "occasion": len(vocabulary.occasions),
        "hobby": len(vocabulary.hobbies),
        "preference": len(vocabulary.preferences),
    }
    return np.repeat(list(sizes), list(sizes.values()))


def imagine(
    known: ProfileTable, vocabulary: Vocabulary, count: int, rng: np.random.Generator
) -> ProfileTable:
    """Profiles whose fields are drawn independently of each other.

    Ages and budgets (on a logarithmic scale) lie between the least and the most that are known, lists are as long as
    some that is known, and every name of the vocabulary is equally likely.
    """
    return ProfileTable(
        age=np.rint(between(known.age, count, rng)),
        budget=np.exp(between(np.log(known.budget), count, rng)),
        relationship=any_of(vocabulary.relationships, count, rng),
        occasion=any_of(vocabulary.occasions, count, rng),
        hobbies=lists(known.hobbies, len(vocabulary.hobbies), count, rng),
        preferences=lists(known.preferences, len(vocabulary.preferences), count, rng),
    )


def between(known: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Uniform between the least and the most of what is known; missing where nothing is."""
    drawn, some = rng.random(count), known[~np.isnan(known)]
    if not len(some):
        return np.full(count, np.nan)
    return np.asarray(some.min() + (some.max() - some.min()) * drawn)


def any_of(names: tuple[str, ...], count: int, rng: np.random.Generator) -> Ints:
    """One of the names for each of so many, by its index; missing where there is none."""
    return rng.integers(0, len(names), count) if names else np.full(count, MISSING)


def lists(known: Ints, names: int, count: int, rng: np.random.Generator) -> Ints:
    """Different names in each row (count, L), as many as in some known list."""
    lengths = (known != MISSING).sum(axis=1)[rng.integers(0, len(known), count)]
    order = rng.random((count, names)).argsort(axis=1)[:, : known.shape[1]]
    order = np.pad(order, ((0, 0), (0, known.shape[1] - order.shape[1])), constant_values=MISSING)
    return np.where(np.arange(known.shape[1]) < lengths[:, None], order, MISSING)
