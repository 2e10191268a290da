"""The true reward of giving a gift to a person. It is the world: a model predicts it and is judged by it."""

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

UNKNOWN = 0.5  # the value of a component whose field is missing: it speaks neither for the gift nor against
PREFERENCE_ONLY = 0.4  # a gift that matches a preference but lies outside the categories of every hobby
OTHER_OCCASION = 0.3
AGE_TOLERANCE = 15.0  # years outside the age range until nothing of the component is left
HOBBIES_ENOUGH = 2  # a gift that serves two hobbies serves the person fully

# Price over budget, and its value: a gift for a tenth of the budget looks mean, one for half of it
# up to all of it is right, and nobody pays a quarter more than they meant to.
PRICE_SHARE = np.array([0.0, 0.5, 1.0, 1.25])
PRICE_VALUE = np.array([0.5, 1.0, 1.0, 0.0])

SEARCH_MARGIN = 1e-12  # a list counts as better than the greedy one only beyond rounding
CELLS = 2**18  # profiles × gifts, or lists × gifts, computed together


def reward(profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None) -> Floats:
    """The reward (N, G) in [0, 1] of each gift for each profile: the weighted sum of its seven components.

    Arguments are those of `reward_components`; beside the result, memory is that of CELLS profiles × gifts.
    """
    total = np.zeros((len(profiles), len(gifts)))
    for rows in portions(len(profiles), len(gifts), CELLS):
        some_picked = None if picked is None else picked[rows]
        components = reward_components(profiles.take(rows), gifts, implied, some_picked)
        # Term by term, not as a matrix product: gifts with equal components get equal bits, and ties stay ties.
        for index, weight in enumerate(WEIGHTS):
            total[rows] += weight * components[:, :, index]
    return np.minimum(total, 1.0)  # the sum may round to just above 1


def reward_components(
    profiles: ProfileTable, gifts: GiftTable, implied: Bools, picked: Bools | None = None
) -> Floats:
    """The seven components (N, G, 7) in [0, 1], in the order of COMPONENTS; 0.5 where a field of either is missing.

    `implied` (n_hobbies, C) is from `implied_categories`; `picked` (N, G) the gifts already in the list.
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


def components_in_turn(profile: ProfileTable, gifts: GiftTable, implied: Bools) -> Floats:
    """The components (k, 7) of the k gifts of one list for one profile, each given those before it.

    Beside the result, memory is that of CELLS pairs of gifts.
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
    with np.errstate(over="ignore"):  # the share of a vanishing budget is infinite, and worth nothing
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
    listed = np.flatnonzero(np.any(picked, axis=0))  # of a large catalogue few gifts are in any list
    alike = picked[:, listed].astype(np.float64) @ gift_similarity(gifts.take(listed), gifts)
    alike /= np.maximum(number, 1)
    diversity: Floats = np.clip(1.0 - alike, 0.0, 1.0)
    return diversity


def gift_similarity(some: GiftTable, gifts: GiftTable) -> Floats:
    """Similarity of some gifts to all, (S, G) in [0, 1]: 0.5 [same category] + 0.5 Jaccard index of the tags.

    A gift is 1.0 similar to itself; two gifts without tags have a Jaccard index of 1, unknown tags one of 0.5.
    """
    some_tags, tags = (np.hstack([table.hobby_tags, table.preference_tags]) for table in (some, gifts))
    common = _in_common(some_tags, tags)
    either = some_tags.sum(axis=1)[:, None] + tags.sum(axis=1) - common
    jaccard = np.where(either > 0, common / np.maximum(either, 1), 1.0)
    jaccard[~(some.tags_known[:, None] & gifts.tags_known)] = UNKNOWN
    similarity: Floats = 0.5 * (some.category[:, None] == gifts.category) + 0.5 * jaccard
    return similarity


def _in_common(rows: Bools, columns: Bools) -> Floats:
    """Number of marks (N, G) that each of (N, T) shares with each of (G, T): whole numbers, as floats for speed."""
    number: Floats = rows.astype(np.float64) @ columns.T.astype(np.float64)
    return number


def _unless_unknown(of_profile: Bools, of_gift: Bools | bool, value: Floats) -> Floats:
    """The value (N, G), replaced by UNKNOWN where the profile (N,) or the gift (G,) lacks what it is made of."""
    known_or_half: Floats = np.where(of_profile[:, None] | of_gift, UNKNOWN, value)
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
    means = [
        _mean_in_turn(profiles.take(rows), gifts, implied, choices[rows])
        for rows in portions(len(profiles), len(gifts), CELLS)
    ]
    return np.concatenate([np.empty(0), *means])


def _mean_in_turn(profiles: ProfileTable, gifts: GiftTable, implied: Bools, choices: Ints) -> Floats:
    """The `list_reward` (N,) of a few profiles, looking only at the gifts in their lists."""
    used, places = np.unique(choices, return_inverse=True)
    gifts = gifts.take(used)
    everyone = np.arange(len(profiles))
    picked = np.zeros((len(profiles), len(gifts)), dtype=np.bool_)
    total = np.zeros(len(profiles))
    for choice in places.reshape(choices.shape).T:
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
    choices = np.empty((len(profiles), k), dtype=np.int64)
    for rows in portions(len(profiles), len(gifts), CELLS):
        alone = reward(profiles.take(rows), gifts, implied)
        choices[rows] = [_best_list(row, gifts, k) for row in alone]
    return choices, list_reward(profiles, gifts, implied, choices)


def _best_list(alone: Floats, gifts: GiftTable, k: int) -> Ints:
    """The best list for one profile, to which each gift alone is worth `alone` (G,).

    Only gifts that could be in a better list than the greedy one are joined into lists: few of a large catalogue.
    """
    rows = _within_reach(alone, k)
    alone, gifts = alone[rows], gifts.take(rows)
    greedy, greedy_total = _greedy_list(alone, gifts, k)
    with_the_best = alone + np.sort(alone)[::-1][: k - 1].sum()
    hopeful = np.flatnonzero(with_the_best > greedy_total + SEARCH_MARGIN)
    hopeful = hopeful[_best_of_each_kind(alone[hopeful], gifts.take(hopeful), k)]
    better = _search(alone[hopeful], _penalty(gifts.take(hopeful), gifts.take(hopeful)), k, greedy_total)
    return rows[greedy if better is None else hopeful[better]]


def _within_reach(alone: Floats, k: int) -> Ints:
    """The gifts that a best list or the greedy one may hold.

    The k gifts worth most alone lose at most the weight of diversity in each place after the first. A list with a gift
    that is worth less than they are by more than that could not make up for it.
    """
    least = np.partition(alone, -k)[-k] - (k - 1) * DIVERSITY_WEIGHT - SEARCH_MARGIN
    reach: Ints = np.flatnonzero(alone >= least)
    return reach


def _best_of_each_kind(alone: Floats, gifts: GiftTable, k: int) -> Ints:
    """The k gifts worth most of each kind, in order: one category and the same tags, and so equally like any other."""
    kinds = np.column_stack([gifts.category, gifts.hobby_tags, gifts.preference_tags, gifts.tags_known])
    _, kind, size = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    best_first = np.lexsort((-alone, kind.reshape(-1)))
    place = np.arange(len(alone)) - np.repeat(np.cumsum(size) - size, size)
    return np.sort(best_first[place < k])


def _penalty(some: GiftTable, gifts: GiftTable) -> Floats:
    """Cost (S, G) of giving each gift after each of S others."""
    return DIVERSITY_WEIGHT * gift_similarity(some, gifts)


def _greedy_list(alone: Floats, gifts: GiftTable, k: int) -> tuple[Ints, float]:
    """The list (k,) that takes in each place the gift worth most there, and its total."""
    greedy: Ints = np.empty((1, 0), dtype=np.int64)
    total = np.zeros(1)
    for _ in range(k):
        totals = _totals_with_next(greedy, total, alone, _penalty(gifts.take(greedy[0]), gifts)[None])
        greedy, total = np.append(greedy, [[totals.argmax()]], axis=1), totals.max(axis=1)
    return greedy[0], float(total[0])


def _search(alone: Floats, penalty: Floats, k: int, floor: float) -> Ints | None:
    """The first best list (k,) with a total above the floor, None if there is none: breadth-first branch and bound.

    Lists grow by one gift at a time. A started list is dropped when it could not rise above the floor even if
    the gifts worth most alone (S,) followed it, without any penalty (S, S) for being alike.
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
    """The total (L, G) of each started list (L, j) with each gift added; -inf where it has it already.

    `penalties` (L, j, G) are those of the gifts in the list.
    """
    alike = penalties.sum(axis=1) / max(lists.shape[1], 1)
    following: Floats = totals[:, None] + (alone - alike)
    np.put_along_axis(following, lists, -np.inf, axis=1)
    return following
