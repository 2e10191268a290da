"""Practice: imagined profiles, with what is true of them and what their labels would probably be.

The reward of a gift is known for any profile, so that rewards can be learnt from more people than were written down.
Their labels are not known; what the votes of the labelled scenarios make likely stands in for them. The labelled
scenarios themselves are then told with such labels too: a probability says how well a label is understood, while
learning one that is not understood would be learning by heart.
"""

from dataclasses import replace

import numpy as np

from trm_np.data.encode import encode_profiles
from trm_np.data.tables import AGE_GROUPS, BUDGET_TIERS, MISSING, Bools, Floats, Ints, LabelTable, ProfileTable
from trm_np.data.task import Split, Task
from trm_np.data.vocabulary import Vocabulary
from trm_np.world.baselines import said_words
from trm_np.world.votes import Votes, infer_votes

# How likely a word speaks for no label, before anything is known: relationships hardly ever decide, and hobbies say
# what to give, not how to shop.
RARELY, MAYBE = 0.95, 0.5
IMPLIED, MOST_IMPLIED = 2.0, 3.0  # what a hobby adds to the categories that it implies, and what several add at most
TOO_DEAR = -3.0  # the score of a category in which nothing fits the budget
# With fewer scenarios than this for each word training does not tell the words apart by itself.
ENOUGH_FOR_A_WORD = 2


def is_practice_needed(task: Task) -> bool:
    """Whether there are so few scenarios that imagined ones help."""
    return len(task.train) < ENOUGH_FOR_A_WORD * len(kinds_of_words(task.vocabulary))


class Practice:
    """Imagined profiles for a task. What is likely of their labels is inferred from its training scenarios."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task = task
        member = task.gifts.category[:, None] == np.arange(len(task.vocabulary.categories))
        self.cheapest = np.where(member, task.gifts.price[:, None], np.inf).min(axis=0)
        kinds = kinds_of_words(task.vocabulary)
        labels = task.train.labels
        self.categories, self.usual_categories = self.learn(
            labels.categories, self.known(task.train.profiles), kinds == "relationship", rng
        )
        nothing = np.zeros_like(labels.tools)
        rare = (kinds == "relationship") | (kinds == "hobby")
        self.tools, self.usual_tools = self.learn(labels.tools, nothing, rare, rng)
        self.train = replace(task.train, labels=self.likely(task.train.profiles))

    def learn(
        self, labels: Floats, known: Floats, rare: Bools, rng: np.random.Generator
    ) -> tuple[Votes, int]:
        """The votes of the words for these labels, and how many a scenario usually names; 0 where none names any."""
        given = labels.any(axis=1)
        words = said_words(encode_profiles(self.task.train.profiles, self.task.vocabulary))
        votes = infer_votes(words[given], labels[given], known[given], np.where(rare, RARELY, MAYBE), rng)
        return votes, round(labels[given].sum(axis=1).mean()) if given.any() else 0

    def draw(self, count: int, rng: np.random.Generator) -> Split:
        """So many imagined profiles with their likely labels."""
        profiles = imagine(self.task.train.profiles, self.task.vocabulary, count, rng)
        return Split(profiles, self.likely(profiles))

    def likely(self, profiles: ProfileTable) -> LabelTable:
        """How likely each label is, by the votes of the words."""
        words = said_words(encode_profiles(profiles, self.task.vocabulary))
        known = self.known(profiles)
        categories = self.categories.probabilities(words, known, self.usual_categories)
        tools = self.tools.probabilities(words, np.zeros(self.task.train.labels.tools.shape[1]), self.usual_tools)
        return LabelTable(categories, tools)

    def known(self, profiles: ProfileTable) -> Floats:
        """What the catalogue says of the categories (N, C): which the hobbies imply, and which are too dear."""
        implied = self.task.implied.astype(np.float64)
        hobbies = (profiles.hobbies[:, :, None] == np.arange(len(implied))).any(axis=1)
        named = np.minimum(IMPLIED * (hobbies @ implied), MOST_IMPLIED)
        return np.where(self.cheapest > profiles.budget[:, None], TOO_DEAR, named)


def kinds_of_words(vocabulary: Vocabulary) -> np.ndarray:
    """What each column of `said_words` is a word of."""
    sizes = {
        "age": len(AGE_GROUPS),
        "budget": len(BUDGET_TIERS),
        "relationship": len(vocabulary.relationships),
        "occasion": len(vocabulary.occasions),
        "hobby": len(vocabulary.hobbies),
        "preference": len(vocabulary.preferences),
    }
    return np.repeat(list(sizes), list(sizes.values()))


def imagine(known: ProfileTable, vocabulary: Vocabulary, count: int, rng: np.random.Generator) -> ProfileTable:
    """Profiles whose fields are drawn independently of each other.

    Ages and budgets (on a logarithmic scale) lie between the least and the most that are known, lists are as long as
    some that is known, and every name of the vocabulary is equally likely.
    """
    return ProfileTable(
        age=np.rint(between(known.age, count, rng)),
        budget=np.exp(between(np.log(known.budget), count, rng)),
        relationship=rng.integers(0, max(len(vocabulary.relationships), 1), count),
        occasion=rng.integers(0, max(len(vocabulary.occasions), 1), count),
        hobbies=lists(known.hobbies, len(vocabulary.hobbies), count, rng),
        preferences=lists(known.preferences, len(vocabulary.preferences), count, rng),
    )


def between(known: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Uniform between the least and the most of what is known; missing where nothing is."""
    drawn, some = rng.random(count), known[~np.isnan(known)]
    if not len(some):
        return np.full(count, np.nan)
    return np.asarray(some.min() + (some.max() - some.min()) * drawn)


def lists(known: Ints, names: int, count: int, rng: np.random.Generator) -> Ints:
    """Different names in each row (count, L), as many as in some known list."""
    lengths = (known != MISSING).sum(axis=1)[rng.integers(0, len(known), count)]
    order = rng.random((count, names)).argsort(axis=1)[:, : known.shape[1]]
    order = np.pad(order, ((0, 0), (0, known.shape[1] - order.shape[1])), constant_values=MISSING)
    return np.where(np.arange(known.shape[1]) < lengths[:, None], order, MISSING)
