"""Contents of the three files: scenarios with their vocabulary, held-out scenarios, and the catalogue."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trm_np.data.problems import Place
from trm_np.data.schema import MOST_INTERESTS
from trm_np.data.strict_json import MAX_FILE_BYTES
from trm_np.importing.records import Item, ProfileFields
from trm_np.importing.report import Report
from trm_np.importing.splitting import Case, Parts
from trm_np.text import printable

FILES = SCENARIOS, HELD_OUT, CATALOGUE = "scenarios.json", "held_out_scenarios.json", "gift_catalog.json"
OTHER, NO_CATEGORY = "other", "uncategorised"
MOST_HOBBIES = 5  # derived for a profile from its history
MOST_EXPECTED = 3

Pair = tuple[str, str]  # a column and one of its values


@dataclass(frozen=True)
class Names:
    """Vocabulary names by the values in the tables.

    Tags serve as hobbies. If no item has tags, the category of an item is its only tag, and `tagged` is False.
    """

    categories: Mapping[str, str]
    hobbies: Mapping[str, str]
    preferences: Mapping[Pair, str]
    relationships: Mapping[str, str]
    occasions: Mapping[str, str]
    tagged: bool

    def category(self, item: Item) -> str:
        return self.categories[category_of(item)]

    def tags(self, item: Item) -> list[str]:
        return [self.hobbies[tag] for tag in tags_of(item, self.tagged) if tag in self.hobbies]


def documents(
    items: Sequence[Item],
    people: Sequence[str],
    by_person: Mapping[int, ProfileFields],
    parts: Parts,
    most: int,
    currency: str | None,
    report: Report,
) -> dict[str, bytes]:
    """The contents of the files by name, with at most `most` names in each list.

    Raises `DataError` if a file is too large.
    """
    profiles = {id(case): merged(by_person.get(case.person), case.profile) for part in parts for case in part}
    names = collect_names(items, list(profiles.values()), most, report)
    shares = None
    if not any(each.hobbies for each in profiles.values()):
        shares = tag_shares(parts.train, items, names)
        what = "tags" if names.tagged else "categories"
        report.assumed.append(
            f"hobbies of a person: at most {MOST_HOBBIES} {what} that they had earlier more often than others"
        )
    report.assumed.append(
        f"expected categories: at most {MOST_EXPECTED}, those chosen most; no expected tools"
    )
    every = [case.person for part in parts for case in part]
    several = len(set(every)) < len(every)

    def scenarios(cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
        count: Counter[int] = Counter()
        for case in cases:
            count[case.person] += 1
            name = f"{people[case.person]} #{count[case.person]}" if several else people[case.person]
            yield scenario(name, case, profiles[id(case)], items, names, shares)

    gifts = (gift(item, names) for item in items)
    made: dict[str, dict[str, Any]] = {
        SCENARIOS: {"vocabulary": vocabulary(names), "scenarios": scenarios(parts.train)},
        HELD_OUT: {"validation": scenarios(parts.validation), "test": scenarios(parts.test)},
        CATALOGUE: ({} if currency is None else {"currency": currency}) | {"gifts": gifts},
    }
    return {name: encoded(name, document) for name, document in made.items()}


def merged(person: ProfileFields | None, order: ProfileFields) -> ProfileFields:
    """Merge the profile fields of a person and of an order. Those of the person take precedence."""
    if person is None:
        return order
    return ProfileFields(
        *(
            mine if mine and mine == mine else other  # neither empty nor nan
            for mine, other in zip(vars(person).values(), vars(order).values(), strict=True)
        )
    )


# Names


def category_of(item: Item) -> str:
    """The category of an item in its table, or else its first tag."""
    return item.category or (item.tags[0] if item.tags else NO_CATEGORY)


def tags_of(item: Item, tagged: bool) -> tuple[str, ...]:
    return item.tags if tagged else (category_of(item),)


def collect_names(
    items: Sequence[Item], profiles: Sequence[ProfileFields], most: int, report: Report
) -> Names:
    """Collect the names in the data: the `most` most frequent ones for each list."""
    tagged = any(item.tags for item in items)
    categories = Counter(map(category_of, items))
    if unknown := sum(not item.category for item in items):
        instead = f'their first tag, or "{NO_CATEGORY}"'
        report.assumed.append(f"items without a category: {unknown:,}; they get {instead}")
    kept = dict(categories.most_common(most - 1)) if len(categories) > most else categories
    if len(categories) > len(kept):
        report.assumed.append(
            f'categories: the {len(kept)} most frequent of {len(categories)}; the rest is "{OTHER}" (--most-names)'
        )
    hobbies = Counter(tag for item in items for tag in tags_of(item, tagged))
    hobbies.update(hobby for profile in profiles for hobby in profile.hobbies)
    preferences = Counter(pair for profile in profiles for pair in profile.preferences)
    occasions = Counter(occasion for item in items for occasion in item.occasions)
    occasions.update(profile.occasion for profile in profiles if profile.occasion)
    relationships = Counter(profile.relationship for profile in profiles if profile.relationship)
    known_hobbies = most_frequent(hobbies, most, "hobbies and tags", report)
    known_preferences = most_frequent(preferences, most, "preferences", report)
    return Names(
        categories={name: name if name in kept else OTHER for name in categories},
        hobbies={name: name for name in known_hobbies},
        preferences=preference_names(known_preferences, known_hobbies),
        relationships={name: name for name in most_frequent(relationships, most, "relationships", report)},
        occasions={name: name for name in most_frequent(occasions, most, "occasions", report)},
        tagged=tagged,
    )


def most_frequent(counts: "Counter[Any]", most: int, what: str, report: Report) -> list[Any]:
    """The most frequent names, sorted alphabetically."""
    kept = [name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]]
    if len(counts) > most:
        report.assumed.append(f"{what}: the {most} most frequent of {len(counts)} (--most-names)")
    return sorted(kept)


def preference_names(pairs: Sequence[Pair], taken: Sequence[str]) -> dict[Pair, str]:
    """A name for each value. The name starts with the column if the value is ambiguous, a number or a single letter."""
    values = Counter(value for _, value in pairs)
    used = set(taken)
    names: dict[Pair, str] = {}
    for column, value in pairs:
        plain = values[value] == 1 and len(value) > 1 and any(map(str.isalpha, value))
        prefix = " ".join(printable(column).split())
        options = [value] * plain + [f"{prefix} {value}", f"{prefix}: {value}"]
        name = next((option for option in options if option not in used), None)
        if name is not None:
            names[column, value] = name
            used.add(name)
    return names


def vocabulary(names: Names) -> dict[str, list[str]]:
    """The vocabulary lists that have names. A list that is left out is that of the shipped data."""
    lists = {
        "categories": sorted(set(names.categories.values())),
        "hobbies": list(names.hobbies.values()),
        "preferences": list(names.preferences.values()),
        "relationships": list(names.relationships.values()),
        "occasions": list(names.occasions.values()),
    }
    return {field: values for field, values in lists.items() if values}


# Scenarios and gifts


def scenario(
    name: str,
    case: Case,
    fields: ProfileFields,
    items: Sequence[Item],
    names: Names,
    shares: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The scenario of a case, as a JSON value without unknown fields."""
    if shares is not None:
        hobbies = favourites(history_tags(case, items, names), shares)
    else:
        hobbies = [names.hobbies[hobby] for hobby in fields.hobbies if hobby in names.hobbies][
            :MOST_INTERESTS
        ]
    profile = {
        "age": plain_number(fields.age),
        "hobbies": hobbies,
        "relationship": names.relationships.get(fields.relationship),
        "budget": plain_number(fields.budget),
        "occasion": names.occasions.get(fields.occasion),
        "preferences": [names.preferences[pair] for pair in fields.preferences if pair in names.preferences],
        "history": [items[item].id for item in case.history],
    }
    wanted: Counter[str] = Counter()
    for item, weight in case.chosen.items():
        wanted[names.category(items[item])] += weight  # type: ignore[assignment]
    ids = [items[item].id for item in case.chosen]
    weights = {items[item].id: plain_number(weight) for item, weight in case.chosen.items()}
    value = {
        "name": name,
        "profile": known_fields(profile),
        "expected_categories": [category for category, _ in wanted.most_common(MOST_EXPECTED)],
        "chosen": ids if set(case.chosen.values()) == {1} else weights,
        "rejected": [items[item].id for item in case.rejected],
    }
    return {key: each for key, each in value.items() if each or key == "profile"}


def history_tags(case: Case, items: Sequence[Item], names: Names) -> "Counter[str]":
    """Count the tags of the items in a history."""
    return Counter(tag for item in case.history for tag in names.tags(items[item]))


def tag_shares(cases: Iterable[Case], items: Sequence[Item], names: Names) -> dict[str, float]:
    """The share of each tag in the histories of all cases."""
    counts: Counter[str] = Counter()
    for case in cases:
        counts.update(history_tags(case, items, names))
    total = sum(counts.values())
    return {tag: count / total for tag, count in counts.items()}


def favourites(counts: "Counter[str]", shares: Mapping[str, float]) -> list[str]:
    """The tags that are more frequent than their shares predict, ordered by the excess in standard deviations."""
    total = sum(counts.values())
    scores = {}
    for tag, count in counts.items():
        expected = total * shares.get(tag, 0.0)
        scores[tag] = (count - expected) / math.sqrt(
            expected + 1
        )  # + 1, so that one rare tag does not score high
    best = sorted(scores, key=lambda tag: (-scores[tag], tag))[:MOST_HOBBIES]
    return [tag for tag in best if scores[tag] > 0]


def gift(item: Item, names: Names) -> dict[str, Any]:
    """The gift of an item, as a JSON value without unknown fields."""
    return known_fields(
        {
            "id": item.id,
            "name": item.name or item.id,
            "category": names.category(item),
            "price": plain_number(item.price),
            "rating": plain_number(item.rating),
            "tags": names.tags(item),
            "occasions": [names.occasions[each] for each in item.occasions if each in names.occasions],
            "stock": None if math.isnan(item.stock) else int(item.stock),
        }
    )


def known_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a record without `None` and empty lists. A 0 stays."""
    return {key: value for key, value in record.items() if value is not None and value != []}


def plain_number(value: float) -> float | None:
    """The number as an integer if it is whole, or `None` if it is nan."""
    if math.isnan(value):
        return None
    return int(value) if value == int(value) else value


def encoded(name: str, document: Mapping[str, Any]) -> bytes:
    """Encode a document as JSON, with a line for each record. Raises `DataError` if it is too large to load."""
    parts: list[bytes] = []
    size = 0
    for key, value in document.items():
        head = f'{"{" if not parts else ","}\n"{key}": '
        if isinstance(value, Mapping | str):
            body = json.dumps(value, ensure_ascii=False)
        else:
            body = "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"
        part = (head + body).encode()
        size += len(part)
        if size > MAX_FILE_BYTES:
            allowed = f"at most {MAX_FILE_BYTES >> 20} MB; --most-people or --min-orders make it smaller"
            raise Place(name).error(f"{size / 2**20:.0f} MB", allowed)
        parts.append(part)
    return b"".join([*parts, b"\n}\n"])
