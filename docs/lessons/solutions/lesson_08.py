"""Solutions of the exercises of lesson 8."""


def leaving(budget, tiers, share):
    low, high = budget * (1 - share), budget * (1 + share)
    bottom, top = next(tier for tier in tiers if tier[0] < budget <= tier[1])
    return 1 - (min(high, top) - max(low, bottom)) / (high - low)


def moved(budget, tiers, share, rng):
    low, high = budget * (1 - share), budget * (1 + share)
    bottom, top = next(tier for tier in tiers if tier[0] < budget <= tier[1])
    return rng.uniform(max(low, bottom), min(high, top))
