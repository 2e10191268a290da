"""Practice: imagined profiles with their true rewards and with probabilities as labels.

The reward of a gift is known for any profile, so the model can learn rewards from imagined profiles too. Their labels
are unknown. They are replaced by probabilities that votes predict, fitted to the labelled scenarios. The labels of the
scenarios are replaced in the same way, so that the model does not memorize labels that the votes cannot explain.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trm_np.data.encode import encode_profiles, word_marks
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

# Prior probability that a word votes for no label. Relationships hardly ever vote. Hobbies vote for categories, but
# hardly ever for tools.
RARELY, MAYBE = 0.95, 0.5
IMPLIED, MOST_IMPLIED = (
    2.0,
    3.0,
)  # score of a category that a hobby implies, and the maximum for several hobbies
TOO_DEAR = -3.0  # score of a category in which no gift fits the budget
SHARPNESSES = np.exp(np.linspace(0, np.log(4), 29))  # grid of the search for the best


def is_practice_needed(task: Task) -> bool:
    """Whether the scenarios are so few that imagined ones help."""
    return are_few(len(task.train), len(kinds_of_words(task.vocabulary)))


class Practice:
    """Imagined profiles for a task. The probabilities of their labels are inferred from its training scenarios."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task = task
        member = task.gifts.category[:, None] == np.arange(len(task.vocabulary.categories))
        self.cheapest = np.where(member, np.nan_to_num(task.gifts.price)[:, None], np.inf).min(axis=0)
        kinds = kinds_of_words(task.vocabulary)
        labels = task.train.labels
        self.categories, self.typical_categories = self.infer_votes(
            labels.categories, self.prior_scores(task.train.profiles), kinds == "relationship", rng
        )
        nothing = np.zeros_like(labels.tools)
        rare = (kinds == "relationship") | (kinds == "hobby")
        self.tools, self.typical_tools = self.infer_votes(labels.tools, nothing, rare, rng)
        self.sharpness = {"categories": 1.0, "tools": 1.0}
        predicted, labels = self.probabilities(task.validation.profiles), task.validation.labels
        self.sharpness = {
            kind: fit_sharpness(getattr(predicted, kind), getattr(labels, kind)) for kind in self.sharpness
        }
        self.train = replace(task.train, labels=self.probabilities(task.train.profiles))

    def infer_votes(
        self, labels: Floats, known: Floats, rare: Bools, rng: np.random.Generator
    ) -> tuple[Votes, int]:
        """Infer the words' votes for these labels, and the typical number of labels per scenario, 0 if none has any."""
        given = labels.any(axis=1)
        words = word_marks(encode_profiles(self.task.train.profiles, self.task.vocabulary))
        votes = infer_votes(words[given], labels[given], known[given], np.where(rare, RARELY, MAYBE), rng)
        return votes, round(labels[given].sum(axis=1).mean()) if given.any() else 0

    def mix(self, scenarios: Split, share: float, rng: np.random.Generator) -> Split:
        """Replace each scenario by an imagined one with probability `share`."""
        drawn = self.draw(len(scenarios), rng)
        places = np.where(rng.random(len(scenarios)) < share, len(scenarios), 0) + np.arange(len(scenarios))
        return scenarios.join(drawn).take(places)

    def draw(self, count: int, rng: np.random.Generator) -> Split:
        """Draw `count` imagined profiles with their label probabilities; they have no choices."""
        from scipy.sparse import csr_array  # type: ignore[import-untyped]  # late, as wherever choices are read

        profiles = imagine(self.task.train.profiles, self.task.vocabulary, count, rng)
        nothing = csr_array((count, len(self.task.gifts)))
        return Split(profiles, self.probabilities(profiles), nothing, nothing, nothing)

    def probabilities(self, profiles: ProfileTable) -> LabelTable:
        """Probability of each label, predicted by the votes of the words."""
        words = word_marks(encode_profiles(profiles, self.task.vocabulary))
        known = self.prior_scores(profiles)
        categories = self.categories.probabilities(words, known, self.typical_categories)
        tools = self.tools.probabilities(
            words, np.zeros(self.task.train.labels.tools.shape[1]), self.typical_tools
        )
        return LabelTable(
            sharpened(categories, self.sharpness["categories"]), sharpened(tools, self.sharpness["tools"])
        )

    def prior_scores(self, profiles: ProfileTable) -> Floats:
        """Scores (N, C) of the categories before any vote: high if a hobby implies it, low if it is too dear."""
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
    predicted, true = likely[given], labels[given]
    return float(min(SHARPNESSES, key=lambda sharpness: log_loss(sharpened(predicted, sharpness), true)))


def sharpened(likely: Floats, sharpness: float) -> Floats:
    """Probabilities with their log-odds multiplied by `sharpness`; 0 and 1 stay as they are."""
    p = np.clip(likely, 1e-9, 1 - 1e-9)
    return np.where((likely > 0) & (likely < 1), 1 / (1 + ((1 - p) / p) ** sharpness), likely)


def log_loss(likely: Floats, labels: Floats) -> float:
    p = np.clip(np.where(labels > 0, likely, 1 - likely), 1e-9, 1)
    return float(-np.log(p).mean()) if labels.size else 0.0


def kinds_of_words(vocabulary: Vocabulary) -> NDArray[np.str_]:
    """Kind of the word in each column of `word_marks`."""
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
    """Draw profiles whose fields are independent of each other.

    Ages, and budgets on a logarithmic scale, are uniform between the known extremes. Lists have the length of a random
    known list, and every name of the vocabulary is equally likely.
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
    """Uniform numbers between the known extremes, nan if none is known."""
    drawn, some = rng.random(count), known[~np.isnan(known)]
    if not len(some):
        return np.full(count, np.nan)
    return np.asarray(some.min() + (some.max() - some.min()) * drawn)


def any_of(names: tuple[str, ...], count: int, rng: np.random.Generator) -> Ints:
    """Indices of `count` random names, MISSING if there are no names."""
    return rng.integers(0, len(names), count) if names else np.full(count, MISSING)


def lists(known: Ints, names: int, count: int, rng: np.random.Generator) -> Ints:
    """Rows (count, L) of different random names, each as long as a random known list."""
    lengths = (known != MISSING).sum(axis=1)[rng.integers(0, len(known), count)]
    order = rng.random((count, names)).argsort(axis=1)[:, : known.shape[1]]
    order = np.pad(order, ((0, 0), (0, known.shape[1] - order.shape[1])), constant_values=MISSING)
    return np.where(np.arange(known.shape[1]) < lengths[:, None], order, MISSING)
