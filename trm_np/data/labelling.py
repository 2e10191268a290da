"""The labelling guide of scenarios/README.md as functions, for the shipped vocabulary.

A test compares these tables with those in the guide.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from trm_np.data.records import Gift, Profile, Scenario

PRIMARY = {
    "gardening": "gardening",
    "cooking": "cooking",
    "reading": "books",
    "sports": "fitness",
    "music": "experience",
    "art": "art",
    "technology": "technology",
    "travel": "experience",
    "fitness": "fitness",
    "wellness": "wellness",
    "outdoor": "outdoor",
    "gaming": "gaming",
    "photography": "technology",
    "design": "art",
    "business": "books",
    "environment": "gardening",
    "sustainability": "fashion",
    "home_decor": "home",
}
SECONDARY = {
    "gardening": "outdoor",
    "cooking": "food",
    "sports": "outdoor",
    "music": "technology",
    "travel": "outdoor",
    "photography": "art",
    "design": "home",
    "business": "technology",
    "environment": "outdoor",
    "sustainability": "home",
}
PREFERENCES = {
    "fashion": ("trendy", "luxury", "sustainable"),
    "home": ("practical", "eco-friendly"),
    "technology": ("tech-savvy",),
    "wellness": ("relaxing", "self-care"),
    "food": ("traditional",),
    "fitness": ("active", "healthy"),
    "books": ("motivational", "professional"),
    "art": ("creative", "artistic"),
    "experience": ("unique", "sophisticated"),
    "gardening": ("natural",),
}
OCCASIONS = {
    "christmas": "food",
    "wedding": "home",
    "mothers_day": "wellness",
    "fathers_day": "outdoor",
    "graduation": "technology",
    "anniversary": "experience",
    "promotion": "books",
    "new_year": "fitness",
}
AGES = {"25 or younger": "fashion", "56 or older": "food"}
SECONDARY_POINTS, PREFERENCE_POINTS, OCCASION_POINTS, AGE_POINTS = 3, 2, 1, 1
ENOUGH_POINTS, FEWEST_CATEGORIES, MOST_CATEGORIES = 3, 2, 3

# Of two tools with the same number of reasons, the higher row comes first.
ONE_REASON = {
    "review_analysis": ("quality", "luxury", "professional", "sophisticated", "traditional", "healthy"),
    "price_comparison": ("affordable", "practical", "technology"),
    "trend_analysis": ("trendy", "unique", "creative", "artistic", "tech-savvy", "25 or younger"),
    "inventory_check": ("natural", "eco-friendly", "sustainable"),
    "budget_optimizer": (),
}
TWO_REASONS = {
    "inventory_check": ("christmas", "mothers_day", "wedding"),
    "budget_optimizer": ("$80 or less",),
}
EXPECTED_TOOLS = 2
TIGHT_BUDGET = 80


def expected_categories(profile: Profile, affordable: Sequence[str]) -> tuple[str, ...]:
    """Label a profile with two or three categories, the most expected first; fewer only if fewer are affordable.

    `affordable` are the categories in which some gift fits the budget, in the order of the vocabulary. Raises
    `KeyError` for a hobby that is not in the guide.
    """
    primary = Counter(PRIMARY[hobby] for hobby in profile.hobbies)
    secondary = Counter(SECONDARY[hobby] for hobby in profile.hobbies if hobby in SECONDARY)
    points = _category_points(profile, secondary)
    hobbies_first = [category for category in affordable if category in primary]
    # Sorting is stable: categories with equal keys stay in the order of the vocabulary.
    hobbies_first.sort(key=lambda category: (-primary[category], -points[category]))
    expected = hobbies_first[:MOST_CATEGORIES]
    others = [category for category in affordable if category not in expected]
    others.sort(key=lambda category: (-points[category], category not in secondary))
    for category in others:
        enough = MOST_CATEGORIES if points[category] >= ENOUGH_POINTS else FEWEST_CATEGORIES
        if len(expected) < enough:
            expected.append(category)
    return tuple(expected)


def expected_tools(profile: Profile) -> tuple[str, ...]:
    """Label a profile with the two tools that have most reasons by the guide, the stronger first."""
    clues = {*profile.hobbies, *profile.preferences, profile.occasion, _age_clue(profile.age)}
    if profile.budget is not None and profile.budget <= TIGHT_BUDGET:
        clues.add("$80 or less")
    reasons = {
        tool: len(clues.intersection(single)) + 2 * len(clues.intersection(TWO_REASONS.get(tool, ())))
        for tool, single in ONE_REASON.items()
    }
    return tuple(sorted(reasons, key=lambda tool: -reasons[tool])[:EXPECTED_TOOLS])


def cheapest_prices(gifts: Sequence[Gift], categories: Sequence[str]) -> dict[str, float]:
    """The lowest price in each of these categories that has a gift, in their order. An unknown price counts as 0."""
    prices = dict.fromkeys(categories, float("inf"))
    for gift in gifts:
        prices[gift.category] = min(prices[gift.category], gift.price or 0.0)
    return {category: price for category, price in prices.items() if price < float("inf")}


def affordable_categories(budget: float | None, cheapest: Mapping[str, float]) -> tuple[str, ...]:
    """The categories in which a gift fits the budget. Without a budget, all do."""
    return tuple(category for category, price in cheapest.items() if budget is None or price <= budget)


def agreement(scenarios: Sequence[Scenario], cheapest: Mapping[str, float]) -> dict[str, float]:
    """Compare the guide's labels with those of the scenarios. The order of labels does not count.

    `categories_exact` and `tools_exact` are the shares of scenarios with the same set of labels. `categories_jaccard`
    is the mean Jaccard index of the two sets of categories.
    """
    exact, jaccard, tools_exact = 0, 0.0, 0
    for scenario in scenarios:
        affordable = affordable_categories(scenario.profile.budget, cheapest)
        ours = set(expected_categories(scenario.profile, affordable))
        theirs = set(scenario.expected_categories)
        exact += ours == theirs
        jaccard += len(ours & theirs) / len(ours | theirs)
        tools_exact += set(expected_tools(scenario.profile)) == set(scenario.expected_tools)
    return {
        "scenarios": len(scenarios),
        "categories_exact": exact / len(scenarios),
        "categories_jaccard": jaccard / len(scenarios),
        "tools_exact": tools_exact / len(scenarios),
    }


def _category_points(profile: Profile, secondary: Counter[str]) -> Counter[str]:
    """The points of the guide's second rule."""
    points = Counter({category: SECONDARY_POINTS * hobbies for category, hobbies in secondary.items()})
    for category, preferences in PREFERENCES.items():
        points[category] += PREFERENCE_POINTS * len(set(preferences).intersection(profile.preferences))
    if profile.occasion in OCCASIONS:
        points[OCCASIONS[profile.occasion]] += OCCASION_POINTS
    age = _age_clue(profile.age)
    if age in AGES:
        points[AGES[age]] += AGE_POINTS
    return points


def _age_clue(age: float | None) -> str:
    """The guide's row for an age in completed years; empty for ages between the two rows."""
    if age is None:
        return ""
    return "25 or younger" if age < 26 else "56 or older" if age >= 56 else ""
