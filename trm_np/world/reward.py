"""The true reward of a gift for a profile. Models predict it and are judged by it."""

import numpy as np

from trm_np.data.tables import MISSING, Bools, Floats, GiftTable, Ints, ProfileTable, portions

# Weight of each component. A giver first asks for the right kind of thing (category), a price within the budget, and
# a match with the hobbies; then for the occasion, the age and the quality. Diversity comes last: it decides between
# gifts that are otherwise about as good.
COMPONENT_WEIGHTS = {
    "category": 0.25,
    "budget": 0.20,
    "hobby": 0.20,
    "occasion": 0.10,
    "age": 0.10,
    "quality": 0.10,
    "diversity": 0.05,
}
COMPONENTS = tuple(COMPONENT_WEIGHTS)  # the order of every array of components
WEIGHTS = np.array(list(COMPONENT_WEIGHTS.values()))
DIVERSITY_WEIGHT = COMPONENT_WEIGHTS["diversity"]

UNKNOWN = 0.5  # value of a component whose field is missing, which is neither for nor against the gift
PREFERENCE_ONLY = 0.4  # category value of a gift that matches a preference but no category of a hobby
OTHER_OCCASION = 0.3
AGE_TOLERANCE = 15.0  # years outside the age range at which the component reaches 0
HOBBIES_ENOUGH = 2  # a gift that serves this many hobbies gets the full hobby value

# Price divided by budget, and its value. A very cheap gift looks mean. From half the budget up to the whole budget, the
# value is full. Nobody pays a quarter more than planned.
PRICE_SHARE = np.array([0.0, 0.5, 1.0, 1.25])
PRICE_VALUE = np.array([0.5, 1.0, 1.0, 0.0])

SEARCH_MARGIN = 1e-12  # a list must beat the greedy one by more than rounding errors
CELLS = 2**18  # profiles × gifts, or lists × gifts, computed at once


def reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None) -> Floats:
    """The reward (N, G) in [0, 1] of each gift for each profile: the weighted sum of its seven components.

    The arguments are those of `reward_components`. Besides the result, memory is needed for CELLS profiles × gifts.
    """
    total = np.zeros((len(profiles), len(gifts)))
    for rows in portions(len(profiles), len(gifts), CELLS):
        some_picked = None if picked is None else picked[rows]
        components = reward_components(profiles.take(rows), gifts, implied, some_picked)
        # A matrix product could round gifts with equal components differently and so break ties.
        for index, weight in enumerate(WEIGHTS):
            total[rows] += weight * components[:, :, index]
    return np.minimum(total, 1.0)  # the sum may round to just above 1


def reward_components(
    profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None
) -> Floats:
    """The seven components (N, G, 7) in [0, 1], in the order of COMPONENTS; 0.5 where a needed field is missing.

    `implied` (n_hobbies, C) comes from `implied_categories`. `picked` (N, G) marks the gifts already in the list.
    """
    hobbies = _marks(profiles.hobbies, gifts.hobby_tags.shape[1])
    preferences = _marks(profiles.preferences, gifts.preference_tags.shape[1])
    quality = np.where(np.isnan(gifts.rating), UNKNOWN, np.clip((gifts.rating - 3.0) / 2.0, 0.0, 1.0))
    components = {
        "category": _category(hobbies, preferences, gifts, implied),
        "budget": _budget(profiles.budget, gifts.price),
        "hobby": _hobby(hobbies, gifts),
        "occasion": _occasion(profiles.occasion, gifts),
        "age": _age(profiles.age, gifts.age_range),
        "quality": np.broadcast_to(quality, (len(profiles), len(gifts))),
        "diversity": _diversity(gifts, len(profiles), picked),
    }
    return np.stack([components[name] for name in COMPONENTS], axis=-1)


def list_components(profile: ProfileTable, gifts: GiftTable, implied: Bools) -> Floats:
    """The components (k, 7) of a list of k gifts for one profile. Diversity compares each gift with those before it.

    Besides the result, memory is needed for CELLS pairs of gifts.
    """
    in_turn: Floats = reward_components(profile.take([0]), gifts, implied)[0]
    each = np.arange(len(gifts))
    for rows in portions(len(gifts), len(gifts), CELLS):
        before = each[rows, None] > each
        alike = (gift_similarity(gifts.take(rows), gifts) * before).sum(axis=1) / np.maximum(each[rows], 1)
        in_turn[rows, COMPONENTS.index("diversity")] = np.clip(1.0 - alike, 0.0, 1.0)
    return in_turn


def _category(hobbies: Bools, preferences: Bools, gifts: GiftTable, implied: Bools) -> Floats:
    wanted = (hobbies @ implied)[:, gifts.category]
    preferred = _in_common(preferences, gifts.preference_tags) > 0
    otherwise = np.where(gifts.tags_known, np.where(preferred, PREFERENCE_ONLY, 0.0), UNKNOWN)
    return _unless_unknown(~np.any(hobbies, axis=1), False, np.where(wanted, 1.0, otherwise))


def _budget(budget: Floats, price: Floats) -> Floats:
    with np.errstate(over="ignore"):  # a tiny budget makes the share infinite, whose value is 0
        share = price / budget[:, None]
    return _unless_unknown(np.isnan(budget), np.isnan(price), np.interp(share, PRICE_SHARE, PRICE_VALUE))


def _hobby(hobbies: Bools, gifts: GiftTable) -> Floats:
    served = _in_common(hobbies, gifts.hobby_tags)
    number = hobbies.sum(axis=1)
    enough = np.clip(number, 1, HOBBIES_ENOUGH)
    return _unless_unknown(number == 0, ~gifts.tags_known, np.minimum(served / enough[:, None], 1.0))


def _occasion(occasion: Ints, gifts: GiftTable) -> Floats:
    suits = gifts.occasions[:, occasion].T
    value = np.where(suits, 1.0, OTHER_OCCASION)
    return _unless_unknown(occasion == MISSING, ~gifts.occasions_known, value)


def _age(age: Floats, age_range: Floats) -> Floats:
    too_young = age_range[:, 0] - age[:, None]
    too_old = age[:, None] - age_range[:, 1]
    years_outside = np.maximum(np.maximum(too_young, too_old), 0.0)
    value = np.clip(1.0 - years_outside / AGE_TOLERANCE, 0.0, 1.0)
    return _unless_unknown(np.isnan(age), np.isnan(age_range[:, 0]), value)


def _diversity(gifts: GiftTable, n_profiles: int, picked: Bools | None) -> Floats:
    if picked is None:
        return np.ones((n_profiles, len(gifts)))
    number = picked.sum(axis=1, keepdims=True)
    listed = np.flatnonzero(np.any(picked, axis=0))  # only few gifts of a large catalogue are in any list
    alike = picked[:, listed].astype(np.float64) @ gift_similarity(gifts.take(listed), gifts)
    alike /= np.maximum(number, 1)
    diversity: Floats = np.clip(1.0 - alike, 0.0, 1.0)
    return diversity


def gift_similarity(some: GiftTable, gifts: GiftTable) -> Floats:
    """Similarity (S, G) in [0, 1] of some gifts to all: 0.5 [same category] + 0.5 Jaccard index of the tags.

    The Jaccard index is 1 for two gifts without tags, and 0.5 if the tags of either are unknown.
    """
    some_tags, tags = (np.hstack([table.hobby_tags, table.preference_tags]) for table in (some, gifts))
    common = _in_common(some_tags, tags)
    either = some_tags.sum(axis=1)[:, None] + tags.sum(axis=1) - common
    jaccard = np.where(either > 0, common / np.maximum(either, 1), 1.0)
    jaccard[~(some.tags_known[:, None] & gifts.tags_known)] = UNKNOWN
    similarity: Floats = 0.5 * (some.category[:, None] == gifts.category) + 0.5 * jaccard
    return similarity


def _in_common(rows: Bools, columns: Bools) -> Floats:
    """The number (N, G) of marks that each row (N, T) shares with each column (G, T), as floats for speed."""
    number: Floats = rows.astype(np.float64) @ columns.T.astype(np.float64)
    return number


def _unless_unknown(of_profile: Bools, of_gift: Bools | bool, value: Floats) -> Floats:
    """Replace the value (N, G) by UNKNOWN where a field of the profile (N,) or of the gift (G,) is missing."""
    filled: Floats = np.where(of_profile[:, None] | of_gift, UNKNOWN, value)
    return filled


def _marks(indices: Ints, size: int) -> Bools:
    """Mark the indices (N, H), padded with -1, in a table (N, size)."""
    marks = np.zeros((len(indices), size + 1), dtype=np.bool_)
    np.put_along_axis(marks, indices, True, axis=1)  # the padding -1 marks the last column
    return marks[:, :size]


def list_reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, choices: Ints) -> Floats:
    """The reward (N,) of the lists `choices` (N, k): the mean of each gift's reward given the ones before it.

    Raises `ValueError` for an index out of range, or for a gift that is in a list twice.
    """
    if choices.shape[:1] != (len(profiles),) or choices.ndim != 2 or choices.shape[1] == 0:
        raise ValueError(f"choices must be ({len(profiles)}, k) gift indices, found shape {choices.shape}")
    if choices.size and not (choices.min() >= 0 and choices.max() < len(gifts)):
        raise ValueError(f"choices must be gift indices from 0 to {len(gifts) - 1}")
    ordered = np.sort(choices, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("choices must not hold the same gift twice in one list")
    means = [
        _mean_reward(profiles.take(rows), gifts, implied, choices[rows])
        for rows in portions(len(profiles), len(gifts), CELLS)
    ]
    return np.concatenate([np.empty(0), *means])


def _mean_reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, choices: Ints) -> Floats:
    """The `list_reward` (N,) of a few profiles, computed only for the gifts in their lists."""
    used, places = np.unique(choices, return_inverse=True)
    gifts = gifts.take(used)
    rows = np.arange(len(profiles))
    picked = np.zeros((len(profiles), len(gifts)), dtype=np.bool_)
    total = np.zeros(len(profiles))
    for choice in places.reshape(choices.shape).T:
        total += reward(profiles, gifts, implied, picked)[rows, choice]
        picked[rows, choice] = True
    mean: Floats = total / choices.shape[1]
    return mean


def best_lists(profiles: ProfileTable, gifts: GiftTable, implied: Bools, k: int = 3) -> tuple[Ints, Floats]:
    """Search for the best ordered lists of k different gifts. Returns choices (N, k) and their `list_reward` (N,).

    The search is exact. Raises `ValueError` if there are fewer than k gifts.
    """
    if not 1 <= k <= len(gifts):
        raise ValueError(f"a list of {k} cannot be made from {len(gifts)} gifts")
    choices = np.empty((len(profiles), k), dtype=np.int64)
    for rows in portions(len(profiles), len(gifts), CELLS):
        alone = reward(profiles.take(rows), gifts, implied)
        choices[rows] = [_best_list(row, gifts, k) for row in alone]
    return choices, list_reward(profiles, gifts, implied, choices)


def _best_list(alone: Floats, gifts: GiftTable, k: int) -> Ints:
    """The best list for one profile. `alone` (G,) is the reward of each gift before any other is picked.

    The search covers only gifts that could be in a better list than the greedy one, few of a large catalogue.
    """
    rows = _within_reach(alone, k)
    alone, gifts = alone[rows], gifts.take(rows)
    greedy, greedy_total = _greedy_list(alone, gifts, k)
    bound = alone + np.sort(alone)[::-1][: k - 1].sum()
    candidates = np.flatnonzero(bound > greedy_total + SEARCH_MARGIN)
    candidates = candidates[_best_of_each_kind(alone[candidates], gifts.take(candidates), k)]
    some = gifts.take(candidates)
    better = _search(alone[candidates], _penalty(some, some), k, greedy_total)
    return rows[greedy if better is None else candidates[better]]


def _within_reach(alone: Floats, k: int) -> Ints:
    """The gifts that the best list or the greedy one may hold.

    Each gift after the first loses at most the weight of diversity. A gift that is worth less than the k best ones by
    more than the largest total loss cannot be in a best list.
    """
    least = np.partition(alone, -k)[-k] - (k - 1) * DIVERSITY_WEIGHT - SEARCH_MARGIN
    reach: Ints = np.flatnonzero(alone >= least)
    return reach


def _best_of_each_kind(alone: Floats, gifts: GiftTable, k: int) -> Ints:
    """The k best gifts of each kind, in order. Gifts of a kind share category and tags, and so all similarities."""
    kinds = np.column_stack([gifts.category, gifts.hobby_tags, gifts.preference_tags, gifts.tags_known])
    _, kind, size = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    best_first = np.lexsort((-alone, kind.reshape(-1)))
    place = np.arange(len(alone)) - np.repeat(np.cumsum(size) - size, size)
    return np.sort(best_first[place < k])


def _penalty(some: GiftTable, gifts: GiftTable) -> Floats:
    """The loss of reward (S, G) for each gift after each of S others."""
    return DIVERSITY_WEIGHT * gift_similarity(some, gifts)


def _greedy_list(alone: Floats, gifts: GiftTable, k: int) -> tuple[Ints, float]:
    """The list (k,) that picks the best gift for each place in turn, and its total reward."""
    greedy: Ints = np.empty((1, 0), dtype=np.int64)
    total = np.zeros(1)
    for _ in range(k):
        totals = _totals_with_next(greedy, total, alone, _penalty(gifts.take(greedy[0]), gifts)[None])
        greedy, total = np.append(greedy, [[totals.argmax()]], axis=1), totals.max(axis=1)
    return greedy[0], float(total[0])


def _search(alone: Floats, penalty: Floats, k: int, floor: float) -> Ints | None:
    """The first best list (k,) with a total above the floor, or `None`: breadth-first branch and bound.

    Lists grow by one gift at a time. A partial list is dropped if even the gifts with the largest `alone` (S,), added
    without any `penalty` (S, S) for similarity, could not raise its total above the floor.
    """
    most = np.sort(alone)[::-1]
    lists: Ints = np.empty((1, 0), dtype=np.int64)
    list_totals = np.zeros(1)
    for place in range(k):
        still_possible = most[: k - place - 1].sum()
        grown, grown_totals = [np.empty((0, place + 1), dtype=np.int64)], [np.empty(0)]
        for rows in portions(len(lists), max(len(alone), 1) * max(place, 1), CELLS):
            totals = _totals_with_next(lists[rows], list_totals[rows], alone, penalty[lists[rows]])
            row, gift = np.nonzero(totals + still_possible > floor + SEARCH_MARGIN)
            grown.append(np.column_stack([lists[rows][row], gift]))
            grown_totals.append(totals[row, gift])
        lists, list_totals = np.concatenate(grown), np.concatenate(grown_totals)
    best: Ints | None = lists[list_totals.argmax()] if len(lists) else None
    return best


def _totals_with_next(lists: Ints, totals: Floats, alone: Floats, penalties: Floats) -> Floats:
    """The total (L, G) of each partial list (L, j) with each gift added; -inf for gifts that it already holds.

    `penalties` (L, j, G) are those for following each gift of the list.
    """
    alike = penalties.sum(axis=1) / max(lists.shape[1], 1)
    following: Floats = totals[:, None] + (alone - alike)
    np.put_along_axis(following, lists, -np.inf, axis=1)
    return following
