"""Solutions of the exercises of lesson 1."""

import numpy as np


def recall_at(scores, expected, k):
    first = np.argsort(-scores)[:k]
    return sum(place in first for place in expected) / len(expected)


def needed(sizes, gaps, wanted):
    if gaps[0] <= wanted:
        return sizes[0]
    for place in range(1, len(sizes)):
        if gaps[place] <= wanted:
            share = (gaps[place - 1] - wanted) / (gaps[place - 1] - gaps[place])
            low, high = np.log(sizes[place - 1]), np.log(sizes[place])
            return np.exp(low + share * (high - low))
    return None
