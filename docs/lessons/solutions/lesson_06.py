"""Solutions of the exercises of lesson 6."""


def train_until(qualities, patience, improvement):
    best, kept, bad = float("-inf"), 0, 0
    for epoch, quality in enumerate(qualities, 1):
        if quality > best * (1 + improvement):
            best, kept, bad = quality, epoch, 0
        else:
            bad += 1
        if bad > patience:
            return kept, epoch
    return kept, len(qualities)


def exceeds_its_error(rises):
    if len(rises) == 1:
        return rises[0] > 0
    return rises.mean() > rises.std(ddof=1) / len(rises) ** 0.5
