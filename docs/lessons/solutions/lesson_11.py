"""Solutions of the exercises of lesson 11."""

from collections import Counter

from scipy import stats


def paired_interval(on, off):
    d = on - off
    n = len(d)
    half = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / n**0.5
    return d.mean() - half, d.mean() + half


def popularity(train, test, shown):
    counts = Counter(name for names in train for name in names)
    best = sorted(counts, key=lambda name: (-counts[name], name))[:shown]
    return sum(any(name in best for name in names) for names in test) / len(test)
