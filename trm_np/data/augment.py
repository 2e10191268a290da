"""Data augmentation: the same person, told slightly differently each time."""

from dataclasses import replace

import numpy as np

from trm_np.data.tables import MISSING, ProfileTable

AGE_YEARS = 3
BUDGET_SHARE = 0.15
OLDEST = 120


def augment(profiles: ProfileTable, rng: np.random.Generator) -> ProfileTable:
    """A new table with age ±3 whole years (within 0 to 120), budget ±15 % and each row's hobbies shuffled.

    Missing fields stay missing. How many numbers are drawn depends on the shape of the table alone.
    """
    years = rng.integers(-AGE_YEARS, AGE_YEARS, size=len(profiles), endpoint=True)
    factor = rng.uniform(1 - BUDGET_SHARE, 1 + BUDGET_SHARE, size=len(profiles))
    order = rng.random(profiles.hobbies.shape)
    order[profiles.hobbies == MISSING] = 2.0  # above every draw: padding stays at the end
    return replace(
        profiles,
        age=np.clip(profiles.age + years, 0, OLDEST),
        budget=profiles.budget * factor,
        hobbies=np.take_along_axis(profiles.hobbies, np.argsort(order, axis=1), axis=1),
    )
