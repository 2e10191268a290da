"""Random profiles from the shipped vocabulary, some with missing fields."""

import json
from collections.abc import Iterator
from typing import Any

MISSING = 0.1  # share of profiles that lack a field, for each field


def people(
    seed: int = 0,
    missing: float = MISSING,
    ages: tuple[int, int] = (19, 68),
    budgets: tuple[int, int] = (45, 250),
) -> Iterator[dict[str, Any]]:
    """Yield random profiles as JSON values without end."""
    import numpy as np

    from trm_np.data.load import load_scenarios

    vocabulary, _ = load_scenarios()
    rng = np.random.default_rng(seed)

    def some(names: tuple[str, ...], most: int) -> list[str]:
        return [names[index] for index in rng.permutation(len(names))[: rng.integers(1, most + 1)]]

    while True:
        person = {
            "age": int(rng.integers(ages[0], ages[1] + 1)),
            "budget": int(rng.integers(budgets[0], budgets[1] + 1)),
            "relationship": some(vocabulary.relationships, 1)[0],
            "occasion": some(vocabulary.occasions, 1)[0],
            "hobbies": some(vocabulary.hobbies, 3),
            "preferences": some(vocabulary.preferences, 3),
        }
        absent = rng.random(len(person)) < missing
        yield {
            field: value
            for (field, value), left_out in zip(person.items(), absent, strict=True)
            if not left_out
        }


def lines(count: int, seed: int = 0) -> Iterator[bytes]:
    """Draw `count` profiles, each as a line of JSON."""
    drawn = people(seed)
    return (json.dumps(next(drawn)).encode() + b"\n" for _ in range(count))
