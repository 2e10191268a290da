"""The true reward of giving a gift to a person. It is the world: a model predicts it and is judged by it."""

import numpy as np

from trm_np.data.tables import MISSING, Bools, Floats, GiftTable, Ints, ProfileTable

COMPONENTS = ("category", "budget", "hobby", "occasion", "age", "quality", "diversity")

# What a giver asks first weighs most: is it the right kind of thing (category), can I pay for it (budget),
# does it touch what the person loves (hobby)? Then whether it suits the day and the person's age, and is well
# made. Diversity is last: it only decides between gifts that are otherwise about as good.
WEIGHTS = np.array([0.25, 0.20, 0.20, 0.10, 0.10, 0.10, 0.05])

UNKNOWN = 0.5  # the value of a component whose field is missing: it speaks neither for the gift nor against
PREFERENCE_ONLY = 0.4  # a gift that matches a preference but lies outside the categories of every hobby
OTHER_OCCASION = 0.3
AGE_TOLERANCE = 15.0  # years outside the age range until nothing of the component is left
HOBBIES_ENOUGH = 2  # a gift that serves two hobbies serves the person fully

# Price over budget, and what it is worth: a gift for a tenth of the budget looks mean, one for half of it
# up to all of it is right, and nobody pays a quarter more than they meant to.
PRICE_SHARE = np.array([0.0, 0.5, 1.0, 1.25])
PRICE_VALUE = np.array([0.5, 1.0, 1.0, 0.0])

SEARCH_MARGIN = 1e-12  # a list counts as better than the greedy one only beyond rounding
SEARCH_CELLS = 2**20  # numbers held at a time


def reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None) -> Floats:
    """The reward (N, G) in [0, 1] of each gift for each profile: the weighted sum of its seven components.

    Arguments are those of `reward_components`.
    """
    components = reward_components(profiles, gifts, implied, picked)
    total = np.zeros(components.shape[:2])
    # Term by term, not as a matrix product: gifts with equal components get equal bits, and ties stay ties.
    for index, weight in enumerate(WEIGHTS):
        total += weight * components[:, :, index]
    return np.minimum(total, 1.0)  # the sum may round to just above 1


def reward_components(
    profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None
) -> Floats:
    """The seven components (N, G, 7) in [0, 1], in the order of COMPONENTS; 0.5 where the field is missing.

    `implied` (n_hobbies, C) is from `implied_categories`; `picked` (N, G) the gifts already in the list.
    """
    hobbies = _marks(profiles.hobbies, gifts.hobby_tags.shape[1])
    preferences = _marks(profiles.preferences, gifts.preference_tags.shape[1])
    quality = np.broadcast_to(np.clip((gifts.rating - 3.0) / 2.0, 0.0, 1.0), (len(profiles), len(gifts)))
    components = (
        _category(hobbies, preferences, gifts, implied),
        _budget(profiles.budget, gifts.price),
        _hobby(hobbies, gifts),
        _occasion(profiles.occasion, gifts),
        _age(profiles.age, gifts.age_range),
        quality,
        _diversity(gifts, len(profiles), picked),
    )
    return np.stack(components, axis=-1)


def _category(hobbies: Bools, preferences: Bools, gifts: GiftTable, implied: Bools) -> Floats:
    wanted = (hobbies @ implied)[:, gifts.category]
    preferred = preferences @ gifts.preference_tags.T
    value = np.where(wanted, 1.0, np.where(preferred, PREFERENCE_ONLY, 0.0))
    return _unless_unknown(~np.any(hobbies, axis=1), value)


def _budget(budget: Floats, price: Floats) -> Floats:
    with np.errstate(over="ignore"):  # the share of a vanishing budget is infinite, and worth nothing
        share = price / budget[:, None]
    return _unless_unknown(np.isnan(budget), np.interp(share, PRICE_SHARE, PRICE_VALUE))


def _hobby(hobbies: Bools, gifts: GiftTable) -> Floats:
    served = hobbies.astype(np.int64) @ gifts.hobby_tags.T.astype(np.int64)
    number = hobbies.sum(axis=1)
    enough = np.clip(number, 1, HOBBIES_ENOUGH)
    return _unless_unknown(number == 0, np.minimum(served / enough[:, None], 1.0))


def _occasion(occasion: Ints, gifts: GiftTable) -> Floats:
    suits = gifts.occasions[:, occasion].T
    return _unless_unknown(occasion == MISSING, np.where(suits, 1.0, OTHER_OCCASION))


def _age(age: Floats, age_range: Floats) -> Floats:
    too_young = age_range[:, 0] - age[:, None]
    too_old = age[:, None] - age_range[:, 1]
    years_outside = np.maximum(np.maximum(too_young, too_old), 0.0)
    return _unless_unknown(np.isnan(age), np.clip(1.0 - years_outside / AGE_TOLERANCE, 0.0, 1.0))


def _diversity(gifts: GiftTable, n_profiles: int, picked: Bools | None) -> Floats:
    if picked is None:
        return np.ones((n_profiles, len(gifts)))
    number = picked.sum(axis=1, keepdims=True)
    alike = picked.astype(np.float64) @ gift_similarity(gifts) / np.maximum(number, 1)
    diversity: Floats = np.clip(1.0 - alike, 0.0, 1.0)
    return diversity


def gift_similarity(gifts: GiftTable) -> Floats:
    """How alike two gifts are, (G, G) in [0, 1]: 0.5 [same category] + 0.5 Jaccard index of the tags.

    A gift is 1.0 similar to itself; two gifts without tags have a Jaccard index of 1.
    """
    tags = np.hstack([gifts.hobby_tags, gifts.preference_tags]).astype(np.int64)
    common = tags @ tags.T
    number = tags.sum(axis=1)
    either = number[:, None] + number - common
    jaccard = np.where(either > 0, common / np.maximum(either, 1), 1.0)
    similarity: Floats = 0.5 * (gifts.category[:, None] == gifts.category) + 0.5 * jaccard
    return similarity


def _unless_unknown(unknown: Bools, value: Floats) -> Floats:
    known_or_half: Floats = np.where(unknown[:, None], UNKNOWN, value)
    return known_or_half


def _marks(indices: Ints, size: int) -> Bools:
    """Lists of indices (N, H), padded with -1, as marks (N, size)."""
    marks = np.zeros((len(indices), size + 1), dtype=np.bool_)
    np.put_along_axis(marks, indices, True, axis=1)  # the padding -1 falls into the last column
    return marks[:, :size]


def list_reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, choices: Ints) -> Floats:
    """The reward (N,) of the lists `choices` (N, k): the mean of each gift's reward given the ones before it.

    Raises `ValueError` for an index that is not a gift, or a gift that stands in a list twice.
    """
    if choices.shape[:1] != (len(profiles),) or choices.ndim != 2 or choices.shape[1] == 0:
        raise ValueError(f"choices must be ({len(profiles)}, k) gift indices, found shape {choices.shape}")
    if choices.size and not (choices.min() >= 0 and choices.max() < len(gifts)):
        raise ValueError(f"choices must be gift indices from 0 to {len(gifts) - 1}")
    ordered = np.sort(choices, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("choices must not hold the same gift twice in one list")
    everyone = np.arange(len(profiles))
    picked = np.zeros((len(profiles), len(gifts)), dtype=np.bool_)
    total = np.zeros(len(profiles))
    for choice in choices.T:
        total += reward(profiles, gifts, implied, picked)[everyone, choice]
        picked[everyone, choice] = True
    mean: Floats = total / choices.shape[1]
    return mean


def best_lists(profiles: ProfileTable, gifts: GiftTable, implied: Bools, k: int = 3) -> tuple[Ints, Floats]:
    """The best ordered lists of k different gifts that exist: choices (N, k) and their `list_reward` (N,).

    Raises `ValueError` if there are fewer than k gifts.
    """
    if not 1 <= k <= len(gifts):
        raise ValueError(f"a list of {k} cannot be made from {len(gifts)} gifts")
    penalty = WEIGHTS[COMPONENTS.index("diversity")] * gift_similarity(gifts)
    alone = reward(profiles, gifts, implied)
    choices = np.array([_best_list(row, penalty, k) for row in alone], dtype=np.int64).reshape(-1, k)
    return choices, list_reward(profiles, gifts, implied, choices)


def _best_list(alone: Floats, penalty: Floats, k: int) -> Ints:
    """The best list for one profile, by breadth-first branch and bound from the greedy list.

    Lists grow by one gift at a time. A started list is dropped when it could not beat the greedy one even if
    the gifts worth most alone (G,) followed it, without any penalty (G, G) for being alike.
    """
    greedy, greedy_total = _greedy_list(alone, penalty, k)
    most = np.sort(alone)[::-1]
    lists: Ints = np.empty((1, 0), dtype=np.int64)
    list_totals = np.zeros(1)
    for place in range(k):
        still_possible = most[: k - place - 1].sum()
        grown, grown_totals = [], []
        for rows in np.array_split(np.arange(len(lists)), -(-len(lists) * len(alone) // SEARCH_CELLS)):
            totals = _totals_with_next(lists[rows], list_totals[rows], alone, penalty)
            row, gift = np.nonzero(totals + still_possible > greedy_total + SEARCH_MARGIN)
            grown.append(np.column_stack([lists[rows][row], gift]))
            grown_totals.append(totals[row, gift])
        lists, list_totals = np.concatenate(grown), np.concatenate(grown_totals)
        if len(lists) == 0:
            lists, list_totals = greedy, greedy_total
            break
    best: Ints = lists[list_totals.argmax()]
    return best


def _greedy_list(alone: Floats, penalty: Floats, k: int) -> tuple[Ints, Floats]:
    """The list (1, k) that takes in each place the gift worth most there, and its total (1,)."""
    greedy: Ints = np.empty((1, 0), dtype=np.int64)
    total = np.zeros(1)
    for _ in range(k):
        totals = _totals_with_next(greedy, total, alone, penalty)
        greedy, total = np.append(greedy, [[totals.argmax()]], axis=1), totals.max(axis=1)
    return greedy, total


def _totals_with_next(lists: Ints, totals: Floats, alone: Floats, penalty: Floats) -> Floats:
    """The total (L, G) of each started list (L, j) with each gift added; -inf where it has it already."""
    alike = penalty[lists].sum(axis=1) / max(lists.shape[1], 1)
    following: Floats = totals[:, None] + (alone - alike)
    np.put_along_axis(following, lists, -np.inf, axis=1)
    return following
