"""Solutions of the exercises of lesson 3."""

from itertools import pairwise


def rates(losses, rate, patience, factor, lowest):
    best, bad, found = float("inf"), 0, []
    for loss in losses:
        if loss < best * (1 - 0.0001):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            rate, bad = max(rate * factor, lowest), 0
        found.append(rate)
    return found


def reductions(records):
    found = []
    for before, now in pairwise(records):
        old, new = before["learning_rate"], now["learning_rate"]
        if any(new[group] < old[group] for group in new):
            found.append(now["epoch"])
    return found
