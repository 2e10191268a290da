"""Data augmentation: small random changes of profiles that leave their labels valid."""

from dataclasses import replace

import numpy as np

from trm_np.data.tables import MISSING, ProfileTable

AGE_YEARS = 3
BUDGET_SHARE = 0.15
OLDEST = 120


def augment(profiles: ProfileTable, rng: np.random.Generator) -> ProfileTable:
    """Return a table with ages moved by up to 3 years (within 0 to 120), budgets by up to 15 %, and hobbies shuffled.

    Missing fields stay missing. The number of draws depends only on the shape of the table.
    """
    years = rng.integers(-AGE_YEARS, AGE_YEARS, size=len(profiles), endpoint=True)
    factor = rng.uniform(1 - BUDGET_SHARE, 1 + BUDGET_SHARE, size=len(profiles))
    order = rng.random(profiles.hobbies.shape)
    order[profiles.hobbies == MISSING] = 2.0  # larger than every draw, so padding stays at the end
    return replace(
        profiles,
        age=np.clip(profiles.age + years, 0, OLDEST),
        budget=profiles.budget * factor,
        hobbies=np.take_along_axis(profiles.hobbies, np.argsort(order, axis=1), axis=1),
    )
